"""Rigid registration across contrasts by mutual information: Mattes' through SimpleITK, and the normalised one.

The normalised mutual information (Studholme et al. 1999) is computed as in SPM's coregistration (Collignon et al. 1995;
Ashburner & Friston): points on a jittered lattice, a smoothed joint histogram, Powell's method, coarse to fine.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy import ndimage, optimize

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix

# SimpleITK works in LPS, NIfTI in RAS: x and y change their sign.
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Standard deviations of a Gaussian in its full width at half maximum.
FWHM = float(np.sqrt(8 * np.log(2)))
# Millimetres from the centre at which a rotation moves a point as far as a translation of the same number does.
RADIUS = 50.0
# Least share of the compared points that must lie in the other image; with fewer an accident can look like a match.
LEAST_INSIDE = 0.3
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


@dataclass(frozen=True)
class NormalisedSettings(Points):
    """Settings of the search by normalised mutual information.

    Parameters
    ----------
    separation : tuple of float
        Distance in mm of the compared points, one per level, coarse to fine: 4 and 2 (SPM's default), after a first
        level at which shifts of the whole image are tried.
    n_points : int
        Most points that are compared; of more a random part is taken.
    n_bins : int
        Bins of each axis of the joint histogram.
    histogram_fwhm : float
        Width of the Gaussian that smooths the joint histogram, as a fraction of its range: 7 of 256 (SPM's default).
    reach : float
        Shifts of up to this many mm are tried first along each axis, for headers that disagree.
    tolerance : float
        The search stops when a round moves no point by more than about this many mm.
    max_iterations : int
        Most rounds of Powell's method per level.
    seed : int
        Seed of the jitter of the points.
    """

    separation: tuple[float, ...] = (8.0, 4.0, 2.0)
    n_points: int = 150_000
    n_bins: int = 64
    histogram_fwhm: float = 7 / 256
    reach: float = 30.0
    tolerance: float = 0.02
    max_iterations: int = 100
    seed: int = 1


class JointHistogram:
    """Compares two images at points that are fixed in one of them.

    Both images are first brought to the same resolution, the coarser voxel's, or `separation` where that is larger:
    the borders of two tissues that are blurred differently seem to lie at different places.

    Parameters
    ----------
    moving, fixed : pairs (image (X, Y, Z), affine (4, 4))
        The affines lead to RAS mm.
    separation : float
        Distance of the points in mm.
    settings : NormalisedSettings
    """

    def __init__(self, moving: tuple, fixed: tuple, separation: float, settings: NormalisedSettings) -> None:
        self.settings = settings
        width = max(separation, *(float(np.sort(voxel_sizes(affine))[1]) for _, affine in (moving, fixed)))
        (fixed_values, self.fixed_affine), (moving_values, moving_affine) = fixed, moving
        self.to_moving = np.linalg.inv(moving_affine)
        self.moving = _to_resolution(moving_values, moving_affine, width)
        smooth = _to_resolution(fixed_values, self.fixed_affine, width)
        voxels = lattice(smooth.shape, self.fixed_affine, separation, settings.seed)
        near = head_points(fixed_values, self.fixed_affine, settings)
        index = np.clip(np.rint(voxels).astype(int), 0, np.array(smooth.shape) - 1)
        voxels = voxels[near[tuple(index.T)]]
        if len(voxels) > settings.n_points:
            chosen = np.random.default_rng(settings.seed).choice(len(voxels), settings.n_points, replace=False)
            voxels = voxels[np.sort(chosen)]
        self.points = voxels @ self.fixed_affine[:3, :3].T + self.fixed_affine[:3, 3]
        self.centre = grid_centre(smooth.shape, self.fixed_affine)
        self.last = settings.n_bins - 1
        # A straight line between voxels would blur this image but not the other, whose borders then seem to be shifted.
        values = ndimage.map_coordinates(smooth, voxels.T, order=3, mode="nearest")
        self.row = np.rint(scaled(values, fixed_values) * self.last).astype(np.intp) * settings.n_bins
        self.moving = scaled(self.moving, moving_values).astype(np.float32) * self.last

    def counts(self, matrix: np.ndarray) -> np.ndarray:
        """Return the smoothed joint histogram (n_bins, n_bins); `matrix` moves fixed-world to moving-world points."""
        to_voxels = self.to_moving @ matrix
        at = to_voxels[:3, :3] @ self.points.T + to_voxels[:3, 3:]
        upper = np.array(self.moving.shape)[:, None] - 1
        inside = np.all((at >= 0) & (at <= upper), axis=0)
        n = self.settings.n_bins
        if inside.sum() < LEAST_INSIDE * len(self.points):
            return np.zeros((n, n))
        values = ndimage.map_coordinates(self.moving, at[:, inside], order=1, output=np.float64)
        column = np.minimum(values.astype(np.intp), self.last - 1)
        share = values - column
        low = self.row[inside] + column
        flat = np.bincount(low, 1 - share, n * n) + np.bincount(low + 1, share, n * n)
        width = self.settings.histogram_fwhm * n / FWHM
        return ndimage.gaussian_filter(flat.reshape(n, n), width, mode="constant")

    def score(self, matrix: np.ndarray) -> float:
        """Return the normalised mutual information in a pose, 0 where the images hardly overlap."""
        return normalised_mutual_information(self.counts(matrix))


def normalised_mutual_information(counts: np.ndarray) -> float:
    """Return (H(A) + H(B)) / H(A, B), from 1 to 2, of a joint histogram (Studholme et al. 1999); 0 if it is empty."""
    total = counts.sum()
    if total <= 0:
        return 0.0
    joint = counts / total
    return (entropy(joint.sum(0)) + entropy(joint.sum(1))) / max(entropy(joint.ravel()), 1e-12)


def entropy(probabilities: np.ndarray) -> float:
    """Return the entropy in nats; empty bins add nothing."""
    probabilities = probabilities[probabilities > 0]
    return float(-(probabilities * np.log(probabilities)).sum())


def register_normalised(
    moving: tuple, fixed: tuple, start: np.ndarray | None = None, settings: NormalisedSettings | None = None
) -> np.ndarray:
    """Find the rigid matrix from fixed-world to moving-world points with the largest normalised mutual information.

    Parameters
    ----------
    moving, fixed : pairs (image (X, Y, Z), affine (4, 4))
        Let the image with the smaller field of view be the fixed one.
    start : array of shape (4, 4), optional
        First guess; the scanner coordinates in the headers if absent.
    settings : NormalisedSettings, optional

    Returns
    -------
    matrix : array of shape (4, 4)

    Raises
    ------
    DataError
        If the images do not overlap.
    """
    settings = settings or NormalisedSettings()
    matrix = np.eye(4) if start is None else start
    for level, separation in enumerate(settings.separation):
        joint = JointHistogram(moving, fixed, separation, settings)
        starts = _shifted(matrix, joint, settings.reach) if level == 0 else [matrix]
        found = [_climb(joint, guess, settings, final=level + 1 == len(settings.separation)) for guess in starts]
        matrix = max(found, key=joint.score)
        if joint.score(matrix) == 0:
            raise DataError(NO_OVERLAP)
    return matrix


def minimise_rigid(cost, start: np.ndarray, centre: np.ndarray, tolerance: float, max_iterations: int) -> np.ndarray:
    """Minimise a cost over rigid matrices by Powell's method.

    Parameters
    ----------
    cost : callable
        Cost of a 4×4 matrix.
    start : array of shape (4, 4)
    centre : array of shape (3,)
        World point in mm about which the rotations turn.
    tolerance : float
        Millimetres by which a round must move a point 50 mm from the centre for another to follow.
    max_iterations : int

    Returns
    -------
    matrix : array of shape (4, 4)
    """
    units = np.array([1, 1, 1, 1 / RADIUS, 1 / RADIUS, 1 / RADIUS])

    def matrix(x: np.ndarray) -> np.ndarray:
        return start @ rigid_matrix(x * units, centre)

    x, best = np.zeros(6), np.inf
    # SciPy's Powell stops at a relative change of the cost, which means nothing in mm: single rounds are asked for.
    directions = np.eye(6)
    for _ in range(max_iterations):
        options = {"maxiter": 1, "xtol": 1e-3, "ftol": 0.0, "direc": directions}
        result = optimize.minimize(lambda x: cost(matrix(x)), x, method="Powell", options=options)
        if result.fun >= best:
            break
        step, x, best, directions = np.linalg.norm(result.x - x), result.x, result.fun, result.direc
        if step < tolerance:
            break
    return matrix(x)


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
    width = max(float(np.sort(voxel_sizes(affine))[1]) for _, affine in (moving, fixed))
    moving_image, fixed_image = (to_sitk(_to_resolution(*image, width), image[1]) for image in (moving, fixed))
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


def voxel_sizes(affine: np.ndarray) -> np.ndarray:
    """Return the edges (3,) of a voxel in mm."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def to_sitk(image: np.ndarray, affine: np.ndarray, dtype: type = np.float32) -> sitk.Image:
    """Turn an array (X, Y, Z) with a RAS affine into a SimpleITK image in LPS."""
    lps = LPS @ np.asarray(affine, dtype=float)
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    result = sitk.GetImageFromArray(np.ascontiguousarray(np.asarray(image, dtype=dtype).T))
    result.SetSpacing(spacing.tolist())
    result.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    result.SetOrigin(lps[:3, 3].tolist())
    return result


def sitk_matrix(transform: sitk.Transform) -> np.ndarray:
    """Return the 4×4 matrix (LPS) of a linear SimpleITK transform with a centre."""
    centre = np.array(transform.GetCenter())
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = centre + np.array(transform.GetTranslation()) - matrix[:3, :3] @ centre
    return matrix


def _climb(joint: JointHistogram, start: np.ndarray, settings: NormalisedSettings, final: bool) -> np.ndarray:
    tolerance = settings.tolerance if final else 5 * settings.tolerance
    return minimise_rigid(lambda matrix: -joint.score(matrix), start, joint.centre, tolerance, settings.max_iterations)


def _shifted(matrix: np.ndarray, joint: JointHistogram, reach: float, n: int = 5) -> list[np.ndarray]:
    """Return the guess and the two best of a cube of shifts of it."""
    steps = np.linspace(-reach, reach, n)
    guesses = []
    for shift in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        guess = matrix.copy()
        guess[:3, 3] += shift
        guesses.append((joint.score(guess), guess))
    guesses.sort(key=lambda pair: -pair[0])
    return [matrix, *(guess for _, guess in guesses[:2])]


def _to_resolution(values: np.ndarray, affine: np.ndarray, width: float) -> np.ndarray:
    sizes = voxel_sizes(affine)
    sigma = np.sqrt(np.maximum(width**2 - sizes**2, 0)) / FWHM / sizes
    return ndimage.gaussian_filter(np.asarray(values, dtype=np.float32), sigma)


def _smooth(image: sitk.Image, sigma: float) -> sitk.Image:
    return sitk.SmoothingRecursiveGaussian(image, sigma) if sigma > 0 else image
