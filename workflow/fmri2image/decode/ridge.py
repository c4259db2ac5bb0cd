"""Ridge decoders of thousands of units at once, each on the voxels most correlated with it or on all of them.

One decoder per unit as in Shen et al. 2019 (PLOS CB, "Feature decoding"): up to 500 voxels with the highest absolute
correlation with the unit in the training data. The estimator is the L2-regularised regression that the Kamitani Lab has
used since about 2020 (PyFastL2LiR, alpha 100) in place of sparse linear regression.

The intercept is taken out of the equations first: with t the sums of voxels over trials, s that of the unit and c the number
of trials, plus alpha if the intercept is penalised (PyFastL2LiR: a column of ones like any voxel), the weights solve
(Z'Z - t t'/c + alpha I) w = Z'y - t s/c, and the intercept is (s - t'w)/c. So all units share one Gram matrix.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.decode.blocks import gram_blocks, selection_arrays, strongest
from fmri2image.decode.decoders import Context, Decoded, Decoder
from fmri2image.decode.ridge_cpu import Units, not_definite, solve_units
from fmri2image.decode.training import Targets, Training
from fmri2image.decode.workers import Workers, one_thread

INTERCEPTS = ("free", "penalised")
SOLVERS = ("auto", "primal", "dual")
UNITS_PER_TASK = 64  # on a CPU


def fit(training: Training, settings: Mapping, context: Context) -> Decoder:
    """Return the ridge decoder of one training set.

    Parameters
    ----------
    training : Training
    settings : mapping
        ``alpha``, ``n_voxels`` (None: all voxels), ``intercept`` ("free" or "penalised") and, for all voxels, ``solver``
        ("auto", "primal" or "dual").
    context : Context

    Raises
    ------
    ConfigError
        If a setting has no meaning.
    """
    alpha, k = float(settings["alpha"]), settings.get("n_voxels")
    intercept, solver = settings.get("intercept", "free"), settings.get("solver", "auto")
    if not alpha > 0:
        raise ConfigError(f"The ridge decoder's alpha must be positive; it is {settings['alpha']}.")
    if k is not None and k < 1:
        raise ConfigError(f"The ridge decoder's n_voxels must be at least 1, or null for all voxels; it is {k}.")
    if intercept not in INTERCEPTS or solver not in SOLVERS:
        raise ConfigError(
            f"The ridge decoder's intercept must be one of {', '.join(INTERCEPTS)} and its solver one of "
            f"{', '.join(SOLVERS)}; they are {intercept} and {solver}."
        )
    constant = training.n_trials + (alpha if intercept == "penalised" else 0.0)
    if k is None or k >= training.n_usable:
        return WholeRidge(training, alpha, constant, solver)
    if training.device.type == "cpu":
        return SelectedRidge(training, alpha, constant, k, context)
    return SelectedRidgeOnDevice(training, alpha, constant, k, context)


class WholeRidge:
    """Ridge on all voxels: one factorisation, in float64, serves every unit.

    Parameters
    ----------
    training : Training
    alpha : float
    constant : float
        Weight of the column of ones.
    solver : {"auto", "primal", "dual"}
        Equations of voxels or of trials; the same solution. "auto" takes the fewer.
    """

    def __init__(self, training: Training, alpha: float, constant: float, solver: str = "auto") -> None:
        self._training, self._constant = training, constant
        dual = solver == "dual" or (solver == "auto" and training.n_voxels > training.n_trials)
        # Weights are linear in the features of the stimuli: this maps one to the other, (n_voxels, n_stimuli).
        self._map = (_dual_map if dual else _primal_map)(training, alpha, constant).to(training.dtype)

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Fit the decoders of some units and predict them; see `decoders.Decoder`."""
        targets = self._training.targets(features)
        weights = self._map @ targets.rows
        total = self._training.voxel_total @ weights
        intercept = (targets.total - total) / self._constant
        values = [
            targets.restore((self._training.standardise(test) @ weights + intercept).cpu().numpy()) for test in tests
        ]
        return Decoded(values, None, _float32(weights.T), _float32(intercept))


def _primal_map(training: Training, alpha: float, constant: float) -> torch.Tensor:
    gram = without_intercept(training, constant).double()
    gram.diagonal().add_(alpha)
    counts = torch.as_tensor(training.counts, device=training.device)
    sums = training.sums.double() - counts[:, None] * training.voxel_total.double() / constant
    return torch.cholesky_solve(sums.T, _factor(gram))


def _dual_map(training: Training, alpha: float, constant: float) -> torch.Tensor:
    # I - 11'/c is the square of I - b 11', so that the equations of trials stay symmetric.
    n = training.n_trials
    b = (1 - (1 - n / constant) ** 0.5) / n
    z = training.z.double()
    z = z - b * z.sum(dim=0)
    gram = z @ z.T
    gram.diagonal().add_(alpha)
    shown = torch.nn.functional.one_hot(training.index, len(training.counts)).double()
    shown = shown - b * shown.sum(dim=0)
    return z.T @ torch.cholesky_solve(shown, _factor(gram))


class SelectedRidge:
    """Ridge on each unit's own voxels, on a CPU.

    Parameters
    ----------
    training : Training
    alpha, constant : float
    k : int
        Voxels per unit.
    context : Context
    """

    def __init__(self, training: Training, alpha: float, constant: float, k: int, context: Context) -> None:
        self._training, self._context = training, context
        self._alpha, self._constant, self._k = alpha, constant, k
        gram = without_intercept(training, constant)
        gram.diagonal().add_(alpha)
        shared = {
            "gram": gram.numpy(),
            "sums": training.sums.numpy(),
            "total": training.voxel_total.double().numpy(),
            **selection_arrays(training),
        }
        self._workers = Workers(context.workers, shared)

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Fit the decoders of some units and predict them; see `decoders.Decoder`."""
        with one_thread():
            targets = self._training.targets(features)
            z_tests = torch.cat([self._training.standardise(test) for test in tests])
            out = _Output(len(z_tests), features.shape[1], self._k)
            rows = targets.exact_rows.numpy().T
            parts = _parts(len(rows), self._context, self._units_at_once())
            tasks = (Units(rows[part], self._k, self._alpha, self._constant) for part in parts)
            for part, found in zip(parts, self._workers.map(solve_units, tasks), strict=True):
                out.add(part, z_tests, *(torch.from_numpy(array) for array in found))
            return out.decoded(targets, tests)

    def _units_at_once(self) -> int:
        # Of each unit: correlations in both precisions in its worker, and its weights among all voxels here.
        per_unit = 4 * self._training.n_voxels * self._training.z.element_size() * (self._context.workers + 1)
        return min(UNITS_PER_TASK, max(1, self._context.memory // per_unit))


class SelectedRidgeOnDevice:
    """Ridge on each unit's own voxels, many units at a time, for a GPU; parameters as `SelectedRidge`."""

    def __init__(self, training: Training, alpha: float, constant: float, k: int, context: Context) -> None:
        self._training, self._context, self._k, self._constant = training, context, k, constant
        self._alpha = alpha
        self._gram = without_intercept(training, constant)
        self._gram.diagonal().add_(alpha)

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Fit the decoders of some units and predict them; see `decoders.Decoder`."""
        training = self._training
        targets = training.targets(features)
        z_tests = torch.cat([training.standardise(test) for test in tests])
        out = _Output(len(z_tests), features.shape[1], self._k)
        size = training.z.element_size()
        # Gram blocks, their factors and what the solver takes; correlations, their order, weights among all voxels.
        per_unit = size * (3 * self._k**2 + 6 * training.n_voxels) + 24 * len(training.counts)
        for part in _slices(features.shape[1], max(1, self._context.memory // per_unit)):
            some = Targets(
                targets.rows[:, part],
                targets.total[part],
                targets.squares[part],
                targets.scale,
                targets.sums,
                targets.exact_rows[:, part],
            )
            out.add(part, z_tests, *self._solve(some))
        return out.decoded(targets, tests)

    def _solve(self, targets: Targets) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        chosen = torch.as_tensor(strongest(self._training, targets, self._k), device=self._training.device)
        totals = self._training.voxel_total[chosen]
        right = targets.cross.gather(1, chosen) - totals * (targets.total / self._constant)[:, None]
        factor, failed = torch.linalg.cholesky_ex(gram_blocks(self._gram, chosen))
        if failed.any():
            raise not_definite()
        weights = torch.cholesky_solve(right[..., None], factor)[..., 0]
        return chosen, weights, (targets.total - (totals * weights).sum(dim=1)) / self._constant


class _Output:
    """Predictions, voxels, weights and intercepts of units as they come."""

    def __init__(self, n_rows: int, n_units: int, k: int) -> None:
        self._values = np.empty((n_rows, n_units))
        self._chosen = np.empty((n_units, k), dtype=np.int32)
        self._weights = np.empty((n_units, k), dtype=np.float32)
        self._intercept = np.empty(n_units, dtype=np.float32)

    def add(
        self,
        part: slice,
        z_tests: torch.Tensor,
        chosen: torch.Tensor,
        weights: torch.Tensor,
        intercept: torch.Tensor,
    ) -> None:
        dense = torch.zeros((len(weights), z_tests.shape[1]), dtype=weights.dtype, device=weights.device)
        dense.scatter_(1, chosen.long(), weights)
        self._values[:, part] = (z_tests @ dense.T + intercept.to(weights.dtype)).cpu().numpy()
        self._chosen[part] = chosen.cpu().numpy()
        self._weights[part] = weights.cpu().numpy()
        self._intercept[part] = intercept.cpu().numpy()

    def decoded(self, targets: Targets, tests: Sequence[np.ndarray]) -> Decoded:
        ends = np.cumsum([len(test) for test in tests])
        values = [targets.restore(rows) for rows in np.split(self._values, ends[:-1])]
        return Decoded(values, self._chosen, self._weights, self._intercept)


def without_intercept(training: Training, constant: float) -> torch.Tensor:
    """Return the Gram matrix of voxels from which a column of ones of this weight was eliminated; the caller may change it."""
    total = training.voxel_total
    # Not `training.gram`: that would stay in memory beside this one.
    return (training.z.T @ training.z).addr_(total, total, alpha=-1 / constant)


def _factor(gram: torch.Tensor) -> torch.Tensor:
    factor, failed = torch.linalg.cholesky_ex(gram)
    if failed:
        raise not_definite()
    return factor


def _parts(n_units: int, context: Context, at_once: int) -> list[slice]:
    """Return slices of equal size, a multiple of the workers in number."""
    rounds = -(-n_units // (at_once * context.workers))
    return list(_slices(n_units, -(-n_units // (rounds * context.workers)) if n_units else 1))


def _slices(n: int, step: int) -> Iterator[slice]:
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _float32(tensor: torch.Tensor) -> np.ndarray:
    return tensor.to(torch.float32).cpu().numpy()
