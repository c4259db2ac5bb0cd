"""Gaussian smoothing and refinement of many volumes at once, and linear interpolation in them."""

import numpy as np
import torch

# Below this a Gaussian sampled at voxels no longer interpolates between them without a ripple.
FEWEST_FWHM_VOXELS = 1.5


def smoothing_matrices(shape: tuple[int, ...], affine: np.ndarray, fwhm: float, upsampling: int) -> list[torch.Tensor]:
    """Return one matrix per axis, (n - 1) · upsampling + 1 × n, that smooths and refines; rows sum to 1."""
    zooms = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    matrices = []
    for size, zoom in zip(shape, zooms, strict=True):
        sigma = max(fwhm / zoom, FEWEST_FWHM_VOXELS) / np.sqrt(8 * np.log(2))
        at = np.arange((size - 1) * upsampling + 1) / upsampling
        matrix = np.exp(-0.5 * ((at[:, None] - np.arange(size)) / sigma) ** 2)
        matrices.append(torch.as_tensor(matrix / matrix.sum(axis=1, keepdims=True)))
    return matrices


def smooth_volumes(matrices: list[torch.Tensor], volumes: torch.Tensor) -> torch.Tensor:
    """Apply one matrix per axis to volumes (T, X, Y, Z)."""
    x, y, z = matrices
    smooth = volumes @ z.T
    smooth = (y @ smooth.reshape(-1, *smooth.shape[2:])).reshape(*smooth.shape[:2], y.shape[0], z.shape[0])
    return (x @ smooth.flatten(2)).reshape(len(volumes), x.shape[0], y.shape[0], z.shape[0])


def sample_linear(
    smooth: torch.Tensor, active: np.ndarray, coordinates: np.ndarray, limits: list[tuple[float, float]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Interpolate some volumes linearly, each at its own points.

    Parameters
    ----------
    smooth : tensor of shape (T, X, Y, Z)
    active : int array of shape (A,)
        Which volumes are read.
    coordinates : array of shape (A, 3, N)
        Voxel coordinates.
    limits : three pairs (low, high)
        Voxel coordinates between which a point counts as inside the field of view.

    Returns
    -------
    values : tensor of shape (A, N)
    weight : tensor of shape (A, N)
        1 inside the field of view, 0 outside.
    """
    n, sizes = len(smooth), smooth.shape[1:]
    strides = (sizes[1] * sizes[2], sizes[2], 1)
    position = torch.as_tensor(coordinates).to(device=smooth.device, dtype=smooth.dtype)
    weight = torch.ones_like(position[:, 0])
    base = torch.as_tensor(active * int(np.prod(sizes)), device=smooth.device)[:, None].expand(-1, position.shape[2])
    base = base.clone()
    fractions = []
    for axis, (low, high) in enumerate(limits):
        along = position[:, axis]
        weight *= (along >= low) & (along <= high)
        below = along.floor().clamp_(0, sizes[axis] - 2)
        fractions.append((along - below).clamp_(0, 1))
        base += below.long() * strides[axis]
    flat = smooth.reshape(n * strides[0] * sizes[0])
    fx, fy, fz = fractions

    def along_z(offset: int) -> torch.Tensor:
        low = flat[base + offset]
        return torch.lerp(low, flat[base + offset + 1], fz)

    def along_y(offset: int) -> torch.Tensor:
        return torch.lerp(along_z(offset), along_z(offset + strides[1]), fy)

    return torch.lerp(along_y(0), along_y(strides[0]), fx), weight
