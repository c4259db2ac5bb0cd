"""Standardised training sets and their sums over trials, against numpy with every trial written out."""

import itertools

import numpy as np
import pytest
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode import training as module
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

CPU = torch.device("cpu")
INDEX = np.array([*range(12), 0, 0, 5, 7, 7, 7, 11])  # 19 trials of 12 stimuli, repeats differ
VARIANTS = [Standardisation(*v) for v in itertools.product(("trials", "stimuli"), ("stimuli", "trials"), (0, 1))]


def simulate(seed=0):
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(INDEX))
    features = (rng.standard_normal((12, 6)) * 3 + 5).astype(np.float32)
    responses = features[INDEX] @ rng.standard_normal((6, 8)) + rng.standard_normal((len(INDEX), 8))
    return responses[order], INDEX[order], features


def standardised(responses, index, features, variant):
    """Trials × voxels and trials × units, z-scored with numpy."""
    means = np.stack([responses[index == s].mean(axis=0) for s in range(index.max() + 1)])
    over = responses if variant.voxels == "trials" else means
    x = (responses - over.mean(axis=0)) / over.std(axis=0, ddof=variant.ddof)
    features = features.astype(np.float64)
    over = features if variant.units == "stimuli" else features[index]
    return x, ((features - over.mean(axis=0)) / over.std(axis=0, ddof=variant.ddof))[index]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_every_sum_over_trials(variant):
    responses, index, features = simulate()
    training = Training(responses, index, variant, CPU, "float64")
    targets = training.targets(features)
    x, y = standardised(responses, index, features, variant)
    np.testing.assert_allclose(training.z, x, atol=1e-12)
    np.testing.assert_allclose(training.gram, x.T @ x, atol=1e-10)
    np.testing.assert_allclose(training.voxel_total, x.sum(axis=0), atol=1e-10)
    np.testing.assert_allclose(training.voxel_spread, np.sqrt(((x - x.mean(axis=0)) ** 2).sum(axis=0)), rtol=1e-10)
    sums = np.stack([x[index == s].sum(axis=0) for s in range(12)])
    np.testing.assert_allclose(training.exact_sums, sums, atol=1e-12)
    np.testing.assert_allclose(training.sums, sums, atol=1e-12)
    np.testing.assert_allclose(targets.cross, y.T @ x, atol=1e-10)
    np.testing.assert_allclose(targets.rows[training.index], y, atol=1e-12)
    np.testing.assert_allclose(targets.total, y.sum(axis=0), atol=1e-10)
    np.testing.assert_allclose(targets.squares, (y**2).sum(axis=0), atol=1e-10)
    np.testing.assert_allclose(targets.restore(targets.rows.numpy()), features, rtol=1e-6)
    assert (training.n_trials, training.n_voxels, training.n_usable) == (19, 8, 8)
    np.testing.assert_array_equal(training.counts, np.bincount(INDEX))


def test_parts_make_no_difference(monkeypatch):
    responses, index, features = simulate()
    whole = Training(responses, index, Standardisation(), CPU, "float64")
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 4)
    monkeypatch.setattr(module, "COLUMNS_AT_ONCE", 3)
    parts = Training(responses, index, Standardisation(), CPU, "float64")
    for name in ("z", "sums", "exact_sums", "voxel_spread"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(parts.targets(features).cross, whole.targets(features).cross, rtol=1e-10, atol=1e-12)


def test_variants_differ_where_repeats_do():
    responses, index, features = simulate()
    found = [(Training(responses, index, variant, CPU, "float64").targets(features), variant) for variant in VARIANTS]
    for (first, a), (second, b) in itertools.combinations(found, 2):
        assert not np.allclose(first.cross, second.cross, rtol=1e-4), (a, b)


def test_single_precision_differs_by_rounding_only():
    responses, index, features = simulate()
    single, double = (Training(responses, index, Standardisation(), CPU, p) for p in ("float32", "float64"))
    assert single.z.dtype == single.gram.dtype == single.targets(features).cross.dtype == torch.float32
    # A large mean must not eat the digits: means and SDs are taken in double precision.
    far = Training(responses + 1e5, index, Standardisation(), CPU, "float32")
    np.testing.assert_allclose(single.gram, double.gram, atol=1e-5)
    np.testing.assert_allclose(far.gram, double.gram, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_damaged_and_constant_columns_change_no_other(variant):
    responses, index, features = simulate()
    whole = Training(responses, index, variant, CPU, "float64")
    responses = np.concatenate([responses, np.full((len(index), 1), 0.3), responses[:, :2]], axis=1)
    responses[4, 9], responses[7, 10] = np.nan, np.inf
    features = np.concatenate([features, np.full((12, 1), 0.7, np.float32), features[:, :1]], axis=1)
    features[3, 7] = np.nan
    training = Training(responses, index, variant, CPU, "float64")
    assert (training.n_voxels, training.n_usable) == (11, 8)
    np.testing.assert_array_equal(np.flatnonzero(training.voxel_scale.constant), [8])
    np.testing.assert_array_equal(np.flatnonzero(training.voxel_scale.damaged), [9, 10])
    np.testing.assert_allclose(training.gram[:8, :8], whole.gram, atol=1e-12)
    np.testing.assert_array_equal(training.z[:, 8:], 0)
    np.testing.assert_array_equal(training.voxel_spread[8:], 0)
    targets, expected = training.targets(features), whole.targets(features[:, :6])
    np.testing.assert_array_equal(np.flatnonzero(targets.scale.constant), [6])
    np.testing.assert_array_equal(np.flatnonzero(targets.scale.damaged), [7])
    np.testing.assert_allclose(targets.cross[:6, :8], expected.cross, atol=1e-10)
    np.testing.assert_array_equal(targets.cross[6:], 0)
    np.testing.assert_array_equal(targets.cross[:, 8:], 0)
    # Whatever a decoder says of a unit that cannot be decoded, its mean comes out.
    restored = targets.restore(np.full((2, 8), 3.0))
    seen = np.ones(12) if variant.units == "stimuli" else training.counts
    left = np.isfinite(features[:, 7])
    np.testing.assert_allclose(
        restored[:, 6:], [[0.7, np.average(features[left, 7], weights=seen[left])]] * 2, rtol=1e-6
    )
    assert restored.dtype == np.float32


def test_test_responses_are_scaled_by_the_training_trials():
    responses, index, _ = simulate()
    training = Training(responses, index, Standardisation(), CPU, "float64")
    test = responses[:3] * 2 + 1
    test[1, 2] = np.nan
    expected = (test - responses.mean(axis=0)) / responses.std(axis=0, ddof=1)
    expected[1, 2] = 0
    np.testing.assert_allclose(training.standardise(test), expected, atol=1e-12)


def test_what_cannot_be_trained_on_is_said():
    responses, index, _ = simulate()
    with pytest.raises(DataError, match="at least 3 training trials; it got 2"):
        Training(responses[:2], index[:2], Standardisation(), CPU)
    with pytest.raises(DataError, match="Training stimulus 5 has no trial"):
        Training(responses, np.where(index == 5, 0, index), Standardisation(), CPU)
    with pytest.raises(DataError, match="No voxel of the training trials varies"):
        Training(np.ones_like(responses), index, Standardisation(), CPU)
    with pytest.raises(ConfigError, match="precision: 'float16' is unknown"):
        Training(responses, index, Standardisation(), CPU, "float16")
