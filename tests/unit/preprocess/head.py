"""A small analytic-enough head for the tests: smooth random structure in an ellipsoid, sampled in any pose."""

import numpy as np
from scipy import ndimage

from fmri2image.core.geometry import grid_centre, rigid_matrix

FINE = 1.5  # mm


def make_head(seed: int = 0, size_mm: tuple[int, int, int] = (150, 120, 110)) -> tuple[np.ndarray, np.ndarray]:
    """Return a head on a fine grid (X, Y, Z) and its affine; blurred as a 3 mm voxel blurs."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(size / FINE) for size in size_mm)
    affine = np.diag([FINE, FINE, FINE, 1.0])
    affine[:3, 3] = [-size_mm[0] / 2, -size_mm[1] / 2, -size_mm[2] / 2]
    index = np.indices(shape).astype(float)
    radius = sum(((axis - (n - 1) / 2) / (0.42 * n)) ** 2 for axis, n in zip(index, shape, strict=True))
    texture = ndimage.gaussian_filter(rng.standard_normal(shape), 4 / FINE)
    texture /= texture.std()
    head = (radius < 1) * (700 + 100 * texture) + (radius < 0.55) * 150 * (texture > 0.3)
    return ndimage.gaussian_filter(head, 3 / 2.355 / FINE), affine


def slab_affine(shape: tuple[int, int, int] = (48, 30, 22), zoom: float = 3.0, oblique: float = 0.1) -> np.ndarray:
    """Return the affine of a slightly oblique slab around the origin, x flipped as scanners often do."""
    affine = np.diag([-zoom, zoom, zoom, 1.0])
    affine = rigid_matrix(np.array([0, -4.0, 3.0, oblique, 0.02, -0.03]), np.zeros(3)) @ affine
    affine[:3, 3] -= grid_centre(shape, affine) - np.array([2.0, -4.0, 3.0])
    return affine


def acquire(
    head: np.ndarray, head_affine: np.ndarray, pose: np.ndarray, shape: tuple, affine: np.ndarray
) -> np.ndarray:
    """Sample the head in a pose (4 × 4, head to scanner world) on a voxel grid."""
    to_head = np.linalg.inv(head_affine) @ np.linalg.inv(pose) @ affine
    voxels = np.indices(shape).reshape(3, -1)
    at = to_head[:3, :3] @ voxels + to_head[:3, 3:]
    return ndimage.map_coordinates(head, at, order=3, mode="constant").reshape(shape)


def motion_errors(estimate: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Return RMS errors over volumes and axes: translation in mm, rotation in degrees."""
    difference = np.asarray(estimate) - np.asarray(truth)
    return float(np.sqrt((difference[:, :3] ** 2).mean())), float(np.degrees(np.sqrt((difference[:, 3:] ** 2).mean())))
