"""L-BFGS-B for many independent problems at once: what SciPy's L-BFGS-B does, with shared calls of the objective.

Byrd, Lu, Nocedal & Zhu 1995 (SIAM J. Sci. Comput. 16), with the subspace step of version 3.0 (Morales & Nocedal 2011) and
the line search of Moré & Thuente 1994. The published reconstructions optimise one image at a time with SciPy; here the
images of a batch share every forward and backward pass, and nothing else: each has its own memory, Cauchy point, line
search and end. Long vectors stay on the device, the numbers that steer the problems are on the CPU in float64.

One thing was found not to be as in SciPy: after an iteration in which every variable ended at a bound, SciPy's next steps do
not satisfy the secant equation of its own memory; here they do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import torch

from fmri2image.reconstruct.lbfgsb_bounds import Bounds, make_bounds
from fmri2image.reconstruct.lbfgsb_cauchy import CauchyPoint, cauchy_point
from fmri2image.reconstruct.lbfgsb_memory import Memory
from fmri2image.reconstruct.lbfgsb_search import LineSearch
from fmri2image.reconstruct.lbfgsb_subspace import minimise_subspace

Objective = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
OnIteration = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None]

_LONGEST = 1e10  # of a step, where no bound is in the way


class Status(IntEnum):
    """Why a problem ended."""

    RUNNING = 0
    GRADIENT = 1  # no element of the projected gradient is larger than gtol
    DECREASE = 2  # an iteration lowered the loss by less than the fraction ftol
    ITERATIONS = 3
    EVALUATIONS = 4
    LINE_SEARCH = 5  # no step along the steepest descent lowers the loss
    NOT_FINITE = 6  # the loss or gradient at the start is not finite


@dataclass
class LbfgsbResult:
    """Outcome of `minimise`; all tensors but x are on the CPU.

    Parameters
    ----------
    x : tensor of shape (n_problems, n_variables)
        Last accepted points.
    loss : tensor of shape (n_problems,)
    iterations : integer tensor of shape (n_problems,)
        Accepted steps.
    evaluations : integer tensor of shape (n_problems,)
        Points at which the problem asked for its loss.
    status : integer tensor of shape (n_problems,)
        A `Status` for each problem.
    path : tensor of shape (n_problems, iterations + 1)
        Loss at the start and after each accepted step, padded with its last value.
    """

    x: torch.Tensor
    loss: torch.Tensor
    iterations: torch.Tensor
    evaluations: torch.Tensor
    status: torch.Tensor
    path: torch.Tensor


def minimise(
    objective: Objective,
    start: torch.Tensor,
    *,
    lower: float | torch.Tensor,
    upper: float | torch.Tensor,
    iterations: int = 200,
    memory: int = 10,
    ftol: float = 2.220446049250313e-09,
    gtol: float = 1e-5,
    line_search_steps: int = 20,
    evaluations: int = 15000,
    on_iteration: OnIteration | None = None,
) -> LbfgsbResult:
    """Minimise a batch of independent problems within bounds.

    Parameters
    ----------
    objective : callable
        Takes x (n_problems, n_variables) and returns the losses (n_problems,) and gradients (n_problems, n_variables);
        row i of both may depend on row i of x only. It may compute in a smaller type than that of x.
    start : tensor of shape (n_problems, n_variables)
        Starting points; moved into the bounds. Its type is that of all vectors: float64 does what SciPy does.
    lower, upper : float or tensor broadcastable to (n_variables,)
        Bounds, possibly infinite.
    iterations : int
        A problem ends after so many accepted steps.
    memory : int
        Past steps kept per problem.
    ftol : float
        A problem ends when a step lowers its loss by no more than this fraction of max(loss before, loss after, 1).
    gtol : float
        A problem ends when no element of its projected gradient is larger.
    line_search_steps : int
        Evaluations after which a line search is given up; the problem then forgets its memory, or ends if it has none.
    evaluations : int
        A problem ends after the iteration that exceeds so many evaluations.
    on_iteration : callable, optional
        Called after each round in which problems accepted a step, with these problems (bool (n_problems,)), all
        points x (n_problems, n_variables) and their iterations (n_problems,).

    Returns
    -------
    LbfgsbResult

    Raises
    ------
    DataError
        If a lower bound lies above its upper bound.
    """
    bounds = make_bounds(lower, upper, start)
    batch = _Batch(objective, bounds.clip(start), bounds, memory)
    batch.stop(batch.size_of_gradient <= gtol, Status.GRADIENT)
    path = torch.full((len(start), iterations + 1), torch.nan, dtype=torch.float64)
    path[:, 0] = batch.loss
    while True:
        batch.choose_directions()
        if not batch.running.any():
            break
        before = batch.loss
        accepted = batch.search_on(line_search_steps)
        if not accepted.any():
            continue
        path[accepted, batch.iterations[accepted]] = batch.loss[accepted]
        if on_iteration is not None:
            on_iteration(accepted, batch.x, batch.iterations)
        batch.stop(accepted & (batch.iterations >= iterations), Status.ITERATIONS)
        batch.stop(accepted & (batch.evaluations > evaluations), Status.EVALUATIONS)
        batch.stop(accepted & (batch.size_of_gradient <= gtol), Status.GRADIENT)
        scale = torch.maximum(before.abs(), batch.loss.abs()).clamp_min(1)
        batch.stop(accepted & (before - batch.loss <= ftol * scale), Status.DECREASE)
        batch.remember(accepted & batch.running)
    beyond = torch.arange(iterations + 1) > batch.iterations[:, None]
    path = torch.where(beyond, batch.loss[:, None], path)
    return LbfgsbResult(batch.x, batch.loss, batch.iterations, batch.evaluations, batch.status, path)


class _Batch:
    """State of all problems: vectors on the device, numbers per problem on the CPU."""

    def __init__(self, objective: Objective, x: torch.Tensor, bounds: Bounds, memory: int) -> None:
        self.objective, self.bounds = objective, bounds
        self.memory = Memory(x, memory)
        self.search = LineSearch(len(x))
        self.x = x
        self.target = self.direction = torch.zeros_like(x)
        loss, gradient = objective(x)
        self.gradient = gradient.to(x.dtype)
        self.change = torch.zeros_like(x)
        finite = torch.isfinite(self.gradient).all(1)
        numbers = _to_cpu(loss, bounds.projected_gradient(x, self.gradient), finite)
        self.loss, self.size_of_gradient = numbers[:2]
        self.slope = self.squares = torch.zeros_like(self.loss)
        self.iterations = torch.zeros(len(x), dtype=torch.long)
        self.evaluations = torch.ones(len(x), dtype=torch.long)
        self.status = torch.full((len(x),), int(Status.RUNNING))
        self.idle = torch.ones(len(x), dtype=torch.bool)  # in need of a new direction
        self.stop(~(torch.isfinite(self.loss) & (numbers[2] > 0)), Status.NOT_FINITE)

    @property
    def running(self) -> torch.Tensor:
        return self.status == Status.RUNNING

    def stop(self, which: torch.Tensor, status: Status) -> None:
        """End problems that have not ended yet."""
        self.status = torch.where(which & self.running, int(status), self.status)

    def choose_directions(self) -> None:
        """Give each problem in need of one a new direction and begin its line search."""
        while (todo := self.running & self.idle).any():
            cauchy = self._cauchy_point()
            target, failed = cauchy.point, torch.zeros_like(todo)
            if (self.memory.count > 0).any():
                target, failed = minimise_subspace(self.x, self.gradient, cauchy, self.bounds, self.memory)
            direction = target - self.x
            slope, square, limit = _to_cpu(
                (self.gradient * direction).sum(1),
                (direction * direction).sum(1),
                self.bounds.room(self.x, direction).amin(1),
            )
            useless = todo & (failed | ~(slope < 0))  # a slope that is not a number is useless, too
            self._start_afresh(useless)
            good = todo & ~useless
            there = good.to(self.x.device)[:, None]
            self.target = torch.where(there, target, self.target)
            self.direction = torch.where(there, direction, self.direction)
            first = self.iterations == 0
            limit = torch.where(first & self.bounds.any, 1.0, limit.clamp_max(_LONGEST))
            length_one = torch.minimum(1 / square.sqrt(), limit)
            step = torch.where(first & (not self.bounds.all), length_one, torch.ones_like(limit))
            self.search.begin(good, self.loss, slope, step, limit)
            self.idle = self.idle & ~good

    def search_on(self, line_search_steps: int) -> torch.Tensor:
        """Evaluate one trial point of each running problem; return which of them accept theirs, and move these there."""
        running, step, device = self.running, self.search.step, self.x.device
        trial = self.bounds.clip(self.x + _column(step, self.x) * self.direction)
        trial = torch.where((step == 1).to(device)[:, None], self.target, trial)
        trial = torch.where(running.to(device)[:, None], trial, self.x)
        loss, gradient = self.objective(trial)
        gradient = gradient.to(self.x.dtype)
        change = gradient - self.gradient
        loss, slope, size_of_gradient, squares = _to_cpu(
            loss,
            (gradient * self.direction).sum(1),
            self.bounds.projected_gradient(trial, gradient),
            (change * change).sum(1),
        )
        self.evaluations = self.evaluations + (running & self.search.moved)
        accepted = self.search.advance(running, loss, slope)
        self._start_afresh(running & ~accepted & (self.search.trials >= line_search_steps))
        there = accepted.to(device)[:, None]
        self.x = torch.where(there, trial, self.x)
        self.gradient = torch.where(there, gradient, self.gradient)
        self.change = change
        self.loss = torch.where(accepted, loss, self.loss)
        self.size_of_gradient = torch.where(accepted, size_of_gradient, self.size_of_gradient)
        self.slope, self.squares = slope, squares
        self.iterations = self.iterations + accepted
        self.idle = self.idle | accepted
        return accepted

    def remember(self, which: torch.Tensor) -> None:
        """Take the steps just accepted into the memory, but for those along which the loss has no curvature."""
        step, slope = self.search.step, self.search.slope0
        curvature = (self.slope - slope) * step
        which = which & (curvature > torch.finfo(self.x.dtype).eps * -slope * step)
        if which.any():
            taken = _column(step, self.x) * self.direction
            self.memory.add(which, taken, self.change, curvature, self.squares)

    def _cauchy_point(self) -> CauchyPoint:
        if self.bounds.any:
            return cauchy_point(self.x, self.gradient, self.bounds, self.memory)
        remembers = (self.memory.count > 0).to(self.x.device)[:, None]
        point = torch.where(remembers, self.x, self.x - self.gradient)
        free = torch.ones_like(self.x, dtype=torch.bool)
        product = torch.zeros((len(self.x), 2 * self.memory.size), dtype=torch.float64, device=self.x.device)
        return CauchyPoint(point, free, product)

    def _start_afresh(self, which: torch.Tensor) -> None:
        # Problems whose direction or line search failed go on with the steepest descent; without memory that was it.
        if which.any():
            self.stop(which & (self.memory.count == 0), Status.LINE_SEARCH)
            self.memory.clear(which & (self.memory.count > 0))
            self.idle = self.idle | which


def _column(numbers: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return numbers.to(like.device, like.dtype)[:, None]


def _to_cpu(*numbers: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.stack([values.double() for values in numbers]).cpu().unbind()
