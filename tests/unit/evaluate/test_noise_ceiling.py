"""The noise ceiling against simulated decoders whose noise-free accuracy is known."""

import numpy as np
import pytest
from scipy import stats

from fmri2image.evaluate.noise_ceiling import UnitCeiling, clear_correlation, pattern_ceiling, spearman_brown
from fmri2image.evaluate.similarity import column_correlation


def simulate(seed, n_stimuli, repeats, n_units, signal, accuracy=0.5, n_sources=40):
    """Return true features, what is decoded without noise, from all trials, and from odd and even ones.

    Units share few sources of signal and of noise, as features decoded from the same voxels do; the ratio of signal to noise
    varies from unit to unit.
    """
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((n_sources, n_units))
    mixing /= np.linalg.norm(mixing, axis=0)
    true, other = (rng.standard_normal((n_stimuli, n_sources)) @ mixing for _ in range(2))
    free = accuracy * true + np.sqrt(1 - accuracy**2) * other
    noise = rng.standard_normal((repeats, n_stimuli, n_sources)) @ mixing
    noise /= np.sqrt(signal * np.exp(0.7 * rng.standard_normal(n_units)))
    return true, free, *(free + noise[part].mean(0) for part in (slice(None), slice(0, None, 2), slice(1, None, 2)))


def test_spearman_brown_gives_the_reliability_of_more_trials():
    # Reliability of n trials with noise variance v each: 1 / (1 + v / n).
    for variance in (0.5, 2.0, 10.0):
        assert spearman_brown(1 / (1 + variance / 6)) == pytest.approx(1 / (1 + variance / 12))


def test_clear_correlation_is_what_scipy_calls_significant():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 24))
    for slope in (0.1, 0.5, 0.9):
        found = stats.pearsonr(x, y + slope * x, alternative="greater")
        assert (found.statistic > clear_correlation(24)) == (found.pvalue < 0.01)
    assert clear_correlation(2) == np.inf


@pytest.mark.parametrize("signal", [0.3, 0.1])
def test_normalised_accuracy_is_that_of_endless_trials(signal):
    found, truth, uncorrected = [], [], []
    for seed in range(12):
        true, free, decoded, odd, even = simulate(seed, 24, 6, 800, signal)
        ceiling = UnitCeiling(24)
        accuracy = column_correlation(decoded, true)
        for part in np.array_split(np.arange(800), 3):
            ceiling.add(accuracy[part], column_correlation(odd, even)[part])
        result = ceiling.ceiling()
        assert result.n_known == 800
        assert 0 < result.n_reliable < 800
        assert result.normalised == pytest.approx(accuracy.mean() / result.noise_ceiling)
        # The ceiling is the correlation of what is decoded with what endless trials would give.
        assert result.noise_ceiling == pytest.approx(column_correlation(decoded, free).mean(), abs=0.12)
        found.append(result.normalised)
        uncorrected.append(accuracy.mean())
        truth.append(column_correlation(free, true).mean())
    assert np.mean(found) == pytest.approx(np.mean(truth), rel=0.06)
    assert np.mean(uncorrected) < 0.85 * np.mean(truth)


def test_normalised_pattern_correlation_is_that_of_endless_trials():
    found, truth = [], []
    for seed in range(12):
        true, free, decoded, odd, even = simulate(seed, 24, 6, 800, 0.2)
        result = pattern_ceiling(column_correlation(decoded.T, true.T), column_correlation(odd.T, even.T))
        found.append(result.normalised)
        truth.append(column_correlation(free.T, true.T).mean())
    assert np.mean(found) == pytest.approx(np.mean(truth), rel=0.06)


def test_noise_is_not_normalised():
    rng = np.random.default_rng(0)
    defined = []
    for _ in range(40):
        odd, even, true = rng.standard_normal((3, 24, 400))
        ceiling = UnitCeiling(24)
        ceiling.add(column_correlation(odd + even, true), column_correlation(odd, even))
        result = ceiling.ceiling()
        assert np.isnan(result.normalised)
        assert result.n_reliable < 20
        patterns = pattern_ceiling(column_correlation((odd + even).T, true.T), column_correlation(odd.T, even.T))
        defined.append(np.isfinite(patterns.normalised))
    assert np.mean(defined) < 0.1  # one in a hundred is expected


def test_units_without_reliability_or_accuracy_are_left_out():
    ceiling = UnitCeiling(24)
    ceiling.add(np.array([0.4, np.nan, 0.2, 0.6]), np.array([0.5, 0.9, np.nan, 0.7], dtype=np.float32))
    result = ceiling.ceiling()
    assert (result.n_known, result.n_reliable) == (2, 2)
    assert result.noise_ceiling == pytest.approx(np.sqrt(spearman_brown(0.6)))
    assert result.normalised == pytest.approx(0.5 / result.noise_ceiling)
    parts = np.sqrt(spearman_brown(np.array([0.5, 0.7])))
    assert result.normalised_reliable == pytest.approx(1.0 / parts.sum())
    assert np.isnan(UnitCeiling(24).ceiling().normalised)
    assert np.isnan(pattern_ceiling(np.array([0.5, 0.6, 0.4]), np.array([0.9, np.nan, np.nan])).normalised)
