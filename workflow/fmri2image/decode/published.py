"""Decoded features that somebody else published, brought into the files that `fmri2image.decode.decoded` reads.

Sources: KamitaniLab/DeepImageReconstruction (one archive per test, layer and subject with all areas in it), the
brain-decoding cookbook and InterSiteNeuralCodeConversion. What a norm correction needs beside the features is published
elsewhere: the size of true features (``estimated_vgg19_cnn_feat_std.mat``) and their mean over the training stimuli.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.arrays import open_h5
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.decode.norm import REFERENCES, SIZES, RowSizes, possible, size_table
from fmri2image.decode.published_names import (
    ORDER_LEVEL,
    NamesOrder,
    check_network,
    decoded_files,
    name_files,
    score_names_order,
    select,
)
from fmri2image.features.feature_std import feature_sd
from fmri2image.features.mat_collection import MatCollection, Member
from fmri2image.features.published import read_features
from fmri2image.features.published_mean import read_mean_features

log = logging.getLogger(__name__)

TRAINING = "published"  # the one training set that these features can have come from
COMPARED_UNITS = 5000


@dataclass(frozen=True)
class PublishedTest:
    """Where the decoded features of one test come from.

    Parameters
    ----------
    sources : paths
        Archives and folders.
    stimuli : sequence of str
        Rows of the test.
    names : path, optional
        Table of image numbers and stimuli, see `published_names.read_names`.
    true : path, optional
        Feature file of the test's stimuli and this layer, with which assumed names are compared.
    """

    sources: Sequence[str | Path]
    stimuli: Sequence[str]
    names: str | Path | None = None
    true: str | Path | None = None


@dataclass(frozen=True)
class Reference:
    """What true features are like, as far as it is known.

    Parameters
    ----------
    norm, channel_sd : float
        See `fmri2image.decode.norm.REFERENCES`; NaN where unknown.
    mean : array or None
        Mean over the training stimuli, of the layer's shape.
    """

    norm: float = math.nan
    channel_sd: float = math.nan
    mean: np.ndarray | None = None


def gather_reference(
    layer: str,
    shape: tuple[int, ...],
    *,
    feature_std: str | Path | None = None,
    mean_features: str | Path | None = None,
    training_features: str | Path | None = None,
    reference_features: str | Path | None = None,
) -> Reference:
    """Gather what is known about true features of a layer.

    Parameters
    ----------
    layer : str
    shape : tuple of int
    feature_std : path, optional
        Published SD per layer (`fmri2image.features.feature_std`); before that of the training stimuli.
    mean_features : path, optional
        Published mean over the training stimuli; before that of `training_features`.
    training_features : path, optional
        Our feature file of the training stimuli in this layer; gives norm, SD and mean.
    reference_features : path, optional
        Our feature file of independent images; gives norm and SD in their place.
    """
    norm, channel_sd, mean = math.nan, math.nan, None
    if training_features is not None:
        norm, channel_sd, mean = _measure(training_features, shape)
    if reference_features is not None:
        norm, channel_sd, _ = _measure(reference_features, shape)
    if feature_std is not None:
        channel_sd = feature_sd(feature_std, layer, shape)
    if mean_features is not None:
        mean = read_mean_features(mean_features, layer, shape)
    return Reference(norm, channel_sd, mean)


def import_decoded(
    tests: Mapping[str, PublishedTest],
    layer: str,
    subject: str,
    roi: str,
    output: str | Path,
    *,
    shape: Sequence[int],
    attributes: Mapping,
    layers: Sequence[str],
    slope: float = 0.0,
    reference: Reference | None = None,
) -> dict[str, NamesOrder]:
    """Write the decoded features of one layer, subject and area for all tests, as `LayerDecoding.decode` does.

    Parameters
    ----------
    tests : mapping from name to PublishedTest
    layer, subject, roi : str
    output : path
        Arrays as in `fmri2image.decode.layers.LayerDecoding.decode`, NaN in sizes that are unknown; attributes
        ``<test>_names`` (how numbers became names) and ``corrections`` (the norm corrections that are possible).
    shape, layers
        From `fmri2image.features.published.describe_layer`.
    attributes : mapping
        Attributes of the file.
    slope : float
        Of the network's rectifier below 0; features of the leaky network (imagery) are refused for the plain one.
    reference : Reference, optional

    Returns
    -------
    orders : dict from test to NamesOrder
        For tests with true features to compare with.

    Raises
    ------
    DataError
        If files are missing or hold other things than expected.
    ConfigError
        If the features belong to the other variant of the network.
    """
    shape, reference = tuple(int(size) for size in shape), reference or Reference()
    orders = {}
    with replacing(output) as partial, h5py.File(partial, "w") as file:
        file.attrs.update({**attributes, "shape": list(shape), "layer": layer, "roi": roi})
        for test, where in tests.items():
            with MatCollection(where.sources) as collection:
                said = " and ".join(str(source) for source in collection.sources)
                files = select(decoded_files(collection, layers), layer, subject, roi, said)
                check_network(files, str(attributes.get("network", "")), slope)
                members, order = name_files(files, where.stimuli, where.names)
                if order.startswith("assumed"):
                    log.info("%s: which image is which is %s", test, order)
                file.attrs[f"{test}_names"] = order or "named by the files"
                file.attrs[f"{test}_names_assumed"] = str(order.startswith("assumed"))
                file.attrs[f"{test}_published"] = [source.name for source in collection.sources]
                _write_test(file, test, collection, members, shape, layer, reference)
            if where.true is not None:
                orders[test] = _compare_names(file, test, where.true, order)
        if reference.mean is not None:
            file.create_dataset("training_mean", data=reference.mean[None], dtype="f4")
            _rows(file, "training_mean", [TRAINING])
        first = next(iter(tests))
        file.attrs["corrections"] = possible(
            dict(zip(SIZES, file[f"{first}_sizes"][:].T, strict=True)),
            dict(zip(REFERENCES, file[f"{first}_reference"][:].T, strict=True)),
        )
        log.info("%s: norm corrections that are possible: %s", layer, ", ".join(file.attrs["corrections"]))
    return orders


def _write_test(
    file: h5py.File,
    test: str,
    collection: MatCollection,
    members: Mapping[str, Member],
    shape: tuple[int, ...],
    layer: str,
    reference: Reference,
) -> None:
    rows = list(members)
    dataset = file.create_dataset(test, (len(rows), *shape), dtype="f4")
    columns = np.full((len(rows), len(SIZES)), np.nan)
    for position, member in enumerate(members.values()):
        values = read_features(collection, member, shape, layer, missing_units=True)
        values = _filled(values, reference.mean, member)
        dataset[position] = values
        columns[position] = _sizes(values, reference.mean)
    sizes = file.create_dataset(f"{test}_sizes", data=columns)
    sizes.attrs["columns"] = list(SIZES)
    known = file.create_dataset(
        f"{test}_reference", data=np.tile([reference.norm, reference.channel_sd], (len(rows), 1))
    )
    known.attrs["columns"] = list(REFERENCES)
    file.create_dataset(f"{test}_training", data=[TRAINING] * len(rows), dtype=h5py.string_dtype())
    for name in (test, f"{test}_sizes", f"{test}_reference", f"{test}_training"):
        _rows(file, name, rows)


def _rows(file: h5py.File, name: str, rows: Sequence[str]) -> None:
    file.create_dataset(f"{name}_rows", data=np.array(list(rows), dtype=h5py.string_dtype()))


def _filled(values: np.ndarray, mean: np.ndarray | None, member: Member) -> np.ndarray:
    """Give units without a prediction the training mean, as the cookbook does."""
    empty = np.isnan(values)
    if not empty.any():
        return values
    if mean is None or empty.all():
        raise DataError(
            f"{member}: {int(empty.sum())} of {values.size} units have no value; they can take the training mean if "
            "mean_features or published features of the training stimuli are given."
        )
    log.info("%s: %d units have no value and take the training mean", member.name, int(empty.sum()))
    return np.where(empty, mean, values)


def _sizes(values: np.ndarray, mean: np.ndarray | None) -> list[float]:
    plain, residual = RowSizes(1), RowSizes(1)
    plain.add(values[None])
    residual.add(values[None] - (0 if mean is None else mean))
    table = size_table(plain, residual)
    if mean is None:
        table |= dict.fromkeys(("residual_sd", "residual_mean"), np.array([np.nan]))
    return [float(table[name][0]) for name in SIZES]


def _measure(path: str | Path, shape: tuple[int, ...]) -> tuple[float, float, np.ndarray]:
    """Return norm, SD and mean of true features, row by row."""
    with open_h5(path) as file:
        if "features" not in file or file["features"].shape[1:] != shape:
            found = file["features"].shape[1:] if "features" in file else "none"
            raise DataError(f"{path} should hold features of shape {shape}; it holds {found}.")
        source, total = file["features"], np.zeros(shape)
        norms, sds = [], []
        for position in range(len(source)):
            values = source[position]
            total += values
            sizes = RowSizes(1)
            sizes.add(values[None])
            norms.append(float(sizes.norm[0]))
            sds.append(float(sizes.channel_sd[0]))
    return float(np.mean(norms)), float(np.mean(sds)), (total / len(norms)).astype(np.float32)


def _compare_names(file: h5py.File, test: str, true: str | Path, order: str) -> NamesOrder | None:
    """Compare a choice of units with true features of the same names, and say what came out."""
    rows = [name.decode() for name in file[f"{test}_rows"][:]]
    with open_h5(true) as shown:
        names = [name.decode() for name in shown["features_rows"][:]]
        positions = [names.index(name) for name in rows if name in names]
        if len(positions) < len(rows) or len(rows) < 3:
            log.info("%s: names cannot be compared with %s, which lacks stimuli or has too few", test, true)
            return None
        units = np.linspace(0, math.prod(file[test].shape[1:]) - 1, COMPARED_UNITS).astype(int)
        units = np.unique(units)
        decoded = np.stack([file[test][row].ravel()[units] for row in range(len(rows))])
        expected = np.stack([shown["features"][row].ravel()[units] for row in positions])
    found = score_names_order(decoded, expected)
    file.attrs[f"{test}_names_correlation"], file.attrs[f"{test}_names_p"] = found.correlation, found.p
    text = "%s: decoded and true features correlate with %.3f under these names, %.3f by chance (p = %.3f)"
    log.info(text, test, found.correlation, found.chance, found.p)
    if found.p > ORDER_LEVEL:
        log.warning(
            "%s: the names (%s) fit the decoded features no better than names at random (p = %.2f); give decode: names, a "
            "table of image and stimulus, or do not trust scores of this test.",
            test,
            order or "given by the files",
            found.p,
        )
    return found
