"""The one interpolation of preprocessing: motion, coregistration and change of grid are composed before it."""

import numpy as np
from scipy import ndimage


def reslice(
    volumes: np.ndarray,
    affine: np.ndarray,
    matrices: np.ndarray,
    target_shape: tuple[int, ...],
    target_affine: np.ndarray,
    order: int = 3,
    mask: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate each volume once, on a target grid.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to world of the volumes, RAS mm.
    matrices : array of shape (T, 4, 4)
        World of the target to world of volume t: motion @ coregistration.
    target_shape : tuple of 3 int
    target_affine : array of shape (4, 4)
    order : int
        Degree of the B-spline, 0 to 5.
    mask : bool array of target_shape, optional
        Only these target voxels are computed; the others are 0.

    Returns
    -------
    resliced : array of shape (T, *target_shape), float32
        0 where `coverage` is false.
    coverage : bool array of target_shape
        Voxels inside the field of view in every volume (and inside the mask).
    """
    target_shape = tuple(int(size) for size in target_shape[:3])
    inside = np.ones(target_shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    voxels = np.array(np.nonzero(inside), dtype=float)
    homogeneous = np.vstack([voxels, np.ones(voxels.shape[1])])
    to_voxels = np.linalg.inv(affine) @ np.asarray(matrices, dtype=float) @ target_affine
    upper = np.array(volumes.shape[1:])[:, None] - 0.5
    resliced = np.zeros((len(volumes), *target_shape), dtype=np.float32)
    covered = np.ones(voxels.shape[1], dtype=bool)
    for volume, matrix, out in zip(volumes, to_voxels, resliced, strict=True):
        at = matrix[:3] @ homogeneous
        covered &= np.all((at >= -0.5) & (at <= upper), axis=0)
        values = np.asarray(volume, dtype=np.float64)
        if order > 1:
            values = ndimage.spline_filter(values, order, output=np.float64, mode="mirror")
        out[inside] = ndimage.map_coordinates(values, at, order=order, mode="mirror", prefilter=False)
    coverage = np.zeros(target_shape, dtype=bool)
    coverage[inside] = covered
    resliced[:, ~coverage] = 0
    return resliced, coverage
