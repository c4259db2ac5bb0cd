"""Sparse linear regression against the published algorithm, one unit at a time (slr_reference.py)."""

import numpy as np
import pytest
import slr_reference
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.decode import slr_gpu
from fmri2image.decode.decoders import Context, fit_decoder
from fmri2image.decode.slr import SlrDecoder, assemble
from fmri2image.decode.slr_cpu import Problem, Rules, fit_unit, pseudo_inverse, update
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

CPU = torch.device("cpu")
CASES = slr_reference.cases()
LIMITS = {"float64": 1e-5, "float32": 1e-3}


def training_set(responses, index, precision="float64", **standardise):
    return Training(responses, index, Standardisation(**standardise), CPU, precision)


def stored(case):
    with np.load(slr_reference.STORED) as file:
        return {name.removeprefix(f"{case}/"): file[name] for name in file.files if name.startswith(f"{case}/")}


def difference(found, expected):
    """Largest difference in SDs of the unit's predictions."""
    sd = expected.std(axis=0)
    return (np.abs(found - expected) / np.where(sd > 0, sd, 1)).max()


@pytest.mark.parametrize("case", CASES)
def test_the_reference_gives_what_is_stored(case):
    *data, settings = CASES[case]
    old = stored(case)
    for name, values in zip(("responses", "index", "features", "test"), data, strict=True):
        np.testing.assert_allclose(values, old[name], atol=1e-9)
    predicted, kept, iterations = slr_reference.decode(*data, **settings)
    # pinv leaves more rounding where voxels repeat each other; extended precision says what the update itself gives.
    assert difference(predicted, old["published/predicted"]) < 2e-5
    assert difference(predicted, old["extended/predicted"]) < 2e-5
    assert (kept == old["published/kept"]).mean() > 0.99
    np.testing.assert_array_equal(iterations, old["published/iterations"])


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("case", CASES)
def test_predictions_and_kept_voxels_equal_the_published_ones(case, precision, batched):
    responses, index, features, test, settings = CASES[case]
    old = stored(case)
    training = training_set(responses, index, precision, units=settings["units"])
    decoder = SlrDecoder(training, {**settings, "precision": precision}, Context(), batched=batched)
    decoded = decoder.predict(features, [test])
    assert difference(decoded.values[0], old["published/predicted"]) < LIMITS[precision]
    assert difference(decoded.values[0], old["extended/predicted"]) < LIMITS[precision]
    kept = np.zeros(old["published/kept"].shape, dtype=bool)
    np.put_along_axis(kept, decoded.chosen.astype(int), decoded.weights != 0, axis=1)
    assert (kept == old["published/kept"]).mean() >= 0.99
    # The weights alone give the predictions again, on the scale of standardised units.
    z = training.standardise(test).numpy()
    again = np.stack([z[:, c] @ w for c, w in zip(decoded.chosen, decoded.weights, strict=True)], axis=1)
    scale = training.targets(features).scale
    again = (again + decoded.intercept) * scale.sd + scale.mean
    assert difference(again[:, scale.usable], decoded.values[0][:, scale.usable]) < 1e-4


def random_problems(n_units=48, n_trials=150, k=90, dtype=torch.float64):
    """Units that keep between a few and most of their voxels."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((n_units, n_trials, k))
    share = np.linspace(0.03, 0.9, n_units)[:, None]
    truth = rng.standard_normal((n_units, k)) * (rng.random((n_units, k)) < share)
    y = np.einsum("unk,uk->un", x, truth) + 0.5 * rng.standard_normal((n_units, n_trials))
    x, y = torch.from_numpy(x), torch.from_numpy(y)[:, :, None]
    sums = (x.mT @ x).to(dtype), x.sum(1), (x.mT @ y)[:, :, 0], y.sum((1, 2)), y.square().sum((1, 2))
    return assemble(*sums, n_trials, "ard")


@pytest.mark.parametrize("stopping", ["published", "corrected"])
def test_batches_shrink_and_split_and_change_nothing(stopping, monkeypatch):
    problems, rules = random_problems(), Rules(stopping=stopping, iterations=150, converge_threshold=1e-4)
    sizes = []
    original = slr_gpu.update

    def spy(gram, cross, ratio):
        sizes.append((len(gram), gram.shape[1]))
        assert ((ratio > 0).sum(1).max() / gram.shape[1]) > 0.7  # pruned columns cost little
        return original(gram, cross, ratio)

    monkeypatch.setattr(slr_gpu, "update", spy)
    together = slr_gpu.fit_units(problems, rules)
    assert min(units for units, _ in sizes) < 48 and min(width for _, width in sizes) < 60 < 91 == sizes[0][1]
    for unit in range(48):
        alone = fit_unit(problems.one(unit), rules)
        np.testing.assert_allclose(together.weights[unit].numpy(), alone.weights, atol=1e-9)
        np.testing.assert_array_equal(together.kept[unit].numpy(), alone.kept)
        assert int(together.iterations[unit]) == alone.iterations
    early = (together.iterations < 150).sum()
    assert early > 0 if stopping == "corrected" else early == 0


def test_single_precision_is_given_up_where_voxels_explain_nearly_everything():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 60, 80))
    y = np.stack([x[0] @ rng.standard_normal(80), rng.standard_normal(60)])
    x[1, :, 12:] = 0  # few voxels: much is left
    for dtype in (np.float32, np.float64):
        alone, tensors = [], []
        for u in range(2):
            numbers = (y[u] @ y[u], y[u].var(), x[u].var(0).mean())
            alone.append(Problem((x[u].T @ x[u]).astype(dtype), x[u].T @ y[u], *numbers, 60))
        for name in ("gram", "cross", "squares", "variance", "spread"):
            tensors.append(torch.from_numpy(np.stack([getattr(problem, name) for problem in alone])))
        expected = [dtype is np.float64, True]
        assert [fit_unit(problem, Rules()).reliable for problem in alone] == expected
        assert slr_gpu.fit_units(slr_gpu.Problems(*tensors, 60), Rules()).reliable.tolist() == expected


@pytest.mark.parametrize("dtype,limit", [(np.float64, 1e-11), (np.float32, 2e-4)])
def test_tiny_gains_keep_their_digits(dtype, limit):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 100))
    gram, cross = x.T @ x, x.T @ rng.standard_normal(200)
    ratio = 10.0 ** rng.uniform(-12, 0, 100)
    root = np.sqrt(ratio).astype(np.longdouble)
    scaled = gram * root * root[:, None]
    inverse = slr_reference._gauss_jordan(scaled + np.eye(100))
    gain = np.einsum("ij,ji->i", scaled, inverse).astype(float)
    weights = (root * (inverse @ (root * cross))).astype(float)
    assert gain.min() < 1e-8
    matrix = gram + np.diag(1 / ratio)
    expected_pivot = (np.diag(np.linalg.cholesky(matrix)) ** 2 / np.diag(matrix)).min()
    lower = np.triu(gram).astype(dtype)  # C-ordered upper triangle
    found = [update(lower, cross, ratio, np.empty_like(lower))]
    tensors = torch.from_numpy(gram.astype(dtype)), torch.from_numpy(cross), torch.from_numpy(ratio)
    found.append([x[0].numpy() for x in slr_gpu.update(*(x[None] for x in tensors))])
    for found_weights, found_gain, pivot in found:
        assert pivot == pytest.approx(expected_pivot, rel=1e-4)
        assert np.abs(found_gain / gain - 1).max() < limit
        assert np.abs(found_weights / weights - 1).max() < 50 * limit  # some weights are differences of large numbers


def test_matrices_that_are_singular_to_rounding_are_inverted_as_published():
    x = np.random.default_rng(0).standard_normal((40, 6))
    x = x[:, [0, 1, 2, 3, 4, 5, 0, 1]]
    gram, cross, ratio = x.T @ x, x.T @ x[:, 0], np.full(8, 1e17)
    inverse = np.linalg.pinv(gram + np.diag(1 / ratio))
    expected = inverse @ cross, np.diag(gram @ inverse)
    tensors = (torch.from_numpy(a)[None] for a in (gram, cross, ratio))
    batch = [a[0].numpy() for a in slr_gpu.update(*tensors)]
    upper = np.triu(gram)
    for found in (update(upper, cross, ratio, np.empty((8, 8))), pseudo_inverse(upper, cross, ratio), batch):
        for values, right in zip(found[:2], expected, strict=True):
            np.testing.assert_allclose(values, right, atol=1e-8)


def test_a_unit_that_no_voxel_explains_loses_all_and_is_predicted_by_its_mean():
    # Columns of a Hadamard matrix: integers, so products with the unit are exactly zero.
    signs = np.array([[1.0]])
    for _ in range(4):
        signs = np.block([[signs, signs], [signs, -signs]])
    gram = signs[:, 1:8].T @ signs[:, 1:8]
    problem = Problem(gram, signs[:, 1:8].T @ signs[:, 9], 16.0, 1.0, 1.0, 16)
    fitted = fit_unit(problem, Rules())
    assert not fitted.weights.any() and not fitted.kept.any() and fitted.iterations == 1
    tensors = (torch.tensor(x, dtype=torch.float64)[None] for x in (gram, problem.cross, 16.0, 1.0, 1.0))
    batch = slr_gpu.fit_units(slr_gpu.Problems(*tensors, 16), Rules())
    assert not batch.weights.any() and not batch.kept.any() and batch.iterations.tolist() == [1]


def test_the_published_stopping_rule_never_fires_after_a_pruning():
    problems = random_problems(n_units=2, n_trials=400, k=3)
    informative = problems.one(1)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 4))
    y = x @ [1.0, -2.0, 1.5, 1.0] + 0.1 * rng.standard_normal(400)
    informative = Problem(x.T @ x, x.T @ y, y @ y, y.var(), x.var(0).mean(), 400)
    nothing_pruned = fit_unit(informative, Rules())
    assert nothing_pruned.kept.all() and nothing_pruned.iterations == 102  # the first iteration that may be tested
    x[:, 3] = 0  # says nothing: pruned in the first iteration
    with_pruning = Problem(x.T @ x, x.T @ y, y @ y, y.var(), x.var(0).mean(), 400)
    published, corrected = (fit_unit(with_pruning, Rules(stopping=rule)) for rule in ("published", "corrected"))
    assert published.iterations == 200 and corrected.iterations == 102
    np.testing.assert_allclose(corrected.weights, published.weights, rtol=1e-9)
    reference = [slr_reference.slr(x, y, stopping=rule)[2] for rule in ("published", "corrected")]
    assert reference == [200, 102]


def test_the_true_voxels_are_found_among_many():
    rng = np.random.default_rng(5)
    responses = rng.standard_normal((400, 300))
    true = rng.permutation(300)[:12]
    weights = rng.choice([-1, 1], 12) * rng.uniform(0.5, 1.5, 12)
    features = (responses[:, true] @ weights + rng.standard_normal(400))[:, None]
    test = rng.standard_normal((100, 300))
    decoder = SlrDecoder(training_set(responses, np.arange(400)), {"n_voxels": 200}, Context())
    decoded = decoder.predict(features, [test])
    kept = decoded.chosen[0][decoded.weights[0] != 0]
    assert set(true) <= set(kept) and len(kept) < 100
    assert np.corrcoef(decoded.values[0][:, 0], test[:, true] @ weights)[0, 1] > 0.97


def test_damaged_values_and_blocks_and_other_tests_change_nothing_else():
    responses, index, features, test, settings = CASES["one trial per stimulus"]
    plain = SlrDecoder(training_set(responses, index), settings, Context()).predict(features, [test])
    responses = np.insert(responses, 4, np.nan, axis=1)
    features = np.insert(features, [1, 3], np.nan, axis=1)
    test = np.insert(test, 4, 7.0, axis=1)
    # A few units at a time, and other rows beside these.
    small = Context(memory=1000)
    decoder = fit_decoder(training_set(responses, index), {"decoder": "slr", **settings}, small)
    first, second = decoder.predict(features, [100 * test, test]).values
    assert first.shape == second.shape == (12, 7)
    np.testing.assert_allclose(np.delete(second, [1, 4], axis=1), plain.values[0], rtol=1e-6)
    chosen = decoder.predict(features, []).chosen
    assert 4 not in chosen and decoder.predict(features, []).values == []


@pytest.mark.slow  # starts processes
def test_worker_processes_give_what_this_process_gives():
    responses, index, features, test, settings = CASES["more voxels than trials"]
    features = np.tile(features, 2)
    for precision in ("float64", "float32"):  # the latter fits in float64 again: there is hardly any noise
        settings = {**settings, "precision": precision}
        here, there = (
            SlrDecoder(training_set(responses, index, precision), settings, Context(workers=n)).predict(
                features, [test]
            )
            for n in (1, 2)
        )
        np.testing.assert_array_equal(here.values[0], there.values[0])
        np.testing.assert_array_equal(here.weights, there.weights)


def test_what_cannot_be_set_is_said():
    responses, index, *_ = CASES["one trial per stimulus"]
    training = training_set(responses, index)
    for settings, message in (
        ({"stopping": "never"}, "stopping 'never' is unknown; use published or corrected"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"prune_threshold": 1.0}, "prune_threshold must lie between"),
        ({"intercept": "penalised"}, "intercept 'penalised' is unknown; use ard or free"),
        ({"n_voxels": 0}, "n_voxels must be at least 1"),
        ({"precision": "float32"}, "precision is float32, but the training set's is torch.float64"),
    ):
        with pytest.raises(ConfigError, match=message):
            SlrDecoder(training, settings, Context())
