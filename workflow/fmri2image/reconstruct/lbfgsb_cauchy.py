"""The generalised Cauchy point of L-BFGS-B (Byrd, Lu, Nocedal & Zhu 1995, section 4), for a batch of problems.

It is the first minimum of the quadratic model along the projected steepest descent. The published algorithm visits the
breakpoints of that path one by one; here they are sorted and everything it adds up on the way is a cumulative sum.
"""

from dataclasses import dataclass

import torch

from fmri2image.reconstruct.lbfgsb_bounds import Bounds
from fmri2image.reconstruct.lbfgsb_memory import Memory

FIRST_CHUNK = 256  # breakpoints looked at first; most iterations pass fewer
LARGEST_CHUNK = 8192


@dataclass
class CauchyPoint:
    """Outcome of `cauchy_point`.

    Parameters
    ----------
    point : tensor of shape (n_problems, n_variables)
    free : bool tensor of shape (n_problems, n_variables)
        Variables that are at no bound there.
    product : float64 tensor of shape (n_problems, 2 * size)
        Q W (point - x), see `Memory`.
    """

    point: torch.Tensor
    free: torch.Tensor
    product: torch.Tensor


@dataclass
class _Walk:
    """Where the walk over the breakpoints stands; all tensors (n_problems,) but the last two (n_problems, 2 * size)."""

    time: torch.Tensor
    slope: torch.Tensor
    bend: torch.Tensor
    direction: torch.Tensor  # Q W d
    moved: torch.Tensor  # Q W (point - x)


def cauchy_point(x: torch.Tensor, gradient: torch.Tensor, bounds: Bounds, memory: Memory) -> CauchyPoint:
    """Return the first minimum of the quadratic model along the projected gradient path.

    Parameters
    ----------
    x, gradient : tensors of shape (n_problems, n_variables)
    bounds : Bounds
    memory : Memory

    Returns
    -------
    CauchyPoint
    """
    device = x.device
    stuck = ((x <= bounds.lower) & (gradient >= 0)) | ((x >= bounds.upper) & (gradient <= 0))
    d = -gradient * ~stuck
    times = bounds.room(x, d)
    theta, transform, signs = (m.to(device) for m in (memory.theta, memory.transform, memory.signs))
    direction = torch.bmm(transform, memory.times(d)[:, :, None])[:, :, 0]
    slope = -(d * d).sum(1).double()
    bend = -theta * slope
    floor = torch.finfo(x.dtype).eps * bend
    bend = bend - (signs * direction**2).sum(1)
    walk = _Walk(torch.zeros_like(slope), slope, bend, direction, torch.zeros_like(direction))
    going = slope < 0
    passed = torch.zeros_like(stuck)
    n_passed = torch.zeros_like(stuck[:, 0], dtype=torch.long)
    for chunk_times, where in _chunks(times):
        rows = memory.rows.gather(2, where[:, None].expand(-1, memory.rows.shape[1], -1)).double()
        chunk_d = d.gather(1, where).double()
        room = (torch.where(chunk_d > 0, bounds.upper[where], bounds.lower[where]) - x.gather(1, where)).double()
        n_taken, stopped = _advance(
            walk, going, chunk_times.double(), chunk_d, room, torch.bmm(transform, rows), theta, signs, floor
        )
        taken = torch.arange(where.shape[1], device=device) < n_taken[:, None]
        passed.scatter_(1, where, passed.gather(1, where) | taken)
        n_passed += n_taken
        going = going & ~stopped
        if not going.any():
            break
    # Beyond the last breakpoint passed: the minimum of the last piece, or nowhere if no variable moves any more.
    further = (-walk.slope / walk.bend).clamp_min(0)
    further = torch.where((n_passed == (d != 0).sum(1)) | (slope == 0), 0.0, further)
    time = (walk.time + further).to(x.dtype)
    end = bounds.clip(x + time[:, None] * d)
    end = torch.where(passed, torch.where(d > 0, bounds.upper, bounds.lower), end)
    return CauchyPoint(end, ~(stuck | passed), walk.moved + further[:, None] * walk.direction)


def _chunks(times: torch.Tensor):
    # The earliest breakpoints alone are cheap to find; only a walk that needs more has them all sorted.
    n_variables = times.shape[1]
    size = min(FIRST_CHUNK, n_variables)
    earliest, where = torch.topk(times, size, dim=1, largest=False, sorted=True)
    yield earliest, where
    if size == n_variables:
        return
    ordered, where = torch.sort(times.scatter(1, where, -torch.inf), dim=1)  # what has been seen goes to the front
    while size < n_variables:
        start, size = size, min(2 * size, size + LARGEST_CHUNK, n_variables)
        yield ordered[:, start:size], where[:, start:size]


def _advance(
    walk: _Walk,
    going: torch.Tensor,
    times: torch.Tensor,
    d: torch.Tensor,
    room: torch.Tensor,
    rows: torch.Tensor,
    theta: torch.Tensor,
    signs: torch.Tensor,
    floor: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    # Follow the path over one chunk of breakpoints, for all at once; cumulative sums stand for the updates of
    # slope and bend (equations 4.9 and 4.10). Position j of the sums with a column in front: after j breakpoints.
    real = torch.isfinite(times)
    gaps = torch.where(real, times, 0.0).diff(dim=1, prepend=walk.time[:, None]).clamp_min(0)
    gaps = torch.where(real, gaps, 0.0)
    d, room = torch.where(real, d, 0.0), torch.where(real, room, 0.0)
    directions = _sums(walk.direction[:, :, None], -d[:, None] * rows)
    moved = _sums(walk.moved[:, :, None], gaps[:, None] * directions[:, :, :-1])
    signed = signs[:, None] * rows
    with_direction = (signed * directions[:, :, :-1]).sum(1)
    with_moved = (signed * moved[:, :, 1:]).sum(1)
    with_itself = (signed * rows).sum(1)
    bends = _sums(walk.bend[:, None], d * (2 * with_direction - d * (theta[:, None] + with_itself)))
    # The bend never falls below its floor: lift it from the first place on where it would.
    lift = (floor[:, None] - bends[:, 1:]).clamp_min(0).cummax(1).values
    bends = torch.cat([bends[:, :1], bends[:, 1:] + lift], 1)
    slopes = _sums(walk.slope[:, None], gaps * bends[:, :-1] + d * (d - theta[:, None] * room + with_moved))
    minimum_before = (-slopes[:, :-1] / bends[:, :-1] < gaps) | ~real
    stopped = minimum_before.any(1)
    n_taken = torch.where(stopped, minimum_before.int().argmax(1), times.shape[1])
    n_taken = torch.where(going, n_taken, 0)
    at = n_taken[:, None]
    time = torch.cat([walk.time[:, None], times], 1).gather(1, at)[:, 0]
    at_rows = at[:, None].expand(-1, rows.shape[1], -1)
    new = _Walk(
        time,
        slopes.gather(1, at)[:, 0],
        bends.gather(1, at)[:, 0],
        directions.gather(2, at_rows)[:, :, 0],
        moved.gather(2, at_rows)[:, :, 0],
    )
    for name, value in vars(new).items():
        old = getattr(walk, name)
        setattr(walk, name, torch.where(going if value.ndim == 1 else going[:, None], value, old))
    return n_taken, stopped


def _sums(first: torch.Tensor, terms: torch.Tensor) -> torch.Tensor:
    return torch.cat([first, first + terms.cumsum(-1)], -1)
