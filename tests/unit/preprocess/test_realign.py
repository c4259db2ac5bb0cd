"""Motion estimates against simulated truth, and against a real EPI volume moved by a known transform."""

import numpy as np
import pytest
from head import acquire, motion_errors, slab_affine

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.realign import RealignSettings, estimate_motion, fit_motion, make_reference

SHAPE = (48, 30, 22)
RANGE = np.array([4, 4, 4, 0.052, 0.052, 0.052])  # mm and radians: 4 mm, 3 degrees


def scan(head, parameters, tsnr=60, seed=3):
    """Return volumes (T, X, Y, Z), the affine, and a reference with a tenth of the noise."""
    rng = np.random.default_rng(seed)
    affine = slab_affine(SHAPE)
    matrices = rigid_matrix(parameters, grid_centre(SHAPE, affine))
    volumes = np.stack([acquire(*head, matrix, SHAPE, affine) for matrix in matrices])
    reference = acquire(*head, np.eye(4), SHAPE, affine)
    gain = 1 + 0.02 * rng.standard_normal(len(volumes))
    volumes = volumes * gain[:, None, None, None] + rng.normal(0, 700 / tsnr, volumes.shape)
    reference = reference + rng.normal(0, 70 / tsnr, SHAPE)
    return volumes.astype(np.float32), affine, reference.astype(np.float32), gain


@pytest.fixture(scope="module")
def moved(head):
    """Sixteen volumes in sixteen poses within ±4 mm and ±3 degrees."""
    truth = np.random.default_rng(1).uniform(-1, 1, (16, 6)) * RANGE
    return (*scan(head, truth), truth)


def test_large_motion_is_recovered_within_a_tenth_of_the_budget(moved):
    volumes, affine, reference, gain, truth = moved
    fit = fit_motion(volumes, affine, reference, affine)
    millimetres, degrees = motion_errors(fit.parameters, truth)
    assert millimetres < 0.03
    assert degrees < 0.03
    assert fit.converged.all()
    assert (fit.correlation > 0.99).all()
    np.testing.assert_allclose(fit.scale, gain, rtol=5e-3)


def test_a_drifting_run_is_recovered(head):
    rng = np.random.default_rng(5)
    truth = np.cumsum(rng.normal(0, [0.05] * 3 + [0.001] * 3, (12, 6)), axis=0)
    volumes, affine, reference, _ = scan(head, truth)
    millimetres, degrees = motion_errors(estimate_motion(volumes, affine, reference, affine), truth)
    assert millimetres < 0.02
    assert degrees < 0.02


def test_a_volume_does_not_depend_on_its_neighbours(moved):
    volumes, affine, reference, _, _ = moved
    together = fit_motion(volumes, affine, reference, affine)
    alone = fit_motion(volumes[5:6], affine, reference, affine)
    reversed_order = fit_motion(volumes[::-1], affine, reference, affine, RealignSettings(batch=3))
    np.testing.assert_allclose(together.parameters[5], alone.parameters[0], atol=2e-5)
    np.testing.assert_allclose(together.parameters, reversed_order.parameters[::-1], atol=2e-5)
    assert together.n_iterations[5] == alone.n_iterations[0]


def test_single_and_double_precision_agree(moved):
    volumes, affine, reference, _, _ = moved
    single = estimate_motion(volumes[:4], affine, reference, affine)
    double = estimate_motion(volumes[:4], affine, reference, affine, RealignSettings(dtype="float64"))
    np.testing.assert_allclose(single, double, atol=1e-3)


def test_the_reference_may_lie_on_another_grid(head):
    truth = np.array([[1.0, -0.5, 0.8, 0.01, -0.02, 0.015]])
    reference_shape, reference_affine = (40, 34, 24), slab_affine((40, 34, 24), oblique=-0.05)
    reference = acquire(*head, np.eye(4), reference_shape, reference_affine)
    affine = slab_affine(SHAPE)
    pose = rigid_matrix(truth, grid_centre(reference_shape, reference_affine))
    volume = acquire(*head, pose[0], SHAPE, affine)[None]
    millimetres, degrees = motion_errors(estimate_motion(volume, affine, reference, reference_affine), truth)
    assert millimetres < 0.05
    assert degrees < 0.05


def test_the_reference_image_is_sharper_than_the_mean_of_a_moving_run(head):
    truth = np.random.default_rng(2).uniform(-1, 1, (8, 6)) * RANGE * 0.5
    truth[0] = 0
    volumes, affine, _, _ = scan(head, truth)
    still = acquire(*head, np.eye(4), SHAPE, affine)
    reference, parameters = make_reference(volumes, affine)
    centre = (slice(6, -6),) * 3

    def unlike(image):
        return 1 - np.corrcoef(image[centre].ravel(), still[centre].ravel())[0, 1]

    assert unlike(reference) < 0.1 * unlike(volumes.mean(axis=0))
    assert unlike(reference) < 0.5 * unlike(volumes[0])
    assert motion_errors(parameters, truth)[0] < 0.05


def test_motion_beyond_reach_is_flagged_not_hidden(head):
    truth = np.array([[0, 0, 0, 0, 0, 2.5], [0.1, 0, 0, 0, 0, 0.0]])
    volumes, affine, reference, _ = scan(head, truth)
    fit = fit_motion(volumes, affine, reference, affine, RealignSettings(max_iterations=10))
    assert not fit.converged[0] or fit.correlation[0] < 0.9
    assert fit.converged[1]
    assert fit.correlation[1] > 0.99


def test_bad_input_is_refused(moved):
    volumes, affine, reference, _, _ = moved
    with pytest.raises(DataError, match="not finite"):
        broken = volumes[:2].copy()
        broken[1, 3, 3, 3] = np.nan
        fit_motion(broken, affine, reference, affine)
    with pytest.raises(DataError, match="only 0 bright points"):
        fit_motion(volumes[:1], affine, np.zeros(SHAPE), affine)
    with pytest.raises(DataError, match="no volume"):
        fit_motion(volumes[:0], affine, reference, affine)
    with pytest.raises(ConfigError, match="float16"):
        RealignSettings(dtype="float16")
    with pytest.raises(ConfigError, match="degree of 1, 2 or 3"):
        RealignSettings(interpolation=4)
    with pytest.raises(ConfigError, match="1 or 2 passes"):
        RealignSettings(passes=3)


def test_a_volume_out_of_the_field_of_view_is_reported_and_the_others_kept(moved):
    volumes, affine, reference, _, _ = moved
    run = volumes[:6].copy()
    run[3] = np.roll(run[3], 24, axis=0)
    run[4] = 10 * np.random.default_rng(0).standard_normal(SHAPE)
    alone = fit_motion(np.delete(volumes[:6], [3, 4], axis=0), affine, reference, affine)
    fit = fit_motion(run, affine, reference, affine)
    # Half a field of view away: found by the coarse search, and plain from its displacement.
    assert np.abs(fit.parameters[3, :3]).max() > 40
    assert fit.correlation[4] < 0.9
    assert not fit.converged[4]
    assert np.isfinite(fit.parameters).all()
    np.testing.assert_allclose(np.delete(fit.parameters, [3, 4], axis=0), alone.parameters, atol=2e-5)
