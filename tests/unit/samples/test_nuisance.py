"""Cleaning steps against numpy and scipy."""

import numpy as np
import pytest
from nilearn.glm.first_level import spm_hrf
from scipy import signal as scipy_signal
from scipy import stats
from scipy.fft import dct

from fmri2image.samples.nuisance import (
    clip_outliers,
    nuisance_regressors,
    percent_signal_change,
    regress_out,
    rest_level,
    task_response,
    z_score,
)


@pytest.fixture
def run():
    """Return a run with drift and motion: signal (T, V) and motion (T, 6)."""
    rng = np.random.default_rng(0)
    motion = np.cumsum(rng.normal(0, [0.1] * 3 + [0.001] * 3, (60, 6)), axis=0)
    signal = 500 + rng.normal(0, 5, (60, 9)) + np.arange(60)[:, None] * 0.3 + motion @ rng.normal(0, 20, (6, 9))
    return signal, motion


def test_the_trend_alone_matches_scipy(run):
    signal, _ = run
    clean = regress_out(signal, nuisance_regressors(60))
    np.testing.assert_allclose(clean - clean.mean(axis=0), scipy_signal.detrend(signal, axis=0), atol=1e-9)
    np.testing.assert_allclose(clean.mean(axis=0), signal.mean(axis=0))


def test_trend_and_motion_match_least_squares(run):
    signal, motion = run
    design = np.column_stack([np.ones(60), np.arange(60), motion])
    fitted = design @ np.linalg.lstsq(design, signal, rcond=None)[0]
    clean = regress_out(signal, nuisance_regressors(60, motion))
    np.testing.assert_allclose(clean, signal - fitted + signal.mean(axis=0), atol=1e-8)


def test_dependent_and_constant_regressors_do_no_harm(run):
    signal, motion = run
    design = nuisance_regressors(60, motion)
    padded = np.column_stack([design, design[:, 1] * 3 - design[:, 0], np.ones(60), np.zeros(60)])
    np.testing.assert_allclose(regress_out(signal, padded), regress_out(signal, design), atol=1e-8)
    np.testing.assert_array_equal(regress_out(signal, np.empty((60, 0))), signal)
    np.testing.assert_array_equal(regress_out(signal, np.zeros((60, 6))), signal)


def test_each_regressor_can_be_left_out():
    assert nuisance_regressors(5, None, False).shape == (5, 0)
    assert nuisance_regressors(5, np.zeros((5, 6)), False).shape == (5, 6)
    assert nuisance_regressors(5, np.zeros((5, 6))).shape == (5, 7)


def test_slow_cosines_are_spms_and_take_drift_but_not_the_task():
    n_volumes, seconds = 235, 2.0
    cosines = nuisance_regressors(n_volumes, None, False, 128 / seconds)
    # SPM: floor(2 * length / cut-off) functions beside the constant.
    assert cosines.shape == (n_volumes, 7)
    expected = dct(np.eye(n_volumes), axis=0, norm="ortho")[1:8].T
    np.testing.assert_allclose(cosines / np.linalg.norm(cosines, axis=0), expected, atol=1e-9)
    times = np.arange(n_volumes) * seconds
    response = task_response(np.array([32.0]), np.array([430.0]), times)
    drift = cosines @ np.array([[5.0], [-3.0], [2.0], [1.0], [0.5], [-1.0], [1.0]])
    signal = 500 + drift + 8 * response[:, None]
    clean = regress_out(signal, cosines, response)
    np.testing.assert_allclose(clean - clean[0], 8 * response[:, None], atol=1e-6)
    # Fitted without the response, the cosines take part of the step from rest to stimulation with them.
    spoilt = regress_out(signal, cosines)
    assert np.abs(spoilt - spoilt[0] - 8 * response[:, None]).max() > 1


def test_the_task_response_is_the_convolution_of_all_blocks():
    onsets, durations, times = np.array([10.0, 40.0]), np.array([8.0, 12.0]), np.arange(50) * 2.0
    found = task_response(onsets, durations, times)
    fine = np.arange(0, 100, 0.1)
    box = sum(((fine >= onset) & (fine < onset + length)) for onset, length in zip(onsets, durations, strict=True))
    expected = np.convolve(box, spm_hrf(0.1, oversampling=1))[: len(fine)][::20]
    assert np.corrcoef(found, expected)[0, 1] > 0.999
    assert found.max() == pytest.approx(expected.max() / spm_hrf(0.1, oversampling=1).sum(), rel=0.05)


def test_the_level_at_rest_uses_all_volumes():
    rng = np.random.default_rng(0)
    response = task_response(np.arange(32.0, 400, 24), np.full(16, 12.0), np.arange(215) * 2.0)
    signal = 700 + 20 * response[:, None] + rng.normal(0, 5, (215, 400))
    level = rest_level(signal, response)
    assert level.mean() == pytest.approx(700, abs=0.2)
    assert level.std() < 0.6 * signal[:12].mean(axis=0).std()


def test_percent_signal_change_by_hand():
    signal = np.array([[100.0, 0.0], [300.0, 0.0], [210.0, 0.0], [190.0, 0.0]])
    change = percent_signal_change(signal, signal[:2].mean(axis=0))
    np.testing.assert_allclose(change[:, 0], [-50, 50, 5, -5])
    assert np.isnan(change[:, 1]).all()


def test_z_scores_match_scipy_and_a_constant_voxel_has_none():
    signal = np.random.default_rng(2).normal(700, 20, (90, 5)).astype(np.float32)
    np.testing.assert_allclose(z_score(signal), stats.zscore(signal.astype(float), axis=0), atol=1e-9)
    assert np.isnan(z_score(np.ones((5, 1)))).all()


def test_clipping_touches_outliers_only():
    rng = np.random.default_rng(1)
    signal = rng.normal(10, 1, (200, 3))
    signal[5, 0], signal[9, 2] = 100, -100
    clipped = clip_outliers(signal)
    mean, spread = signal.mean(axis=0), signal.std(axis=0)
    assert clipped[5, 0] == pytest.approx(mean[0] + 3 * spread[0])
    assert clipped[9, 2] == pytest.approx(mean[2] - 3 * spread[2])
    untouched = np.abs(signal - mean) <= 3 * spread
    np.testing.assert_array_equal(clipped[untouched], signal[untouched])
