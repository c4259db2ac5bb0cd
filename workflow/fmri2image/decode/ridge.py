"""Ridge decoders for thousands of units at once, each on the voxels most correlated with it.

One decoder per unit as in Shen et al. 2019 (PLOS CB, "Feature decoding"): up to 500 voxels with the highest absolute
correlation with the unit in the training data. The estimator is the L2-regularised regression that the Kamitani Lab has
used since about 2020 (alpha 100) in place of sparse linear regression. Nothing but training data sets a statistic.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fmri2image.core.errors import ConfigError, DataError


@dataclass(frozen=True)
class RidgeSettings:
    """Settings of the ridge decoder.

    Parameters
    ----------
    alpha : float
        Weight of the squared coefficients, on z-scored voxels and units.
    n_voxels : int or None
        Voxels kept per unit, by absolute correlation in the training trials; None keeps all.
    chunk : int
        Units solved together. Small chunks stay in the processor's cache (measured: 32 beats 512 on a CPU).
    """

    alpha: float
    n_voxels: int | None
    chunk: int = 32


class RidgeDecoder:
    """Decoders of all units of one layer for one training set.

    Parameters
    ----------
    responses : array of shape (n_trials, n_voxels)
        Training trials.
    stimulus_index : integer array of shape (n_trials,)
        Row of the training features that each trial saw.
    settings : RidgeSettings
    device : torch.device

    Notes
    -----
    Voxels are z-scored over the training trials and units over the distinct training stimuli, both with ddof 1
    (fastl2lir's convention). The intercept is not penalised: trials are centred exactly.
    """

    def __init__(
        self, responses: np.ndarray, stimulus_index: np.ndarray, settings: RidgeSettings, device: torch.device
    ) -> None:
        if len(responses) < 3:
            raise DataError(f"A decoder needs at least 3 training trials; it got {len(responses)}.")
        if settings.alpha <= 0:
            raise ConfigError(f"The ridge decoder's alpha must be positive; it is {settings.alpha}.")
        x = torch.as_tensor(np.asarray(responses), dtype=torch.float64, device=device)
        self.settings, self.device = settings, device
        self._mean = x.mean(0)
        scale = x.std(0, correction=1)
        self._usable = torch.isfinite(scale) & (scale > 0)
        if not self._usable.any():
            raise DataError("No voxel of the training trials varies; nothing can be decoded from them.")
        self._scale = torch.where(self._usable, scale, torch.ones_like(scale))
        z = self._standardise(x)
        self._index = torch.as_tensor(np.asarray(stimulus_index), dtype=torch.long, device=device)
        self.n_trials, self.n_voxels = z.shape
        n_stimuli = int(self._index.max()) + 1
        self._counts = torch.bincount(self._index, minlength=n_stimuli).to(z.dtype)
        # Trials of one stimulus share its features, so only their sum meets the features.
        self._sums = torch.zeros((n_stimuli, self.n_voxels), dtype=z.dtype, device=device).index_add_(0, self._index, z)
        self._z = z
        self._k = min(settings.n_voxels or self.n_voxels, int(self._usable.sum()))
        self._dual = self._k == self.n_voxels and self.n_voxels > self.n_trials
        gram = z @ z.T if self._dual else z.T @ z
        self._gram = gram.to(torch.float32) if not self._whole else gram
        self._factor = self._factorise(gram) if self._whole else None

    @property
    def _whole(self) -> bool:
        return self._k == self.n_voxels

    def _standardise(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nan_to_num((x - self._mean) / self._scale) * self._usable

    def _factorise(self, gram: torch.Tensor) -> torch.Tensor:
        return torch.linalg.cholesky(
            gram + self.settings.alpha * torch.eye(len(gram), dtype=gram.dtype, device=self.device)
        )

    def predict(self, features: np.ndarray, tests: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Fit the decoders of some units and predict them for test responses.

        Parameters
        ----------
        features : array of shape (n_stimuli, n_units)
            True features of the training stimuli, in the order that `stimulus_index` refers to.
        tests : sequence of arrays of shape (n_test, n_voxels)
            Test responses, in the units of the training responses.

        Returns
        -------
        decoded : list of float32 arrays of shape (n_test, n_units)
        """
        y = torch.as_tensor(np.asarray(features), dtype=torch.float64, device=self.device)
        seen = self._counts > 0
        y_mean = y[seen].mean(0)
        y_scale = y[seen].std(0, correction=1)
        constant = ~(y_scale > 0)
        y = (y - y_mean) / torch.where(constant, torch.ones_like(y_scale), y_scale)
        weights = self._counts / self._counts.sum()
        offset = weights @ y  # trial-weighted mean: zero unless repeats differ between stimuli
        y = (y - offset) * seen[:, None]
        cross = self._sums.T @ y  # (n_voxels, n_units) = sum over trials
        z_tests = [
            self._standardise(torch.as_tensor(np.asarray(t), dtype=torch.float64, device=self.device)) for t in tests
        ]
        predicted = self._solve_whole(y, cross, z_tests) if self._whole else self._solve_selected(cross, z_tests)
        results = []
        for p in predicted:
            p = (p + offset) * y_scale + y_mean
            results.append(torch.where(constant, y_mean, p).to(torch.float32).cpu().numpy())
        return results

    def _solve_whole(self, y: torch.Tensor, cross: torch.Tensor, tests: list[torch.Tensor]) -> list[torch.Tensor]:
        if self._dual:
            dual = torch.cholesky_solve(y[self._index], self._factor)
            return [(t @ self._z.T) @ dual for t in tests]
        weights = torch.cholesky_solve(cross, self._factor)
        return [t @ weights for t in tests]

    def _solve_selected(self, cross: torch.Tensor, tests: list[torch.Tensor]) -> list[torch.Tensor]:
        # All voxels have unit variance, so |cross| orders voxels as |correlation| does for a given unit.
        targets = cross.T.to(torch.float32)
        rows = torch.cat([t.to(torch.float32) for t in tests])
        out = torch.empty((len(rows), targets.shape[0]), dtype=torch.float32, device=self.device)
        for start, chunk in _chunks(targets, self.settings.chunk):
            chosen = chunk.abs().topk(self._k, dim=1).indices
            gram = self._gram[chosen[:, :, None], chosen[:, None, :]]
            gram.diagonal(dim1=1, dim2=2).add_(self.settings.alpha)
            factor, failed = torch.linalg.cholesky_ex(gram)
            if failed.any():
                raise DataError("A Gram matrix of selected voxels is not positive definite; raise alpha.")
            weights = torch.cholesky_solve(chunk.gather(1, chosen)[..., None], factor)[..., 0]
            dense = torch.zeros_like(chunk).scatter_(1, chosen, weights)
            out[:, start : start + len(chunk)] = rows @ dense.T
        return list(out.to(torch.float64).split([len(t) for t in tests]))


def _chunks(targets: torch.Tensor, size: int) -> Iterator[tuple[int, torch.Tensor]]:
    for start in range(0, len(targets), size):
        yield start, targets[start : start + size]
