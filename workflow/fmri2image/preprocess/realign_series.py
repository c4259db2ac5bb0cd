"""Volumes on one grid, their mean as a template, and their matching to a template: the parts of `preprocess.realign`."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.bspline import DEGREES
from fmri2image.preprocess.gauss_newton import FEWEST_POINTS, Match, Smoothed, Smoother, Template, lattice, match

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


class Series:
    """Volumes on one grid, smoothed a few at a time.

    Parameters
    ----------
    volumes : array of shape (T, X, Y, Z)
    affine : array of shape (4, 4)
        Voxel to world, RAS mm.
    settings : RealignSettings
    device : torch device
    name : str, optional
        For error messages, where the volumes are no run.
    """

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

    def search(self, other: "Series", t: int) -> np.ndarray:
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

    def match_all(
        self, template: Template, start: np.ndarray, fixed: "Series", index: np.ndarray | None = None
    ) -> Match:
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
        index = np.array([0]) if template is None else spread(len(self.volumes))
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


def spread(n: int) -> np.ndarray:
    """Return at most `MOST_AVERAGED` volumes of n, evenly spread, the first among them."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_AVERAGED)).round().astype(int))


def _middle(volume: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Return the world point (3,), mm, at the centre of a volume's bright voxels."""
    sparse = np.asarray(volume, dtype=float)[::2, ::2, ::2]
    bright = np.argwhere(sparse > 0.5 * np.percentile(sparse, 98)) * 2.0
    middle = bright.mean(axis=0) if len(bright) else (np.array(volume.shape) - 1) / 2
    return affine[:3, :3] @ middle + affine[:3, 3]
