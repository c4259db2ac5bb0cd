"""Brain extraction: of EPI by its intensity, of T1w images by the MNI template that nilearn ships."""

import nibabel
import numpy as np
import SimpleITK as sitk
from nilearn.datasets import load_mni152_brain_mask, load_mni152_template
from nilearn.masking import compute_epi_mask
from scipy import ndimage

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre
from fmri2image.preprocess.itk import LPS, sitk_matrix, to_sitk
from fmri2image.preprocess.points import voxel_sizes

# Resolution in mm at which a head is compared with the template; their shapes differ by more than that.
RESOLUTION = 4.0
# Shifts in mm along each axis from which the search for the template starts: heads lie anywhere in scanner coordinates.
STARTS = (-40.0, -20.0, 0.0, 20.0, 40.0)
# Share of the voxels of that resolution that are compared.
SHARE = 0.1


def epi_brain_mask(values: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the brain (X, Y, Z), bool, of a mean EPI volume (nilearn's ``compute_epi_mask``).

    Raises
    ------
    DataError
        If no voxel stands out.
    """
    values = np.asarray(values, dtype=np.float32)
    advice = "look at the first run of the first session."
    try:
        # A constant image would be all brain.
        mask = compute_epi_mask(nibabel.Nifti1Image(values, affine), ensure_finite=True).get_fdata() > 0.5
    except ValueError as error:
        raise DataError(f"No brain stands out in the EPI reference ({error}); {advice}") from error
    if not mask.any() or np.ptp(values[np.isfinite(values)]) == 0:
        raise DataError(f"No brain stands out in the EPI reference; {advice}")
    return mask


def t1w_brain_mask(values: np.ndarray, affine: np.ndarray, seed: int = 1) -> np.ndarray:
    """Return the brain (X, Y, Z), bool, of a T1w image: the template's, carried over by an affine registration.

    Parameters
    ----------
    values : array of shape (X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to world, RAS mm.
    seed : int
        Seed of the points that are compared.

    Raises
    ------
    DataError
        If the template cannot be brought to overlap with the image.
    """
    template, brain = (load(resolution=2) for load in (load_mni152_template, load_mni152_brain_mask))
    to_head = template_to_head(values, affine, template.get_fdata(dtype=np.float32), template.affine, seed)
    to_template = np.linalg.inv(to_head @ brain.affine) @ affine
    return carried(brain.get_fdata(dtype=np.float32), to_template, np.shape(values))


def carried(mask: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a mask on another grid, bool of `shape`; `matrix` (4, 4) leads from the other grid's voxels to the mask's."""
    values = np.asarray(mask, dtype=np.float32)
    inside = ndimage.affine_transform(values, matrix[:3, :3], matrix[:3, 3], output_shape=tuple(shape), order=1)
    return inside > 0.5


def template_to_head(
    values: np.ndarray, affine: np.ndarray, template: np.ndarray, template_affine: np.ndarray, seed: int = 1
) -> np.ndarray:
    """Find the affine matrix from template-world to head-world points, RAS mm, by mutual information.

    The template holds a brain without a skull: only points of it and of a rim around it are compared.
    """
    fixed = _coarse(to_sitk(template, template_affine), template_affine)
    moving = _coarse(to_sitk(values, affine), affine)
    # The rim tells brain from what surrounds it; the template's air would match anything.
    near = sitk.SignedMaurerDistanceMap(fixed > 0.1 * _maximum(fixed), squaredDistance=False, useImageSpacing=True) <= 8
    transform = sitk.AffineTransform(3)
    transform.SetCenter((LPS[:3, :3] @ grid_centre(template.shape, template_affine)).tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)
    method.SetNumberOfWorkUnits(1)
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricFixedMask(near)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SHARE, seed)
    method.SetInterpolator(sitk.sitkLinear)
    transform.SetTranslation(_best_start(method, transform, fixed, moving))
    for smoothing in (6.0, 2.0):
        method.SetOptimizerAsRegularStepGradientDescent(
            learningRate=2.0, minStep=0.01, numberOfIterations=100, relaxationFactor=0.7
        )
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetInitialTransform(transform, inPlace=True)
        try:
            method.Execute(
                sitk.SmoothingRecursiveGaussian(fixed, smoothing), sitk.SmoothingRecursiveGaussian(moving, smoothing)
            )
        except RuntimeError as error:
            raise DataError(
                "No brain was found in the T1w image: the MNI template cannot be brought to overlap with it. Check its "
                f"affine. SimpleITK says: {str(error).strip().splitlines()[-1]}"
            ) from error
    return LPS @ sitk_matrix(transform) @ LPS


def _best_start(method: sitk.ImageRegistrationMethod, transform: sitk.AffineTransform, fixed, moving) -> list[float]:
    """Return the shift, in LPS mm, of the best of a cube of starts around the middle of the head's field of view."""
    middle = np.array(moving.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in moving.GetSize()]))
    middle = middle - np.array(transform.GetCenter())
    smooth = [sitk.SmoothingRecursiveGaussian(sitk.BinShrink(image, [2, 2, 2]), 6.0) for image in (fixed, moving)]
    scores = []
    for start in [np.zeros(3), *(middle + shift for shift in np.array(np.meshgrid(*[STARTS] * 3)).reshape(3, -1).T)]:
        transform.SetTranslation(start.tolist())
        method.SetInitialTransform(transform, inPlace=False)
        try:
            scores.append((method.MetricEvaluate(*smooth), start.tolist()))
        except RuntimeError:
            continue
    if not scores:
        raise DataError("No brain was found in the T1w image: it is smaller than a head or its affine is wrong.")
    return min(scores)[1]


def _coarse(image: sitk.Image, affine: np.ndarray) -> sitk.Image:
    factors = [max(1, int(round(RESOLUTION / size))) for size in voxel_sizes(affine)]
    return sitk.BinShrink(image, factors)


def _maximum(image: sitk.Image) -> float:
    return float(np.percentile(sitk.GetArrayViewFromImage(image), 99))
