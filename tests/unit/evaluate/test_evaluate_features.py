"""Feature accuracy over blocks of units against NumPy on the whole layer."""

import numpy as np
import pytest

from fmri2image.evaluate.features import FeatureAccuracy

OWN = np.array([2, 0, 1, 3, 0, 3])


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    training = rng.standard_normal((10, 30)) * np.arange(1, 31) + 7
    true = rng.standard_normal((4, 30)) * np.arange(1, 31) + 7
    decoded = true[OWN] + rng.standard_normal((6, 30)) * np.arange(1, 31)
    decoded[:, 4] = 1.5  # not decoded
    training[:, 9] = 2.0  # never varied in training
    return decoded, true, training.mean(0), training.std(0)


def accumulate(data, edges):
    accuracy = FeatureAccuracy(OWN, 4)
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        accuracy.add(data[0][:, start:stop], data[1][:, start:stop], data[2][start:stop], data[3][start:stop])
    return accuracy


@pytest.mark.parametrize("edges", [[0, 30], [0, 4, 5, 17, 30]])
def test_blocks_equal_numpy_on_the_whole(data, edges):
    decoded, true, mean, sd = data
    accuracy = accumulate(data, edges)
    units = [np.corrcoef(decoded[:, u], true[OWN][:, u])[0, 1] for u in range(30) if u != 4]
    assert accuracy.unit_correlation() == pytest.approx(np.mean(units))
    varied = sd > 0
    d, t = ((x[:, varied] - mean[varied]) / sd[varied] for x in (decoded, true))
    expected = [[np.corrcoef(a, b)[0, 1] for b in t] for a in d]
    np.testing.assert_allclose(accuracy.pattern_correlation(), expected, atol=1e-9)


def test_permuted_unit_correlation_is_exact_for_equal_repeats(data):
    own = np.array([0, 1, 2, 3])
    accuracy = FeatureAccuracy(own, 4)
    accuracy.add(data[0][:4], *data[1:])
    others = np.array([[1, 0, 3, 2], [3, 2, 1, 0]])
    for other, found in zip(others, accuracy.unit_correlation(others), strict=True):
        units = [np.corrcoef(data[0][:4, u], data[1][other, u])[0, 1] for u in range(30) if u != 4]
        assert found == pytest.approx(np.mean(units))


def test_every_unit_has_its_correlation_and_damaged_or_constant_ones_have_none(data):
    decoded, true, mean, sd = (array.copy() for array in data)
    true[1, 6] = np.nan
    decoded[2, 8] = np.inf
    true[:, 11] = 0.1  # whose mean over rows is not 0.1 exactly
    accuracy = FeatureAccuracy(OWN, 4)
    found = accuracy.add(decoded, true, mean, sd)
    left_out = [4, 6, 8, 11]
    assert np.flatnonzero(np.isnan(found)).tolist() == left_out
    kept = [u for u in range(30) if u not in left_out]
    np.testing.assert_allclose(found[kept], [np.corrcoef(decoded[:, u], true[OWN][:, u])[0, 1] for u in kept])
    assert accuracy.unit_correlation() == pytest.approx(found[kept].mean())
    # Patterns: units 6 and 8 are damaged, 9 never varied in training; the raw pattern counts all but the damaged ones.
    assert (accuracy.n_varied, accuracy.n_scaled, accuracy.n_finite) == (26, 27, 28)


def test_raw_patterns_and_training_lures_equal_numpy(data):
    decoded, true, mean, sd = data
    lures = np.random.default_rng(1).standard_normal((7, 30))
    lures[:, sd == 0] = np.nan
    accuracy = FeatureAccuracy(OWN, 4, 7)
    for part in np.array_split(np.arange(30), 3):
        accuracy.add(decoded[:, part], true[:, part], mean[part], sd[part], lures[:, part])
    expected = [[np.corrcoef(a, b)[0, 1] for b in true] for a in decoded]
    np.testing.assert_allclose(accuracy.raw_pattern_correlation(), expected, atol=1e-9)
    used = sd > 0
    scaled = (decoded[:, used] - mean[used]) / sd[used]
    expected = [[np.corrcoef(a, b)[0, 1] for b in lures[:, used]] for a in scaled]
    np.testing.assert_allclose(accuracy.lure_correlation(), expected, atol=1e-9)


def test_patterns_that_do_not_vary_have_no_correlation(data):
    decoded, true, mean, sd = (array.copy() for array in data)
    decoded[3] = 123456.7
    raw = FeatureAccuracy(OWN, 4)
    raw.add(decoded, true, mean, sd)
    assert np.isnan(raw.raw_pattern_correlation()[3]).all()
    assert np.isfinite(np.delete(raw.raw_pattern_correlation(), 3, axis=0)).all()
