"""A grid for subjects without masks of areas: the field of view of the EPI, along the axes of the T1w image's world."""

from collections.abc import Sequence

import nibabel
import numpy as np

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.points import voxel_sizes

GRID_NAME = "_desc-grid_mask.nii.gz"
# mm. EPI and T1w image lie apart before they are coregistered: some mm within a session, some cm between two. Voxels
# outside of the brain are not computed, so that a generous margin costs little.
MARGIN = 30.0
# Share of the EPI's brain that may lie outside of the grid once EPI and T1w image are coregistered.
MOST_OUTSIDE = 0.01
# About 130 bytes each while a volume is interpolated on all of them: 1.6 GB.
MOST_VOXELS = 12_000_000


def epi_grid(
    epi: tuple[Sequence[int], np.ndarray],
    t1w: tuple[Sequence[int], np.ndarray],
    voxel_size: float | None = None,
    margin: float = MARGIN,
) -> tuple[tuple[int, int, int], np.ndarray]:
    """Return a grid in T1w world that holds everything the EPI saw, by the headers alone.

    It is the box around the EPI's field of view and a margin, as far as it lies in the box around the T1w image's field of
    view and the same margin. The choice is ours; nothing in it depends on the voxels' values.

    Parameters
    ----------
    epi, t1w : pairs (shape, affine (4, 4))
        The affines lead to RAS mm.
    voxel_size : float, optional
        mm; None takes the EPI's, along each axis that of the EPI axis closest to it.
    margin : float
        mm on every side.

    Returns
    -------
    shape : tuple of 3 int
    affine : array of shape (4, 4)
        Axes along those of the world, from left to right, posterior to anterior, inferior to superior.

    Raises
    ------
    ConfigError
        If voxel size or margin mean nothing, or the grid would have more than 12 million voxels.
    DataError
        If EPI and T1w image lie apart.
    """
    if voxel_size is not None and not voxel_size > 0:
        raise ConfigError(f"preprocess.grid_voxel_size is {voxel_size}; give millimetres, or null for the EPI's own.")
    if not margin >= 0:
        raise ConfigError(f"preprocess.grid_margin is {margin}; give millimetres, 0 or more.")
    seen, head = (_box(*image, margin) for image in (epi, t1w))
    low, high = np.maximum(seen[0], head[0]), np.minimum(seen[1], head[1])
    if (high <= low).any():
        raise DataError(
            f"The EPI ({_words(seen)}) and the T1w image ({_words(head)}) lie apart in scanner coordinates; check the affines "
            "in their headers."
        )
    sizes = _sizes(np.asarray(epi[1])) if voxel_size is None else np.full(3, float(voxel_size))
    shape = tuple(int(n) for n in np.ceil((high - low) / sizes - 1e-6))
    if np.prod(shape, dtype=float) > MOST_VOXELS:
        raise ConfigError(
            f"A grid of {shape} voxels of {np.round(sizes, 2).tolist()} mm is too large ({MOST_VOXELS:,} are the most); set a "
            "larger preprocess.grid_voxel_size."
        )
    affine = np.diag([*sizes, 1.0])
    # What rounding up adds is shared by both ends.
    affine[:3, 3] = (low + high - sizes * (np.array(shape) - 1)) / 2
    return shape, affine


def check_inside(brain: np.ndarray, to_grid: np.ndarray, shape: Sequence[int], path: str) -> None:
    """Check that a grid of `epi_grid` holds the brain that the EPI saw, now that EPI and T1w image are coregistered.

    Parameters
    ----------
    brain : bool array of shape (X, Y, Z)
        On the grid of the EPI reference.
    to_grid : array of shape (4, 4)
        Voxel of the EPI reference to voxel of the grid.
    shape : tuple of 3 int
        Size of the grid.
    path : str
        The grid's file, for the message.

    Raises
    ------
    DataError
        If more than a hundredth of the brain lies outside.
    """
    at = np.argwhere(brain) @ to_grid[:3, :3].T + to_grid[:3, 3]
    outside = float(1 - np.all((at >= -0.5) & (at <= np.array(shape[:3]) - 0.5), axis=1).mean())
    if outside > MOST_OUTSIDE:
        raise DataError(
            f"{outside:.0%} of the brain in the EPI lie outside of the grid {path} after coregistration, which moved the EPI "
            "further than the grid's margin; set a larger preprocess.grid_margin (mm)."
        )


def _box(shape: Sequence[int], affine: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest world coordinates (3,) of a field of view, to the faces of its outermost voxels."""
    corners = np.stack(np.meshgrid(*[(-0.5, n - 0.5) for n in shape[:3]]), axis=-1).reshape(-1, 3)
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    return world.min(axis=0) - margin, world.max(axis=0) + margin


def _sizes(affine: np.ndarray) -> np.ndarray:
    """Return the voxel size (3,) along the world axes x, y, z: that of the voxel axis which is closest to each."""
    closest = nibabel.orientations.io_orientation(affine)[:, 0].astype(int)
    sizes = np.empty(3)
    sizes[closest] = voxel_sizes(affine)
    return sizes


def _words(box: tuple[np.ndarray, np.ndarray]) -> str:
    return ", ".join(f"{axis} {low:.0f} to {high:.0f} mm" for axis, low, high in zip("xyz", *box, strict=True))
