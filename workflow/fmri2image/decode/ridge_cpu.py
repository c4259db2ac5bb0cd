"""Ridge weights of selected voxels on a CPU: one Cholesky factor per unit, without anything that a worker must load slowly."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import get_blas_funcs
from scipy.linalg.lapack import get_lapack_funcs

from fmri2image.core.errors import DataError
from fmri2image.decode.blocks import Selection, gram_triangle


@dataclass(frozen=True)
class Units:
    """Units that one task fits.

    Parameters
    ----------
    rows : float64 array of shape (n_units, n_stimuli)
        Standardised features of the training stimuli.
    n_voxels : int
    alpha : float
    constant : float
        Weight of the column of ones: trials, and alpha if the intercept is penalised.
    """

    rows: np.ndarray
    n_voxels: int
    alpha: float
    constant: float


def solve_units(shared: Mapping[str, np.ndarray], units: Units) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return chosen voxels (n_units, k), their weights and the intercepts of some units.

    Parameters
    ----------
    shared : mapping
        ``gram`` with alpha on its diagonal and the intercept taken out, ``sums`` in the precision of the Gram matrix,
        ``total`` of voxels over trials in float64, and `blocks.selection_arrays`.
    units : Units
    """
    gram, sums = shared["gram"], shared["sums"]
    selection = Selection(**{name: shared[name] for name in ("exact_sums", "counts", "mean", "spread")})
    sum_of_units = units.rows @ shared["counts"]
    cross = units.rows.astype(gram.dtype) @ sums
    chosen = selection.strongest(cross, units.rows, units.n_voxels)
    right = np.take_along_axis(cross, chosen, axis=1)
    totals = shared["total"][chosen]
    right -= (totals * (sum_of_units / units.constant)[:, None]).astype(gram.dtype)
    weights = np.empty(chosen.shape, dtype=gram.dtype)
    solver = _Solver(chosen.shape[1], gram.dtype, units.alpha)
    for unit in range(len(chosen)):
        weights[unit] = solver.solve(gram, chosen[unit], right[unit])
    intercept = (sum_of_units - np.einsum("uv,uv->u", totals, weights)) / units.constant
    return chosen.astype(np.int32), weights, intercept


class _Solver:
    """Solves one unit after the other in the same memory.

    The right-hand side is the last row of a matrix that is one larger, so that factorising it also does the forward
    substitution: the last row of the factor of [[A, b], [b', c]] is inv(L) b. The value of c only has to be large enough.
    """

    def __init__(self, k: int, dtype: np.dtype, alpha: float) -> None:
        self.k, self.alpha = k, alpha
        self.matrix = np.empty((k + 1, k + 1), dtype=dtype, order="F")
        self.potrf, self.trsv = get_lapack_funcs("potrf", dtype=dtype), get_blas_funcs("trsv", dtype=dtype)

    def solve(self, gram: np.ndarray, chosen: np.ndarray, right: np.ndarray) -> np.ndarray:
        k, matrix = self.k, self.matrix
        gram_triangle(gram, chosen, matrix)
        matrix[k, :k] = right
        matrix[k, k] = 2 * float(right @ right) / self.alpha + 1
        factor, failed = self.potrf(matrix, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise not_definite()
        half = factor[k].copy()
        half[k] = 0
        return self.trsv(factor, half, lower=1, trans=1, overwrite_x=1)[:k]


def not_definite() -> DataError:
    """Return the error of a matrix without a Cholesky factor."""
    return DataError("A Gram matrix of voxels is not positive definite; raise the ridge decoder's alpha.")
