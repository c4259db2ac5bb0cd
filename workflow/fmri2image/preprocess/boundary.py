"""Boundary-based registration (Greve & Fischl 2009): the EPI must be brighter on one side of the white matter's surface.

The surface comes from the T1w image itself: Otsu's thresholds in the extracted brain, after the correction of its
inhomogeneity, instead of a FreeSurfer reconstruction. The cost needs a start within a few mm, from mutual information.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from skimage.measure import marching_cubes

from fmri2image.core.errors import DataError
from fmri2image.preprocess.bias_field import without_bias
from fmri2image.preprocess.normalised import minimise_rigid
from fmri2image.preprocess.points import voxel_sizes

# Fewer points than this are no surface of a brain.
LEAST_POINTS = 500


@dataclass(frozen=True)
class BoundarySettings:
    """Settings of the boundary-based cost.

    Parameters
    ----------
    contrast : str
        ``grey_brighter``, as in EPI and T2, or ``white_brighter``, as in T1w images.
    depth : float
        Distance in mm of the compared points from the surface, on both sides: 2 mm into white matter in the paper, and
        half of the cortex's thickness, about 1.5 mm, into grey.
    slope : float
        Steepness of the bounded cost: 0.5 per per cent of contrast (paper, equation 3).
    n_points : int
        Most points of the surface that are compared.
    tolerance : float
        The search stops when a round moves no point by more than about this many mm.
    max_iterations : int
        Most rounds of Powell's method.
    seed : int
        Seed of the choice of points.
    """

    contrast: str = "grey_brighter"
    depth: tuple[float, float] = (2.0, 1.5)
    slope: float = 0.5
    n_points: int = 20000
    tolerance: float = 0.01
    max_iterations: int = 100
    seed: int = 1


@dataclass(frozen=True)
class Surface:
    """Points (N, 3) on the border of white matter, T1w world mm, and unit normals (N, 3) that lead to grey matter."""

    points: np.ndarray
    normals: np.ndarray


def white_surface(t1w: np.ndarray, affine: np.ndarray, brain: np.ndarray) -> Surface:
    """Find the surface of the white matter of a T1w image.

    Parameters
    ----------
    t1w : array of shape (X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to world, RAS mm.
    brain : bool array of shape (X, Y, Z)

    Raises
    ------
    DataError
        If hardly any surface is found.
    """
    even, threshold = _even(t1w, affine, brain)
    white = even > threshold
    labels, n = ndimage.label(white)
    if n:
        sizes = np.bincount(labels.ravel())[1:]
        white = labels == 1 + np.argmax(sizes)
    # Bright specks that do not hang together with the white matter are brought below the threshold.
    near = ndimage.binary_dilation(white)
    height = np.where(near, even, np.minimum(even, threshold * 0.99))
    if white.sum() < LEAST_POINTS:
        raise DataError("No white matter was found in the T1w image; use another cost than boundary.")
    vertices, _, _, _ = marching_cubes(height, threshold)
    index = np.clip(np.rint(vertices).astype(int), 0, np.array(brain.shape) - 1)
    # At the edge of the mask white matter ends where the mask does, not where grey matter begins.
    inner = ndimage.binary_erosion(brain, iterations=max(1, round(3 / voxel_sizes(affine).mean())))
    keep = inner[tuple(index.T)]
    if keep.sum() < LEAST_POINTS:
        raise DataError("Hardly any white-matter surface was found in the T1w image; use another cost than boundary.")
    return Surface(*_world(vertices[keep], height, affine))


def boundary_contrast(
    matrix: np.ndarray, surface: Surface, values: np.ndarray, affine: np.ndarray, depth: tuple[float, float]
) -> np.ndarray:
    """Return the contrast across the surface in per cent, (M,), at the M points inside the field of view.

    Parameters
    ----------
    matrix : array of shape (4, 4)
        T1w world to world of the image, mm.
    surface : Surface
    values : array of shape (X, Y, Z)
    affine : array of shape (4, 4)
    depth : pair of float
        Millimetres into white and into grey matter.
    """
    to_voxels = np.linalg.inv(affine) @ matrix
    sides = []
    for distance in (-depth[0], depth[1]):
        at = (surface.points + distance * surface.normals) @ to_voxels[:3, :3].T + to_voxels[:3, 3]
        sides.append(at.T)
    upper = np.array(values.shape)[:, None] - 1
    inside = np.all([np.all((at >= 0) & (at <= upper), axis=0) for at in sides], axis=0)
    white, grey = (ndimage.map_coordinates(values, at[:, inside], order=1, output=np.float64) for at in sides)
    return 200 * (grey - white) / np.maximum(grey + white, 1e-6)


def boundary_cost(contrast: np.ndarray, settings: BoundarySettings) -> float:
    """Return the mean bounded cost, from 0 (all of the surface has the expected contrast) to 2; 1 where there is none."""
    if not contrast.size:
        return 2.0
    sign = 1.0 if settings.contrast == "grey_brighter" else -1.0
    return float(np.mean(1 - np.tanh(settings.slope * sign * contrast)))


def register_boundary(
    surface: Surface, values: np.ndarray, affine: np.ndarray, start: np.ndarray, settings: BoundarySettings
) -> np.ndarray:
    """Find the rigid matrix, T1w world to world of the image in mm, with the least boundary-based cost.

    Parameters
    ----------
    surface : Surface
        In T1w world.
    values : array of shape (X, Y, Z)
    affine : array of shape (4, 4)
        Of the image, to RAS mm.
    start : array of shape (4, 4)
        From mutual information.
    settings : BoundarySettings

    Raises
    ------
    DataError
        If hardly any point of the surface lies in the image's field of view at the start.
    """
    values = np.asarray(values, dtype=np.float32)
    part = within(surface, start, values.shape, affine, settings)
    if len(part.points) < LEAST_POINTS:
        raise DataError(
            f"Only {len(part.points)} points of the white matter's surface lie in the EPI's field of view; use another "
            "cost than boundary."
        )

    def cost(matrix: np.ndarray) -> float:
        return boundary_cost(boundary_contrast(matrix, part, values, affine, settings.depth), settings)

    return minimise_rigid(cost, start, part.points.mean(0), settings.tolerance, settings.max_iterations)


def within(
    surface: Surface, matrix: np.ndarray, shape: tuple[int, ...], affine: np.ndarray, settings: BoundarySettings
) -> Surface:
    """Return the points of a surface that lie two voxels and more inside a field of view, at most ``n_points``.

    The choice is made once, so that the search cannot gain by pushing poor points out of the field of view.
    """
    to_voxels = np.linalg.inv(affine) @ matrix
    at = surface.points @ to_voxels[:3, :3].T + to_voxels[:3, 3]
    inside = np.flatnonzero(np.all((at >= 2) & (at <= np.array(shape) - 3), axis=1))
    if len(inside) > settings.n_points:
        inside = np.sort(np.random.default_rng(settings.seed).choice(inside, settings.n_points, replace=False))
    return Surface(surface.points[inside], surface.normals[inside])


def _even(t1w: np.ndarray, affine: np.ndarray, brain: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the T1w image without its inhomogeneity, 0 outside the brain, and the threshold from grey to white."""
    even = without_bias(t1w, affine, brain) * brain
    # Fluid, grey, white: Otsu's two thresholds over the brain, without the brightest vessels.
    inside = even[brain]
    inside = np.minimum(inside, np.percentile(inside, 99.5)).astype(np.float32)
    otsu = sitk.OtsuMultipleThresholdsImageFilter()
    otsu.SetNumberOfThresholds(2)
    otsu.SetNumberOfHistogramBins(256)
    otsu.SetNumberOfThreads(1)
    otsu.SetNumberOfWorkUnits(1)
    otsu.Execute(sitk.GetImageFromArray(inside[None, None]))
    return even, float(otsu.GetThresholds()[-1])


def _world(vertices: np.ndarray, height: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the vertices in mm and unit normals down the slope of the image, from white to darker tissue."""
    smooth = ndimage.gaussian_filter(height, 1.0 / voxel_sizes(affine))
    slope = np.stack([ndimage.map_coordinates(part, vertices.T, order=1) for part in np.gradient(smooth)], axis=-1)
    # A gradient moves to world space by the inverse transpose of the affine.
    normals = -slope @ np.linalg.inv(affine[:3, :3])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return vertices @ affine[:3, :3].T + affine[:3, 3], normals
