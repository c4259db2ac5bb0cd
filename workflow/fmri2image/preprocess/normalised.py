"""Rigid registration by normalised mutual information (Studholme et al. 1999).

It is computed as in SPM's coregistration (Collignon et al. 1995; Ashburner & Friston): points on a jittered lattice, a
smoothed joint histogram, Powell's method, coarse to fine.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, optimize

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.points import (
    FWHM,
    NO_OVERLAP,
    Points,
    common_width,
    head_points,
    lattice,
    scaled,
    to_resolution,
)

# Millimetres from the centre at which a rotation moves a point as far as a translation of the same number does.
RADIUS = 50.0
# Least share of the compared points that must lie in the other image; with fewer an accident can look like a match.
LEAST_INSIDE = 0.3


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
        width = max(separation, common_width(moving[1], fixed[1]))
        (fixed_values, self.fixed_affine), (moving_values, moving_affine) = fixed, moving
        self.to_moving = np.linalg.inv(moving_affine)
        self.moving = to_resolution(moving_values, moving_affine, width)
        smooth = to_resolution(fixed_values, self.fixed_affine, width)
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
