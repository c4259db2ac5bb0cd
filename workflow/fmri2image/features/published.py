"""True features that somebody else computed and published: one MATLAB file per image, brought into our feature files.

Bundles of KamitaniLab (feature-encoding, cookbook, InterSite, ODC): ``<layer>/<stimulus>.mat``, variable ``feat``.
"""

import hashlib
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.arrays import array_names, open_h5, shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.files import replacing
from fmri2image.features.mat_collection import MatCollection, Member, longer_than_one
from fmri2image.features.published_names import check_complete, layer_members, match_stimuli

log = logging.getLogger(__name__)

ARRAY = "features"  # as fmri2image.features.extract, which needs torch
KEY = "feat"
# Whose weights published features come from (``belongs_to``, see fmri2image.features.convert.belongs): Caffe's, of 2014.
BELONGS_TO = {"vgg19": "vgg19-caffe", "vgg19-leaky": "vgg19-caffe"}
# Rows after which features without any negative value are refused: early, but not because of one odd image.
RECTIFIED_AFTER = 5
# How far the SD of features may be from the one that is known for the layer, over a few images of any kind.
SCALE_LIMIT = 3.0
PROGRESS_SECONDS = 10


def describe_layer(settings: Mapping, layer: str) -> tuple[tuple[int, ...], dict, list[str]]:
    """Return what a feature file says about a layer, without the weights of the network.

    Parameters
    ----------
    settings : mapping
        ``name`` and the network's own settings (``pooling: average, slope: 0.2`` for the network of the imagery).
    layer : str

    Returns
    -------
    shape : tuple of int
    attributes : dict
        As `fmri2image.features.extract.layer_attributes`, but for the checksum of the weights.
    layers : list of str
        All layers of the network.

    Raises
    ------
    ConfigError
        If the network is not of the VGG family, or has no such layer.
    """
    # Imported here: everything else in this module does without torch's 200 MB.
    import json
    from dataclasses import asdict

    import torch

    from fmri2image.features.extract import layer_attributes
    from fmri2image.features.networks.vgg import ARCHITECTURES, VGG, architecture

    if settings["name"] not in ARCHITECTURES:
        raise ConfigError(
            f"network '{settings['name']}': published features can be read for {' and '.join(ARCHITECTURES)} only."
        )
    own = {key: value for key, value in settings.items() if key not in ("weights", "seed")}
    with torch.device("meta"):
        network = VGG(settings["name"], architecture(own))
    network.attributes["architecture"] = json.dumps(asdict(network.architecture))
    if network.name in BELONGS_TO:
        network.attributes["belongs_to"] = BELONGS_TO[network.name]
    if layer not in network.layer_shapes:
        raise ConfigError(f"network '{network.name}' has no layer {layer}; it has {', '.join(network.layer_shapes)}.")
    return network.layer_shapes[layer], layer_attributes(network, layer), list(network.layer_shapes)


def stimulus_names(path: str | Path) -> list[str]:
    """Return the names of a stimulus set, from its file with pictures (``images``) or without (``names``).

    Raises
    ------
    DataError
        If the file holds neither.
    """
    with open_h5(path) as file:
        for array in ("images", "names"):
            if f"{array}_rows" in file:
                return [name.decode() for name in file[f"{array}_rows"][:]]
        raise DataError(f"{path} holds neither images nor names; it holds {shorten(array_names(file)) or 'no array'}.")


def import_features(
    sources: Sequence[str | Path],
    layer: str,
    stimuli: Sequence[str],
    output: str | Path,
    *,
    shape: Sequence[int],
    attributes: Mapping,
    layers: Sequence[str],
    about: Mapping | None = None,
    subset: bool = False,
    expected_sd: float | None = None,
) -> None:
    """Write the true features of one layer and stimulus set, row by row, as `fmri2image.features.extract` does.

    Parameters
    ----------
    sources : paths
        Archives and folders, see `MatCollection`; what they hold beyond the layer and the stimuli is left alone.
    layer : str
    stimuli : sequence of str
        Rows of the file, in this order.
    output : path
    shape, attributes, layers
        From `describe_layer`.
    about : mapping, optional
        Attributes of the file.
    subset : bool
        Take bundles of randomly chosen units (``VGG19_random5000``): rows of shape (n_units,), good for the accuracy of
        decoding only.
    expected_sd : float, optional
        SD of the layer (`feature_std.feature_sd`); features of quite another size are reported.

    Raises
    ------
    DataError
        If a stimulus is missing or there twice, or features have another shape, are not finite, are constant, or look
        rectified.
    """
    shape = tuple(int(size) for size in shape)
    with MatCollection(sources) as collection:
        members = layer_members(collection, layer, layers)
        found = match_stimuli(members, stimuli)
        check_complete(found, members, stimuli, layer)
        first = next(iter(found.values()))
        if subset:
            shape = (collection.read(first, KEY).size,)
        log.info("%s: %d stimuli of %d files, shape %s", layer, len(found), len(members), shape)
        rows = {name: position for position, name in enumerate(stimuli)}
        order = {member: position for position, member in enumerate(collection.members)}
        with replacing(output) as partial, h5py.File(partial, "w") as file:
            dataset = file.create_dataset(ARRAY, (len(stimuli), *shape), dtype=np.float32)
            dataset.attrs.update({**attributes, "shape": list(shape)})
            if subset:
                dataset.attrs["units_subset"] = "True"
            file.create_dataset(f"{ARRAY}_rows", data=np.array(list(stimuli), dtype=h5py.string_dtype()))
            file.attrs.update({"published": [path.name for path in collection.sources], **dict(about or {})})
            check = _RowCheck(layer, expected_sd)
            progress = _Progress(len(found), layer)
            for name, member in sorted(found.items(), key=lambda item: order[item[1]]):
                values = read_features(collection, member, shape, layer)
                check.add(values, name, member)
                dataset[rows[name]] = values
                progress.step()
            check.finish(file)


def read_features(
    collection: MatCollection, member: Member, shape: tuple[int, ...], layer: str, *, missing_units: bool = False
) -> np.ndarray:
    """Read the features of one image.

    Parameters
    ----------
    collection : MatCollection
    member : Member
    shape : tuple of int
        (channels, height, width) or (units,); dimensions of length 1 may be missing or too many in the file.
    layer : str
        For messages.
    missing_units : bool
        Let units without a value (NaN) pass.

    Returns
    -------
    values : float32 array of shape `shape`

    Raises
    ------
    DataError
        If the shape is another, or values are not finite.
    """
    units = math.prod(shape)
    values = collection.read(member, KEY, most=16 * units + 10_000_000)
    if longer_than_one(values.shape) != longer_than_one(shape):
        hint = ""
        if values.size == units:
            hint = " (the same number in another order; give files in the order channels, height, width)"
        elif values.size < units and len(longer_than_one(values.shape)) == 1 and len(shape) > 1:
            hint = (
                " (a random choice of units; take the bundle of all units, or set subset: true to score decoding only)"
            )
        raise DataError(f"{member} has features of shape {values.shape}, but layer {layer} has {shape}{hint}.")
    values = np.ascontiguousarray(values, dtype=np.float32).reshape(shape)
    bad = np.isinf(values) if missing_units else ~np.isfinite(values)
    if bad.any():
        raise DataError(f"{member}: {int(bad.sum())} of {units} features are not finite; fetch the archive again.")
    return values


class _RowCheck:
    """What can be wrong with features although every file can be read."""

    def __init__(self, layer: str, expected_sd: float | None) -> None:
        self._layer, self._expected_sd = layer, expected_sd
        self._seen: dict[bytes, str] = {}
        self._sds: list[float] = []
        self._negative = False
        self._rows = 0

    def add(self, values: np.ndarray, name: str, member: Member) -> None:
        low, high = float(values.min()), float(values.max())
        if low == high and values.size > 1:
            raise DataError(f"{member}: all features are {low:g}; fetch the archive again.")
        twin = self._seen.setdefault(hashlib.blake2b(values, digest_size=16).digest(), name)
        if twin != name:
            log.warning("%s: the features of '%s' and '%s' are identical; are the images?", self._layer, twin, name)
        self._negative = self._negative or low < 0
        self._rows += 1
        if not self._negative and self._rows >= RECTIFIED_AFTER:
            self._refuse_rectified(member)
        if len(self._sds) < RECTIFIED_AFTER:
            sds = values.reshape(values.shape[0], -1).std(axis=1) if values.ndim > 1 else values.std(keepdims=True)
            self._sds.append(float(sds.mean(dtype=np.float64)))
        self._last = member

    def finish(self, file: h5py.File) -> None:
        if not self._negative:
            self._refuse_rectified(self._last)
        if self._expected_sd is None:
            return
        ratio = float(np.mean(self._sds)) / self._expected_sd
        file.attrs["sd_against_expected"] = ratio
        if not 1 / SCALE_LIMIT < ratio < SCALE_LIMIT:
            log.warning(
                "%s: the SD of these features is %.3g times the one that is known for this layer; they may be of another "
                "network (torchvision's VGG19 is another network than the Caffe one).",
                self._layer,
                ratio,
            )

    def _refuse_rectified(self, member: Member) -> None:
        raise DataError(
            f"{member.source}, layer {self._layer}: these look rectified, no feature is below 0; features before the "
            "rectifier are needed."
        )


class _Progress:
    """Says every ten seconds, and at the end, how far it is."""

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what, self._done = total, what, 0
        self._started = self._said = time.monotonic()

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        if now - self._said > PROGRESS_SECONDS or self._done == self._total:
            self._said = now
            log.info("%s: %d of %d images in %.0f s", self._what, self._done, self._total, now - self._started)
