"""The batched optimiser against SciPy's L-BFGS-B, problem by problem."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from fmri2image.reconstruct.lbfgs import minimise


def rosenbrock(x):
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)


def quadratics(n_problems, n_variables, seed):
    """Return convex quadratics, most of whose minima lie outside [0, 1] in some variables."""
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((n_problems, n_variables, n_variables))
    matrices = torch.as_tensor(roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(n_variables))
    centres = torch.as_tensor(rng.uniform(-0.7, 1.7, (n_problems, n_variables)))

    def of(x, which=slice(None)):
        left = x - centres[which]
        return 0.5 * torch.einsum("ni,nij,nj->n", left, matrices[which], left) + 1

    return of


def with_gradient(function):
    def objective(x):
        x = x.detach().requires_grad_(True)
        loss = function(x)
        (gradient,) = torch.autograd.grad(loss.sum(), x)
        return loss.detach(), gradient

    return objective


def scipy_minimum(function, start, bounds):
    objective = with_gradient(function)

    def one(x):
        loss, gradient = objective(torch.as_tensor(x)[None])
        return float(loss[0]), gradient[0].numpy()

    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5000}
    return minimize(one, start.numpy(), jac=True, method="L-BFGS-B", bounds=[bounds] * len(start), options=options)


def test_bounded_quadratics_reach_scipys_minimum():
    function = quadratics(6, 12, 0)
    start = torch.full((6, 12), 0.5, dtype=torch.float64)
    result = minimise(with_gradient(function), start, lower=0.0, upper=1.0, evaluations=600, tolerance=1e-14)
    assert result.x.min() >= 0
    assert result.x.max() <= 1
    assert ((result.x == 0) | (result.x == 1)).any()
    for i in range(6):
        expected = scipy_minimum(lambda x, i=i: function(x, slice(i, i + 1)), start[i], (0, 1))
        assert float(result.loss[i]) == pytest.approx(expected.fun, abs=1e-6)
        np.testing.assert_allclose(result.x[i], expected.x, atol=2e-3)


@pytest.mark.parametrize("n_variables", [2, 5, 20])
@pytest.mark.parametrize("bounds", [(-2.0, 2.0), (-0.5, 0.8)])
def test_rosenbrock_reaches_scipys_minimum(n_variables, bounds):
    start = torch.full((1, n_variables), 0.0, dtype=torch.float64)
    result = minimise(
        with_gradient(rosenbrock), start, lower=bounds[0], upper=bounds[1], evaluations=1500, tolerance=1e-15
    )
    expected = scipy_minimum(rosenbrock, start[0], bounds)
    assert float(result.loss[0]) == pytest.approx(expected.fun, abs=1e-6)
    np.testing.assert_allclose(result.x[0], expected.x, atol=5e-3)


def test_problems_do_not_depend_on_their_neighbours():
    def separable(x):
        return ((x - 0.3) ** 4 + torch.cosh(2 * x) * torch.arange(1, 5, dtype=x.dtype)).sum(1)

    start = torch.rand((7, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    settings = {"lower": -1.0, "upper": 1.0, "evaluations": 25}
    together = minimise(with_gradient(separable), start, **settings)
    for i in range(7):
        alone = minimise(with_gradient(separable), start[i : i + 1], **settings)
        torch.testing.assert_close(alone.x[0], together.x[i], rtol=0, atol=1e-12)
        assert alone.iterations[0] == together.iterations[i]
        path = torch.stack(together.path)[: len(alone.path), i]
        torch.testing.assert_close(torch.cat(alone.path), path, rtol=0, atol=1e-12)


def test_the_path_never_rises_and_ends_at_the_loss():
    start = torch.zeros((1, 5), dtype=torch.float64)
    result = minimise(with_gradient(rosenbrock), start, lower=-2.0, upper=2.0, evaluations=40)
    path = torch.cat(result.path)
    assert len(path) == 40
    assert path[0] == rosenbrock(start)[0]
    assert (path.diff() <= 0).all()
    assert path[-1] == result.loss[0] == rosenbrock(result.x)[0]


def test_a_problem_without_a_number_does_not_poison_its_neighbours():
    function = quadratics(4, 5, 3)
    start = torch.full((4, 5), 0.5, dtype=torch.float64)
    settings = {"lower": 0.0, "upper": 1.0, "evaluations": 60}
    clean = minimise(with_gradient(function), start, **settings)
    calls = []

    def sometimes(x):
        loss, gradient = with_gradient(function)(x)
        calls.append(1)
        loss[1], gradient[1] = torch.nan, torch.nan  # never a number
        if len(calls) > 1:
            loss[2], gradient[2] = torch.nan, torch.nan  # a number at the start only
        return loss, gradient

    result = minimise(sometimes, start, **settings)
    for i in (0, 3):
        torch.testing.assert_close(result.x[i], clean.x[i], rtol=0, atol=1e-12)
    assert torch.isnan(result.loss[1])
    assert torch.equal(result.x[1:3], start[1:3])
    assert float(result.loss[2]) == pytest.approx(float(clean.path[0][2]))
    assert torch.isfinite(result.x).all()
