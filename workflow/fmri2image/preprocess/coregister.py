"""Rigid coregistration across contrasts by mutual information (Mattes et al. 2003), through SimpleITK."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import SimpleITK as sitk

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre

# SimpleITK works in LPS, NIfTI in RAS: x and y change their sign.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class CoregisterSettings:
    """Settings of the coregistration.

    Parameters
    ----------
    smoothing : tuple of float
        Standard deviation in mm of the Gaussian on both images, one per level, coarse to fine. Keep the last small:
        where the order of the tissues' intensities differs, as between EPI and T2, blurred borders seem to be shifted.
    n_points : tuple of int
        Number of points of the fixed image that are compared at each level.
    n_bins : int
        Bins of the joint histogram.
    head_threshold : float
        Points of the fixed image darker than this fraction of its 98th percentile take no part, apart from a rim.
    rim : float
        Width in mm of the rim around the bright part that does take part: it holds the outline of the head.
    max_iterations : int
        Most steps per level.
    seed : int
        Seed of the choice of points; with it and one thread the result is reproducible.
    """

    smoothing: tuple[float, ...] = (4.0, 2.0, 0.5)
    n_points: tuple[int, ...] = (8000, 20000, 40000)
    n_bins: int = 64
    head_threshold: float = 0.15
    rim: float = 12.0
    max_iterations: int = 100
    seed: int = 1


def coregister(
    moving: np.ndarray,
    moving_affine: np.ndarray,
    fixed: np.ndarray,
    fixed_affine: np.ndarray,
    settings: CoregisterSettings | None = None,
) -> np.ndarray:
    """Find the rigid matrix from fixed-world points to moving-world points.

    The search starts from the scanner coordinates in the headers, because a slab of the posterior head and a whole head
    have different centres of mass. Let the image with the smaller field of view be the fixed one.

    Parameters
    ----------
    moving, fixed : arrays of shape (X, Y, Z)
    moving_affine, fixed_affine : arrays of shape (4, 4)
        Voxel to world, RAS mm.
    settings : CoregisterSettings, optional

    Returns
    -------
    matrix : array of shape (4, 4)
        ``moving_point = matrix @ fixed_point``, both in RAS mm.

    Raises
    ------
    DataError
        If the images do not overlap in scanner coordinates.
    """
    settings = settings or CoregisterSettings()
    transform = sitk.Euler3DTransform()
    transform.SetCenter((LPS[:3, :3] @ grid_centre(fixed.shape, fixed_affine)).tolist())
    moving_image, fixed_image = to_sitk(moving, moving_affine), to_sitk(fixed, fixed_affine)
    mask = _head_mask(fixed, fixed_affine, settings)
    for smoothing, n_points in zip(settings.smoothing, settings.n_points, strict=True):
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        method.SetNumberOfWorkUnits(1)
        method.SetMetricAsMattesMutualInformation(settings.n_bins)
        method.SetMetricFixedMask(mask)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(min(1.0, n_points / fixed.size), settings.seed)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=1.0,
            minStep=1e-3,
            numberOfIterations=settings.max_iterations,
            relaxationFactor=0.6,
            gradientMagnitudeTolerance=1e-8,
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        try:
            method.Execute(_smooth(fixed_image, smoothing), _smooth(moving_image, smoothing))
        except RuntimeError as error:
            raise DataError(
                "Coregistration failed: the two images hardly overlap in scanner coordinates. Check the affines (sform "
                f"and qform) of both files. SimpleITK says: {str(error).strip().splitlines()[-1]}"
            ) from error
    return LPS @ _matrix(transform) @ LPS


def chain(*matrices: np.ndarray) -> np.ndarray:
    """Compose 4×4 matrices that are applied from the first to the last: ``chain(a, b) @ x = b @ (a @ x)``."""
    return reduce(lambda done, matrix: matrix @ done, matrices, np.eye(4))


def epi_from_t1w(
    epi: tuple[np.ndarray, np.ndarray],
    t1w: tuple[np.ndarray, np.ndarray],
    between: Sequence[tuple[np.ndarray, np.ndarray]] = (),
    settings: CoregisterSettings | None = None,
) -> np.ndarray:
    """Coregister EPI → in-plane T2 → T1w and return the matrix from T1w world to EPI reference world.

    Parameters
    ----------
    epi, t1w : pairs (image, affine)
        The reference volume of the motion correction, and the whole-head image.
    between : sequence of pairs (image, affine)
        Images to pass through, the session's in-plane T2 as a rule; empty to go straight.
    settings : CoregisterSettings, optional

    Returns
    -------
    matrix : array of shape (4, 4)
    """
    images = [epi, *between, t1w]
    steps = [
        coregister(*moving, *fixed, settings=settings) for fixed, moving in zip(images[:-1], images[1:], strict=True)
    ]
    return np.linalg.inv(chain(*steps))


def to_sitk(image: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """Turn an array (X, Y, Z) with a RAS affine into a SimpleITK image in LPS."""
    lps = LPS @ np.asarray(affine, dtype=float)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    result = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(image, dtype=np.float32).T))
    result.SetSpacing(spacing.tolist())
    result.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    result.SetOrigin(lps[:3, 3].tolist())
    return result


def _head_mask(fixed: np.ndarray, affine: np.ndarray, settings: CoregisterSettings) -> sitk.Image:
    image = _smooth(to_sitk(fixed, affine), settings.smoothing[-1])
    level = settings.head_threshold * float(np.percentile(sitk.GetArrayViewFromImage(image), 98))
    outside = sitk.SignedMaurerDistanceMap(image > level, squaredDistance=False, useImageSpacing=True)
    return outside <= settings.rim


def _smooth(image: sitk.Image, sigma: float) -> sitk.Image:
    return sitk.SmoothingRecursiveGaussian(image, sigma) if sigma > 0 else image


def _matrix(transform: sitk.Euler3DTransform) -> np.ndarray:
    centre = np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = centre + np.array(transform.GetTranslation()) - matrix[:3, :3] @ centre
    return matrix
