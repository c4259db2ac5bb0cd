"""Sparse linear regression (SLR) with automatic relevance determination: the decoder of Shen et al. 2019.

Per unit, the voxels of highest absolute correlation in the training trials are offered, and the regression keeps what it
needs of them (PLOS CB 2019, "Feature decoding"; Horikawa & Kamitani 2017 for the z-scoring and the column of ones). Every
number comes from Gram matrices, so a unit costs the same however many trials there are.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.decode.blocks import gram_block, gram_blocks, strongest
from fmri2image.decode.decoders import Context, Decoded
from fmri2image.decode.slr_cpu import Problem, Rules, fit_unit
from fmri2image.decode.slr_gpu import COPIES, Problems, fit_units
from fmri2image.decode.training import PRECISIONS, Targets, Training
from fmri2image.decode.workers import Workers

INTERCEPTS = ("ard", "free")
# Units that a worker process gets at a time: about half a second of work.
TASK = 4


def fit(training: Training, settings: Mapping, context: Context) -> "SlrDecoder":
    """Return the SLR decoder for one training set.

    Parameters
    ----------
    training : Training
        In the precision of the settings.
    settings : mapping
        ``n_voxels`` (500; None offers all), ``intercept``, ``precision`` and the fields of `slr_cpu.Rules`. Intercept
        "ard" is the published one: a constant column with a variance of its own, so it can be pruned. "free" centres
        voxels and unit over the training trials.
    context : Context

    Raises
    ------
    ConfigError
        If a setting is unknown or the training set has another precision.
    """
    return SlrDecoder(training, settings, context)


class SlrDecoder:
    """SLR decoders of all units for one training set; see `fit`.

    Parameters
    ----------
    training, settings, context
        See `fit`.
    batched : bool, optional
        Fit units together in torch instead of one by one in worker processes; by default on a GPU only.
    """

    def __init__(self, training: Training, settings: Mapping, context: Context, *, batched: bool | None = None) -> None:
        self._rules = Rules.from_settings(settings)
        self._intercept = settings.get("intercept", "ard")
        precision = settings.get("precision", "float64")
        if self._intercept not in INTERCEPTS:
            raise ConfigError(f"slr: intercept '{self._intercept}' is unknown; use {' or '.join(INTERCEPTS)}.")
        if PRECISIONS.get(precision) != training.dtype:
            raise ConfigError(f"slr: precision is {precision}, but the training set's is {training.dtype}.")
        n_voxels = settings.get("n_voxels", 500)
        if n_voxels is not None and n_voxels < 1:
            raise ConfigError(f"slr: n_voxels must be at least 1, or null for all; it is {n_voxels}.")
        self._training, self._memory = training, context.memory
        self._k = min(n_voxels or training.n_voxels, training.n_usable)
        self._workers = None
        if not (training.device.type != "cpu" if batched is None else batched):
            shared = {"gram": training.gram.numpy(), "total": training.voxel_total.to(torch.float64).numpy()}
            self._workers = Workers(context.workers, shared)
            training.gram = torch.from_numpy(self._workers.shared["gram"])  # one copy of the matrix is enough

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Fit the decoders of some units and predict them for test responses; see `decoders.Decoder.predict`."""
        training, n_units = self._training, features.shape[1]
        rows = torch.cat([training.standardise(test) for test in tests]) if len(tests) else training.z[:0]
        values = np.empty((len(rows), n_units), dtype=np.float32)
        chosen = np.empty((n_units, self._k), dtype=np.int32)
        weights = np.empty((n_units, self._k), dtype=np.float32)
        intercept = np.empty(n_units, dtype=np.float32)
        for block in self._blocks(n_units):
            targets = training.targets(features[:, block])
            chosen[block] = strongest(training, targets, self._k)
            places = torch.as_tensor(chosen[block], dtype=torch.long, device=training.device)
            found, constant = self._fit(targets, places)
            dense = torch.zeros((len(places), training.n_voxels), dtype=torch.float64, device=training.device)
            dense.scatter_(1, places, found)
            predicted = rows.to(torch.float64) @ dense.T + constant
            values[:, block] = targets.restore(predicted.cpu().numpy())
            weights[block], intercept[block] = found.cpu().numpy(), constant.cpu().numpy()
        ends = np.cumsum([len(test) for test in tests])[:-1]
        return Decoded(np.split(values, ends) if len(tests) else [], chosen, weights, intercept)

    def _blocks(self, n_units: int) -> Iterator[slice]:
        """Yield slices of units that fit in memory."""
        item = 8 if self._training.dtype == torch.float64 else 4
        per_unit = 8 * (4 * self._training.n_voxels + 2 * len(self._training.counts))
        if self._workers is None:
            per_unit += COPIES * item * (self._k + 1) ** 2
        step = max(1, min(n_units, self._memory // per_unit))
        for start in range(0, n_units, step):
            yield slice(start, min(start + step, n_units))

    def _fit(self, targets: Targets, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights (n_units, k) and intercepts (n_units,), float64, of units with their chosen voxels."""
        cross = targets.cross.gather(1, places).to(torch.float64)
        total, squares = targets.total.to(torch.float64), targets.squares.to(torch.float64)
        if self._workers is None:
            sums = self._training.voxel_total.to(torch.float64)[places]
            sums = (gram_blocks(self._training.gram, places), sums, cross, total, squares)
            fitted = fit_units(assemble(*sums, self._training.n_trials, self._intercept), self._rules)
            found, reliable = fitted.weights, fitted.reliable
        else:
            vectors = [x.numpy() for x in (places, cross, total, squares)]
            n_trials, tasks = self._training.n_trials, range(0, len(places), TASK)
            items = (
                (n_trials, self._intercept, self._rules, *(x[start : start + TASK] for x in vectors)) for start in tasks
            )
            weights, enough = zip(*self._workers.map(_fit_task, items), strict=True)
            found, reliable = torch.from_numpy(np.concatenate(weights)), torch.from_numpy(np.concatenate(enough))
        self._refit(targets, places, found, ~reliable)
        if self._intercept == "ard":
            return found[:, :-1], found[:, -1]
        mean = self._training.voxel_total.to(torch.float64)[places] / self._training.n_trials
        return found, total / self._training.n_trials - (found * mean).sum(dim=1)

    def _refit(self, targets: Targets, places: torch.Tensor, found: torch.Tensor, units: torch.Tensor) -> None:
        """Fit units (boolean mask) in float64, from sums of their own voxels, and write their weights to `found`."""
        training, item = self._training, 8 * (COPIES * (self._k + 1) ** 2 + 2 * self._training.n_trials * self._k)
        for part in torch.nonzero(units)[:, 0].split(max(1, self._memory // item)):
            voxels = training.z.T[places[part]].to(torch.float64)
            unit = targets.rows.T[part][:, training.index].to(torch.float64)[:, :, None]
            sums = (voxels @ voxels.mT, voxels.sum(dim=2), (voxels @ unit)[:, :, 0])
            totals = (unit.sum(dim=(1, 2)), unit.square().sum(dim=(1, 2)))
            problems = assemble(*sums, *totals, training.n_trials, self._intercept)
            if self._workers is None:
                found[part] = fit_units(problems, self._rules).weights
                continue
            items = ((problems.one(i), self._rules) for i in range(len(part)))
            for i, weights in zip(part.tolist(), self._workers.map(_fit_problem, items), strict=True):
                found[i] = torch.from_numpy(weights)


def _fit_task(shared: Mapping[str, np.ndarray], item: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights (n_units, k) or, with a constant, (n_units, k + 1) of some units, and which are reliable."""
    n_trials, intercept, rules, chosen, *vectors = item
    fitted = []
    for unit, places in enumerate(chosen):
        sums = (gram_block(shared["gram"], places), shared["total"][places], *(x[unit] for x in vectors))
        tensors = (torch.as_tensor(x)[None] for x in sums)
        fitted.append(fit_unit(assemble(*tensors, n_trials, intercept).one(0), rules))
    return np.stack([unit.weights for unit in fitted]), np.array([unit.reliable for unit in fitted])


def _fit_problem(_: Mapping[str, np.ndarray], item: tuple[Problem, Rules]) -> np.ndarray:
    return fit_unit(*item).weights


def assemble(
    gram: torch.Tensor,
    sums: torch.Tensor,
    cross: torch.Tensor,
    total: torch.Tensor,
    squares: torch.Tensor,
    n_trials: int,
    intercept: str,
) -> Problems:
    """Return the regressions of units on their chosen voxels, with the intercept that is asked for.

    Parameters
    ----------
    gram : tensor of shape (n_units, k, k)
    sums, cross : float64 tensors of shape (n_units, k)
        Sum over trials of each voxel, and of voxel times unit.
    total, squares : float64 tensors of shape (n_units,)
        Sum over trials of the unit, and of its square.
    n_trials : int
    intercept : {"ard", "free"}
    """
    n_units, k = sums.shape
    variance = squares / n_trials - (total / n_trials) ** 2
    spreads = gram.diagonal(dim1=1, dim2=2).to(torch.float64) / n_trials - (sums / n_trials) ** 2
    if intercept == "free":
        centred = gram - (sums[:, :, None] * sums[:, None, :] / n_trials).to(gram.dtype)
        cross = cross - sums * total[:, None] / n_trials
        return Problems(centred, cross, n_trials * variance, variance, spreads.mean(dim=1), n_trials)
    full = gram.new_full((n_units, k + 1, k + 1), n_trials)
    full[:, :k, :k], full[:, k, :k], full[:, :k, k] = gram, sums, sums
    cross = torch.cat([cross, total[:, None]], dim=1)
    # The published start counts the constant as a dimension that does not vary.
    return Problems(full, cross, squares, variance, spreads.sum(dim=1) / (k + 1), n_trials)
