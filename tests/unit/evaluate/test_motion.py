"""Motion errors: nothing left of a perfect estimate, and a known offset found again."""

import numpy as np
import pytest

from fmri2image.core.geometry import rigid_matrix, rigid_parameters
from fmri2image.evaluate.motion import motion_error, rms

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
