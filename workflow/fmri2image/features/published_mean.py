"""The mean of published features over the training stimuli, which one norm correction keeps in place."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fmri2image.core.errors import DataError
from fmri2image.features.mat_collection import MatCollection, Member, longer_than_one

MEAN_KEYS = ("y_mean", "mean", "feat")


def read_mean_features(source: str | Path, layer: str, shape: Sequence[int]) -> np.ndarray:
    """Read the mean of the training stimuli's features of one layer.

    Parameters
    ----------
    source : path
        Archive, folder or file: ``mean.mat`` with one variable per layer, ``<layer>/…/y_mean.mat``, or ``<layer>.mat``.
    layer : str
    shape : sequence of int

    Returns
    -------
    mean : float32 array of shape `shape`

    Raises
    ------
    DataError
        If there is not exactly one mean of the layer, or it has another shape.
    """
    shape = tuple(int(size) for size in shape)
    with MatCollection([source]) as collection:
        candidates = [
            (member, key)
            for member in collection.members
            if (key := _mean_key(member, layer, collection.variables(member))) is not None
        ]
        if len(candidates) != 1:
            raise DataError(
                f"{source} should hold one mean of layer {layer} (a variable of that name, or a file "
                f"{layer}/…/y_mean.mat); it holds {len(candidates)}."
            )
        member, key = candidates[0]
        values = collection.read(member, key)
    if longer_than_one(values.shape) != longer_than_one(shape):
        raise DataError(f"{member}: the mean '{key}' has the shape {values.shape}, but layer {layer} has {shape}.")
    values = np.ascontiguousarray(values, dtype=np.float32).reshape(shape)
    if not np.isfinite(values).all():
        raise DataError(f"{member}: the mean '{key}' of layer {layer} is not finite everywhere; fetch it again.")
    return values


def _mean_key(member: Member, layer: str, keys: Sequence[str]) -> str | None:
    if layer in keys:
        return layer
    if layer.lower() in (part.lower() for part in [*member.folders, member.stem]):
        if len(keys) == 1:
            return keys[0] if member.stem.lower() in (*MEAN_KEYS, layer.lower()) or keys[0] in MEAN_KEYS[:2] else None
        return next((key for key in MEAN_KEYS if key in keys), None)
    return None
