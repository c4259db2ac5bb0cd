"""Rigid motion correction of a run, as in Friston et al. 1995 (Hum. Brain Mapp. 3:165-189) and SPM's realignment.

Two passes: volumes spread over the run are matched to its first volume and averaged; then all volumes are matched to that
mean. The mean in turn is matched once to the subject's reference, coarse to fine, because the head and the field of view
move by centimetres between sessions, and every volume's pose is chained to the reference through it. What is averaged are
values and gradients of the smoothed volumes at the compared points: no image of the mean is needed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix, rigid_parameters
from fmri2image.preprocess.bspline import DEGREES
from fmri2image.preprocess.gauss_newton import FEWEST_POINTS, Match, Smoothed, Smoother, Template, lattice, match
from fmri2image.preprocess.motion import MotionFit
from fmri2image.preprocess.reslice import reslice

__all__ = ["MotionFit", "RealignSettings", "estimate_motion", "fit_motion", "fit_run", "make_reference"]

# Volumes of the mean: its noise is then a seventh of a volume's.
MOST_AVERAGED = 48
# A volume below this correlation, or not converged, is tried again from many coarse starts and is left out of the mean.
DOUBTFUL = 0.9
COARSE_FWHM, COARSE_SEPARATION, COARSE_POINTS = 12.0, 6.0, 2000
COARSE_TOLERANCE = 0.1
# Rotations, degrees about the three axes, with which the search for a large move begins.
COARSE_TURNS = ((0, 0, 0), *(tuple(sign * 15 * (i == axis) for i in range(3)) for axis in range(3) for sign in (-1, 1)))


@dataclass(frozen=True)
class RealignSettings:
    """Settings of the motion estimate; lengths in mm.

    Parameters
    ----------
    fwhm : float
        Smoothing of reference and volumes before they are compared; along an axis never less than 1.5 voxels.
    separation : float
        Distance of the points that are compared (SPM: 4); with more than a voxel, noise is averaged less well.
    interpolation : int
        Degree of the B-spline, 1 to 3, by which the smoothed volumes are read (SPM: 2).
    n_points : int
        At most this many points are compared: those with the steepest gradient.
    tolerance : float
        A volume is done when one step moves no point 50 mm from the centre by more than this.
    max_iterations : int
        Most steps per level; there is one level with every eighth point and one with all of them.
    passes : int
        2: within the run to its mean, whose match to the reference is chained behind; 1: each volume straight to the
        reference.
    mask_threshold : float
        Points darker than this fraction of the 98th percentile take no part.
    margin : float
        Points nearer than this to the border of the field of view, in the reference or in the volume, take no part,
        because there the smoothing sees only half of the head; never less than 1.5 voxels.
    batch : int
        Number of volumes worked on at once; 0: 8 on a processor, whose cache is small, and 64 on a GPU.
    dtype : str
        ``float32`` or ``float64``; the normal equations are always solved in float64.
    """

    fwhm: float = 5.0
    separation: float = 3.0
    interpolation: int = 2
    n_points: int = 20000
    tolerance: float = 0.002
    max_iterations: int = 30
    passes: int = 2
    mask_threshold: float = 0.2
    margin: float = 5.0
    batch: int = 0
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.dtype not in ("float32", "float64"):
            raise ConfigError(f"Realignment dtype '{self.dtype}' is unknown; use 'float32' or 'float64'.")
        if self.interpolation not in DEGREES:
            raise ConfigError(f"Realignment interpolation {self.interpolation} is unknown; use a degree of 1, 2 or 3.")
        if self.passes not in (1, 2):
            raise ConfigError(f"Realignment has 1 or 2 passes, not {self.passes}.")
        if self.fwhm <= 0 or self.separation <= 0 or self.n_points < FEWEST_POINTS:
            raise ConfigError(
                f"Realignment needs fwhm > 0, separation > 0 and n_points ≥ {FEWEST_POINTS}; got {self.fwhm}, "
                f"{self.separation} and {self.n_points}."
            )


def fit_run(
    volumes: np.ndarray,
    affine: np.ndarray,
    reference: np.ndarray,
    reference_affine: np.ndarray,
    settings: RealignSettings | None = None,
    device: torch.device | str = "cpu",
) -> MotionFit:
    """Estimate how each volume of a run is displaced from the subject's reference.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
        Of any number type; they are converted and smoothed a few at a time.
    affine : array of shape (4, 4)
        Voxel to world (RAS, mm) of the volumes.
    reference : array of shape (X', Y', Z')
    reference_affine : array of shape (4, 4)
    settings : RealignSettings, optional
    device : torch device

    Returns
    -------
    fit : MotionFit
        Rotations turn about the centre of the reference grid. A volume that moved too far or hardly overlaps does not
        stop the run: it is not converged, or has a low correlation. If the run's mean cannot be matched to the
        reference, no volume is converged.

    Raises
    ------
    DataError
        If there is no volume, reference or run show no head, or a volume holds values that are not finite.
    """
    settings = settings or RealignSettings()
    run = _Run(volumes, affine, settings, device)
    still = _Run(np.asarray(reference)[None], reference_affine, settings, device, "The reference volume")
    start = still.search(run, 0)
    if settings.passes == 1:
        found = run.match_all(still.template(), start, still)
        return _motion(found, still.centre)
    template = run.mean_template()
    found = run.match_all(template, np.eye(4), run)
    link = still.match_all(template, np.linalg.inv(start), run)
    return _motion(_chain(found, link), still.centre)


def fit_motion(
    volumes: np.ndarray,
    affine: np.ndarray,
    reference: np.ndarray,
    reference_affine: np.ndarray,
    settings: RealignSettings | None = None,
    device: torch.device | str = "cpu",
) -> MotionFit:
    """Estimate how each volume is displaced from the reference, to which all are matched directly.

    Parameters, result and errors are those of `fit_run`; the volumes need not belong to one run, and the search begins
    where the header says.
    """
    settings = settings or RealignSettings()
    run = _Run(volumes, affine, settings, device)
    still = _Run(np.asarray(reference)[None], reference_affine, settings, device, "The reference volume")
    return _motion(run.match_all(still.template(), np.eye(4), still), still.centre)


def estimate_motion(
    volumes: np.ndarray,
    affine: np.ndarray,
    reference: np.ndarray,
    reference_affine: np.ndarray,
    settings: RealignSettings | None = None,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Return the motion parameters (T, 6) of `fit_motion`, without its diagnostics."""
    return fit_motion(volumes, affine, reference, reference_affine, settings, device).parameters


def make_reference(
    volumes: np.ndarray,
    affine: np.ndarray,
    settings: RealignSettings | None = None,
    device: torch.device | str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Average a run after realignment, in the position of its first volume.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
        Kept volumes of one run.
    affine : array of shape (4, 4)
    settings : RealignSettings, optional
    device : torch device

    Returns
    -------
    reference : array of shape (X, Y, Z), float32
        Mean of at most `MOST_AVERAGED` volumes, evenly spread, on the grid of the first volume. Where the head left the
        field of view for a while, the mean is over the volumes that saw it; volumes in doubt are left out.
    parameters : array of shape (T, 6)
        Motion relative to the first volume.
    """
    settings = settings or RealignSettings()
    run = _Run(volumes, affine, settings, device)
    template = run.template() if settings.passes == 1 else run.mean_template()
    found = run.match_all(template, np.eye(4), run)
    poses = found.poses @ np.linalg.inv(found.poses[0])
    shape = run.shape
    total, count = np.zeros(shape), np.zeros(shape)
    for t in _spread(len(volumes)):
        if t == 0 or (found.converged[t] and found.correlation[t] >= DOUBTFUL):
            moved, covered = reslice(np.asarray(volumes[t : t + 1]), affine, poses[t : t + 1], shape, affine)
            total += moved[0]
            count += covered
    return (total / np.maximum(count, 1)).astype(np.float32), rigid_parameters(poses, run.centre)


class _Run:
    """Volumes on one grid, smoothed a few at a time."""

    def __init__(
        self,
        volumes: np.ndarray,
        affine: np.ndarray,
        settings: RealignSettings,
        device: torch.device | str,
        name: str | None = None,
    ) -> None:
        if not len(volumes):
            raise DataError("There is no volume to realign; were all of them dropped?")
        self.volumes, self.settings, self.device, self.name = volumes, settings, device, name
        self.affine = np.asarray(affine, dtype=float)
        self.shape = tuple(int(size) for size in volumes.shape[1:])
        self.centre = grid_centre(self.shape, self.affine)
        self.dtype = getattr(torch, settings.dtype)
        self.fine, self.coarse = (
            Smoother(self.shape, self.affine, fwhm, settings.margin, settings.interpolation, self.dtype, device)
            for fwhm in (settings.fwhm, max(COARSE_FWHM, settings.fwhm))
        )
        self._coarse_template: Template | None = None

    def smooth(self, index: np.ndarray, smoother: Smoother | None = None) -> Smoothed:
        """Smooth the volumes of an index (A,)."""
        names = [self.name or f"Volume {t} (counted from 0 after the dropped ones)" for t in index]
        first, last = int(index[0]), int(index[-1])
        together = self.volumes[first : last + 1] if last - first + 1 == len(index) else self.volumes[index]
        return (smoother or self.fine)(np.asarray(together), names)

    def batches(self, index: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the index in pieces."""
        size = self.settings.batch or (8 if torch.device(self.device).type == "cpu" else 64)
        for begin in range(0, len(index), size):
            yield index[begin : begin + size]

    def template(self) -> Template:
        """Return the first volume as a template."""
        points = lattice(self.shape, self.affine, self.settings.separation, self.settings.margin)
        return self._template(points, *self._average(points, None), self.name or "The first volume of the run")

    def mean_template(self) -> Template:
        """Return the mean volume as a template, made after matching volumes spread over the run to the first one."""
        first = self.template()
        points = lattice(self.shape, self.affine, self.settings.separation, self.settings.margin)
        return self._template(points, *self._average(points, first), "The mean volume of the run")

    def search(self, other: "_Run", t: int) -> np.ndarray:
        """Return the pose (4, 4) that moves points of the first volume to volume `t` of another run, found coarsely."""
        smoothed = other.smooth(np.array([t]), other.coarse)
        shifts = [np.zeros(3), _middle(other.volumes[t], other.affine) - _middle(self.volumes[0], self.affine)]
        starts = [rigid_matrix(np.array([*s, *np.radians(turn)]), self.centre) for s in shifts for turn in COARSE_TURNS]
        if self._coarse_template is None:
            points = lattice(self.shape, self.affine, COARSE_SEPARATION, self.settings.margin)
            values, slopes = self._average(points, None, self.coarse)
            self._coarse_template = self._template(
                points, values, slopes, self.name or "The first volume", COARSE_POINTS
            )
        which = np.zeros(len(starts), dtype=int)
        found = match(
            smoothed, which, self._coarse_template, np.stack(starts), COARSE_TOLERANCE, self.settings.max_iterations
        )
        return found.poses[int(found.correlation.argmax())] if found.correlation.max() > 0 else np.eye(4)

    def match_all(self, template: Template, start: np.ndarray, fixed: "_Run", index: np.ndarray | None = None) -> Match:
        """Match volumes to a template; those in doubt once more, from where a coarse search finds them.

        `fixed` is the run whose first volume lies where the template lies.
        """
        settings = self.settings
        parts = []
        for piece in self.batches(np.arange(len(self.volumes)) if index is None else index):
            smoothed, which = self.smooth(piece), np.arange(len(piece))
            starts = np.broadcast_to(start, (len(piece), 4, 4))
            found = match(smoothed, which, template, starts, settings.tolerance, settings.max_iterations)
            doubtful = np.flatnonzero(~found.converged | (found.correlation < DOUBTFUL))
            if len(doubtful):
                starts = np.stack([fixed.search(self, int(piece[i])) for i in doubtful])
                again = match(smoothed, doubtful, template, starts, settings.tolerance, settings.max_iterations)
                better = again.correlation > found.correlation[doubtful]
                found.put(doubtful[better], again.take(better))
            parts.append(found)
        return Match.join(parts)

    def _template(
        self, points: np.ndarray, values: np.ndarray, slopes: np.ndarray, name: str, n_points: int | None = None
    ) -> Template:
        seen = np.isfinite(values)
        options = (n_points or self.settings.n_points, self.settings.mask_threshold, name, self.dtype, self.device)
        return Template(points[seen], values[seen], slopes[seen], self.centre, *options)

    def _average(
        self, points: np.ndarray, template: Template | None, smoother: Smoother | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return values (N,) and gradients (N, 3) per mm of the smoothed mean, or without a template of the first volume.

        Points that fewer than half of the averaged volumes see are NaN.
        """
        homogeneous = torch.as_tensor(np.column_stack([points, np.ones(len(points))]).T)
        homogeneous = homogeneous.to(device=self.device, dtype=self.dtype)
        index = np.array([0]) if template is None else _spread(len(self.volumes))
        total, count, n_used = np.zeros((4, len(points))), np.zeros(len(points)), 0
        for piece in self.batches(index):
            smoothed = self.smooth(piece, smoother)
            found = Match.start(len(piece))
            if template is not None:
                starts, options = found.poses, (self.settings.tolerance * 5, self.settings.max_iterations)
                found = match(smoothed, np.arange(len(piece)), template, starts, *options)
            used = np.flatnonzero((piece == 0) | (found.converged & (found.correlation >= DOUBTFUL)))
            if not len(used):
                continue
            read, weight = smoothed.read(used, found.poses[used], homogeneous, gradient=True)
            to_voxels = (np.linalg.inv(self.affine) @ found.poses[used])[:, :3, :3]
            read, weight = read.double().cpu().numpy(), weight.double().cpu().numpy()
            read[1:] = np.einsum("aij,ian->jan", to_voxels, read[1:])
            total += (read * weight / found.scale[used][:, None]).sum(axis=1)
            count += weight.sum(axis=0)
            n_used += len(used)
        mean = np.where(2 * count >= max(n_used, 1), total / np.maximum(count, 1), np.nan)
        return mean[0], mean[1:].T


def _spread(n: int) -> np.ndarray:
    """Return at most `MOST_AVERAGED` volumes of n, evenly spread, the first among them."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_AVERAGED)).round().astype(int))


def _middle(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the world point (3,), mm, at the centre of a volume's bright voxels."""
    sparse = np.asarray(volume, dtype=float)[::2, ::2, ::2]
    bright = np.argwhere(sparse > 0.5 * np.percentile(sparse, 98)) * 2.0
    middle = bright.mean(axis=0) if len(bright) else (np.array(volume.shape) - 1) / 2
    return affine[:3, :3] @ middle + affine[:3, 3]


def _chain(found: Match, link: Match) -> Match:
    """Return matches to the reference from those to the run's mean and from the mean's match with the reference."""
    poses = found.poses @ np.linalg.inv(link.poses)
    return Match(
        poses,
        found.scale / link.scale,
        np.minimum(found.correlation, link.correlation),
        found.converged & link.converged,
        found.n_iterations,
    )


def _motion(found: Match, centre: np.ndarray) -> MotionFit:
    parameters = rigid_parameters(found.poses, centre)
    return MotionFit(parameters, found.scale, found.correlation, found.converged, found.n_iterations)
