"""The two baselines that weigh training features, against the published formulas in plain numpy."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode.decoders import Context, fit_decoder
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

CPU = torch.device("cpu")
INDEX = np.array([*range(15), 0, 0, 5, 7, 7, 7, 11])  # 22 trials of 15 stimuli, repeats differ
UNITS = 40
BLOCKS = [slice(0, 13), slice(13, 14), slice(14, UNITS)]
VARIANTS = [Standardisation(), Standardisation("trials", "stimuli", 0), Standardisation("stimuli", "trials", 1)]


def simulate(n_voxels=9, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((15, UNITS)) * rng.uniform(0.1, 9, UNITS) + 5
    responses = features[INDEX] @ rng.standard_normal((UNITS, n_voxels)) + rng.standard_normal((len(INDEX), n_voxels))
    true = features[:4] * rng.uniform(0, 1, (4, 1)) + rng.standard_normal((4, UNITS))
    return responses, features, rng.standard_normal((6, n_voxels)) * 20, true


def trained(responses, standardisation=None, precision="float64"):
    return Training(responses, INDEX, standardisation or Standardisation(), CPU, precision)


def one_hot(training, alpha=10.0):
    return fit_decoder(training, {"decoder": "one-hot", "alpha": alpha}, Context())


def best(training, features, true):
    decoder = fit_decoder(training, {"decoder": "best-prediction"}, Context())
    for block in BLOCKS:
        decoder.observe(features[:, block], [values[:, block] for values in true])
    return decoder


def unit_scale(features, variant):
    seen = features if variant.units == "stimuli" else features[INDEX]
    return seen.mean(axis=0), seen.std(axis=0, ddof=variant.ddof)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("n_voxels", [9, 50])  # fewer and more than trials
def test_one_hot_is_the_published_formula(n_voxels, variant):
    responses, features, test, _ = simulate(n_voxels)
    means = np.stack([responses[s == INDEX].mean(axis=0) for s in range(15)])
    over = responses if variant.voxels == "trials" else means
    x, t = ((r - over.mean(axis=0)) / over.std(axis=0, ddof=variant.ddof) for r in (responses, test))
    identity = Ridge(alpha=10.0).fit(x, np.eye(15)[INDEX]).predict(t)
    mean, sd = unit_scale(features, variant)
    expected = identity @ ((features - mean) / sd) * sd + mean
    training = trained(responses, variant)
    decoded = one_hot(training).predict(features, [test[:2], test[2:]])
    np.testing.assert_allclose(np.concatenate(decoded.values), expected, rtol=1e-5)
    np.testing.assert_allclose(expected, identity @ features)  # the identities sum to 1: no need to standardise
    np.testing.assert_allclose(one_hot(training).identities(test), identity, atol=1e-9)


@pytest.mark.parametrize("n_voxels", [9, 50])
def test_one_hot_equals_ridge_of_every_unit_on_all_voxels(n_voxels):
    responses, features, test, _ = simulate(n_voxels)
    x, t = ((r - responses.mean(axis=0)) / responses.std(axis=0, ddof=1) for r in (responses, test))
    direct = Ridge(alpha=10.0).fit(x, features[INDEX]).predict(t)
    decoded = one_hot(trained(responses)).predict(features, [test]).values[0]
    np.testing.assert_allclose(decoded, direct, rtol=1e-5)
    assert np.abs(direct - one_hot(trained(responses), 1000.0).predict(features, [test]).values[0]).max() > 0.1


def test_one_hot_ignores_blocks_damaged_voxels_and_units_that_do_not_vary():
    responses, features, test, _ = simulate()
    whole = one_hot(trained(responses)).predict(features, [test]).values[0]
    parts = [one_hot(trained(responses)).predict(features[:, block], [test]).values[0] for block in BLOCKS]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-6)
    responses, test = (np.column_stack([r, np.full(len(r), 2.0), r[:, 0]]) for r in (responses, test))
    responses[3, 10] = np.nan
    features[:, 6], features[2, 8] = 4.25, np.inf
    damaged = one_hot(trained(responses)).predict(features, [test]).values[0]
    others = np.delete(np.arange(UNITS), [6, 8])
    np.testing.assert_allclose(damaged[:, others], whole[:, others], rtol=1e-6)
    np.testing.assert_allclose(damaged[:, [6, 8]], [[4.25, np.delete(features[:, 8], 2).mean()]] * 6, rtol=1e-6)


def test_one_hot_in_single_precision():
    responses, features, test, _ = simulate(50)
    single, double = (
        one_hot(trained(responses, precision=p)).predict(features, [test]).values[0] for p in ("float32", "float64")
    )
    np.testing.assert_allclose(single, double, rtol=1e-4)


def test_one_hot_needs_a_penalty():
    with pytest.raises(ConfigError, match="'one-hot': alpha must be positive; it is 0"):
        one_hot(trained(simulate()[0]), 0)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_best_prediction_is_the_published_projection(variant):
    responses, features, test, true = simulate()
    mean, sd = unit_scale(features, variant)
    rows, wanted = (features - mean) / sd, (true - mean) / sd
    expected = wanted @ rows.T @ np.linalg.pinv(rows @ rows.T, rcond=1e-12, hermitian=True) @ rows
    decoder = best(trained(responses, variant), features, [true[:3], true[3:]])
    found = np.concatenate(
        [np.concatenate(decoder.predict(features[:, b], [test[:3], test[3:4]]).values) for b in BLOCKS], 1
    )
    np.testing.assert_allclose(found, expected * sd + mean, rtol=1e-5, atol=1e-5)
    # Nothing in the span is nearer: the rest is orthogonal to every training stimulus, and there is a rest.
    rest = (found - true) / sd
    np.testing.assert_allclose(rest @ rows.T, 0, atol=1e-3)
    assert (np.linalg.norm(rest, axis=1) > 1).all()
    least_squares = np.linalg.lstsq(rows.T, wanted.T, rcond=1e-10)[0]
    np.testing.assert_allclose(((rows.T @ least_squares).T) * sd + mean, found, rtol=1e-4, atol=1e-4)


def test_what_the_training_set_can_express_is_met_exactly():
    responses, features, test, _ = simulate()
    mixed = np.array([[0.2, 0.5, 0.3], [2, -3, 2]]) @ features[[2, 9, 14]]
    decoded = best(trained(responses), features, [features, mixed]).predict(features, [np.zeros((15, 9)), test[:2]])
    np.testing.assert_allclose(decoded.values[0], features, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(decoded.values[1], mixed, rtol=1e-5, atol=1e-5)


def test_no_full_linear_decoder_is_nearer_than_the_best_prediction():
    responses, features, test, true = simulate()
    training = trained(responses)
    _, sd = unit_scale(features, Standardisation())
    floor = best(training, features, [true]).predict(features, [test[:4]]).values[0]
    least = np.linalg.norm((floor - true) / sd, axis=1)
    for alpha in (0.1, 10, 1000):
        found = one_hot(training, alpha).predict(features, [test[:4]]).values[0]
        assert (np.linalg.norm((found - true) / sd, axis=1) > least).all()


def test_a_new_layer_starts_from_nothing_and_observing_more_changes_the_weights():
    responses, features, test, true = simulate()
    training = trained(responses)
    decoder = best(training, features * 2, [true * 3])
    before = decoder.predict(features, [test[:4]]).values[0]
    decoder.start()
    with pytest.raises(DataError, match="must observe all units"):
        decoder.predict(features, [test[:4]])
    for block in BLOCKS:
        decoder.observe(features[:, block], [true[:, block]])
    again = decoder.predict(features, [test[:4]]).values[0]
    np.testing.assert_array_equal(again, best(training, features, [true]).predict(features, [test[:4]]).values[0])
    assert np.abs(again - before).max() > 0.1
    decoder.observe(features**2, [true])
    assert np.abs(again - decoder.predict(features, [test[:4]]).values[0]).max() > 1e-3
    with pytest.raises(DataError, match="only the tests whose true features it has observed"):
        decoder.predict(features, [test])


def test_best_prediction_leaves_out_units_that_cannot_be_scaled():
    responses, features, test, true = simulate()
    others = np.delete(np.arange(UNITS), [6, 8])
    training = trained(responses)
    kept = fit_decoder(training, {"decoder": "best-prediction"}, Context())
    kept.observe(features[:, others], [true[:, others]])
    features[:, 6], features[2, 8] = 4.25, np.nan
    found = best(training, features, [true]).predict(features, [test[:4]]).values[0]
    np.testing.assert_allclose(found[:, others], kept.predict(features[:, others], [test[:4]]).values[0], rtol=1e-5)
    np.testing.assert_allclose(found[:, [6, 8]], [[4.25, np.nanmean(features[:, 8])]] * 4, rtol=1e-6)
