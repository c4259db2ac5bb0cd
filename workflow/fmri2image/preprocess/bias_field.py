"""Correction of the inhomogeneity of coils by N4 (Tustison et al. 2010, doi:10.1109/TMI.2010.2046908)."""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from fmri2image.preprocess.itk import one_thread, to_sitk
from fmri2image.preprocess.points import Points, head_points, voxel_sizes


@dataclass(frozen=True)
class BiasSettings:
    """Settings of N4: the levels and the 200 mm of fMRIPrep (Esteban et al. 2019), the tolerance of ITK's filter.

    Parameters
    ----------
    iterations : tuple of int
        Most iterations per level; each level halves the distance of the field's control points.
    tolerance : float
        A level ends when the field changes by less than this.
    distance : float
        Millimetres between the control points at the first level. It is the same for a slab and a whole head: ITK's
        default, one span over the image, would put them 9 mm apart across a slab of 72 mm at the last level.
    resolution : float
        The field is estimated on voxels of about this many mm.
    """

    iterations: tuple[int, ...] = (50, 50, 50, 50)
    tolerance: float = 1e-3
    distance: float = 200.0
    resolution: float = 4.0


def without_bias(
    values: np.ndarray, affine: np.ndarray, mask: np.ndarray | None = None, settings: BiasSettings | None = None
) -> np.ndarray:
    """Divide an image by its smooth bias field.

    Parameters
    ----------
    values : array of shape (X, Y, Z)
        Without NaN.
    affine : array of shape (4, 4)
        Voxel to world, RAS mm.
    mask : bool array of shape (X, Y, Z), optional
        Tissue the field is estimated from; the head if absent.
    settings : BiasSettings, optional

    Returns
    -------
    even : float32 array of shape (X, Y, Z)
        The same for any number of threads.
    """
    settings = settings or BiasSettings()
    mask = head_points(values, affine, Points(rim=0.0)) if mask is None else mask
    factors = [max(1, round(settings.resolution / size)) for size in voxel_sizes(affine)]
    with one_thread():
        image = to_sitk(values, affine)
        small, inside = (sitk.Shrink(it, factors) for it in (image, to_sitk(mask, affine, dtype=np.uint8)))
        # The filter spans its grid with control points: the grid is padded to a multiple of their distance.
        size, spacing = np.array(small.GetSize()), np.array(small.GetSpacing())
        spans = np.ceil(size * spacing / settings.distance).astype(int)
        extra = np.maximum(np.ceil(spans * settings.distance / spacing).astype(int) - size, 0)
        low, high = (extra // 2).tolist(), (extra - extra // 2).tolist()
        correction = sitk.N4BiasFieldCorrectionImageFilter()
        correction.SetMaximumNumberOfIterations(list(settings.iterations))
        correction.SetConvergenceThreshold(settings.tolerance)
        correction.SetNumberOfControlPoints((spans + correction.GetSplineOrder()).tolist())
        correction.SetNumberOfThreads(1)
        correction.SetNumberOfWorkUnits(1)
        padded = sitk.ConstantPad(small, low, high, 0.0)
        correction.Execute(padded, sitk.ConstantPad(inside, low, high, 0))
        field = correction.GetLogBiasFieldAsImage(padded)
        # Edge voxels of the full grid lie outside the centres of the shrunken one, but inside the padding or next to it.
        resample = sitk.ResampleImageFilter()
        resample.SetReferenceImage(image)
        resample.SetInterpolator(sitk.sitkLinear)
        resample.UseNearestNeighborExtrapolatorOn()
        field = resample.Execute(field)
    return (np.asarray(values, dtype=np.float32) / np.exp(sitk.GetArrayFromImage(field).T)).astype(np.float32)
