"""Unions of regions of interest, and the voxel table."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples
from fmri2image.preprocess.masks import RoiMasks


def unite(areas: Mapping[str, np.ndarray], unions: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Return areas and those that are unions of others, in the order given; a later union may use an earlier one.

    Parameters
    ----------
    areas : mapping of str to bool array
        All of one shape: voxels of a table (V,), or a grid (X, Y, Z).
    unions : mapping of str to sequence of str
        For example ``{"V1": ["V1d", "V1v"], "V4": ["hV4"], "VC": ["V1", "V4", "HVC"]}``.

    Raises
    ------
    ConfigError
        If a union names an area that neither a mask nor an earlier union gives, or takes the name of a mask.
    """
    united = dict(areas)
    for name, parts in unions.items():
        missing = [part for part in parts if part not in united]
        if missing or not parts:
            raise ConfigError(
                f"The union '{name}' needs {shorten(missing) or 'at least one area'}, which no mask and no earlier "
                f"union covers; there are {shorten(list(united), 30)}."
            )
        if name in united and list(parts) != [name]:
            raise ConfigError(f"The union '{name}' has the name of a mask or of an earlier union; choose another name.")
        united[name] = np.logical_or.reduce([united[part] for part in parts])
    return united


def available(areas: Mapping[str, np.ndarray], unions: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Return areas and those unions that can be made of them; a union of areas that are made later is left out."""
    possible: dict[str, Sequence[str]] = {}
    for name, parts in unions.items():
        if all(part in areas or part in possible for part in parts):
            possible[name] = parts
    return unite(areas, possible)


def add_unions(masks: RoiMasks, unions: Mapping[str, Sequence[str]]) -> RoiMasks:
    """Add areas that are unions of others to masks, see `unite`."""
    return RoiMasks(unite(masks.masks, unions), masks.affine)


def add_areas(masks: RoiMasks, samples: Samples, names: Sequence[str]) -> RoiMasks:
    """Add areas that only samples know, such as responsive voxels, to masks: every voxel goes to the nearest of the grid.

    Parameters
    ----------
    masks : RoiMasks
    samples : Samples
    names : sequence of str
        The areas wanted; those that the masks have, or that the samples lack, are passed over.
    """
    to_grid = np.linalg.inv(masks.affine)
    world = samples.voxels[["voxel_x", "voxel_y", "voxel_z"]].to_numpy(dtype=float)
    at = np.rint(world @ to_grid[:3, :3].T + to_grid[:3, 3]).astype(int)
    on_grid = np.all((at >= 0) & (at < masks.shape), axis=1)
    added = {}
    for name in names:
        if name in samples.rois and name not in masks.masks:
            inside = samples.voxels[f"ROI_{name}"].to_numpy() == 1
            added[name] = np.zeros(masks.shape, dtype=bool)
            added[name][tuple(at[on_grid & inside].T)] = True
    return RoiMasks({**masks.masks, **added}, masks.affine)


def voxel_table(voxels: np.ndarray, affine: np.ndarray, areas: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the voxel table, in the order of `voxels`.

    Parameters
    ----------
    voxels : int array of shape (V, 3)
        Index i, j, k on the grid.
    affine : array of shape (4, 4)
        Voxel to T1w world, RAS mm.
    areas : mapping of str to bool array of shape (V,)

    Returns
    -------
    table : DataFrame
        ``voxel_i/j/k`` (index), ``voxel_x/y/z`` (T1w world, RAS mm), and 0/1 columns ``ROI_<area>``.

    Raises
    ------
    DataError
        If an area covers no voxel.
    """
    empty = [name for name, inside in areas.items() if not np.any(inside)]
    if empty:
        raise DataError(f"The area(s) {shorten(empty)} cover no voxel; check the mask files or leave them out.")
    world = voxels @ affine[:3, :3].T + affine[:3, 3]
    columns: dict[str, np.ndarray] = {f"voxel_{axis}": voxels[:, i] for i, axis in enumerate("ijk")}
    columns |= {f"voxel_{axis}": world[:, i] for i, axis in enumerate("xyz")}
    columns |= {f"ROI_{name}": np.asarray(inside).astype(np.int8) for name, inside in areas.items()}
    return pd.DataFrame(columns)
