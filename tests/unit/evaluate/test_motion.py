"""Motion errors: nothing left of a perfect estimate, and a known offset found again."""

import nibabel
import numpy as np
import pytest

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.geometry import rigid_matrix, rigid_parameters
from fmri2image.evaluate.motion import framewise_error, motion_error, rms, score_runs
from fmri2image.preprocess.motion import MotionFit
from fmri2image.preprocess.tables import confounds_table, write_confounds

CENTRE = np.array([3.0, -20.0, 10.0])


@pytest.fixture
def truth():
    parameters = np.random.default_rng(0).standard_normal((6, 6)) * [2, 2, 2, 0.03, 0.03, 0.03]
    poses = rigid_matrix(parameters, np.zeros(3))
    relative = poses @ np.linalg.inv(poses[2])
    return poses, relative


def test_a_perfect_estimate_leaves_nothing(truth):
    poses, relative = truth
    error = motion_error(rigid_parameters(relative, CENTRE), poses, poses[2], CENTRE)
    np.testing.assert_allclose(error, 0, atol=1e-9)


def test_a_known_offset_is_recovered(truth):
    poses, relative = truth
    offset = np.array([0.5, -0.2, 0.1, 0.01, 0.0, -0.02])
    estimated = rigid_parameters(rigid_matrix(offset, CENTRE) @ relative, CENTRE)
    error = motion_error(estimated, poses, poses[2], CENTRE)
    np.testing.assert_allclose(error, np.tile([*offset[:3], *np.degrees(offset[3:])], (6, 1)), atol=1e-9)
    assert rms(error)[0] == pytest.approx((0.3 / 3) ** 0.5)
    assert rms(error)[1] == pytest.approx(np.degrees((0.0005 / 3) ** 0.5))


def test_framewise_error_is_that_of_the_steps_between_volumes(truth):
    poses, relative = truth
    estimated = rigid_parameters(relative, CENTRE)
    assert framewise_error(estimated, poses, poses[2], CENTRE) == pytest.approx(0, abs=1e-9)
    # One volume too far along x: the steps to it and from it change by as much or as little as their sign says.
    estimated[3, 0] += 0.5
    steps = np.diff(rigid_parameters(relative, CENTRE), axis=0)[2:4, 0]
    expected = [abs(steps[0] + 0.5) - abs(steps[0]), abs(steps[1] - 0.5) - abs(steps[1])]
    found = framewise_error(estimated, poses, poses[2], CENTRE)
    assert found == pytest.approx(np.sqrt(np.square(expected).sum() / 5))
    assert found > 0.05


def test_runs_are_scored_against_mid_volume_poses_by_name(truth, tmp_path):
    poses, relative = truth
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = CENTRE - 2.0 * 4.5
    nibabel.save(nibabel.Nifti1Image(np.zeros((10, 10, 10), np.float32), affine), tmp_path / "boldref.nii.gz")
    arrays = {
        "pose_ses-Test01_run-02": LabelledArray(poses[:4], [f"volume-{v}" for v in range(4)]),
        "pose_ses-Test01_run-01": LabelledArray(poses, [f"volume-{v}" for v in range(6)]),
    }
    write_arrays(tmp_path / "truth.h5", arrays)
    # Two volumes were dropped at the start of run 1: its volume 2 is the reference.
    tables = []
    for run, kept, wrong in (("01", slice(2, 6), 0.0), ("02", slice(2, 4), 0.3)):
        estimated = rigid_parameters(relative[kept], CENTRE)
        estimated[:, 1] += wrong
        path = tmp_path / f"sub-01_ses-Test01_task-perception_run-{run}_desc-confounds_timeseries.tsv"
        n = len(estimated)
        fit = MotionFit(estimated, np.ones(n), np.ones(n), np.ones(n, bool), np.ones(n, int))
        write_confounds(path, confounds_table(fit))
        tables.append(str(path))
    table = score_runs("01", tables, str(tmp_path / "boldref.nii.gz"), str(tmp_path / "truth.h5"))
    np.testing.assert_allclose(table["rms_translation"], [0, 0.3 / np.sqrt(3)], atol=1e-4)
    np.testing.assert_allclose(table["rms_rotation"], 0, atol=1e-4)
    np.testing.assert_allclose(table["rms_framewise"], 0, atol=1e-4)
