"""Regions of interest: masks, their unions, and the voxel table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.images import read_image, same_grid

MASK_NAME = re.compile(r"_mask_(LH|RH)_(?P<roi>[A-Za-z0-9]+)\.nii(\.gz)?$")


@dataclass(frozen=True)
class RoiMasks:
    """Masks of one subject on one grid, hemispheres united.

    Parameters
    ----------
    masks : dict of str to bool array of shape (X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to T1w world, RAS mm.
    """

    masks: dict[str, np.ndarray]
    affine: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the grid."""
        return next(iter(self.masks.values())).shape


def read_masks(paths: Sequence[str | Path]) -> RoiMasks:
    """Read masks ``…_mask_{LH,RH}_{roi}.nii.gz``; both hemispheres of an area become one mask.

    Raises
    ------
    DataError
        If there is no mask, a name is not of that form, two masks lie on different grids (both are named), or the masks
        of an area are empty.
    """
    if not paths:
        raise DataError("No ROI mask was given; expected sourcedata/sub-*/anat/sub-*_mask_{LH,RH}_*.nii.gz.")
    masks: dict[str, np.ndarray] = {}
    files: dict[str, list[str]] = {}
    first_affine = None
    for path in sorted(Path(path) for path in paths):
        match = MASK_NAME.search(path.name)
        if match is None:
            raise DataError(f"{path} is not named like a mask, sub-01_mask_LH_V1d.nii.gz.")
        values, affine = read_image(path)
        if first_affine is None:
            first_path, first_shape, first_affine = path, values.shape, affine
        elif not same_grid(values.shape, affine, first_shape, first_affine):
            raise DataError(
                f"{path} ({values.shape} voxels) lies on another grid than {first_path} ({first_shape} voxels): shape "
                "or affine differ; all masks of a subject must share one grid."
            )
        inside = values > 0.5
        roi = match["roi"]
        masks[roi] = masks[roi] | inside if roi in masks else inside
        files.setdefault(roi, []).append(str(path))
    for roi, mask in masks.items():
        if not mask.any():
            raise DataError(
                f"Area {roi} covers no voxel in {shorten(files[roi])}; correct the mask or take {roi} out of samples.masks."
            )
    return RoiMasks(masks, first_affine)


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
