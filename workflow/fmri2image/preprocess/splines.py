"""B-spline interpolation of many volumes on a GPU, equal to scipy.ndimage's with mirrored ends.

The coefficients of a spline through the voxels are one matrix product per axis. Beyond the outermost voxel the volumes
go on mirrored in that voxel, so the matrix is exact there too, where a recursive filter has to approximate.
"""

from collections.abc import Sequence
from math import comb, factorial

import numpy as np
import torch

POINTS_AT_ONCE = 2_000_000  # of all volumes of a batch together: holds memory near half a gigabyte


def interpolate_volumes(
    volumes: np.ndarray | Sequence[np.ndarray],
    to_voxels: np.ndarray,
    voxels: np.ndarray,
    order: int,
    device: str,
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolate each volume once, at chosen voxels of a target grid.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
        Any real type; a batch at a time goes to the device.
    to_voxels : array of shape (T, 3, 4)
        Target voxel to voxel of volume t.
    voxels : int array of shape (V, 3)
    order : int
        Degree of the B-spline, 0 to 5.
    device : str

    Returns
    -------
    signal : array of shape (T, V), float32
    covered : bool array of shape (V,)
        Voxels inside the field of view in every volume.
    """
    shape = volumes[0].shape
    solvers = [torch.as_tensor(coefficient_matrix(size, order), dtype=torch.float32, device=device) for size in shape]
    homogeneous = np.vstack([np.asarray(voxels, dtype=float).T, np.ones(len(voxels))])
    homogeneous = torch.as_tensor(homogeneous, device=device)
    covered = torch.ones(len(voxels), dtype=torch.bool, device=device)
    signal = np.empty((len(volumes), len(voxels)), dtype=np.float32)
    step = max(1, POINTS_AT_ONCE // max(len(voxels), 1))
    for start in range(0, len(volumes), step):
        chunk = np.stack([np.asarray(volume, dtype=np.float32) for volume in volumes[start : start + step]])
        coefficients = torch.as_tensor(chunk).to(device)
        if order > 1:
            coefficients = torch.einsum("ai,bj,ck,tijk->tabc", *solvers, coefficients)
        matrices = torch.as_tensor(np.ascontiguousarray(to_voxels[start : start + step]), device=device)
        at = matrices.to(torch.float64) @ homogeneous
        for axis, size in enumerate(shape):
            covered &= ((at[:, axis] >= -0.5) & (at[:, axis] <= size - 0.5)).all(dim=0)
        signal[start : start + step] = _gather(coefficients, at, order).cpu().numpy()
    return signal, covered.cpu().numpy()


def coefficient_matrix(size: int, order: int) -> np.ndarray:
    """Return the matrix (size, size) from values at the voxels to B-spline coefficients, the ends mirrored."""
    samples = np.zeros((size, size))
    reach = (order + 1) // 2
    for offset in range(-reach, reach + 1):
        weight = float(basis(torch.tensor([float(offset)], dtype=torch.float64), order)[0])
        for row in range(size):
            samples[row, int(mirror(torch.tensor(row + offset), size))] += weight
    return np.linalg.inv(samples)


def basis(distance: torch.Tensor, order: int) -> torch.Tensor:
    """Return the centred B-spline of a degree at any distances (Unser 1999, IEEE Signal Process. Mag. 16:22, eq. 3)."""
    if order == 0:
        return ((distance > -0.5) & (distance <= 0.5)).to(distance.dtype)
    shifted = distance.abs() + (order + 1) / 2
    total = torch.zeros_like(distance)
    for k in range(order + 2):
        total += (-1) ** k * comb(order + 1, k) * (shifted - k).clamp_min(0) ** order
    return (total / factorial(order)).clamp_min(0)


def mirror(index: torch.Tensor, size: int) -> torch.Tensor:
    """Reflect integer positions in the first and the last voxel."""
    if size == 1:
        return torch.zeros_like(index)
    period = 2 * (size - 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index)


def _gather(coefficients: torch.Tensor, at: torch.Tensor, order: int) -> torch.Tensor:
    """Sum coefficients (B, X, Y, Z) under the spline around coordinates (B, 3, V); return (B, V)."""
    n_volumes, *shape = coefficients.shape
    strides = (shape[1] * shape[2], shape[2], 1)
    # The first of the order + 1 voxels that the spline reaches.
    first = (torch.floor(at) - order // 2 if order % 2 else torch.floor(at + 0.5) - order // 2).long()
    taps = []
    for axis, size in enumerate(shape):
        along = []
        for k in range(order + 1):
            index = first[:, axis] + k
            weight = basis(at[:, axis] - index, order).to(coefficients.dtype)
            along.append((mirror(index, size) * strides[axis], weight))
        taps.append(along)
    flat = coefficients.reshape(n_volumes, -1)
    result = torch.zeros_like(at[:, 0], dtype=coefficients.dtype)
    for x, weight_x in taps[0]:
        for y, weight_y in taps[1]:
            row, line = x + y, torch.zeros_like(result)
            for z, weight_z in taps[2]:
                line += weight_z * torch.gather(flat, 1, row + z)
            result += weight_x * weight_y * line
    return result
