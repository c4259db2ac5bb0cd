"""The minimum of the quadratic model over the free variables (Byrd, Lu, Nocedal & Zhu 1995, section 5.1).

Where it lies outside of the bounds it is projected onto them, as in version 3.0 of the code (Morales & Nocedal 2011); only
if the projection leads uphill is the way there cut at the first bound, as in the paper.
"""

import torch

from fmri2image.reconstruct.lbfgsb_bounds import Bounds
from fmri2image.reconstruct.lbfgsb_cauchy import CauchyPoint
from fmri2image.reconstruct.lbfgsb_memory import Memory

_BLOCK = {"cpu": 2**19}  # elements of the memory that are masked at a time: on a CPU few enough for its cache
_BLOCK_ELSEWHERE = 2**26


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
    # Y Y' and S Y' over the free variables, S S' over the fixed ones.
    size, rows = memory.size, memory.rows
    n_problems, n_rows, n_variables = rows.shape
    with_changes = torch.zeros((n_problems, n_rows, size), dtype=torch.float64, device=rows.device)
    fixed_steps = torch.zeros((n_problems, size, size), dtype=torch.float64, device=rows.device)
    block = max(_BLOCK.get(rows.device.type, _BLOCK_ELSEWHERE) // (n_problems * n_rows), 1)
    for start in range(0, n_variables, block):
        part, mask = rows[:, :, start : start + block], free[:, None, start : start + block].to(rows.dtype)
        with_changes += torch.bmm(part, (part[:, :size] * mask).mT).double()
        fixed_steps += torch.bmm(part[:, size:], (part[:, size:] * (1 - mask)).mT).double()
    both = torch.cat([with_changes, fixed_steps], 1).cpu()
    return both.split(size, dim=1)


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
