"""Sparse linear regression of many units together, in torch: the same update as `slr_cpu`, for a GPU.

A unit that pruned a dimension gives it the variance zero: its row of the matrix becomes that of the identity, so units with
different numbers of dimensions fit one batch. Every few iterations, batches are cut down to the dimensions that are left and
split where units differ much, so pruned dimensions cost no arithmetic.
"""

from dataclasses import dataclass

import torch

from fmri2image.decode.slr_cpu import LEAST_NOISE, LEAST_PIVOT, Problem, Rules, pseudo_inverse

# Matrices up to this size go to the library's factorisation; larger ones are put together from products of halves, which
# are batched better than factorisations are.
LEAF = 64
# Iterations between looks at the number of dimensions: a look waits for the GPU.
EVERY = 4
# A batch is cut down when at most this share of its columns is in use by its largest unit, and split when enough units
# have less than this share of the largest unit's dimensions.
SHRINK, SPLIT, FEWEST = 0.92, 0.75, 16
# Matrices of the size of a unit's Gram block that exist at the same time, at most (measured: 5.2 of 500 voxels).
COPIES = 6


@dataclass(frozen=True)
class Problems:
    """Sums over trials that define the regressions of many units; see `slr_cpu.Problem`.

    Parameters
    ----------
    gram : tensor of shape (n_units, p, p)
        Its precision is that of the matrices; every other tensor is float64.
    cross : tensor of shape (n_units, p)
    squares, variance, spread : tensors of shape (n_units,)
    n_trials : int
    """

    gram: torch.Tensor
    cross: torch.Tensor
    squares: torch.Tensor
    variance: torch.Tensor
    spread: torch.Tensor
    n_trials: int

    def one(self, unit: int) -> Problem:
        """Return the regression of one unit."""
        numbers = (float(x[unit]) for x in (self.squares, self.variance, self.spread))
        return Problem(self.gram[unit].cpu().numpy(), self.cross[unit].cpu().numpy(), *numbers, self.n_trials)

    def take(self, rows: torch.Tensor, columns: torch.Tensor) -> "Problems":
        """Return some units, each with some of its dimensions (n_rows, width)."""
        gram = self.gram[rows[:, None, None], columns[:, :, None], columns[:, None, :]]
        cross = self.cross[rows].gather(1, columns)
        return Problems(gram, cross, self.squares[rows], self.variance[rows], self.spread[rows], self.n_trials)


@dataclass
class _Batch:
    """Units at the same iteration; `places` says which of the p dimensions each column is.

    A column that was pruned has ratio zero; a unit that has finished has no other columns.
    """

    units: torch.Tensor
    problems: Problems
    places: torch.Tensor
    ratio: torch.Tensor
    weights: torch.Tensor
    pruned: torch.Tensor
    iteration: int = 0

    def take(self, rows: torch.Tensor, width: int) -> "_Batch":
        """Return some of the units, with the `width` columns that hold all that is left of each."""
        order = (self.ratio[rows] > 0).to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :width]
        places, ratio, weights = (x[rows].gather(1, order) for x in (self.places, self.ratio, self.weights))
        problems = self.problems.take(rows, order)
        return _Batch(self.units[rows], problems, places, ratio, weights, self.pruned[rows], self.iteration)


@dataclass(frozen=True)
class FittedUnits:
    """Weights of many units.

    Parameters
    ----------
    weights : float64 tensor of shape (n_units, p)
        Zero where a dimension was pruned, and for units that do not vary.
    kept : boolean tensor of shape (n_units, p)
    iterations : integer tensor of shape (n_units,)
    reliable : boolean tensor of shape (n_units,)
        False where single precision was not enough and the fit was given up.
    """

    weights: torch.Tensor
    kept: torch.Tensor
    iterations: torch.Tensor
    reliable: torch.Tensor

    def store(self, batch: _Batch, rows: torch.Tensor) -> None:
        """Write what the rows (boolean mask) of a batch have come to."""
        units, places, left = batch.units[rows][:, None], batch.places[rows], batch.ratio[rows] > 0
        self.weights[units, places] = torch.where(left, batch.weights[rows], 0.0)
        self.kept[units, places] = left


def fit_units(problems: Problems, rules: Rules) -> FittedUnits:
    """Fit many units; the Gram matrices are given up as soon as possible if the caller holds them nowhere else."""
    n_units, p = problems.cross.shape
    device = problems.gram.device
    blank = torch.zeros((n_units, p), dtype=torch.float64, device=device)
    done, reliable = torch.zeros(n_units, dtype=torch.long, device=device), torch.ones_like(problems.variance) > 0
    fitted = FittedUnits(blank, blank > 0, done, reliable)
    ratio = torch.where(problems.variance > 0, (1.0 / problems.spread).clamp_min(rules.minimum), 0.0)
    units, places = torch.arange(n_units, device=device), torch.arange(p, device=device)
    columns = (places.expand(n_units, p), ratio[:, None].expand(n_units, p), torch.zeros_like(blank))
    waiting = [_Batch(units, problems, *columns, torch.zeros(n_units, dtype=torch.bool, device=device))]
    del problems
    while waiting:
        batch = waiting.pop()
        while True:
            if batch.iteration == rules.iterations:
                fitted.store(batch, (batch.ratio > 0).any(dim=1))
                break
            if batch.iteration % EVERY == 0:
                parts = _parts((batch.ratio > 0).sum(dim=1).cpu(), batch.places.shape[1])
                if parts is not None:
                    waiting += [batch.take(rows.to(device), width) for rows, width in parts]
                    break
            _iterate(batch, rules, fitted)
        del batch
    return fitted


def _parts(counts: torch.Tensor, width: int) -> list[tuple[torch.Tensor, int]] | None:
    """Return rows and widths of the batches that a batch should become; None if it is fine as it is."""
    sizes, rows = counts.sort(descending=True)
    n_left = int((sizes > 0).sum())
    if n_left == 0:
        return []
    n_wide = int((sizes[:n_left] >= SPLIT * sizes[0]).sum())
    split = min(n_wide, n_left - n_wide) >= FEWEST
    if not split and sizes[0] > SHRINK * width and 2 * n_left > len(sizes):
        return None
    cuts = [0, n_wide, n_left] if split else [0, n_left]
    return [(rows[begin:end], int(sizes[begin])) for begin, end in zip(cuts[:-1], cuts[1:], strict=True)]


def _iterate(batch: _Batch, rules: Rules, fitted: FittedUnits) -> None:
    """Do one iteration; units that converge are stored, and left without dimensions."""
    problems, ratio = batch.problems, batch.ratio
    inside = ratio > 0
    fitted.iterations[batch.units] += inside.any(dim=1)
    weights, gain, pivot = update(problems.gram, problems.cross, ratio)
    noise = _noise(problems, rules, weights, ratio)
    if problems.gram.dtype == torch.float32:
        lost = inside.any(dim=1) & ~((noise >= LEAST_NOISE * problems.variance) & (pivot >= LEAST_PIVOT))
        fitted.reliable[batch.units[lost]] = False
        inside = inside & ~lost[:, None]
    new = torch.sqrt(ratio * (weights**2 / noise[:, None]) / gain.clamp_min(rules.minimum))
    new = torch.where(inside, new, 0.0)
    stay = new > rules.prune_threshold * new.amax(dim=1, keepdim=True)
    cut = (stay != inside).any(dim=1)
    batch.weights, batch.ratio = weights, torch.where(stay, new, 0.0)
    batch.pruned = batch.pruned | cut
    if batch.iteration > rules.converge_after:
        change = (batch.ratio - ratio).abs().amax(dim=1)
        settled = inside.any(dim=1) & ~(batch.pruned if rules.stopping == "published" else cut)
        settled &= change < rules.converge_threshold
        if settled.any():
            fitted.store(batch, settled)
            batch.ratio = torch.where(settled[:, None], 0.0, batch.ratio)
    batch.iteration += 1


def update(
    gram: torch.Tensor, cross: torch.Tensor, ratio: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return weights and gains (n_units, p), float64, of one iteration, and the least pivots; see `slr_cpu.update`.

    Here K is scaled to M = S gram S + I with S = diag(sqrt(ratio)), so that a ratio of zero does no harm: the weight is
    zero, and so is the gain.
    """
    root = ratio.sqrt().to(gram.dtype)
    matrix = gram * root[:, :, None]
    matrix *= root[:, None, :]
    own = matrix.diagonal(dim1=1, dim2=2).to(torch.float64, copy=True)
    matrix.diagonal(dim1=1, dim2=2).add_(1.0)
    inverse, above, below, failed = _factorise(matrix)
    # T's diagonal is one over L's.
    pivot = (inverse.diagonal(dim1=1, dim2=2).to(torch.float64) ** 2 * (1.0 + own)).amax(dim=1).reciprocal()
    rest = own - above.to(torch.float64)
    gain = rest / (1.0 + rest) - below.to(torch.float64)
    scaled = (ratio.sqrt() * cross).to(gram.dtype)[:, :, None]
    weights = root * (inverse.mT @ (inverse @ scaled))[:, :, 0]
    weights = weights.to(torch.float64)
    if failed.any():
        pivot[failed] = 0.0
        for unit in failed.nonzero()[:, 0].tolist():
            inside = ratio[unit] > 0
            values = (gram[unit][inside][:, inside], cross[unit, inside], ratio[unit, inside])
            found = pseudo_inverse(*(value.cpu().numpy() for value in values))
            weights[unit, inside], gain[unit, inside] = (torch.as_tensor(x, device=gram.device) for x in found)
    return weights, gain, pivot


def _factorise(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return T = L⁻¹, the squares left of L's diagonal by row, those below T's diagonal by column, and what failed.

    With M = L Lᵀ in halves: L21 = M21 T11ᵀ, L22 L22ᵀ = M22 - L21 L21ᵀ and T21 = -T22 L21 T11.
    """
    p = matrix.shape[1]
    if p <= LEAF:
        lower, info = torch.linalg.cholesky_ex(matrix)
        identity = torch.eye(p, dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
        inverse = torch.linalg.solve_triangular(lower, identity, upper=False)
        above = lower.tril(-1).square().sum(dim=2)
        return inverse, above, inverse.tril(-1).square().sum(dim=1), (info != 0) | ~above.isfinite().all(dim=1)
    half = p // 2
    first, first_above, first_below, failed = _factorise(matrix[:, :half, :half])
    side = matrix[:, half:, :half] @ first.mT
    second, above, below, also_failed = _factorise(torch.baddbmm(matrix[:, half:, half:], side, side.mT, alpha=-1))
    inverse = torch.zeros_like(matrix)
    inverse[:, :half, :half], inverse[:, half:, half:] = first, second
    corner = -(second @ (side @ first))
    inverse[:, half:, :half] = corner
    above = torch.cat([first_above, above + side.square().sum(dim=2)], dim=1)
    below = torch.cat([first_below + corner.square().sum(dim=1), below], dim=1)
    return inverse, above, below, failed | also_failed


def _noise(problems: Problems, rules: Rules, weights: torch.Tensor, ratio: torch.Tensor) -> torch.Tensor:
    explained = (weights * problems.cross).sum(dim=1)
    noise = (problems.squares - explained) / problems.n_trials
    low = (noise / problems.variance < rules.minimum) & (ratio > 0).any(dim=1)
    if low.any():
        w, inside = weights[low], ratio[low] > 0
        product = (problems.gram[low] @ w.to(problems.gram.dtype)[:, :, None])[:, :, 0].to(torch.float64)
        misfit = (problems.squares[low] - 2 * explained[low] + (w * product).sum(dim=1)).clamp_min(0)
        penalty = torch.where(inside, w**2 / torch.where(inside, ratio[low], 1.0), 0.0).sum(dim=1)
        noise[low] = ((misfit + penalty) / problems.n_trials).clamp_min(rules.minimum)
    return noise
