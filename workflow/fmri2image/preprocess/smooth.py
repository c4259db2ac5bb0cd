"""Gaussian smoothing of many volumes at once, as one matrix per axis that also holds the B-spline prefilter."""

import numpy as np
import torch

from fmri2image.preprocess.bspline import prefilter_matrix

# Below this a Gaussian sampled at voxels no longer interpolates between them without a ripple.
FEWEST_FWHM_VOXELS = 1.5


def smoothing_matrices(shape: tuple[int, ...], affine: np.ndarray, fwhm: float, degree: int) -> list[np.ndarray]:
    """Return one matrix (n, n) per axis that smooths values and turns them into B-spline coefficients.

    Parameters
    ----------
    shape : tuple of 3 int
    affine : array of shape (4, 4)
    fwhm : float
        mm; along an axis never less than 1.5 voxels.
    degree : int
        Degree of the B-spline, 1 to 3; with 1 the coefficients are the smoothed values themselves.
    """
    zooms = np.linalg.norm(np.asarray(affine, dtype=float)[:3, :3], axis=0)
    matrices = []
    for size, zoom in zip(shape, zooms, strict=True):
        sigma = max(fwhm / zoom, FEWEST_FWHM_VOXELS) / np.sqrt(8 * np.log(2))
        at = np.arange(size)
        matrix = np.exp(-0.5 * ((at[:, None] - at) / sigma) ** 2)
        matrices.append(prefilter_matrix(size, degree) @ (matrix / matrix.sum(axis=1, keepdims=True)))
    return matrices


def apply_matrices(matrices: list[torch.Tensor], volumes: torch.Tensor) -> torch.Tensor:
    """Apply one square matrix per axis to volumes (T, X, Y, Z), dense in memory in this order."""
    x, y, z = matrices
    shape = volumes.shape
    out = volumes.reshape(-1, shape[3]) @ z.T
    out = torch.matmul(y, out.view(-1, shape[2], shape[3]))
    return torch.matmul(x, out.view(shape[0], shape[1], -1)).view(shape)
