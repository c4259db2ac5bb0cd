"""Masks of regions of interest: hemispheres and files of an area united, on one grid."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.preprocess.images import open_image, read_image, same_grid

MASK_NAME = re.compile(r"_mask_(LH|RH)_(?P<roi>[A-Za-z0-9]+)\.nii(\.gz)?$")
BRAIN_NAME = re.compile(r"_desc-brain_mask\.nii(\.gz)?$")
BRAIN = "brain"
# What a file holds: an area, or areas as labels of an atlas.
Content = str | Mapping[str, Sequence[int]]


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


def read_masks(
    paths: Sequence[str | Path], areas: Mapping[str, Content] | None = None, grid: str | Path | None = None
) -> RoiMasks:
    """Read masks; all files of an area become one mask.

    A mask is 1 inside, or a probability, which counts from a half on.

    Parameters
    ----------
    paths : sequence of path
    areas : mapping of path to str or mapping, optional
        What files of other names hold: an area, or the areas of an atlas with the values of each, ``{"V1": [1, 2]}``. A
        file that is not in it must be called ``…_mask_{LH,RH}_{roi}.nii.gz``, or ``…_desc-brain_mask.nii.gz``, which is
        the area ``brain``.
    grid : path, optional
        Image on whose grid the masks are needed: every voxel takes the value of the nearest one of a mask. Without it all
        files must lie on one grid.

    Raises
    ------
    DataError
        If there is no mask, a name says no area, two masks lie on different grids (both are named), a file looks like an
        atlas and nothing says what its labels are, or the masks of an area are empty.
    """
    if not paths:
        raise DataError("No ROI mask was given; expected sourcedata/sub-*/anat/sub-*_mask_{LH,RH}_*.nii.gz.")
    named = {Path(path): content for path, content in (areas or {}).items()}
    unread = [str(path) for path in named if path not in {Path(path) for path in paths}]
    if unread:
        raise DataError(
            f"samples.masks names {shorten(unread)}, which was not handed over; there are {shorten(paths)}."
        )
    masks: dict[str, np.ndarray] = {}
    files: dict[str, list[str]] = {}
    common = None if grid is None else (Path(grid), tuple(open_image(grid).shape[:3]), open_image(grid).affine)
    for path in sorted(Path(path) for path in paths):
        content = named.get(path) or _area_of_name(path)
        values, affine = read_image(path)
        if common is None:
            common = path, values.shape, affine
        if grid is None and not same_grid(values.shape, affine, *common[1:]):
            raise DataError(
                f"{path} ({values.shape} voxels) lies on another grid than {common[0]} ({common[1]} voxels): shape "
                "or affine differ; all masks of a subject must share one grid."
            )
        for area, inside in _areas(values, content, path).items():
            inside = on_grid(inside, affine, *common[1:])
            masks[area] = masks[area] | inside if area in masks else inside
            files.setdefault(area, []).append(str(path))
    for area, mask in masks.items():
        if not mask.any():
            where = "" if grid is None else f" on the grid of {grid} (is it in the space of the T1-weighted image?)"
            raise DataError(
                f"Area {area} covers no voxel in {shorten(files[area])}{where}; correct the mask or take {area} out of "
                "samples.masks."
            )
    return RoiMasks(masks, common[2])


def whole_grid(path: str | Path) -> RoiMasks:
    """Return all voxels of an image as the area ``brain``: the grid of a subject for whom no mask is there yet."""
    image = open_image(path)
    return RoiMasks({BRAIN: np.ones(image.shape[:3], dtype=bool)}, image.affine)


def in_named_areas(masks: Mapping[str, np.ndarray], voxels: np.ndarray) -> np.ndarray:
    """Return which voxels (V, 3) lie in an area of masks (X, Y, Z) that is not the whole brain; bool (V,)."""
    inside = np.zeros(len(voxels), dtype=bool)
    for name, mask in masks.items():
        if name != BRAIN:
            inside |= mask[tuple(np.asarray(voxels).T)]
    return inside


def on_grid(mask: np.ndarray, mask_affine: np.ndarray, shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return a mask (X, Y, Z) on another grid, bool: every voxel takes the value of the nearest one of the mask.

    Parameters
    ----------
    mask : bool array
    mask_affine : array of shape (4, 4)
        Voxel to world, RAS mm.
    shape, affine
        The other grid.
    """
    mask = np.asarray(mask, dtype=bool)
    if same_grid(mask.shape, mask_affine, shape, affine):
        return mask
    to_mask = np.linalg.inv(mask_affine) @ affine
    values = mask.astype(np.uint8)
    # "grid-constant": the outer half of a border voxel belongs to it.
    found = ndimage.affine_transform(values, to_mask, output_shape=tuple(shape), order=0, mode="grid-constant")
    return found.astype(bool)


def _area_of_name(path: Path) -> str:
    if BRAIN_NAME.search(path.name):
        return BRAIN
    match = MASK_NAME.search(path.name)
    if match is None:
        raise DataError(
            f"{path} is not named like a mask, sub-01_mask_LH_V1d.nii.gz, and nothing says which area it is; name the area "
            "in samples.masks."
        )
    return match["roi"]


def _areas(values: np.ndarray, content: Content, path: Path) -> dict[str, np.ndarray]:
    """Return the areas (X, Y, Z), bool, that a file holds."""
    if not isinstance(content, str):
        return {area: np.isin(np.rint(values), np.atleast_1d(labels)) for area, labels in content.items()}
    highest = float(np.nanmax(values, initial=0))
    # Rounding and interpolation may go a little beyond 1; a mask of 0 and 255 is one too.
    if highest > 1.5 and len(np.unique(values[np.isfinite(values)])) > 2:
        raise DataError(
            f"{path} holds values up to {highest:g}, but a mask holds two values, or probabilities; if it is an atlas, say in "
            "samples.masks which labels make an area."
        )
    return {content: values > 0.5}
