"""Cross-validated and banded ridge against scikit-learn and direct solutions, trial by trial."""

import himalaya.backend
import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode import cross_validated
from fmri2image.decode.cross_validated import LEAST_SHARE, band_shares, stimulus_folds, voxel_bands
from fmri2image.decode.decoders import Context, fit_decoder
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

CPU = torch.device("cpu")
ALPHAS = [0.3, 3.0, 30.0, 300.0, 3000.0]
N_STIMULI = 24
INDEX = np.array([*range(N_STIMULI), *range(0, N_STIMULI, 2), 3, 3, 3, 7])  # 40 trials, repeats differ
FEWER, MORE = 16, 64  # voxels: fewer and more than trials


def simulate(n_voxels, n_units=6, seed=0, noise=3.0):
    """Unit 2 never varies, voxel 1 never varies; voxels carry the units at different strength."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((N_STIMULI, n_units)) * 3 + 5
    pattern = rng.standard_normal((n_units, n_voxels)) * np.geomspace(0.05, 1, n_units)[:, None]
    responses = features[INDEX] @ pattern + noise * rng.standard_normal((len(INDEX), n_voxels))
    features[:, 2], responses[:, 1] = 4.25, 0.5
    return responses, features, rng.standard_normal((9, n_voxels)) * 2


def trained(responses, precision="float64", standardisation=None):
    return Training(responses, INDEX, standardisation or Standardisation(), CPU, precision)


def plain(training, alphas=ALPHAS, **context):
    return fit_decoder(training, {"decoder": "ridge-cv", "alphas": alphas, "folds": 4}, Context(**context))


def banded(training, areas, names=None, iterations=30, **context):
    settings = {"decoder": "banded-ridge", "alphas": ALPHAS, "folds": 4, "iterations": iterations}
    return fit_decoder(training, {**settings, "bands": names or list(areas)}, Context(bands=areas, **context))


def halves(n_voxels):
    first = np.arange(n_voxels) < n_voxels // 2
    return {"LVC": first, "HVC": ~first}


def in_halves(training, **context):
    return banded(training, halves(training.n_voxels), iterations=6, **context)


@pytest.mark.parametrize("standardisation", [Standardisation(), Standardisation("stimuli", "trials", 0)], ids=str)
@pytest.mark.parametrize("n_voxels", [FEWER, MORE])
def test_every_unit_gets_the_penalty_that_scikit_learn_finds_in_the_same_folds(n_voxels, standardisation):
    responses, features, test = simulate(n_voxels)
    training = trained(responses, standardisation=standardisation)
    decoder = plain(training, seed=5)
    assert decoder.primal == (n_voxels == FEWER)
    decoded = decoder.predict(features, [test, test[:2] + 1])
    usable = training.voxel_scale.usable
    x, targets = training.z.numpy()[:, usable], training.targets(features)
    split = PredefinedSplit(stimulus_folds(INDEX, 4, 5))
    used = set()
    for unit, y in enumerate(targets.rows[training.index].numpy().T):
        if unit == 2:
            continue
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=split, scoring="neg_mean_squared_error").fit(x, y)
        used.add(search.best_params_["alpha"])
        np.testing.assert_allclose(decoded.penalties[unit], search.best_params_["alpha"], rtol=1e-5)
        np.testing.assert_allclose(decoded.intercept[unit], search.best_estimator_.intercept_, atol=1e-6)
        for values, shown in zip(decoded.values, [test, test[:2] + 1], strict=True):
            z = search.predict(training.standardise(shown).numpy()[:, usable])
            expected = z * targets.scale.sd[unit] + targets.scale.mean[unit]
            np.testing.assert_allclose(values[:, unit], expected, rtol=1e-5, atol=1e-5)
        if decoder.primal:
            np.testing.assert_allclose(decoded.weights[unit, usable], search.best_estimator_.coef_, atol=1e-6)
    assert len(used) > 1  # else one penalty for all would pass
    if decoder.primal:
        np.testing.assert_array_equal(decoded.weights[:, ~usable], 0)
    else:
        assert decoded.weights is None


@pytest.mark.parametrize("n_voxels", [FEWER, MORE])
def test_banded_ridge_equals_the_direct_solution_with_its_penalties(n_voxels):
    responses, features, test = simulate(n_voxels)
    training = trained(responses, standardisation=Standardisation("stimuli"))
    # Bands that are not in the order of voxels, overlap (the first counts), and leave some voxels to a band of the rest.
    voxel = np.arange(n_voxels)
    areas = {"V2": voxel % 3 == 1, "V1": voxel % 2 == 0, "empty": voxel < 0}
    decoded = banded(training, areas, ["V1", "V2", "empty"]).predict(features, [test])
    band = np.where(areas["V1"], 0, np.where(areas["V2"], 1, 2))
    usable = training.voxel_scale.usable
    assert decoded.penalties.shape == (6, 3)
    assert len(np.unique(np.round(np.log(decoded.penalties), 3), axis=0)) > 2
    x, targets = training.z.numpy()[:, usable], training.targets(features)
    mean = x.mean(axis=0)
    for unit, y in enumerate(targets.rows[training.index].numpy().T):
        penalty = np.diag(decoded.penalties[unit].astype(np.float64)[band[usable]])
        weights = np.linalg.solve((x - mean).T @ (x - mean) + penalty, (x - mean).T @ (y - y.mean()))
        z = (training.standardise(test).numpy()[:, usable] - mean) @ weights + y.mean()
        np.testing.assert_allclose(
            decoded.values[0][:, unit], z * targets.scale.sd[unit] + targets.scale.mean[unit], rtol=1e-4, atol=1e-4
        )
        np.testing.assert_allclose(decoded.intercept[unit], y.mean() - mean @ weights, atol=1e-5)
        if decoded.weights is not None:
            np.testing.assert_allclose(decoded.weights[unit, usable], weights, atol=1e-5)


@pytest.mark.parametrize("n_voxels", [FEWER, MORE])
def test_the_chosen_penalties_have_the_best_score_of_all_that_were_tried(n_voxels):
    responses, features, test = simulate(n_voxels)
    training = trained(responses)
    decoded = banded(training, halves(n_voxels), iterations=6, seed=2).predict(features[:, [0, 5]], [test])
    usable = training.voxel_scale.usable
    x, rows = training.z.numpy()[:, usable], training.targets(features[:, [0, 5]]).rows[training.index].numpy()
    fold = stimulus_folds(INDEX, 4, 2)
    for y, found in zip(rows.T, decoded.penalties, strict=True):
        errors = {}
        for share in band_shares(2, 6, 2):
            for alpha in ALPHAS:
                penalties = alpha / np.repeat(share, n_voxels // 2)[usable]
                errors[tuple(alpha / share)] = np.mean([_error(x, y, fold == f, penalties) for f in range(4)])
        np.testing.assert_allclose(found, min(errors, key=errors.get), rtol=1e-4)


def _error(x, y, left_out, penalties):
    kept = ~left_out
    mean, level = x[kept].mean(axis=0), y[kept].mean()
    centred = x[kept] - mean
    weights = np.linalg.solve(centred.T @ centred + np.diag(penalties), centred.T @ (y[kept] - level))
    return np.mean((y[left_out] - level - (x[left_out] - mean) @ weights) ** 2)


def test_a_band_of_noise_is_shrunk_away_and_banded_beats_plain():
    rng = np.random.default_rng(1)
    features, unseen = rng.standard_normal((N_STIMULI, 12)), rng.standard_normal((200, 12))
    pattern = np.concatenate([rng.standard_normal((12, 20)), np.zeros((12, 100))], axis=1)  # LVC tells, HVC is noise
    responses = features[INDEX] @ pattern + rng.standard_normal((len(INDEX), 120))
    test = unseen @ pattern + rng.standard_normal((200, 120))
    areas = {"LVC": np.arange(120) < 20, "HVC": np.arange(120) >= 20}
    training = trained(responses)
    with_bands, without = banded(training, areas).predict(features, [test]), plain(training).predict(features, [test])
    assert (np.log10(with_bands.penalties[:, 1] / with_bands.penalties[:, 0]) > 1).mean() > 0.8

    def accuracy(decoded):
        return np.mean([np.corrcoef(decoded.values[0][:, u], unseen[:, u])[0, 1] for u in range(12)])

    assert accuracy(with_bands) > accuracy(without) + 0.1


@pytest.mark.parametrize("seed", range(4))
def test_trials_of_a_stimulus_stay_together_and_folds_are_even(seed):
    fold = stimulus_folds(INDEX, 5, seed)
    of_stimulus = [set(fold[s == INDEX]) for s in range(N_STIMULI)]
    assert all(len(folds) == 1 for folds in of_stimulus)
    assert sorted(np.bincount([folds.pop() for folds in of_stimulus])) == [4, 5, 5, 5, 5]
    np.testing.assert_array_equal(fold, stimulus_folds(INDEX, 5, seed))
    assert (fold != stimulus_folds(INDEX, 5, seed + 1)).any()


@pytest.mark.parametrize("n_voxels", [FEWER, MORE])
@pytest.mark.parametrize(
    "kind", [plain, lambda t, **c: banded(t, halves(t.n_voxels), iterations=6, **c)], ids=["plain", "banded"]
)
def test_two_runs_are_equal_and_blocks_of_units_do_not_matter(n_voxels, kind):
    responses, features, test = simulate(n_voxels)
    first, again = (kind(trained(responses), seed=3).predict(features, [test]) for _ in range(2))
    for name in ("intercept", "penalties"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    np.testing.assert_array_equal(first.values[0], again.values[0])
    little = kind(trained(responses), seed=3, memory=1)
    assert little._units_at_once(len(test)) == 1
    np.testing.assert_allclose(little.predict(features, [test]).values[0], first.values[0], rtol=1e-5, atol=1e-5)
    other = kind(trained(responses), seed=4).predict(features, [test])
    assert (other.values[0] != first.values[0]).any()


def test_single_precision():
    for n_voxels in (FEWER, MORE):
        responses, features, test = simulate(n_voxels)
        single, double = (
            banded(trained(responses, precision), halves(n_voxels), iterations=12).predict(features, [test])
            for precision in ("float32", "float64")
        )
        np.testing.assert_allclose(single.penalties, double.penalties, rtol=1e-3)
        np.testing.assert_allclose(single.values[0], double.values[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n_voxels", [FEWER, MORE])
def test_units_that_cannot_be_decoded_get_their_mean_and_harm_no_other(n_voxels):
    responses, features, test = simulate(n_voxels)
    training = trained(responses)
    test[0, 3] = np.nan
    whole = in_halves(training).predict(np.delete(features, 2, axis=1), [test])
    features = np.column_stack([features, np.where(np.arange(N_STIMULI) == 4, np.nan, 8.5)])
    decoded = in_halves(training).predict(features, [test])
    np.testing.assert_allclose(decoded.values[0][:, [2, 6]], [[4.25, 8.5]] * len(test))
    np.testing.assert_allclose(decoded.values[0][:, [0, 1, 3, 4, 5]], whole.values[0], rtol=1e-5, atol=1e-5)
    assert np.isfinite(decoded.values[0]).all()


def test_no_statistic_of_the_test_rows_enters():
    responses, features, test = simulate(MORE)
    decoder = plain(trained(responses))
    together = decoder.predict(features, [test]).values[0]
    alone = decoder.predict(features, [test[:1], test[1:] * 100]).values[0]
    np.testing.assert_allclose(alone, together[:1], rtol=1e-6)


def test_nothing_is_printed_and_the_backend_of_himalaya_is_left_as_it_was(capfd, monkeypatch):
    responses, features, test = simulate(FEWER)
    wide, _, wide_test = simulate(MORE)

    def fails(*_, **__):
        assert himalaya.backend.get_backend().name == "torch"
        raise MemoryError

    before = himalaya.backend.get_backend().name
    try:
        himalaya.backend.set_backend("numpy")
        in_halves(trained(responses)).predict(features, [test])
        in_halves(trained(wide)).predict(features, [wide_test])
        assert himalaya.backend.get_backend().name == "numpy"
        monkeypatch.setattr(cross_validated, "solve_group_ridge_random_search", fails)
        with pytest.raises(MemoryError):
            plain(trained(responses)).predict(features, [test])
        assert himalaya.backend.get_backend().name == "numpy"
    finally:
        himalaya.backend.set_backend(before)
    assert capfd.readouterr() == ("", "")


def test_bands_and_shares():
    usable = np.array([True, True, False, True, True, True])
    areas = {"V1": np.array([1, 1, 1, 0, 0, 0]), "V2": np.array([0, 1, 1, 1, 0, 0]), "V3": np.array([0, 0, 1, 0, 0, 0])}
    found = [band.tolist() for band in voxel_bands(["V2", "V1", "V3"], areas, usable)]
    assert found == [[1, 3], [0], [4, 5]]
    shares = band_shares(3, 101, 7)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(shares[0], 1 / 3)
    assert shares.shape == (101, 3) and shares.min() > LEAST_SHARE / 2
    assert (shares.max(axis=1) > 0.98).any() and (shares.max(axis=1) < 0.6).any()
    np.testing.assert_array_equal(band_shares(1, 100, 7), [[1]])


def test_one_band_is_ridge_with_one_penalty():
    responses, features, test = simulate(MORE)
    training = trained(responses)
    one = banded(training, {"VC": np.ones(MORE, bool), "FFA": np.zeros(MORE, bool)}).predict(features, [test])
    np.testing.assert_allclose(one.values[0], plain(training).predict(features, [test]).values[0], rtol=1e-6)


def test_what_makes_no_sense_is_said():
    responses, _, _ = simulate(FEWER)
    training = trained(responses)
    settings = {"decoder": "ridge-cv", "alphas": ALPHAS, "folds": 4}
    for wrong, message in (
        ({"n_voxels": 500}, "'ridge-cv' uses every voxel"),
        ({"alphas": [1, 0]}, "alphas must be positive"),
        ({"alphas": []}, "alphas must be positive"),
        ({"folds": 1}, "folds must be at least 2"),
        ({"decoder": "banded-ridge", "bands": ["V1", "V9"], "iterations": 5}, "bands: V1, V9; .* are LVC, HVC"),
        ({"decoder": "banded-ridge", "bands": ["LVC"], "iterations": 0}, "iterations must be at least 1"),
    ):
        with pytest.raises(ConfigError, match=message):
            fit_decoder(training, {**settings, **wrong}, Context(bands=halves(FEWER)))
    with pytest.raises(DataError, match="in 25 folds needs as many training stimuli; there are 24"):
        fit_decoder(training, {**settings, "folds": 25}, Context())
    with pytest.raises(DataError, match="Band LVC is for 10 voxels; the training trials have 16"):
        banded(training, halves(10))
