"""Two passes within a run, chained to the subject's reference."""

import numpy as np
import pytest
from head import acquire, motion_errors, slab_affine

from fmri2image.core.geometry import grid_centre, rigid_matrix, rigid_parameters
from fmri2image.preprocess.motion import MotionFit
from fmri2image.preprocess.realign import RealignSettings, fit_motion, fit_run

SHAPE = (48, 30, 22)


def scan(head, poses, affine, seed=0):
    """Return noisy int16 volumes of the head in given poses (T, 4, 4), head to scanner."""
    rng = np.random.default_rng(seed)
    volumes = np.stack([acquire(*head, pose, SHAPE, affine) for pose in poses])
    return (volumes + 50 + rng.normal(0, 700 / 60, volumes.shape)).clip(0).round().astype(np.int16)


@pytest.fixture(scope="module")
def session(head):
    """A later session: the head 9 mm and 8 degrees from the reference, the field of view planned anew, drifting motion."""
    first = slab_affine(SHAPE)
    later = rigid_matrix(np.array([5.0, -6.0, 3.0, 0.06, -0.04, 0.05]), np.zeros(3)) @ first
    between = rigid_matrix(np.array([6.0, -5.0, 4.0, 0.14, 0.05, -0.08]), np.zeros(3))
    steps = np.random.default_rng(4).normal(0, [0.08] * 3 + [0.0015] * 3, (24, 6))
    poses = rigid_matrix(np.cumsum(steps, axis=0), np.zeros(3)) @ between
    reference = scan(head, np.eye(4)[None], first, seed=9)[0].astype(np.float32)
    truth = rigid_parameters(poses, grid_centre(SHAPE, first))
    return scan(head, poses, later), later, reference, first, truth


def test_a_run_of_another_session_is_chained_to_the_reference(session):
    volumes, affine, reference, reference_affine, truth = session
    fit = fit_run(volumes, affine, reference, reference_affine)
    assert isinstance(fit, MotionFit)
    assert fit.converged.all()
    assert (fit.correlation > 0.97).all()
    millimetres, degrees = motion_errors(fit.parameters, truth)
    # A single volume serves as reference here; its own noise is in all poses alike.
    assert millimetres < 0.05
    assert degrees < 0.05
    common = (fit.parameters - truth).mean(axis=0)
    millimetres, degrees = motion_errors(fit.parameters - common, truth)
    assert millimetres < 0.03
    assert degrees < 0.03


def test_one_pass_and_two_find_the_same_motion(session):
    volumes, affine, reference, reference_affine, truth = session
    two = fit_run(volumes, affine, reference, reference_affine)
    one = fit_run(volumes, affine, reference, reference_affine, RealignSettings(passes=1))
    assert one.converged.all()
    assert np.abs(two.parameters[:, :3] - one.parameters[:, :3]).max() < 0.1

    for fit in (one, two):
        error = fit.parameters - truth
        millimetres, degrees = motion_errors(error - error.mean(axis=0), np.zeros_like(error))
        assert millimetres < 0.015
        assert degrees < 0.015


def test_number_type_and_order_in_memory_do_not_matter(session):
    volumes, affine, reference, reference_affine, _ = session
    some = volumes[:6]
    expected = fit_run(some, affine, reference, reference_affine).parameters
    as_nifti = np.moveaxis(np.asfortranarray(np.moveaxis(some, 0, -1)), -1, 0)
    assert as_nifti.strides[1] < as_nifti.strides[3]
    for other in (as_nifti, some.astype(">i2"), some.astype(np.float64), some.astype(np.uint16), some[::-1][::-1]):
        found = fit_run(other, affine, reference, reference_affine).parameters
        np.testing.assert_allclose(found, expected, atol=5e-5)


def test_the_size_of_the_batch_does_not_matter(session):
    volumes, affine, reference, reference_affine, _ = session
    a, b = (
        fit_run(volumes[:9], affine, reference, reference_affine, RealignSettings(batch=size)).parameters
        for size in (1, 7)
    )
    np.testing.assert_allclose(a, b, atol=5e-5)


def test_a_run_that_shows_something_else_does_not_pass_for_matched(session):
    volumes, affine, _, reference_affine, _ = session
    other = np.zeros(SHAPE, dtype=np.float32)
    other[10:38, 8:22, 6:16] = np.random.default_rng(0).uniform(0, 1000, (28, 14, 10))
    fit = fit_run(volumes[:3], affine, other, reference_affine)
    assert (~fit.converged | (fit.correlation < 0.9)).all()


def test_a_field_of_view_far_away_is_found_through_the_head_itself(session):
    volumes, affine, reference, reference_affine, _ = session
    far = affine.copy()
    far[:3, 3] += 300
    near = fit_run(volumes[:3], affine, reference, reference_affine)
    fit = fit_run(volumes[:3], far, reference, reference_affine)
    np.testing.assert_allclose(fit.parameters[:, :3] - near.parameters[:, :3], 300, atol=0.02)
    beyond = fit_motion(volumes[:1], far, reference, reference_affine)
    assert beyond.correlation[0] > 0.97
