"""Rigid registration by Mattes' mutual information (2003), through SimpleITK."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre
from fmri2image.preprocess.itk import LPS, sitk_matrix, to_sitk
from fmri2image.preprocess.points import NO_OVERLAP, Points, common_width, head_points, to_resolution


@dataclass(frozen=True)
class MattesSettings(Points):
    """Settings of the search by Mattes' mutual information.

    Parameters
    ----------
    smoothing : tuple of float
        Standard deviation in mm of the Gaussian on both images, one per level, coarse to fine.
    n_points : tuple of int
        Number of points of the fixed image that are compared at each level.
    n_bins : int
        Bins of the joint histogram.
    max_iterations : int
        Most steps per level.
    seed : int
        Seed of the choice of points; with it and one thread the result is reproducible.
    """

    smoothing: tuple[float, ...] = (4.0, 2.0, 0.0)
    n_points: tuple[int, ...] = (8000, 20000, 40000)
    n_bins: int = 64
    max_iterations: int = 100
    seed: int = 1


def register_mattes(
    moving: tuple, fixed: tuple, start: np.ndarray | None = None, settings: MattesSettings | None = None
) -> np.ndarray:
    """Find the rigid matrix from fixed-world to moving-world points by Mattes' mutual information (2003).

    Parameters
    ----------
    moving, fixed : pairs (image (X, Y, Z), affine (4, 4))
        Let the image with the smaller field of view be the fixed one.
    start : array of shape (4, 4), optional
        First guess; the scanner coordinates in the headers if absent.
    settings : MattesSettings, optional

    Returns
    -------
    matrix : array of shape (4, 4)

    Raises
    ------
    DataError
        If the images do not overlap.
    """
    settings = settings or MattesSettings()
    transform = sitk.Euler3DTransform()
    centre = grid_centre(fixed[0].shape, fixed[1])
    transform.SetCenter((LPS[:3, :3] @ centre).tolist())
    if start is not None:
        in_lps = LPS @ start @ LPS
        transform.SetMatrix(in_lps[:3, :3].ravel().tolist(), tolerance=1e-6)
        offset = in_lps[:3, :3] @ np.array(transform.GetCenter()) + in_lps[:3, 3] - np.array(transform.GetCenter())
        transform.SetTranslation(offset.tolist())
    width = common_width(moving[1], fixed[1])
    moving_image, fixed_image = (to_sitk(to_resolution(*image, width), image[1]) for image in (moving, fixed))
    near = to_sitk(head_points(*fixed, settings), fixed[1], dtype=np.uint8)
    for smoothing, n_points in zip(settings.smoothing, settings.n_points, strict=True):
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(1)
        method.SetNumberOfWorkUnits(1)
        method.SetMetricAsMattesMutualInformation(settings.n_bins)
        method.SetMetricFixedMask(near)
        method.SetMetricSamplingStrategy(method.RANDOM)
        method.SetMetricSamplingPercentage(min(1.0, n_points / fixed[0].size), settings.seed)
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
            raise DataError(f"{NO_OVERLAP} SimpleITK says: {str(error).strip().splitlines()[-1]}") from error
    return LPS @ sitk_matrix(transform) @ LPS


def _smooth(image: sitk.Image, sigma: float) -> sitk.Image:
    return sitk.SmoothingRecursiveGaussian(image, sigma) if sigma > 0 else image
