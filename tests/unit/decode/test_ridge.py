"""Ridge decoders beside plain numpy, one unit at a time, in float64, on awkward data.

Differences are relative: the largest absolute difference of a unit's predictions over the SD of its predictions by the
reference, and over the unit's own SD where that is larger by less than a thousand times (predictions hardly vary then).
"""

import numpy as np
import pytest
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode.decoders import Context, fit_decoder
from fmri2image.decode.ridge import SelectedRidgeOnDevice
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

CPU = torch.device("cpu")
LIMIT = {"float64": 1e-5, "float32": 1e-3}


def awkward(name, seed=0, n_units=9):
    """Return responses, stimulus of each trial, features and test responses."""
    rng = np.random.default_rng(seed)
    n_stimuli, n_voxels = {"more voxels than trials": (24, 90), "wide": (30, 300)}.get(name, (60, 40))
    repeats = np.full(n_stimuli, 1 if name == "one trial per stimulus" else 3)
    if name == "unequal repeats":
        repeats = rng.integers(1, 6, n_stimuli)
    index = rng.permutation(np.repeat(np.arange(n_stimuli), repeats))
    latent = rng.standard_normal((n_stimuli, 6))
    features = (latent @ rng.standard_normal((6, n_units)) + 0.5 * rng.standard_normal((n_stimuli, n_units))) * 3 + 5
    to_voxels = rng.standard_normal((6, n_voxels))
    responses = latent[index] @ to_voxels + 3 * rng.standard_normal((len(index), n_voxels)) + 100
    test = rng.standard_normal((11, 6)) @ to_voxels + 3 * rng.standard_normal((11, n_voxels)) + 100
    if name == "constant units":
        features[:, 2], features[:, 5] = 4.25, 0.0
    if name == "constant voxels":
        responses[:, [1, 7, 30]] = [0.5, 0.0, 1e5 / 3]
    if name == "damaged voxel":
        responses[3, 4], test[2, 8] = np.nan, np.inf
    if name == "collinear voxels":
        for copy, original, scale in [(0, 9, 1.0), (39, 9, 1.0), (12, 20, -3.0), (33, 20, 0.1), (5, 6, 1.0)]:
            responses[:, copy], test[:, copy] = responses[:, original] * scale, test[:, original] * scale
    if name == "nearly collinear voxels":
        for copy, original in [(0, 9), (39, 9), (12, 20), (33, 20), (5, 6), (4, 6), (3, 6)]:
            responses[:, copy] = responses[:, original] + 1e-6 * rng.standard_normal(len(index))
    return responses, index, features, test


DATA = [
    "ordinary", "more voxels than trials", "wide", "one trial per stimulus", "unequal repeats", "constant units",
    "constant voxels", "damaged voxel", "collinear voxels", "nearly collinear voxels",
]  # fmt: skip


def reference(responses, index, features, test, *, alpha, k, intercept, standardise):
    """Fit one unit at a time with an explicit column of ones and a general solver."""
    ddof, n_stimuli = standardise.ddof, len(features)
    shown = responses
    if standardise.voxels == "stimuli":
        shown = np.array([responses[index == s].mean(0) for s in range(n_stimuli)])
    good = np.isfinite(responses).all(0) & (np.ptp(shown, axis=0) > 0)
    mean, sd = shown[:, good].mean(0), shown[:, good].std(0, ddof=ddof)
    x, t = (responses[:, good] - mean) / sd, (test[:, good] - mean) / sd
    t[~np.isfinite(t)] = 0
    penalty = np.full(x.shape[1] + 1, alpha)
    penalty[-1] = alpha if intercept == "penalised" else 0
    out = np.empty((len(test), features.shape[1]))
    for unit, f in enumerate(features.T):
        y = f if standardise.units == "stimuli" else f[index]
        if np.ptp(y) == 0:
            out[:, unit] = y[0]
            continue
        z = ((f - y.mean()) / y.std(ddof=ddof))[index]
        r = np.abs((z - z.mean()) @ (x - x.mean(0)) / x.std(0) / z.std() / len(z))
        chosen = np.argsort(-np.round(r, 11), kind="stable")[:k]
        ones = np.column_stack([x[:, chosen], np.ones(len(x))])
        solved = np.linalg.solve(ones.T @ ones + np.diag(penalty[[*chosen, -1]]), ones.T @ z)
        out[:, unit] = np.column_stack([t[:, chosen], np.ones(len(t))]) @ solved * y.std(ddof=ddof) + y.mean()
    return out


def relative_difference(found, expected, features):
    scale = np.maximum(expected.std(0), 1e-3 * features.std(0))
    varied = features.std(0) > 0
    np.testing.assert_allclose(found[:, ~varied], expected[:, ~varied], rtol=1e-6)
    return (np.abs(found - expected).max(0)[varied] / scale[varied]).max()


def decoded(data, precision="float64", standardise=None, context=None, **settings):
    responses, index, features, test = data
    training = Training(responses, index, standardise or Standardisation(), CPU, precision)
    settings = {"decoder": "ridge", "alpha": 5.0, "n_voxels": None, **settings}
    return fit_decoder(training, settings, context or Context()).predict(features, [test, test[:2] + 1])


@pytest.mark.parametrize("precision", LIMIT)
@pytest.mark.parametrize("k", [7, 35, 500, None])
@pytest.mark.parametrize("intercept", ["free", "penalised"])
@pytest.mark.parametrize("name", DATA)
def test_predictions_are_the_reference_s(name, intercept, k, precision):
    data = awkward(name)
    for standardise in (Standardisation(), Standardisation("stimuli", "trials", 0)):
        options = {"alpha": 5.0, "intercept": intercept}
        expected = reference(*data, k=k, standardise=standardise, **options)
        found = decoded(data, precision, standardise, n_voxels=k, **options)
        assert relative_difference(found.values[0], expected, data[2]) < LIMIT[precision]
        shifted = reference(*data[:3], data[3][:2] + 1, k=k, standardise=standardise, **options)
        np.testing.assert_allclose(found.values[1], shifted, rtol=0, atol=1e-2)


@pytest.mark.parametrize("precision", LIMIT)
@pytest.mark.parametrize("intercept", ["free", "penalised"])
@pytest.mark.parametrize("solver", ["primal", "dual"])
@pytest.mark.parametrize("name", DATA)
def test_both_solvers_give_the_same(name, solver, intercept, precision):
    data = awkward(name)
    for standardise in (Standardisation(), Standardisation("stimuli", "trials", 0)):
        found = decoded(data, precision, standardise, solver=solver, intercept=intercept)
        expected = reference(*data, alpha=5.0, k=None, intercept=intercept, standardise=standardise)
        assert relative_difference(found.values[0], expected, data[2]) < LIMIT[precision]


@pytest.mark.parametrize("precision", LIMIT)
@pytest.mark.parametrize("name", DATA)
def test_the_way_of_the_gpu_gives_the_same(name, precision):
    """Tensors on the CPU go through the same code; memory for three units at a time."""
    responses, index, features, test = data = awkward(name)
    training = Training(responses, index, Standardisation("stimuli"), CPU, precision)
    context = Context(memory=3 * training.z.element_size() * (3 * 7**2 + 6 * responses.shape[1]) + 8000)
    decoder = SelectedRidgeOnDevice(training, 5.0, training.n_trials + 5.0, 7, context)
    found = decoder.predict(features, [test])
    expected = reference(*data, alpha=5.0, k=7, intercept="penalised", standardise=Standardisation("stimuli"))
    assert relative_difference(found.values[0], expected, features) < LIMIT[precision]
    here = decoded(data, precision, Standardisation("stimuli"), n_voxels=7, intercept="penalised")
    np.testing.assert_array_equal(found.chosen, here.chosen)


def test_units_that_voxels_nearly_tie_for_are_decided_exactly():
    """Among thousands of voxels the last chosen and the first that is not often differ by less than float32 can tell."""
    rng = np.random.default_rng(4)
    latent = rng.standard_normal((120, 5))
    responses = latent @ rng.standard_normal((5, 6000)) + 10 * rng.standard_normal((120, 6000))
    features = latent @ rng.standard_normal((5, 150)) + rng.standard_normal((120, 150))
    test = rng.standard_normal((20, 6000))
    data = responses, np.arange(120), features, test
    single, double = (decoded(data, precision, n_voxels=200, alpha=100.0) for precision in ("float32", "float64"))
    np.testing.assert_array_equal(single.chosen, double.chosen)
    assert relative_difference(single.values[0], double.values[0], features) < 1e-3
    expected = np.sort(np.argsort(-np.abs(np.corrcoef(features.T, responses.T)[:150, 150:]), axis=1)[:, :200], axis=1)
    np.testing.assert_array_equal(double.chosen, expected)


@pytest.mark.parametrize("k", [6, None])
def test_weights_voxels_and_intercept_are_those_of_the_predictions(k):
    responses, index, features, test = data = awkward("unequal repeats")
    standardise = Standardisation("stimuli", "trials")
    found = decoded(data, standardise=standardise, n_voxels=k, intercept="penalised")
    training = Training(responses, index, standardise, CPU, "float64")
    dense = np.zeros((features.shape[1], responses.shape[1]))
    if k is None:
        assert found.chosen is None
        dense[:] = found.weights
    else:
        assert found.chosen.shape == found.weights.shape == (9, 6)
        np.put_along_axis(dense, found.chosen.astype(int), found.weights, axis=1)
    predicted = training.standardise(test).numpy() @ dense.T + found.intercept
    np.testing.assert_allclose(training.targets(features).restore(predicted), found.values[0], atol=1e-4)


@pytest.mark.parametrize("workers, memory", [(2, 10**9), (1, 1)])
def test_neither_workers_nor_memory_change_predictions(workers, memory):
    data = awkward("wide", n_units=25)
    alone = decoded(data, "float32", n_voxels=20)
    found = decoded(data, "float32", n_voxels=20, context=Context(workers=workers, memory=memory))
    np.testing.assert_array_equal(found.chosen, alone.chosen)
    assert relative_difference(found.values[0], alone.values[0].astype(float), data[2]) < 1e-4
    np.testing.assert_allclose(found.weights, alone.weights, atol=1e-4 * np.abs(alone.weights).max())


def test_no_statistic_of_the_test_rows_enters():
    responses, index, features, test = awkward("ordinary")
    for k in (None, 6):
        together = decoded((responses, index, features, test), n_voxels=k).values[0]
        far = np.concatenate([test[:1], 100 * test[1:]])
        alone = decoded((responses, index, features, far), n_voxels=k).values[0]
        np.testing.assert_allclose(alone[:1], together[:1], rtol=1e-6)


def test_what_cannot_be_decoded_is_said():
    data = awkward("ordinary")
    with pytest.raises(ConfigError, match="alpha must be positive; it is 0"):
        decoded(data, alpha=0)
    with pytest.raises(ConfigError, match="n_voxels must be at least 1"):
        decoded(data, n_voxels=0)
    with pytest.raises(
        ConfigError, match="free, penalised and its solver one of auto, primal, dual; they are no and auto"
    ):
        decoded(data, intercept="no")
    rng = np.random.default_rng(0)
    same = rng.standard_normal((60, 1)) @ np.ones((1, 40)) + 1e-6 * rng.standard_normal((60, 40))
    with pytest.raises(DataError, match="not positive definite; raise the ridge decoder's alpha"):
        decoded((same, np.arange(60), *data[2:]), "float32", n_voxels=20, alpha=1e-9)
