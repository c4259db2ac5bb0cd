"""Motion estimates on real EPI: known transforms found again, large moves flagged."""

import os
from pathlib import Path

import numpy as np
import pytest
from head import motion_errors
from scipy import ndimage

from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.images import read_bold
from fmri2image.preprocess.realign import fit_motion, fit_run

MOVING = "epi_motion_bids/sub-01/func/sub-01_task-rest_run-{:02d}_bold.nii.gz"
STILL = "epi_bdpy/epi_5vol_bold.nii.gz"
SMALL, LARGE = [1, 5, 9], [2, 3, 4, 6, 7]  # volumes, epi_motion_bids/PROVENANCE.md


def shared(name: str) -> Path:
    """Return a file of FMRI2IMAGE_SHARED_DATA or of the folder shared/data beside the repository, or skip."""
    folder = os.environ.get("FMRI2IMAGE_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data"
    path = Path(folder) / name
    if not path.is_file():
        pytest.skip(f"no {name} in FMRI2IMAGE_SHARED_DATA or ../shared/data")
    return path


@pytest.mark.parametrize("order", [pytest.param(3, marks=pytest.mark.slow), 5])
def test_known_transforms_of_a_real_volume_are_recovered(order):
    volumes, affine = read_bold(shared(STILL))
    shape = volumes.shape[1:]
    truth = np.random.default_rng(0).uniform(-1, 1, (4, 6)) * [2, 2, 2, 0.03, 0.03, 0.03]
    truth[0] = 0
    to_voxels = np.linalg.inv(affine) @ np.linalg.inv(rigid_matrix(truth, grid_centre(shape, affine))) @ affine
    grid = np.indices(shape).reshape(3, -1)
    copies = np.stack(
        [
            ndimage.map_coordinates(volumes[0], m[:3, :3] @ grid + m[:3, 3:], order=order, mode="nearest").reshape(
                shape
            )
            for m in to_voxels
        ]
    )
    for fit in (fit_motion(copies, affine, volumes[0], affine), fit_run(copies, affine, volumes[0], affine)):
        assert fit.converged.all()
        error = fit.parameters - truth
        assert np.abs(error[:, :3]).max() < 0.05
        assert np.degrees(np.abs(error[:, 3:]).max()) < 0.05
        assert motion_errors(fit.parameters, truth)[0] < 0.02


@pytest.mark.parametrize("run", [1, *(pytest.param(run, marks=pytest.mark.slow) for run in (2, 3, 4))])
def test_large_moves_of_a_real_run_are_flagged(run):
    volumes, affine = read_bold(shared(MOVING.format(run)))
    fit = fit_run(volumes, affine, volumes[0], affine)
    moved = np.abs(fit.parameters * [1, 1, 1, 50, 50, 50]).sum(axis=1)  # mm, as framewise displacement counts
    assert fit.converged[[0, *SMALL]].all()
    assert (fit.correlation[[0, *SMALL]] > 0.98).all()
    assert (moved[[1, 5]] < 6).all()
    assert (moved[LARGE] > 6).all()
    assert (~fit.converged[LARGE] | (fit.correlation[LARGE] < 0.9)).all()


def test_small_moves_of_a_real_run_are_the_best_poses_by_another_measure():
    """Moving a volume 0.3 mm or degrees away from the estimate lowers the correlation of the unsmoothed volumes."""
    volumes, affine = read_bold(shared(MOVING.format(1)))
    reference = volumes[0].astype(float)
    centre = grid_centre(reference.shape, affine)
    smooth = ndimage.gaussian_filter(reference, 0.7)
    head = np.argwhere(smooth > 0.2 * np.percentile(smooth, 98))
    head = head[np.all((head > 0) & (head < np.array(reference.shape) - 1), axis=1)]
    estimate = fit_run(volumes, affine, volumes[0], affine).parameters
    for t in SMALL:
        coefficients = ndimage.spline_filter(volumes[t].astype(float), 3)

        def likeness(parameters, coefficients=coefficients):
            pose = np.linalg.inv(affine) @ rigid_matrix(parameters, centre) @ affine
            at = pose[:3, :3] @ head.T + pose[:3, 3:]
            seen = np.all((at >= 0) & (at <= np.array(reference.shape)[:, None] - 1), axis=0)
            moved = ndimage.map_coordinates(coefficients, at[:, seen], order=3, prefilter=False)
            return np.corrcoef(moved, reference[tuple(head[seen].T)])[0, 1]

        best = likeness(estimate[t])
        steps = 0.3 * np.diag([1, 1, 1, *np.radians([1, 1, 1])])
        assert all(likeness(estimate[t] + step) < best for step in (*steps, *-steps))
