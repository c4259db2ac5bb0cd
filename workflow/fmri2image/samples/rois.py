"""Unions of regions of interest, and the voxel table."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.masks import RoiMasks


def add_unions(masks: RoiMasks, unions: Mapping[str, Sequence[str]]) -> RoiMasks:
    """Add areas that are unions of others, in the order given; a later union may use an earlier one.

    Parameters
    ----------
    masks : RoiMasks
    unions : mapping of str to sequence of str
        For example ``{"V1": ["V1d", "V1v"], "V4": ["hV4"], "VC": ["V1", "V4", "HVC"]}``.

    Raises
    ------
    ConfigError
        If a union names an area that neither a mask nor an earlier union gives, or takes the name of a mask.
    """
    areas = dict(masks.masks)
    for name, parts in unions.items():
        missing = [part for part in parts if part not in areas]
        if missing or not parts:
            raise ConfigError(
                f"The union '{name}' needs {shorten(missing) or 'at least one area'}, which no mask and no earlier "
                f"union covers; there are {shorten(list(areas), 30)}."
            )
        if name in areas and list(parts) != [name]:
            raise ConfigError(f"The union '{name}' has the name of a mask or of an earlier union; choose another name.")
        areas[name] = np.logical_or.reduce([areas[part] for part in parts])
    return RoiMasks(areas, masks.affine)


def voxel_table(masks: RoiMasks) -> pd.DataFrame:
    """Return the voxel table: every voxel of any area, in C order of the grid.

    Returns
    -------
    voxels : DataFrame
        ``voxel_i/j/k`` (index), ``voxel_x/y/z`` (T1w world, RAS mm), and 0/1 columns ``ROI_<area>``.

    Raises
    ------
    DataError
        If an area covers no voxel.
    """
    empty = [name for name, mask in masks.masks.items() if not mask.any()]
    if empty:
        raise DataError(f"The area(s) {shorten(empty)} cover no voxel; check the mask files or leave them out.")
    index = np.argwhere(np.logical_or.reduce(list(masks.masks.values())))
    world = index @ masks.affine[:3, :3].T + masks.affine[:3, 3]
    columns: dict[str, np.ndarray] = {f"voxel_{axis}": index[:, i] for i, axis in enumerate("ijk")}
    columns |= {f"voxel_{axis}": world[:, i] for i, axis in enumerate("xyz")}
    columns |= {f"ROI_{name}": mask[tuple(index.T)].astype(np.int8) for name, mask in masks.masks.items()}
    return pd.DataFrame(columns)
