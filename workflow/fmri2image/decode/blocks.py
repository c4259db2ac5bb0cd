"""Which voxels a unit's decoder uses, and their part of the Gram matrix.

As in Shen et al. 2019 (PLOS CB, "Feature decoding"): per unit, the voxels of highest absolute correlation with the unit over
the training trials. Correlation, not covariance: voxels standardised over stimuli do not have unit variance over trials.
Torch is imported only for tensors: worker processes do without.
"""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from fmri2image.decode.training import Targets, Training

# Correlations closer than this, relative to their size, are ties, which the voxel's place decides: rounding must not.
TIE = 1e-10
# Products of so many trials leave a correlation uncertain by less than this; voxels nearer to the limit are decided exactly.
DOUBT = {4: 3e-6, 8: 1e-13}
ROWS_AT_ONCE = 64


def strongest(training: "Training", targets: "Targets", k: int) -> np.ndarray:
    """Return the voxels of highest absolute correlation with each unit over training trials.

    Parameters
    ----------
    training : Training
    targets : Targets
    k : int

    Returns
    -------
    chosen : int64 array of shape (n_units, min(k, n_usable))
        Sorted in each row. The same in both precisions; of equally correlated voxels the first is taken.
    """
    selection = Selection(**selection_arrays(training))
    rows = targets.exact_rows.T
    if targets.cross.device.type == "cpu":
        return selection.strongest(targets.cross.numpy(), rows.numpy(), k)
    return strongest_on_device(selection, targets.cross, rows, k)


def selection_arrays(training: "Training") -> dict[str, np.ndarray]:
    """Return what `Selection` needs of a training set, for the memory that workers share."""
    return {
        "exact_sums": training.exact_sums,
        "counts": training.counts,
        "mean": training.exact_sums.sum(axis=0) / training.counts.sum(),
        "spread": training.voxel_spread.cpu().numpy(),
    }


class Selection:
    """Selection of voxels for units of one training set.

    Parameters
    ----------
    exact_sums : float64 array of shape (n_stimuli, n_voxels)
        Standardised responses, summed over the trials of each stimulus.
    counts : float64 array of shape (n_stimuli,)
        Trials per stimulus.
    mean : float64 array of shape (n_voxels,)
        Over trials.
    spread : float64 array of shape (n_voxels,)
        Square root of the sum of squared deviations over trials; zero marks a voxel that must not be taken.
    """

    def __init__(self, exact_sums: np.ndarray, counts: np.ndarray, mean: np.ndarray, spread: np.ndarray) -> None:
        self.sums, self.counts, self.mean, self.spread = exact_sums, counts, mean, spread
        self.n_usable = int(np.count_nonzero(spread))
        self.inverse = np.divide(1.0, spread, out=np.zeros(len(spread)), where=spread > 0)

    def strongest(self, cross: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
        """Return the chosen voxels, int64 (n_units, min(k, n_usable)), sorted in each row.

        Parameters
        ----------
        cross : array of shape (n_units, n_voxels)
            Sum over trials of standardised voxel times standardised unit, float32 or float64.
        rows : float64 array of shape (n_units, n_stimuli)
            Standardised features of the training stimuli.
        k : int
        """
        n_units, n_voxels = cross.shape
        k = min(k, self.n_usable)
        if k == n_voxels:
            return np.tile(np.arange(k), (n_units, 1))
        inverse, mean = self.inverse.astype(cross.dtype), self.mean.astype(cross.dtype)
        total, size = rows @ self.counts, np.sqrt(rows**2 @ self.counts)
        unusable = np.flatnonzero(self.spread == 0)
        first = np.flatnonzero(self.spread)[:k]
        chosen = np.empty((n_units, k), dtype=np.int64)
        for unit in range(n_units):
            if size[unit] == 0:  # does not vary: all voxels are ties
                chosen[unit] = first
                continue
            score = cross[unit] - cross.dtype.type(total[unit]) * mean
            score *= inverse
            np.abs(score, out=score)
            score[unusable] = -1  # after voxels that merely do not correlate
            order = np.argpartition(score, n_voxels - k)
            kept = order[n_voxels - k :]
            limit = float(score[kept[0]])
            doubt = max(DOUBT[cross.dtype.itemsize] * size[unit], TIE * limit)
            if score[order[: n_voxels - k]].max() >= limit - 2 * doubt:
                kept = self._decide(score, limit, 2 * doubt, rows[unit], k)
            chosen[unit] = np.sort(kept)
        return chosen

    def _decide(self, score: np.ndarray, limit: float, doubt: float, row: np.ndarray, k: int) -> np.ndarray:
        sure = np.flatnonzero(score > limit + doubt)
        near = np.flatnonzero((score >= max(limit - doubt, 0)) & (score <= limit + doubt))
        # One product per voxel in memory of its own: equal voxels get equal sums to the last bit.
        row = row - self.counts @ row / self.counts.sum()
        columns = np.ascontiguousarray(self.sums[:, near].T)
        exact = np.abs((columns * row).sum(axis=1)) * self.inverse[near]
        # Voxels are ties if each is within TIE of the one before it.
        order = np.argsort(-exact, kind="stable")
        step = -np.diff(exact[order], prepend=exact[order[0]])
        level = np.empty(len(near))
        level[order] = np.cumsum(step > TIE * exact.max())
        return np.concatenate([sure, near[np.lexsort((near, level))[: k - len(sure)]]])


def strongest_on_device(selection: Selection, cross: "torch.Tensor", rows: "torch.Tensor", k: int) -> np.ndarray:
    """Do as `Selection.strongest` with tensors; only units whose last voxel is in doubt go through the host."""
    import torch

    k = min(k, selection.n_usable)
    if k == cross.shape[1]:
        return np.tile(np.arange(k), (len(cross), 1))
    like = {"dtype": cross.dtype, "device": cross.device}
    inverse, mean = torch.as_tensor(selection.inverse, **like), torch.as_tensor(selection.mean, **like)
    counts = torch.as_tensor(selection.counts, device=cross.device)
    total, size = (rows @ counts).to(cross.dtype), (rows**2 @ counts).sqrt().to(cross.dtype)
    score = (cross - total[:, None] * mean).mul_(inverse).abs_().masked_fill_(inverse == 0, -1)
    best = score.topk(k + 1, dim=1)
    limit = best.values[:, k - 1]
    doubt = torch.maximum(DOUBT[cross.element_size()] * size, TIE * limit)
    chosen = best.indices[:, :k].sort(dim=1).values.cpu().numpy()
    doubtful = torch.nonzero(best.values[:, k] >= limit - 2 * doubt).ravel()
    if len(doubtful):
        again = selection.strongest(cross[doubtful].cpu().numpy(), rows[doubtful].cpu().numpy(), k)
        chosen[doubtful.cpu().numpy()] = again
    return chosen


def gram_block(gram: np.ndarray, chosen: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the Gram matrix of some voxels.

    Parameters
    ----------
    gram : array of shape (n_voxels, n_voxels)
        Symmetric, C-ordered.
    chosen : integer array of shape (k,)
    out : array of shape (k, k), optional
        Fortran-ordered.

    Returns
    -------
    block : array of shape (k, k)
        Fortran-ordered, so that LAPACK takes it without a copy.
    """
    block = np.empty((len(chosen), len(chosen)), dtype=gram.dtype, order="F") if out is None else out
    # A flat index of ascending places reads memory in order; the transpose is the same matrix in Fortran's order.
    flat = (chosen[:, None] * gram.shape[1] + chosen).ravel()
    np.take(gram.reshape(-1), flat, out=block.T.reshape(-1), mode="clip")
    return block


def gram_triangle(gram: np.ndarray, chosen: np.ndarray, out: np.ndarray) -> None:
    """Write the Gram matrix of some voxels into the lower triangle of the first rows and columns of a larger matrix.

    Parameters
    ----------
    gram : array of shape (n_voxels, n_voxels)
        Symmetric, C-ordered.
    chosen : int64 array of shape (k,)
    out : array of shape (k + 1, k + 1)
        Fortran-ordered. What is above the diagonal is partly written, too; the last row and column are not.
    """
    k, columns = len(chosen), out.T
    places, flat = chosen * gram.shape[1], gram.reshape(-1)
    for start in range(0, k, ROWS_AT_ONCE):
        part = slice(start, min(start + ROWS_AT_ONCE, k))
        columns[part, start:k] = flat.take(places[part, None] + chosen[start:], mode="clip")


def gram_blocks(gram: "torch.Tensor", chosen: "torch.Tensor") -> "torch.Tensor":
    """Return the Gram matrices (n_units, k, k) of many units' voxels, for a GPU.

    Parameters
    ----------
    gram : tensor of shape (n_voxels, n_voxels)
    chosen : integer tensor of shape (n_units, k)
    """
    return gram[chosen[:, :, None], chosen[:, None, :]]
