"""Sparse linear regression of one unit, on a processor.

The update is that of the Python package ``slir`` of the Kamitani Lab (Shen et al. 2019, PLOS CB, "Feature decoding"; after
Bishop 2006, "Automatic relevance determination"): every dimension has its own prior variance, and dimensions whose variance
vanishes are removed for good. ``slir`` inverts with numpy's ``pinv``; here one Cholesky factor and its inverse give the same
numbers from the Gram matrix alone, see `update`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from fmri2image.core.errors import ConfigError

STOPPING = ("published", "corrected")
# Single precision is given up for a unit, and the unit fitted again in float64, as soon as in some iteration the dimensions
# before it explain all but this share of a dimension, or all of them leave less than this share of the unit's variance.
# Measured, largest difference of predictions from float64 in SDs: 7e-5 where the least share of a dimension was 0.12, 8e-3 at
# 0.04 and 2e-2 at 0.008 (256, 336 and 500 voxels of 400 trials), 3e-4 at 0.03 (500 of 1,200); 1e-1 at a noise of 1e-6.
LEAST_PIVOT, LEAST_NOISE = 0.1, 0.01


@dataclass(frozen=True)
class Rules:
    """When dimensions are pruned and when iterating stops; the defaults are those of ``slir``.

    Parameters
    ----------
    iterations : int
        Most that are done (Horikawa & Kamitani 2017: 2,000 in the paper, 200 in the code).
    prune_threshold : float
        Dimensions whose variance is at most this share of the largest are removed.
    minimum : float
        Least gain, least variance to start from, and least noise.
    converge_after : int
        The stopping test needs an iteration number (from 0) above this.
    converge_threshold : float
        Iterating stops when no variance changed by as much as this.
    stopping : {"published", "corrected"}
        ``slir`` compares the number of dimensions with the number before the last pruning rather than with that of the
        last iteration. So its test never fires again once something was pruned, and in practice all iterations run.
        "corrected" tests whenever the iteration removed nothing. Measured on the simulated subjects, 500 voxels of 400
        trials: within 200 iterations neither stops early, so they agree; of 2,000 iterations "corrected" spares some in a
        third to a half of the units and changes nothing either.
    """

    iterations: int = 200
    prune_threshold: float = 1e-10
    minimum: float = 1e-15
    converge_after: int = 100
    converge_threshold: float = 1e-10
    stopping: str = "published"

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ConfigError(f"slr: iterations must be at least 1; it is {self.iterations}.")
        if not 0 < self.prune_threshold < 1 or not self.minimum > 0:
            raise ConfigError("slr: prune_threshold must lie between 0 and 1, and minimum above 0.")
        if self.stopping not in STOPPING:
            raise ConfigError(f"slr: stopping '{self.stopping}' is unknown; use {' or '.join(STOPPING)}.")

    @classmethod
    def from_settings(cls, settings: Mapping) -> "Rules":
        """Read the rules among a decoder's settings."""
        return cls(**{name: settings[name] for name in cls.__dataclass_fields__ if name in settings})


@dataclass(frozen=True)
class Problem:
    """Sums over trials that define the regression of one unit; p dimensions, the constant among them where there is one.

    Parameters
    ----------
    gram : array of shape (p, p)
        Symmetric, not centred. Its precision is that of the arithmetic; every vector is float64.
    cross : float64 array of shape (p,)
    squares, variance : float
        Sum of the squared unit, and its variance over trials (ddof 0).
    spread : float
        Variance over trials (ddof 0), averaged over dimensions.
    n_trials : int
    """

    gram: np.ndarray
    cross: np.ndarray
    squares: float
    variance: float
    spread: float
    n_trials: int


@dataclass(frozen=True)
class Fitted:
    """Weights of one unit.

    Parameters
    ----------
    weights : float64 array of shape (p,)
        Zero where a dimension was pruned.
    kept : boolean array of shape (p,)
    iterations : int
        Iterations that were done.
    reliable : bool
        False where single precision was not enough and the fit was given up.
    """

    weights: np.ndarray
    kept: np.ndarray
    iterations: int
    reliable: bool = True


class _Memory:
    """Square matrices of shrinking size in memory that is asked for once; fresh pages cost more than the copy."""

    def __init__(self, p: int, dtype: np.dtype) -> None:
        self._flat = [np.empty(p * p, dtype=dtype) for _ in range(3)]

    def square(self, which: int, p: int) -> np.ndarray:
        return self._flat[which][: p * p].reshape(p, p)

    def compact(self, gram: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Return rows and columns `kept` of matrix 0; matrix 2 is used on the way."""
        p, k = len(gram), len(kept)
        rows = self._flat[2][: k * p].reshape(k, p)
        np.take(gram, kept, axis=0, out=rows, mode="clip")
        return np.take(rows, kept, axis=1, out=self.square(0, k), mode="clip")


def fit_unit(problem: Problem, rules: Rules) -> Fitted:
    """Fit one unit.

    Returns
    -------
    fitted : Fitted
        All zero where the unit does not vary, and where no dimension says anything about it (``slir`` fails there, and
        Horikawa & Kamitani's script takes zeros).
    """
    p = len(problem.cross)
    weights, kept = np.zeros(p), np.arange(p)
    if not problem.variance > 0:
        return Fitted(weights, weights > 0, 0)
    memory = _Memory(p, problem.gram.dtype)
    # C-ordered upper triangles, which are Fortran-ordered lower triangles: LAPACK takes them in place.
    gram = memory.square(0, p)
    gram[...] = np.triu(problem.gram.T)
    cross, ratio, done, pruned = problem.cross, np.full(p, max(1.0 / problem.spread, rules.minimum)), 0, False
    w = np.zeros(p)
    for iteration in range(rules.iterations):
        done = iteration + 1
        w, gain, pivot = update(gram, cross, ratio, memory.square(1, len(kept)))
        noise = _noise(problem, rules, w, cross, gram, ratio)
        if gram.dtype == np.float32 and not (noise >= LEAST_NOISE * problem.variance and pivot >= LEAST_PIVOT):
            return Fitted(weights, weights > 0, done, reliable=False)
        before, ratio = ratio, np.sqrt(ratio * (w * w / noise) / np.maximum(gain, rules.minimum))
        stay = ratio > rules.prune_threshold * ratio.max()
        if not stay.all():
            pruned, places = True, np.flatnonzero(stay)
            kept, w, ratio, cross = kept[places], w[places], ratio[places], cross[places]
            if not len(kept):
                break
            gram = memory.compact(gram, places)
        elif (
            iteration > rules.converge_after
            and not (pruned and rules.stopping == "published")
            and np.abs(ratio - before).max() < rules.converge_threshold
        ):
            break
    weights[kept] = w
    mask = np.zeros(p, dtype=bool)
    mask[kept] = True
    return Fitted(weights, mask, done)


def update(
    gram: np.ndarray, cross: np.ndarray, ratio: np.ndarray, out: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return weights and gains of one iteration, and the least share of a dimension that those before it do not explain.

    With K = gram + diag(1 / ratio): weights K⁻¹ cross, gains diag(gram K⁻¹) = 1 - diag(K⁻¹) / ratio.

    Parameters
    ----------
    gram : array of shape (p, p)
        Upper triangle in C order; zeros below.
    cross, ratio : float64 arrays of shape (p,)
    out : array of shape (p, p)
        Overwritten.

    Notes
    -----
    K = L Lᵀ and T = L⁻¹. A gain can be a billionth, so it is never computed as one minus something close to one:
    row i of L is explained by the rows before it but for d_i, and ratio_i d_i / (1 + ratio_i d_i) minus the squares below
    the diagonal in column i of T, over ratio_i, is the gain with an error in proportion to itself.
    """
    p = len(cross)
    np.copyto(out, gram)
    diagonal, own = out.reshape(-1)[:: p + 1], gram.reshape(-1)[:: p + 1]
    diagonal += 1.0 / ratio
    potrf, trtri = (lapack.spotrf, lapack.strtri) if out.dtype == np.float32 else (lapack.dpotrf, lapack.dtrtri)
    _, failed = potrf(out.T, lower=1, clean=0, overwrite_a=1)
    if failed:
        return *pseudo_inverse(gram, cross, ratio), 0.0
    root = diagonal.copy()
    pivot = float((root.astype(np.float64) ** 2 / (own + 1.0 / ratio)).min())
    diagonal[:] = 0
    rest = ratio * (own - np.einsum("ij,ij->j", out, out))
    diagonal[:] = root
    trtri(out.T, lower=1, overwrite_c=1)
    weights = out @ (cross.astype(out.dtype) @ out)
    diagonal[:] = 0
    gain = rest / (1.0 + rest) - np.einsum("ij,ij->i", out, out) / ratio
    return weights.astype(np.float64), gain, pivot


def pseudo_inverse(gram: np.ndarray, cross: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return weights and gains of one iteration where the matrix is singular to rounding; only the upper triangle counts.

    This happens when voxels repeat each other and the noise is close to zero. The published code takes a pseudo-inverse
    always, with this limit.
    """
    full = np.triu(gram, 1).astype(np.float64)
    full = full + full.T + np.diag(np.diag(gram).astype(np.float64))
    inverse = np.linalg.pinv(full + np.diag(1.0 / ratio), rcond=1e-15, hermitian=True)
    return inverse @ cross, np.einsum("ij,ji->i", full, inverse)


def _noise(
    problem: Problem, rules: Rules, w: np.ndarray, cross: np.ndarray, gram: np.ndarray, ratio: np.ndarray
) -> float:
    noise = (problem.squares - w @ cross) / problem.n_trials
    if noise / problem.variance < rules.minimum:
        # The unit is fitted to rounding. Both terms are what the line above would be if it were exact.
        product = gram @ w + w @ gram - np.diag(gram) * w
        misfit = max(problem.squares - 2 * (w @ cross) + w @ product, 0.0)
        noise = max((misfit + w * w @ (1.0 / ratio)) / problem.n_trials, rules.minimum)
    return noise
