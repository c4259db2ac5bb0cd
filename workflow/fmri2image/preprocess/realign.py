"""Rigid motion correction of a run, as in Friston et al. 1995 (Hum. Brain Mapp. 3:165-189) and SPM's realignment.

Two passes: volumes spread over the run are matched to its first volume and averaged; then all volumes are matched to that
mean. The mean in turn is matched once to the subject's reference, coarse to fine, because the head and the field of view
move by centimetres between sessions, and every volume's pose is chained to the reference through it. What is averaged are
values and gradients of the smoothed volumes at the compared points: no image of the mean is needed.
"""

from dataclasses import replace

import numpy as np
import torch

from fmri2image.core.geometry import rigid_parameters
from fmri2image.preprocess.gauss_newton import Match
from fmri2image.preprocess.motion import MotionFit
from fmri2image.preprocess.realign_series import DOUBTFUL, RealignSettings, Series, spread
from fmri2image.preprocess.reslice import reslice

__all__ = ["MotionFit", "RealignSettings", "estimate_motion", "fit_motion", "fit_run", "make_reference"]

# The reference's own points are closer together by this factor than those of the other runs.
DENSER = 1.5


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
    run = Series(volumes, affine, settings, device)
    still = Series(np.asarray(reference)[None], reference_affine, settings, device, "The reference volume")
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
    run = Series(volumes, affine, settings, device)
    still = Series(np.asarray(reference)[None], reference_affine, settings, device, "The reference volume")
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
        Mean of at most 48 volumes, evenly spread, on the grid of the first volume. Where the head left the
        field of view for a while, the mean is over the volumes that saw it; volumes in doubt are left out.
    parameters : array of shape (T, 6)
        Motion relative to the first volume.
    """
    settings = settings or RealignSettings()
    # Once per subject, and the error of the first volume's fit is in the poses of all runs: more points are worth it.
    settings = replace(settings, separation=settings.separation / DENSER, n_points=round(settings.n_points * DENSER**3))
    run = Series(volumes, affine, settings, device)
    template = run.template() if settings.passes == 1 else run.mean_template()
    found = run.match_all(template, np.eye(4), run)
    poses = found.poses @ np.linalg.inv(found.poses[0])
    shape = run.shape
    total, count = np.zeros(shape), np.zeros(shape)
    for t in spread(len(volumes)):
        if t == 0 or (found.converged[t] and found.correlation[t] >= DOUBTFUL):
            moved, covered = reslice(np.asarray(volumes[t : t + 1]), affine, poses[t : t + 1], shape, affine)
            total += moved[0]
            count += covered
    return (total / np.maximum(count, 1)).astype(np.float32), rigid_parameters(poses, run.centre)


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
