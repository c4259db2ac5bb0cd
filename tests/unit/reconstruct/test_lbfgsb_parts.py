"""The parts of the batched L-BFGS-B against dense textbook versions: memory, Cauchy point, subspace, line search."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from fmri2image.reconstruct import lbfgsb_cauchy, lbfgsb_subspace
from fmri2image.reconstruct.lbfgsb_bounds import make_bounds
from fmri2image.reconstruct.lbfgsb_cauchy import CauchyPoint, cauchy_point
from fmri2image.reconstruct.lbfgsb_memory import Memory
from fmri2image.reconstruct.lbfgsb_search import LineSearch
from fmri2image.reconstruct.lbfgsb_subspace import minimise_subspace

N_VARIABLES = 14


def filled_memory(n_pairs, size=4, n_problems=3, seed=0, n_variables=N_VARIABLES, spread=1.0):
    """Return a memory that took in pairs of convex quadratics, and the dense B of each problem by BFGS updates."""
    rng = np.random.default_rng(seed)
    memory = Memory(torch.zeros((n_problems, n_variables), dtype=torch.float64), size)
    pairs = [[] for _ in range(n_problems)]
    roots = rng.standard_normal((n_problems, n_variables, n_variables)) * np.geomspace(1, spread, n_variables)
    for _ in range(n_pairs):
        steps = rng.standard_normal((n_problems, n_variables))
        changes = np.einsum("nij,nkj,nk->ni", roots, roots, steps) + 0.1 * steps
        for problem in range(n_problems):
            pairs[problem].append((steps[problem], changes[problem]))
        s, y = torch.as_tensor(steps), torch.as_tensor(changes)
        memory.add(torch.ones(n_problems, dtype=torch.bool), s, y, (s * y).sum(1), (y * y).sum(1))
    return memory, [dense(pairs[problem][-size:], n_variables) for problem in range(n_problems)]


def dense(pairs, n_variables):
    matrix = np.eye(n_variables)
    if pairs:
        s, y = pairs[-1]
        matrix *= y @ y / (s @ y)
    for s, y in pairs:
        moved = matrix @ s
        matrix = matrix - np.outer(moved, moved) / (s @ moved) + np.outer(y, y) / (s @ y)
    return matrix


def compact(memory, problem):
    half = memory.transform[problem] @ memory.rows[problem]
    return memory.theta[problem] * torch.eye(half.shape[1], dtype=torch.float64) - half.T @ (
        memory.signs[:, None] * half
    )


@pytest.mark.parametrize("n_pairs", [0, 1, 3, 4, 9])
def test_the_compact_matrix_is_that_of_the_bfgs_updates(n_pairs):
    memory, matrices = filled_memory(n_pairs)
    for problem, matrix in enumerate(matrices):
        np.testing.assert_allclose(compact(memory, problem), matrix, rtol=1e-9, atol=1e-9)


def test_problems_take_in_pairs_and_forget_on_their_own():
    memory, matrices = filled_memory(6)
    memory.clear(torch.tensor([False, True, False]))
    np.testing.assert_array_equal(compact(memory, 1), np.eye(N_VARIABLES))
    s = torch.as_tensor(np.random.default_rng(1).standard_normal((3, N_VARIABLES)))
    memory.add(torch.tensor([False, True, False]), s, 3 * s, 3 * (s * s).sum(1), 9 * (s * s).sum(1))
    np.testing.assert_allclose(compact(memory, 1), 3 * np.eye(N_VARIABLES), atol=1e-12)
    for problem in (0, 2):
        np.testing.assert_allclose(compact(memory, problem), matrices[problem], rtol=1e-9, atol=1e-9)


def test_a_pair_that_makes_the_matrix_indefinite_empties_the_memory():
    memory, matrices = filled_memory(2)
    s = torch.as_tensor(np.random.default_rng(1).standard_normal((3, N_VARIABLES)))
    squares = (s * s).sum(1)
    memory.add(torch.tensor([True, False, False]), s, s, squares, torch.full_like(squares, torch.nan))
    assert memory.count.tolist() == [0, 2, 2]
    np.testing.assert_array_equal(compact(memory, 0), np.eye(N_VARIABLES))
    np.testing.assert_allclose(compact(memory, 1), matrices[1], rtol=1e-9, atol=1e-9)


def textbook_cauchy_point(x, gradient, lower, upper, matrix):
    """Walk along the projected path piece by piece, with the dense matrix."""
    d = np.where(((x <= lower) & (gradient >= 0)) | ((x >= upper) & (gradient <= 0)), 0, -gradient)
    with np.errstate(divide="ignore", invalid="ignore"):
        times = np.where(d > 0, (upper - x) / d, np.where(d < 0, (lower - x) / d, np.inf))
    point, time = x.copy(), 0.0
    free = d != 0
    while d.any():
        slope, bend = gradient @ d + (point - x) @ matrix @ d, d @ matrix @ d
        following = times[d != 0].min()
        if slope >= 0 or -slope / bend < following - time:
            return point + max(-slope / bend, 0) * d, free
        point = point + (following - time) * d
        reached = (d != 0) & (times == following)
        point[reached] = np.where(d > 0, upper, lower)[reached]
        free &= ~reached
        d, time = np.where(reached, 0, d), following
    return point, free


def random_state(seed, n_problems=3, n_variables=N_VARIABLES, scale=1.0):
    rng = np.random.default_rng(seed)
    lower, upper = -np.ones(n_variables), rng.uniform(0.5, 2, n_variables)
    lower[3], upper[5], lower[7], upper[7] = -np.inf, np.inf, -np.inf, np.inf
    x = np.clip(rng.uniform(-1.5, 2, (n_problems, n_variables)), lower, upper)  # some at a bound
    return x, scale * rng.standard_normal((n_problems, n_variables)) * 10, lower, upper


def both_cauchy_points(memory, matrices, x, gradient, lower, upper):
    bounds = make_bounds(torch.as_tensor(lower), torch.as_tensor(upper), torch.as_tensor(x))
    cauchy = cauchy_point(torch.as_tensor(x), torch.as_tensor(gradient), bounds, memory)
    expected = [
        textbook_cauchy_point(*rows, lower, upper, matrix) for *rows, matrix in zip(x, gradient, matrices, strict=True)
    ]
    return bounds, cauchy, expected


@pytest.mark.parametrize("chunk", [256, 2])
@pytest.mark.parametrize("n_pairs", [0, 2, 6])
def test_the_cauchy_point_is_the_first_minimum_along_the_path(n_pairs, chunk, monkeypatch):
    monkeypatch.setattr(lbfgsb_cauchy, "FIRST_CHUNK", chunk)
    monkeypatch.setattr(lbfgsb_cauchy, "LARGEST_CHUNK", 3)
    passed = []
    for seed in range(12):
        memory, matrices = filled_memory(n_pairs, seed=seed)
        state = random_state(seed, scale=10.0 ** (seed % 3 - 1))
        _, cauchy, expected = both_cauchy_points(memory, matrices, *state)
        for problem, (point, free) in enumerate(expected):
            np.testing.assert_allclose(cauchy.point[problem], point, rtol=1e-9, atol=1e-9)
            np.testing.assert_array_equal(cauchy.free[problem], free)
            product = memory.transform[problem] @ memory.rows[problem] @ torch.as_tensor(point - state[0][problem])
            np.testing.assert_allclose(cauchy.product[problem], product, rtol=1e-7, atol=1e-7)
            passed.append((~free & (point != state[0][problem])).sum())
    assert min(passed) == 0
    assert max(passed) > 5


def test_hundreds_of_breakpoints_are_passed():
    n = 400
    rng = np.random.default_rng(0)
    memory, matrices = filled_memory(3, n_problems=2, n_variables=n)
    x, gradient = rng.uniform(0, 1, (2, n)), rng.standard_normal((2, n)) * 1e5
    gradient[1] *= 1e-5
    _, cauchy, expected = both_cauchy_points(memory, matrices, x, gradient, np.zeros(n), np.ones(n))
    for problem, (point, free) in enumerate(expected):
        np.testing.assert_allclose(cauchy.point[problem], point, atol=1e-7)
        np.testing.assert_array_equal(cauchy.free[problem], free)
    assert not cauchy.free[0].sum() > n / 2
    assert cauchy.free[1].sum() > n / 2


def test_equal_breakpoints_are_each_passed_once(monkeypatch):
    monkeypatch.setattr(lbfgsb_cauchy, "FIRST_CHUNK", 3)
    memory, matrices = filled_memory(2)
    x, gradient = np.full((3, N_VARIABLES), 0.5), np.full((3, N_VARIABLES), 100.0)
    gradient[:, 10:] = 50.0
    bounds = np.zeros(N_VARIABLES), np.ones(N_VARIABLES)
    _, cauchy, expected = both_cauchy_points(memory, matrices, x, gradient, *bounds)
    for problem, (point, free) in enumerate(expected):
        np.testing.assert_allclose(cauchy.point[problem], point, atol=1e-9)
        np.testing.assert_array_equal(cauchy.free[problem], free)


@pytest.mark.parametrize("block", [1024, 3])
def test_the_subspace_step_is_the_dense_newton_step_projected(block, monkeypatch):
    monkeypatch.setattr(lbfgsb_subspace, "_BLOCK", block)
    kinds = {"inside": 0, "projected": 0}
    for seed in range(40):
        memory, matrices = filled_memory(1 + seed % 6, seed=seed, spread=[1.0, 30.0][seed % 2])
        x, gradient, lower, upper = random_state(seed, scale=[1.0, 10.0][seed // 2 % 2])
        bounds, cauchy, expected = both_cauchy_points(memory, matrices, x, gradient, lower, upper)
        target, failed = minimise_subspace(torch.as_tensor(x), torch.as_tensor(gradient), cauchy, bounds, memory)
        assert not failed.any()
        for problem, (point, free) in enumerate(expected):
            step = np.zeros(N_VARIABLES)
            left = gradient[problem] + matrices[problem] @ (point - x[problem])
            if free.any():
                step[free] = -np.linalg.solve(matrices[problem][np.ix_(free, free)], left[free])
            end = np.clip(point + step, lower, upper)
            kinds["inside" if np.array_equal(end, point + step) else "projected"] += 1
            np.testing.assert_allclose(target[problem], end, rtol=1e-8, atol=1e-8)
    assert min(kinds.values()) > 20, kinds


def test_a_projected_step_that_leads_uphill_is_cut_at_the_first_bound():
    memory = Memory(torch.zeros((2, 2), dtype=torch.float64), 4)
    matrix = torch.tensor([[1, 0.99], [0.99, 1]], dtype=torch.float64)
    for pair in ([1.0, 1.0], [1.0, -1.0]):  # its axes: B is the matrix itself
        s = torch.tensor([pair, pair], dtype=torch.float64)
        memory.add(
            torch.ones(2, dtype=torch.bool), s, s @ matrix, (s * (s @ matrix)).sum(1), (s @ matrix).square().sum(1)
        )
    newton = torch.tensor([[10.0, -9.0], [0.5, -9.0]], dtype=torch.float64)
    gradient, x = -newton @ matrix, torch.zeros((2, 2), dtype=torch.float64)
    bounds = make_bounds(-20.0, torch.tensor([1.0, 20.0]), x)
    start = CauchyPoint(x, torch.ones_like(x, dtype=torch.bool), torch.zeros((2, 8), dtype=torch.float64))
    target, failed = minimise_subspace(x, gradient, start, bounds, memory)
    assert not failed.any()
    assert float(gradient[0] @ torch.tensor([1.0, -9.0], dtype=torch.float64)) > 0  # the projected step
    np.testing.assert_allclose(target, [[1.0, -0.9], [0.5, -9.0]], rtol=1e-9)


def search_along(functions, first, limit):
    """Search along lines; return the steps tried by each problem and where its search ended."""
    n = len(functions)

    def at(steps):
        found = []
        for f, t in zip(functions, steps.tolist(), strict=True):
            t = torch.tensor(t, dtype=torch.float64, requires_grad=True)
            v = f(t)
            found.append((v.detach(), torch.autograd.grad(v, t)[0]))
        return (torch.stack(column) for column in zip(*found, strict=True))

    loss, slope = at(torch.zeros(n))
    search, going = LineSearch(n), torch.ones(n, dtype=torch.bool)
    search.begin(going, loss, slope, torch.full((n,), first).double(), torch.full((n,), limit).double())
    tried = [[] for _ in functions]
    for _ in range(20):
        for problem in going.nonzero()[:, 0].tolist():
            tried[problem].append(float(search.step[problem]))
        going = going & ~search.advance(going, *at(search.step))
    return tried, going


def test_the_line_search_tries_the_steps_that_scipy_tries():
    """SciPy's first search without bounds starts at length one along the steepest descent of a function of one variable."""
    rng = np.random.default_rng(0)
    shapes = rng.uniform(0.2, 6, (30, 3))
    functions = [
        lambda t, a=a, b=b, c=c: a * torch.sin(b * t + 2) + 0.02 * (t - 3 * c) ** 2 - 0.1 * t for a, b, c in shapes
    ]
    functions += [lambda t: 1e-3 * (t - 900) ** 2, lambda t: (t - 1e-4).abs() + 0.01 * t**2, lambda t: torch.exp(-t)]
    compared = 0
    for function in functions:

        def one(x, function=function):
            t = torch.tensor(x, requires_grad=True)
            loss = function(t[0])
            return float(loss.detach()), torch.autograd.grad(loss, t)[0].numpy()

        if one(np.zeros(1))[1] >= 0:
            continue
        points = []
        minimize(
            lambda x, one=one, points=points: (points.append(float(x[0])), one(x))[1],
            np.zeros(1), jac=True, method="L-BFGS-B", options={"maxiter": 1},
        )  # fmt: skip
        (tried,), going = search_along([function], 1.0, 1e10)
        assert len(points) - 1 == len(tried)
        np.testing.assert_allclose(tried, points[1:], rtol=1e-9, atol=1e-12)
        compared += len(tried) > 2
    assert compared > 5


def test_searches_do_not_disturb_each_other():
    functions = [
        lambda t: (t - 30) ** 2,
        lambda t: torch.sin(5 * t + 2) - t,
        lambda t: (t - 1e-3) ** 2 + (t - 1e-3) ** 4,
    ]
    together, going = search_along(functions, 1.0, 1e10)
    assert not going.any()
    for function, tried in zip(functions, together, strict=True):
        assert search_along([function], 1.0, 1e10)[0][0] == tried


def test_a_search_ends_at_its_limit_and_comes_back_from_infinity():
    (tried,), going = search_along([lambda t: (t - 30) ** 2], 1.0, 2.5)
    assert (tried[-1], going.any()) == (2.5, False)

    def walled(t):
        return (t - 0.09) ** 2 + (0.0 if t < 0.1 else torch.inf)

    (tried,), going = search_along([walled], 1.0, 1e10)
    assert tried[:3] == [1.0, 0.25, 0.0625]
    assert not going.any()
    assert tried[-1] < 0.1
