"""L-BFGS within bounds for many problems at once, each with its own memory, step and line search.

The published code optimises one image at a time with SciPy's L-BFGS-B. Here a batch of images shares every forward and
backward pass while nothing else is shared: a problem's path does not depend on its neighbours in the batch.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

Objective = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@dataclass
class LbfgsResult:
    """Outcome of `minimise`.

    Parameters
    ----------
    x : tensor of shape (n_problems, n_variables)
        Best points found.
    loss : tensor of shape (n_problems,)
    iterations : integer tensor of shape (n_problems,)
        Accepted steps.
    path : list of tensors of shape (n_problems,)
        Current loss after every evaluation.
    """

    x: torch.Tensor
    loss: torch.Tensor
    iterations: torch.Tensor
    path: list[torch.Tensor]


class _Memory:
    """The last `size` steps and gradient changes of every problem, oldest first; unused entries have rho 0."""

    def __init__(self, x: torch.Tensor, size: int) -> None:
        self.steps = torch.zeros((size, *x.shape), dtype=x.dtype, device=x.device)
        self.changes = torch.zeros_like(self.steps)
        self.rho = torch.zeros((size, len(x)), dtype=x.dtype, device=x.device)
        self.scale = torch.zeros(len(x), dtype=x.dtype, device=x.device)

    def add(self, which: torch.Tensor, step: torch.Tensor, change: torch.Tensor) -> None:
        curvature = (step * change).sum(1)
        size = (change * change).sum(1)
        good = which & (curvature > 1e-10 * size.clamp_min(1e-30))
        if not good.any():
            return
        for store, new in ((self.steps, step), (self.changes, change), (self.rho, 1 / curvature)):
            store[:, good] = torch.cat([store[1:, good], new[good][None]])
        self.scale[good] = (curvature / size)[good]

    def clear(self, which: torch.Tensor) -> None:
        self.rho[:, which] = 0
        self.scale[which] = 0

    def direction(self, gradient: torch.Tensor, free: torch.Tensor) -> torch.Tensor:
        """Return minus the approximate inverse Hessian times the gradient of the free variables (two-loop recursion)."""
        q = gradient * free
        weights = []
        for step, change, rho in zip(reversed(self.steps), reversed(self.changes), reversed(self.rho), strict=True):
            weight = rho * (step * q).sum(1)
            weights.append(weight)
            q = q - weight[:, None] * change
        first = 1 / q.norm(dim=1).clamp_min(1e-30)  # without memory: a first step of length one
        q = q * torch.where(self.scale > 0, self.scale, first)[:, None]
        for step, change, rho, weight in zip(self.steps, self.changes, self.rho, reversed(weights), strict=True):
            q = q + step * (weight - rho * (change * q).sum(1))[:, None]
        return -q * free


def minimise(
    objective: Objective,
    start: torch.Tensor,
    *,
    lower: float,
    upper: float,
    evaluations: int,
    memory: int = 10,
    tolerance: float = 1e-9,
    progress: Callable[[int, torch.Tensor], None] | None = None,
) -> LbfgsResult:
    """Minimise a batch of independent problems by projected L-BFGS with a backtracking (Armijo) line search.

    Parameters
    ----------
    objective : callable
        Takes x (n_problems, n_variables) and returns the losses (n_problems,) and gradients (n_problems, n_variables);
        row i of both may depend on row i of x only.
    start : tensor of shape (n_problems, n_variables)
    lower, upper : float
        Bounds of every variable.
    evaluations : int
        Calls of `objective`; each call either moves a problem one iteration on or shortens its step.
    memory : int
        Past steps kept per problem (SciPy's default: 10).
    tolerance : float
        A problem stops when an accepted step lowers its loss by less than this fraction.
    progress : callable, optional
        Called with the evaluation number and the current losses.

    Returns
    -------
    LbfgsResult
    """
    x = start.clamp(lower, upper)
    loss, gradient = objective(x)
    store = _Memory(x, memory)
    iterations = torch.zeros(len(x), dtype=torch.long, device=x.device)
    length = torch.ones(len(x), dtype=x.dtype, device=x.device)
    active = torch.isfinite(loss)
    direction = _descent(store, x, gradient, lower, upper)
    path = [loss.clone()]
    for evaluation in range(1, evaluations):
        if not active.any():
            break
        candidate = (x + length[:, None] * direction).clamp(lower, upper)
        new_loss, new_gradient = objective(candidate)
        step = candidate - x
        decrease = (gradient * step).sum(1)
        accepted = active & torch.isfinite(new_loss) & (new_loss <= loss + 1e-4 * decrease) & (decrease < 0)
        store.add(accepted, step, new_gradient - gradient)
        small = (loss - new_loss) <= tolerance * loss.abs().clamp_min(1e-30)
        moved = accepted[:, None]
        x, gradient = torch.where(moved, candidate, x), torch.where(moved, new_gradient, gradient)
        loss = torch.where(accepted, new_loss, loss)
        iterations += accepted
        rejected = active & ~accepted
        length = torch.where(rejected, length * 0.4, torch.ones_like(length))
        stuck = rejected & (length < 1e-4)
        # A problem whose memory misleads it starts again from steepest descent; without memory it is at its minimum.
        finished = stuck & (store.scale == 0)
        store.clear(stuck)
        length = torch.where(stuck, torch.ones_like(length), length)
        renew = accepted | stuck
        if renew.any():
            fresh = _descent(store, x, gradient, lower, upper)
            direction = torch.where(renew[:, None], fresh, direction)
        active = active & ~finished & ~(accepted & small)
        path.append(loss.clone())
        if progress is not None:
            progress(evaluation, loss)
    return LbfgsResult(x, loss, iterations, path)


def _descent(store: _Memory, x: torch.Tensor, gradient: torch.Tensor, lower: float, upper: float) -> torch.Tensor:
    free = ~(((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0)))
    direction = store.direction(gradient, free)
    uphill = (direction * gradient).sum(1) >= 0
    if uphill.any():
        steepest = -(gradient * free)
        steepest = steepest / steepest.norm(dim=1, keepdim=True).clamp_min(1e-30)
        direction = torch.where(uphill[:, None], steepest, direction)
    return direction
