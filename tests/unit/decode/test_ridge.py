"""Ridge decoders against scikit-learn, unit by unit."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode.ridge import RidgeDecoder, RidgeSettings

CPU = torch.device("cpu")
INDEX = np.array([*range(20), 0, 0, 5, 7, 7, 7])  # 26 trials of 20 stimuli, repeats differ


def simulate(n_voxels, n_units=7, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((20, n_units)) * 3 + 5
    responses = features[INDEX] @ rng.standard_normal((n_units, n_voxels)) + rng.standard_normal((26, n_voxels))
    features[:, 2] = 4.25  # a unit that never varies
    responses[:, 1] = 0.5  # a voxel that never varies
    return responses, features, rng.standard_normal((9, n_voxels)) * 2


def reference(responses, features, test, alpha, k=None):
    """Z-scored ridge per unit, on the k voxels of largest absolute correlation."""
    varied = responses.std(0) > 0
    mean, sd = responses[:, varied].mean(0), responses[:, varied].std(0, ddof=1)
    x, t = (responses[:, varied] - mean) / sd, (test[:, varied] - mean) / sd
    out = np.empty((len(test), features.shape[1]))
    for unit, y in enumerate(features.T):
        if y.std() == 0:
            out[:, unit] = y[0]
            continue
        z = ((y - y.mean()) / y.std(ddof=1))[INDEX]
        r = np.abs([np.corrcoef(x[:, v], z)[0, 1] for v in range(x.shape[1])])
        chosen = np.argsort(-r)[:k]
        model = Ridge(alpha=alpha).fit(x[:, chosen], z)
        out[:, unit] = model.predict(t[:, chosen]) * y.std(ddof=1) + y.mean()
    return out


@pytest.mark.parametrize("n_voxels", [12, 60])  # fewer and more voxels than trials
def test_all_voxels_match_scikit_learn(n_voxels):
    responses, features, test = simulate(n_voxels)
    decoder = RidgeDecoder(responses, INDEX, RidgeSettings(3.0, None), CPU)
    first, second = decoder.predict(features, [test, test[:2] + 1])
    np.testing.assert_allclose(first, reference(responses, features, test, 3.0), atol=1e-4)
    np.testing.assert_allclose(second, reference(responses, features, test[:2] + 1, 3.0), atol=1e-4)


@pytest.mark.parametrize("chunk", [3, 32])
def test_selected_voxels_match_a_loop_over_units(chunk):
    responses, features, test = simulate(40)
    (found,) = RidgeDecoder(responses, INDEX, RidgeSettings(2.0, 6, chunk), CPU).predict(features, [test])
    expected = reference(responses, features, test, 2.0, 6)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(expected - reference(responses, features, test, 2.0)).max() > 0.1


def test_more_voxels_asked_for_than_there_are_means_all():
    responses, features, test = simulate(12)
    (many,) = RidgeDecoder(responses, INDEX, RidgeSettings(2.0, 500), CPU).predict(features, [test])
    np.testing.assert_allclose(many, reference(responses, features, test, 2.0), atol=1e-3)


@pytest.mark.parametrize("n_voxels", [None, 6])
def test_no_statistic_of_the_test_rows_enters(n_voxels):
    responses, features, test = simulate(40)
    decoder = RidgeDecoder(responses, INDEX, RidgeSettings(2.0, n_voxels), CPU)
    (together,) = decoder.predict(features, [test])
    test[1:] *= 100
    alone, _ = decoder.predict(features, [test[:1], test[1:]])
    np.testing.assert_allclose(alone, together[:1], atol=1e-5)


def test_what_cannot_be_decoded_is_said():
    responses, _, _ = simulate(5)
    with pytest.raises(DataError, match="at least 3 training trials; it got 2"):
        RidgeDecoder(responses[:2], INDEX[:2], RidgeSettings(1.0, None), CPU)
    with pytest.raises(ConfigError, match="alpha must be positive"):
        RidgeDecoder(responses, INDEX, RidgeSettings(0.0, None), CPU)
    with pytest.raises(DataError, match="No voxel"):
        RidgeDecoder(np.ones((26, 5)), INDEX, RidgeSettings(1.0, None), CPU)
