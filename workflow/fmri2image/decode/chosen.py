"""How often voxels were chosen by the decoders of a layer, and kept, for maps and tables."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from fmri2image.decode.decoders import Decoded

POSITION = ("voxel_i", "voxel_j", "voxel_k")
COUNTS = ("chosen", "kept", "weight_sum")


def voxel_names(voxels: pd.DataFrame) -> list[str]:
    """Return a name for every voxel: its place on the grid (``12-30-8``), or its number in the area without one."""
    if all(name in voxels for name in POSITION):
        places = voxels[list(POSITION)].to_numpy(dtype=float)
        if np.isfinite(places).all():
            names = ["-".join(str(int(value)) for value in place) for place in places]
            if len(set(names)) == len(names):
                return names
    return [str(number) for number in range(len(voxels))]


def count_chosen(decoded: Decoded, counted: np.ndarray, usable: np.ndarray) -> np.ndarray | None:
    """Count how often voxels were chosen in a chunk of units.

    Parameters
    ----------
    decoded : Decoded
    counted : boolean array of shape (n_units,)
        Units that vary; nothing can be chosen for the others.
    usable : boolean array of shape (n_voxels,)
        Voxels that vary; a decoder without a choice uses all of these.

    Returns
    -------
    counts : float64 array of shape (3, n_voxels) or None
        Units that chose the voxel, units whose weight of it is not zero, and the sum over units of absolute weights, the
        last two NaN where the decoder tells no weights. None for a decoder that tells neither.
    """
    if decoded.chosen is None and decoded.weights is None:
        return None
    n_voxels = len(usable)
    found = np.full((3, n_voxels), np.nan)
    if decoded.chosen is None:
        found[0] = counted.sum() * usable
        size = np.abs(decoded.weights[counted])
        found[1], found[2] = (size > 0).sum(axis=0), size.sum(axis=0, dtype=np.float64)
        return found
    chosen = decoded.chosen[counted]
    valid = chosen >= 0
    places = chosen[valid]
    found[0] = np.bincount(places, minlength=n_voxels)
    if decoded.weights is not None:
        size = np.abs(decoded.weights[counted][valid])
        found[1] = np.bincount(places, weights=size > 0, minlength=n_voxels)
        found[2] = np.bincount(places, weights=size, minlength=n_voxels)
    return found


def merge_counts(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Add the counts (3, n_voxels) of chunks."""
    return np.sum(parts, axis=0)
