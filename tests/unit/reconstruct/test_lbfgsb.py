"""The batched L-BFGS-B against SciPy's, iterate by iterate, and the independence of its problems."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from fmri2image.core.errors import DataError
from fmri2image.reconstruct.lbfgsb import Status, minimise

INF = float("inf")
SCIPY_STATUS = {
    Status.GRADIENT: 0,
    Status.DECREASE: 0,
    Status.ITERATIONS: 1,
    Status.EVALUATIONS: 1,
    Status.LINE_SEARCH: 2,
}


def rosenbrock(x):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)


def quadratics(n_problems, n_variables, seed, condition=30.0):
    """Return convex quadratics, most of whose minima lie outside [0, 1] in some variables."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.standard_normal((n_problems, n_variables, n_variables)))[0]
    matrices = torch.as_tensor((axes * np.geomspace(1, condition, n_variables)) @ axes.transpose(0, 2, 1))
    centres = torch.as_tensor(rng.uniform(-0.7, 1.7, (n_problems, n_variables)))

    def of(x):
        left = x - centres
        return 0.5 * torch.einsum("ni,nij,nj->n", left, matrices, left) + 1

    return of


def chains(n_problems, n_variables, seed):
    """Return sums of quartics, each variable tied to its neighbour; cheap for thousands of variables."""
    rng = np.random.default_rng(seed)
    weights = torch.as_tensor(rng.uniform(0.1, 10, (n_problems, n_variables)))
    centres = torch.as_tensor(rng.uniform(-1, 2, (n_problems, n_variables)))

    def of(x):
        left = x - centres
        return (weights * left**2 + 0.1 * left**4).sum(1) + 0.3 * (left[:, 1:] * left[:, :-1]).sum(1)

    return of


def waves(n_problems, n_variables, seed):
    """Return wavy losses with many minima: their line searches overshoot, go back and forth and have to zoom."""
    rng = np.random.default_rng(seed)
    mixing = torch.as_tensor(3 * rng.standard_normal((n_problems, 4, n_variables)))
    phases = torch.as_tensor(rng.uniform(0, 6, (n_problems, 4)))

    def of(x):
        return (3 * torch.sin(torch.einsum("nkv,nv->nk", mixing, x) + phases)).sum(1) + 0.1 * (x**4).sum(1)

    return of


def kinks(x):
    """Without a slope at its minimum: the line search fails there for want of a decrease."""
    return (x - 0.3).abs().sum(1) + 0.1 * (x**2).sum(1)


def with_gradient(function):
    def objective(x):
        x = x.detach().requires_grad_(True)
        loss = function(x)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        return loss.detach(), gradient

    return objective


def scipys(objective, start, problem, lower, upper, **options):
    """Run SciPy on one problem of a batch; return its outcome, its iterates and all points it evaluated."""
    iterates, evaluated = [], []

    def one(x):
        evaluated.append(x.copy())
        batch = start.clone()
        batch[problem] = torch.as_tensor(x)
        loss, gradient = objective(batch)
        return float(loss[problem]), gradient[problem].numpy()

    bounds = None if lower == -INF and upper == INF else [(lower, upper)] * start.shape[1]
    outcome = minimize(
        one, start[problem].numpy(), jac=True, method="L-BFGS-B", bounds=bounds, options=options,
        callback=lambda x: iterates.append(x.copy()),
    )  # fmt: skip
    return outcome, iterates, evaluated


def assert_like_scipy(function, start, lower, upper, *, atol, memory=10, iterations=200, **options):
    objective, iterates = with_gradient(function), [[] for _ in start]

    def keep(which, x, iteration):
        for problem in which.nonzero()[:, 0].tolist():
            iterates[problem].append(x[problem].numpy().copy())
            assert int(iteration[problem]) == len(iterates[problem])

    result = minimise(
        objective, start, lower=lower, upper=upper, memory=memory, iterations=iterations, on_iteration=keep, **options
    )
    names = {"line_search_steps": "maxls", "evaluations": "maxfun"}
    options = {names.get(name, name): value for name, value in options.items()}
    for problem in range(len(start)):
        expected, path, _ = scipys(
            objective, start, problem, lower, upper, maxcor=memory, maxiter=iterations, **options
        )
        assert int(result.iterations[problem]) == expected.nit
        assert int(result.evaluations[problem]) == expected.nfev
        assert SCIPY_STATUS[Status(int(result.status[problem]))] == expected.status
        if path:
            np.testing.assert_allclose(np.stack(iterates[problem]), np.stack(path), rtol=0, atol=atol)
        np.testing.assert_allclose(result.x[problem], expected.x, rtol=0, atol=atol)
        # Not expected.fun: after a line search that failed, SciPy returns the loss of a point it rejected.
        assert result.loss[problem] == objective(result.x)[0][problem]
    return result


def uniform(shape, low, high, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).uniform(low, high, shape))


@pytest.mark.parametrize(
    ("lower", "upper", "memory"),
    [(-INF, INF, 10), (-INF, INF, 3), (-0.5, 0.8, 10), (-2.0, 2.0, 3), (0.0, INF, 10), (-INF, 0.9, 5)],
)
def test_rosenbrock_goes_scipys_way(lower, upper, memory):
    # Each iteration along the curved valley multiplies what was rounded differently: about ten times every seven.
    result = assert_like_scipy(
        rosenbrock, uniform((2, 10), -1.5, 1.5), lower, upper, memory=memory, iterations=45, atol=1e-8
    )
    assert (result.iterations > 20).all()


@pytest.mark.parametrize("at", [0.5, 0.0, 7.0])
def test_quadratics_with_many_active_bounds_go_scipys_way(at):
    start = torch.full((2, 60), at, dtype=torch.float64)  # inside, at a bound, outside of the bounds
    result = assert_like_scipy(quadratics(2, 60, 1), start, 0.0, 1.0, atol=1e-9)
    assert 0.2 < ((result.x == 0) | (result.x == 1)).double().mean() < 0.9


def test_unbounded_quadratics_go_scipys_way():
    assert_like_scipy(quadratics(2, 60, 2), uniform((2, 60), -1, 1), -INF, INF, atol=1e-9)


def test_thousands_of_variables_go_scipys_way():
    assert_like_scipy(chains(2, 3000, 5), torch.full((2, 3000), 0.5, dtype=torch.float64), 0.0, 1.0, atol=1e-8)


@pytest.mark.parametrize(("lower", "upper"), [(-INF, INF), (-2.0, 2.0)])
def test_line_searches_that_zoom_go_scipys_way(lower, upper):
    function, start = waves(5, 3, 4), uniform((5, 3), -2, 2)
    result = assert_like_scipy(function, start, lower, upper, atol=1e-7)
    assert (result.evaluations > result.iterations + 4).any()


@pytest.mark.parametrize("line_search_steps", [2, 5, 20])
def test_line_searches_that_fail_start_afresh_or_end_as_scipys_do(line_search_steps):
    start = uniform((4, 1), -3, 3)
    result = assert_like_scipy(kinks, start, -INF, INF, atol=1e-9, line_search_steps=line_search_steps)
    if line_search_steps < 20:
        assert (result.status == Status.LINE_SEARCH).any()


def test_a_gradient_that_points_the_wrong_way_ends_as_in_scipy():
    mine = []

    def misled(x):
        mine.append(x[0].numpy().copy())
        loss, gradient = with_gradient(rosenbrock)(x)
        return loss, -gradient

    start = torch.full((1, 4), 0.3, dtype=torch.float64)
    result = minimise(misled, start, lower=-2.0, upper=2.0)
    assert int(result.evaluations[0]) == len(mine) == 21  # the start and a line search of 20
    points = np.stack(mine)
    expected, _, evaluated = scipys(misled, start, 0, -2.0, 2.0)
    assert expected.status == 2
    assert result.status.tolist() == [Status.LINE_SEARCH]
    assert result.iterations.tolist() == [0]
    # SciPy does not evaluate a point again from which its last, tiny step did not lead away.
    assert len(evaluated) == expected.nfev
    np.testing.assert_allclose(points[: len(evaluated)], np.stack(evaluated), rtol=1e-14)
    np.testing.assert_allclose(points[len(evaluated) :], start.expand(21 - len(evaluated), -1), rtol=1e-14)
    assert torch.equal(result.x, start)


def test_a_start_without_projected_gradient_stays():
    start = torch.tensor([[0.0, 1.0, 0.5]], dtype=torch.float64)
    calls = []

    def objective(x):
        calls.append(1)
        return with_gradient(lambda x: x[:, 0] - 2 * x[:, 1] + (x[:, 2] - 0.5) ** 2)(x)

    result = minimise(objective, start, lower=0.0, upper=1.0)
    assert torch.equal(result.x, start)
    assert result.status.tolist() == [Status.GRADIENT]
    assert result.iterations.tolist() == [0]
    assert len(calls) == result.evaluations[0] == 1


def test_each_stop_rule_stops_where_scipy_does():
    start = uniform((2, 10), -1.5, 1.5)
    for options, status in (
        ({"iterations": 7}, Status.ITERATIONS),
        ({"evaluations": 20}, Status.EVALUATIONS),
        ({"ftol": 1e-2}, Status.DECREASE),
        ({"gtol": 5.0, "ftol": 0.0}, Status.GRADIENT),
    ):
        result = assert_like_scipy(rosenbrock, start, -2.0, 2.0, atol=1e-9, **options)
        assert (result.status == status).all()


def test_bounds_may_differ_between_variables():
    lower = torch.tensor([-1.0, 0.5, -INF, 0.2], dtype=torch.float64)
    upper = torch.tensor([0.4, INF, INF, 0.2], dtype=torch.float64)  # the last variable cannot move
    start = torch.zeros((1, 4), dtype=torch.float64)
    objective = with_gradient(rosenbrock)
    result = minimise(objective, start, lower=lower, upper=upper)

    def one(x):
        loss, gradient = objective(torch.as_tensor(x)[None])
        return float(loss[0]), gradient[0].numpy()

    bounds = [(None if abs(b) == INF else b for b in pair) for pair in zip(lower.tolist(), upper.tolist(), strict=True)]
    expected = minimize(one, np.zeros(4), jac=True, method="L-BFGS-B", bounds=[tuple(b) for b in bounds])
    np.testing.assert_allclose(result.x[0], expected.x, rtol=0, atol=1e-9)
    assert (int(result.iterations[0]), int(result.evaluations[0])) == (expected.nit, expected.nfev)
    with pytest.raises(DataError, match="1 of 4 variables have a lower bound above the upper one"):
        minimise(objective, start, lower=lower, upper=torch.tensor([0.4, 0.4, 1.0, 1.0]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_problem_does_not_depend_on_its_neighbours(dtype):
    """Bitwise, whatever stands in the other rows: problems that end early, fail, or take many more breakpoints."""
    rng = np.random.default_rng(3)
    weights = torch.as_tensor(rng.uniform(0.1, 10, 400), dtype=dtype)
    targets = torch.as_tensor(rng.uniform(-0.5, 1.5, (6, 400)), dtype=dtype)
    start = torch.as_tensor(rng.uniform(0, 1, (6, 400)), dtype=dtype)

    def run(targets, start, poisoned=()):
        def function(x):
            left = x - targets
            return (weights * left**2 + left**4 + torch.sin(8 * left)).sum(1)

        def objective(x):
            loss, gradient = with_gradient(function)(x)
            loss[list(poisoned)] = torch.nan
            return loss, gradient

        return minimise(objective, start, lower=0.0, upper=1.0, iterations=30)

    first = run(targets, start)
    other = torch.as_tensor(rng.uniform(-3, 3, (6, 400)), dtype=dtype)
    other[1], other[4] = targets[1], targets[4]
    second_start = torch.rand_like(start)
    second_start[1], second_start[4] = start[1], start[4]
    second = run(other, second_start, poisoned=[0, 5])
    assert int(first.iterations[1]) > 10
    assert second.status[[0, 5]].tolist() == [Status.NOT_FINITE] * 2
    for problem in (1, 4):
        for name in ("x", "loss", "iterations", "evaluations", "status", "path"):
            assert torch.equal(getattr(first, name)[problem], getattr(second, name)[problem]), name


def test_finished_problems_stand_still():
    start = torch.tensor([[0.999, 0.999], [-1.2, 1.0]], dtype=torch.float64)
    seen = []
    result = minimise(
        with_gradient(rosenbrock),
        start,
        lower=-2.0,
        upper=2.0,
        on_iteration=lambda which, x, _: seen.append((which, x)),
    )
    assert result.iterations[0] < result.iterations[1] / 2
    last = max(i for i, (which, _) in enumerate(seen) if which[0])
    for which, x in seen[last:]:
        assert torch.equal(x[0], result.x[0])
        assert which[1] or which[0]


def test_losses_without_a_number_shorten_the_step():
    def function(x):
        return x.sum(1) - torch.log(x - 0.2).sum(1)  # minimum at 1.2; no number below 0.2

    start = torch.full((1, 3), 4.0, dtype=torch.float64)
    start[0, 1] = 30.0
    not_numbers = []

    def objective(x):
        loss, gradient = with_gradient(function)(x)
        not_numbers.append(not torch.isfinite(loss).all())
        return loss, gradient

    result = minimise(objective, start, lower=-50.0, upper=50.0)
    assert any(not_numbers)
    np.testing.assert_allclose(result.x, 1.2, atol=1e-4)

    def infinite(x):  # the loss overflows beyond 0.5 but the gradient stays finite
        loss, gradient = with_gradient(rosenbrock)(x)
        return torch.where(x[:, 0] > 0.5, torch.inf, loss), gradient

    result = minimise(infinite, torch.zeros((1, 4), dtype=torch.float64), lower=-2.0, upper=2.0)
    assert torch.isfinite(result.loss).all()
    assert float(result.x[0, 0]) == pytest.approx(0.5, abs=1e-2)


def test_the_path_never_rises_and_is_padded_with_its_end():
    start = uniform((3, 6), -1.5, 1.5)
    result = minimise(with_gradient(rosenbrock), start, lower=-2.0, upper=2.0, iterations=60)
    assert result.path.shape == (3, 61)
    assert torch.equal(result.path[:, 0], rosenbrock(start))
    assert (result.path.diff(dim=1) <= 0).all()
    assert torch.equal(result.path[:, -1], result.loss)
    for problem, n in enumerate(result.iterations.tolist()):
        assert (result.path[problem, : n + 1].diff() < 0).all()
        assert (result.path[problem, n:] == result.loss[problem]).all()


def test_a_float32_state_reaches_the_same_minimum():
    function, start = chains(2, 300, 0), torch.full((2, 300), 0.5, dtype=torch.float64)
    expected = minimise(with_gradient(function), start, lower=0.0, upper=1.0)
    single = minimise(with_gradient(lambda x: function(x).float()), start.float(), lower=0.0, upper=1.0)
    assert single.x.dtype == torch.float32
    np.testing.assert_allclose(single.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(single.x, expected.x, atol=5e-3)
