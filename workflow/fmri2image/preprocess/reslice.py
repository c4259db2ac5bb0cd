"""The one interpolation of preprocessing: motion, coregistration and change of grid are composed before it."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy import ndimage

from fmri2image.core.errors import ConfigError

HIGHEST_ORDER = 5
LOG_EVERY = 100  # volumes


def reslice(
    volumes: np.ndarray | Sequence[np.ndarray],
    affine: np.ndarray,
    matrices: np.ndarray,
    target_shape: tuple[int, ...],
    target_affine: np.ndarray,
    order: int = 3,
    mask: np.ndarray | None = None,
    threads: int = 1,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate each volume once, on a target grid.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
        Any real type; converted volume by volume.
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
    threads : int
        Volumes worked on at once, on the CPU.
    device : str
        ``cpu``, or ``cuda`` with or without a number: on a GPU torch interpolates, else scipy.

    Returns
    -------
    resliced : array of shape (T, *target_shape), float32
        0 where `coverage` is false.
    coverage : bool array of target_shape
        Voxels inside the field of view in every volume (and inside the mask).
    """
    target_shape = tuple(int(size) for size in target_shape[:3])
    inside = np.ones(target_shape, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    signal, covered = reslice_voxels(
        volumes, affine, matrices, np.argwhere(inside), target_affine, order, threads, device
    )
    signal[:, ~covered] = 0
    coverage = np.zeros(target_shape, dtype=bool)
    coverage[inside] = covered
    resliced = np.zeros((len(volumes), *target_shape), dtype=np.float32)
    resliced[:, inside] = signal
    return resliced, coverage


def reslice_voxels(
    volumes: np.ndarray | Sequence[np.ndarray],
    affine: np.ndarray,
    matrices: np.ndarray,
    voxels: np.ndarray,
    target_affine: np.ndarray,
    order: int = 3,
    threads: int = 1,
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate each volume once, at chosen voxels of a target grid.

    Parameters
    ----------
    volumes, affine, matrices, target_affine, order, threads, device
        As in `reslice`.
    voxels : int array of shape (V, 3)
        Positions on the target grid.

    Returns
    -------
    signal : array of shape (T, V), float32
        Beyond the field of view the volumes go on mirrored.
    covered : bool array of shape (V,)
        Voxels inside the field of view, to the faces of the outermost voxels, in every volume.

    Raises
    ------
    ConfigError
        If the order is not 0 to 5.
    """
    if order not in range(HIGHEST_ORDER + 1):
        raise ConfigError(f"preprocess.reslice_order is {order}; B-splines of degree 0 to {HIGHEST_ORDER} exist.")
    matrices = np.asarray(matrices, dtype=float)
    to_voxels = (np.linalg.inv(affine) @ matrices @ np.asarray(target_affine, dtype=float))[:, :3]
    if device.startswith("cuda"):
        from fmri2image.preprocess.splines import interpolate_volumes

        return interpolate_volumes(volumes, to_voxels, voxels, order, device)
    homogeneous = np.vstack([np.asarray(voxels, dtype=float).T, np.ones(len(voxels))])
    signal = np.empty((len(volumes), len(voxels)), dtype=np.float32)

    def interpolate(t: int) -> np.ndarray:
        at = to_voxels[t] @ homogeneous
        values = np.ascontiguousarray(volumes[t], dtype=np.float64)
        if order > 1:
            values = ndimage.spline_filter(values, order, output=np.float64, mode="mirror")
        ndimage.map_coordinates(values, at, order=order, mode="mirror", prefilter=False, output=signal[t])
        if (t + 1) % LOG_EVERY == 0:
            logging.getLogger("fmri2image").info("%d of %d volumes interpolated", t + 1, len(volumes))
        return in_view(at, values.shape)

    covered = np.ones(len(voxels), dtype=bool)
    # scipy.ndimage lets go of Python's lock while it works.
    with ThreadPoolExecutor(max(threads, 1)) as pool:
        for seen in pool.map(interpolate, range(len(volumes))):
            covered &= seen
    return signal, covered


def in_view(at: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Tell which voxel coordinates (3, V) lie inside a volume, to the faces of its outermost voxels; bool (V,)."""
    seen = np.ones(at.shape[1], dtype=bool)
    for along, size in zip(at, shape, strict=True):
        seen &= (along >= -0.5) & (along <= size - 0.5)
    return seen
