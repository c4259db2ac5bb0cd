"""The minimum of the quadratic model over the free variables (Byrd, Lu, Nocedal & Zhu 1995, section 5.1).

Where it lies outside of the bounds it is projected onto them, as in version 3.0 of the code (Morales & Nocedal 2011); only
if the projection leads uphill is the way there cut at the first bound, as in the paper.
"""

from collections.abc import Iterator

import torch

from fmri2image.reconstruct.lbfgsb_bounds import Bounds
from fmri2image.reconstruct.lbfgsb_cauchy import CauchyPoint
from fmri2image.reconstruct.lbfgsb_memory import Memory

_BLOCK = 1024  # variables that are added up at a time


def minimise_subspace(
    x: torch.Tensor, gradient: torch.Tensor, cauchy: CauchyPoint, bounds: Bounds, memory: Memory
) -> tuple[torch.Tensor, torch.Tensor]:
    """Go on from the Cauchy point to the minimum of the model over the variables that are free there.

    Parameters
    ----------
    x, gradient : tensors of shape (n_problems, n_variables)
    cauchy : CauchyPoint
    bounds : Bounds
    memory : Memory

    Returns
    -------
    target : tensor of shape (n_problems, n_variables)
        The Cauchy point itself for a problem without memory or without free variables.
    failed : bool tensor of shape (n_problems,)
        The problem's memory is of no use any more: a matrix is not positive definite (CPU).
    """
    free = cauchy.free
    step, failed = _newton(x, gradient, cauchy, memory)
    step *= free
    target = bounds.clip(cauchy.point + step)
    outside = ((target == bounds.lower) | (target == bounds.upper)) & free
    uphill = outside.any(1) & (((target - x) * gradient).sum(1) > 0)
    if uphill.any():
        room = bounds.room(cauchy.point, step).clamp_min(0)
        part = room.amin(1).clamp_max(1)[:, None]
        cut = bounds.clip(cauchy.point + part * step)
        edge = torch.where(step > 0, bounds.upper, bounds.lower)
        cut = torch.where((part < 1) & (room <= part), edge, cut)
        target = torch.where(uphill[:, None], cut, target)
    has_subspace = (memory.count > 0).to(x.device) & free.any(1)
    target = torch.where(has_subspace[:, None], target, cauchy.point)
    return target, failed & has_subspace.cpu()


def _newton(
    x: torch.Tensor, gradient: torch.Tensor, cauchy: CauchyPoint, memory: Memory
) -> tuple[torch.Tensor, torch.Tensor]:
    # r = -(gradient of the model at the Cauchy point); B_F^-1 r = r / theta + W_F' K^-1 W_F r / theta^2
    # with K = A - W_F W_F' / theta, of which the sums over fixed variables give the blocks that would cancel.
    size, theta = memory.size, memory.theta[:, None]
    theta_there = theta.to(x.device, x.dtype)
    rest = (theta_there * (x - cauchy.point) - gradient) * cauchy.free
    changes, crossed, fixed_steps = _inner_products(memory, cauchy.free)
    products = torch.cat([memory.times(rest), cauchy.product], 1).cpu()
    rest_products, cauchy_product = products.split(2 * size, dim=1)
    weights = torch.bmm((memory.signs * cauchy_product)[:, None], memory.transform)[:, 0]
    free_steps = memory.steps - fixed_steps
    both = torch.cat([torch.cat([changes, crossed.mT], 2), torch.cat([crossed, free_steps], 2)], 1)
    scale = torch.cat([torch.ones_like(memory.curvature), theta * torch.ones_like(memory.curvature)], 1)
    right = scale * (rest_products + torch.bmm(both, weights[:, :, None])[:, :, 0])
    solution, failed = _solve(memory, changes, crossed, fixed_steps, right)
    total = weights / theta + scale * solution / theta**2
    usable = ~failed & torch.isfinite(total).all(1)
    total = torch.where(usable[:, None], total, 0.0)
    return rest / theta_there + memory.combine(total), ~usable


def _inner_products(memory: Memory, free: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # Y Y' and S Y' over the free variables, S S' over the fixed ones. Only the smaller of both groups is added up; the sums over
    # all variables are known.
    size = memory.size
    more_free = 2 * free.sum(1) >= free.shape[1]
    fewer = torch.where(more_free[:, None], ~free, free)
    sums = torch.zeros_like(memory.products, device=free.device)
    for rows in _gathered(memory.rows, fewer):
        sums += torch.bmm(rows, rows.mT).double()
    sums, more_free = sums.cpu(), more_free.cpu()[:, None, None]
    over_free = torch.where(more_free, memory.products - sums, sums)
    over_fixed = torch.where(more_free, sums, memory.products - sums)
    return over_free[:, :size, :size], over_free[:, size:, :size], over_fixed[:, size:, size:]


def _gathered(rows: torch.Tensor, which: torch.Tensor) -> Iterator[torch.Tensor]:
    # The columns `which` (n_problems, n_variables) of the rows of every problem, side by side, zeros behind the last. In blocks
    # of one size whatever the neighbours have, so that a problem's sums are the same to the last bit beside any others.
    counts = which.sum(1)
    problem, variable = which.nonzero().T
    place = torch.arange(len(problem), device=rows.device) - (counts.cumsum(0) - counts)[problem]
    n_blocks = -(-int(counts.max()) // _BLOCK)
    index = torch.zeros((len(rows), n_blocks * _BLOCK), dtype=torch.long, device=rows.device)
    index[problem, place] = variable
    there = torch.arange(n_blocks * _BLOCK, device=rows.device) < counts[:, None]
    for start in range(0, n_blocks * _BLOCK, _BLOCK):
        part = slice(start, start + _BLOCK)
        found = rows.gather(2, index[:, None, part].expand(-1, rows.shape[1], -1))
        yield found * there[:, None, part]


def _solve(
    memory: Memory, changes: torch.Tensor, crossed: torch.Tensor, fixed_steps: torch.Tensor, right: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    # K = [[-E, F'], [F, G]] with E and the Schur complement G + F E^-1 F' positive definite.
    theta = memory.theta[:, None, None]
    upper_left = torch.diag_embed(memory.curvature) + changes / theta
    lower_left = memory.lower - crossed
    first, first_failed = torch.linalg.cholesky_ex(upper_left)
    half = torch.linalg.solve_triangular(first, lower_left.mT, upper=False)
    schur = theta * fixed_steps + half.mT @ half + torch.diag_embed((~memory.used).double())
    second, second_failed = torch.linalg.cholesky_ex(schur)
    failed = (first_failed != 0) | (second_failed != 0)
    top, bottom = right[:, :, None].split(memory.size, dim=1)
    b = torch.cholesky_solve(bottom + half.mT @ torch.linalg.solve_triangular(first, top, upper=False), second)
    a = torch.cholesky_solve(lower_left.mT @ b - top, first)
    return torch.cat([a, b], 1)[:, :, 0], failed
