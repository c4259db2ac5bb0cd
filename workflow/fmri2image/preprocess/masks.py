"""Masks of regions of interest, hemispheres united."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
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
