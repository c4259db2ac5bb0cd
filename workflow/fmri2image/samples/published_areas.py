"""Areas and coordinates of the voxels of a published sample file, under the names that this workflow uses."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError

log = logging.getLogger(__name__)

COORDINATES = tuple(f"voxel_{axis}" for axis in "ijkxyz")
# fMRIPrep files say hV4, hemispheres or halves of areas; a name that the file has itself is never made.
HALVES = ("V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4", "V4", "LOC", "FFA", "PPA", "HVC")
MADE = {
    **{name: (f"LH_{name}", f"RH_{name}") for name in HALVES},
    "V1": ("V1d", "V1v"),
    "V2": ("V2d", "V2v"),
    "V3": ("V3d", "V3v"),
    "V4": ("hV4",),
    "LVC": ("V1", "V2", "V3"),
    "VC": ("V1", "V2", "V3", "V4", "HVC"),
}
STANDARD = ("V1", "V2", "V3", "V4", "LOC", "FFA", "PPA", "LVC", "HVC", "VC")


def areas_of(described: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the areas among the keys that describe voxels, as masks (n_voxels,).

    An area is a key whose values are 0, 1 or missing, with at least one 1: ``ROI_V1``, and ``hcpVC`` without the prefix.
    """
    found: dict[str, np.ndarray] = {}
    for key, values in described.items():
        finite = values[np.isfinite(values)]
        if key not in COORDINATES and np.any(finite == 1) and np.all((finite == 0) | (finite == 1)):
            found.setdefault(key.removeprefix("ROI_"), values == 1)
    return found


def complete(areas: Mapping[str, np.ndarray], unions: Mapping[str, Sequence[str]]) -> tuple[dict, list[str]]:
    """Return the areas with those that can be made of others, and the names of those that were made.

    Parameters
    ----------
    areas : mapping of str to bool array of shape (n_voxels,)
    unions : mapping of str to sequence of str
        Of the configuration; one is left alone if the file has an area of that name or lacks a part.
    """
    completed, made = dict(areas), []
    for name, parts in [*MADE.items(), *unions.items()]:
        if name not in completed and parts and all(part in completed for part in parts):
            completed[name] = np.logical_or.reduce([completed[part] for part in parts])
            made.append(name)
    return completed, made


def voxel_table(
    described: Mapping[str, np.ndarray],
    n_voxels: int,
    unions: Mapping[str, Sequence[str]],
    rois: Sequence[str] | None,
    path: str | Path,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the table of the wanted voxels, and which of the file's voxels (n_voxels,) they are.

    Parameters
    ----------
    described : mapping of str to array of shape (n_voxels,)
        Every key that describes voxels.
    n_voxels : int
    unions : mapping
        See `complete`.
    rois : sequence of str or None
        Areas that are needed: their voxels are kept, with the membership in these and the usual areas. None keeps all.
    path : path
        For messages.

    Raises
    ------
    DataError
        If a needed area is neither in the file nor made of others there.
    """
    areas, made = complete(areas_of(described), unions)
    missing = [] if rois is None else [name for name in rois if name not in areas]
    if missing:
        raise DataError(
            f"{path} holds no area {shorten(missing)}, nor the areas it is made of; it holds {shorten(list(areas), 30)}."
        )
    if made:
        log.info("%s: areas made of others: %s", path, shorten(made, 30))
    wanted = np.ones(n_voxels, dtype=bool) if rois is None else np.logical_or.reduce([areas[name] for name in rois])
    names = list(areas) if rois is None else dict.fromkeys([*rois, *(name for name in STANDARD if name in areas)])
    columns: dict[str, np.ndarray] = {
        key: described[key][wanted] if key in described else np.full(int(wanted.sum()), np.nan) for key in COORDINATES
    }
    columns |= {f"ROI_{name}": areas[name][wanted].astype(np.int8) for name in names if areas[name][wanted].any()}
    return pd.DataFrame(columns), wanted
