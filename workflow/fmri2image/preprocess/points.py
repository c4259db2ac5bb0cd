"""Where two images are compared, and at which resolution."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

# Standard deviations of a Gaussian in its full width at half maximum.
FWHM = float(np.sqrt(8 * np.log(2)))
NO_OVERLAP = (
    "Coregistration failed: the two images hardly overlap in scanner coordinates. Check the affines (sform and qform) "
    "of both files."
)


@dataclass(frozen=True)
class Points:
    """Where two images are compared: points around the head in the fixed image.

    Parameters
    ----------
    head_threshold : float
        Points of the fixed image darker than this fraction of its 98th percentile take no part, apart from a rim.
    rim : float
        Width in mm of the rim around the bright part that does take part: it holds the outline of the head.
    """

    head_threshold: float = 0.15
    rim: float = 12.0


def head_points(values: np.ndarray, affine: np.ndarray, points: Points) -> np.ndarray:
    """Return the voxels (X, Y, Z), bool, of the head and of a rim around it."""
    sigma = 1.0 / voxel_sizes(affine)
    smooth = ndimage.gaussian_filter(np.asarray(values, dtype=np.float32), sigma)
    head = smooth > points.head_threshold * np.percentile(smooth, 98)
    return ndimage.distance_transform_edt(~head, sampling=voxel_sizes(affine)) <= points.rim


def lattice(shape: tuple[int, ...], affine: np.ndarray, separation: float, seed: int) -> np.ndarray:
    """Return voxel coordinates (N, 3) about `separation` mm apart.

    Each is moved at random by up to half that distance, so that they never coincide with the voxels of both images at
    once, which would look like a good match wherever the two grids do (Likar & Pernuš 2001).
    """
    step = np.maximum(separation / voxel_sizes(affine), 1e-6)
    axes = [np.arange(spacing / 2, size - 0.5, spacing) for spacing, size in zip(step, shape, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points += np.random.default_rng(seed).uniform(-0.5, 0.5, points.shape) * step
    return np.clip(points, 0, np.array(shape) - 1)


def scaled(values: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Bring values to [0, 1] between the 0.05 and 99.95 per cent points of an image."""
    low, high = np.percentile(image, [0.05, 99.95])
    return np.clip((values - low) / max(high - low, 1e-12), 0, 1)


def common_width(*affines: np.ndarray) -> float:
    """Return the second edge in mm of the coarsest voxel: the resolution that images on several grids can share."""
    return max(float(np.sort(voxel_sizes(affine))[1]) for affine in affines)


def to_resolution(values: np.ndarray, affine: np.ndarray, width: float) -> np.ndarray:
    """Blur an image to voxels of `width` mm, as if its own were a Gaussian as wide as they are."""
    sizes = voxel_sizes(affine)
    sigma = np.sqrt(np.maximum(width**2 - sizes**2, 0)) / FWHM / sizes
    return ndimage.gaussian_filter(np.asarray(values, dtype=np.float32), sigma)


def voxel_sizes(affine: np.ndarray) -> np.ndarray:
    """Return the edges (3,) of a voxel in mm."""
    return np.linalg.norm(affine[:3, :3], axis=0)
