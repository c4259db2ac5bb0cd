"""One training set as every decoder needs it: standardised trials, their Gram matrix, and targets met by sums over trials.

Trials that saw the same stimulus share its features, so features meet only the sums of trials per stimulus: 1,200 rows
in place of 6,000 in Shen et al. 2019.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode.standardise import Scale, Standardisation, column_scale

COLUMNS_AT_ONCE, ROWS_AT_ONCE = 1024, 256
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Targets:
    """Standardised features of some units, as the training trials meet them.

    Parameters
    ----------
    rows : tensor of shape (n_stimuli, n_units)
        Standardised features of the training stimuli.
    total, squares : tensors of shape (n_units,)
        Sum over trials of the standardised unit, and of its square.
    scale : Scale
        Of the units.
    sums : tensor of shape (n_stimuli, n_voxels)
        Sum of standardised voxels over the trials of each stimulus.
    exact_rows : float64 tensor of shape (n_stimuli, n_units)
        Rows before they were rounded to the training's precision.
    """

    rows: torch.Tensor
    total: torch.Tensor
    squares: torch.Tensor
    scale: Scale
    sums: torch.Tensor
    exact_rows: torch.Tensor

    @cached_property
    def cross(self) -> torch.Tensor:
        """Sum over trials of standardised voxel times standardised unit, (n_units, n_voxels)."""
        return self.rows.T @ self.sums

    def restore(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions (n_test, n_units) in the units' own scale, float32; units not usable get their mean."""
        values = np.asarray(predicted, dtype=np.float64) * self.scale.sd + self.scale.mean
        return np.where(self.scale.usable, values, self.scale.mean).astype(np.float32)


class Training:
    """Trials of one training set, standardised.

    Parameters
    ----------
    responses : array of shape (n_trials, n_voxels)
    stimulus_index : integer array of shape (n_trials,)
        Row of the training features that each trial saw; every row must have a trial.
    standardisation : Standardisation
    device : torch.device
    precision : {"float32", "float64"}
        Of the standardised trials and all that is computed from them. Means and SDs are always float64.

    Attributes
    ----------
    z : tensor of shape (n_trials, n_voxels)
    sums : tensor of shape (n_stimuli, n_voxels)
        Sum of z over the trials of each stimulus.
    exact_sums : float64 array of shape (n_stimuli, n_voxels)
        The same before it was rounded to the precision: it decides which of two voxels correlates more.
    counts : float64 array of shape (n_stimuli,)
        Trials per stimulus.
    voxel_scale : Scale

    Raises
    ------
    DataError
        If there are fewer than three trials, no voxel varies, or a stimulus has no trial.
    """

    def __init__(
        self,
        responses: np.ndarray,
        stimulus_index: np.ndarray,
        standardisation: Standardisation,
        device: torch.device,
        precision: str = "float32",
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"precision: '{precision}' is unknown; use {' or '.join(PRECISIONS)}.")
        responses, index = np.asarray(responses), np.asarray(stimulus_index)
        if len(responses) < 3:
            raise DataError(f"A decoder needs at least 3 training trials; it got {len(responses)}.")
        self.counts = np.bincount(index).astype(np.float64)
        if not self.counts.all():
            raise DataError(f"Training stimulus {int(np.argmin(self.counts))} has no trial.")
        self.standardisation, self.device, self.dtype = standardisation, device, PRECISIONS[precision]
        shown = responses if standardisation.voxels == "trials" else _stimulus_means(responses, index, self.counts)
        self.voxel_scale = column_scale(shown, ddof=standardisation.ddof)
        if not self.voxel_scale.usable.any():
            raise DataError("No voxel of the training trials varies; nothing can be decoded from them.")
        self.index = torch.as_tensor(index, dtype=torch.long, device=device)
        self.z = self.standardise(responses)
        self.exact_sums = self._sum_trials(responses, index)
        self.sums = torch.as_tensor(self.exact_sums, dtype=self.dtype, device=device)

    @property
    def n_trials(self) -> int:
        """Number of training trials."""
        return self.z.shape[0]

    @property
    def n_voxels(self) -> int:
        """Number of voxels, those that cannot be used among them."""
        return self.z.shape[1]

    @property
    def n_usable(self) -> int:
        """Number of voxels that vary and are finite in every training trial."""
        return int(self.voxel_scale.usable.sum())

    @cached_property
    def gram(self) -> torch.Tensor:
        """Sum over trials of products of voxels, (n_voxels, n_voxels)."""
        return self.z.T @ self.z

    @cached_property
    def voxel_total(self) -> torch.Tensor:
        """Sum of each voxel over trials, (n_voxels,); zero but for rounding where voxels are standardised over trials."""
        return self.z.sum(dim=0)

    @cached_property
    def voxel_spread(self) -> torch.Tensor:
        """Square root of each voxel's sum of squared deviations over trials, float64, (n_voxels,); zero if not usable."""
        parts = (part.double() for part in self.z.split(COLUMNS_AT_ONCE, dim=1))
        spread = torch.cat([(part - part.mean(dim=0)).square().sum(dim=0).sqrt() for part in parts])
        return spread * torch.as_tensor(self.voxel_scale.usable, device=self.device)

    def standardise(self, responses: np.ndarray) -> torch.Tensor:
        """Return responses (n, n_voxels) on the voxels' training scale; what is not finite becomes zero (the mean)."""
        out = torch.empty(np.shape(responses), dtype=self.dtype, device=self.device)
        for start in range(0, len(responses), ROWS_AT_ONCE):  # float64 is twice as large
            part = slice(start, start + ROWS_AT_ONCE)
            out[part] = torch.as_tensor(self.voxel_scale.apply(responses[part]), device=self.device)
        return out

    def _sum_trials(self, responses: np.ndarray, index: np.ndarray) -> np.ndarray:
        sums = torch.zeros((len(self.counts), responses.shape[1]), dtype=torch.float64)
        for start in range(0, len(responses), ROWS_AT_ONCE):
            part = slice(start, start + ROWS_AT_ONCE)
            z = torch.as_tensor(self.voxel_scale.apply(responses[part]))
            sums.index_add_(0, torch.as_tensor(index[part], dtype=torch.long), z)
        return sums.numpy()

    def targets(self, features: np.ndarray) -> Targets:
        """Return the targets of some units.

        Parameters
        ----------
        features : array of shape (n_stimuli, n_units)
            True features of the training stimuli, in the order that `stimulus_index` refers to.
        """
        counts = self.counts if self.standardisation.units == "trials" else None
        scale = column_scale(features, counts, ddof=self.standardisation.ddof)
        rows = torch.as_tensor(scale.apply(features), device=self.device)
        weights = torch.as_tensor(self.counts, device=self.device)
        total, squares = weights @ rows, weights @ rows**2
        rounded = rows.to(self.dtype)
        return Targets(rounded, total.to(self.dtype), squares.to(self.dtype), scale, self.sums, rows)


def _stimulus_means(responses: np.ndarray, index: np.ndarray, counts: np.ndarray) -> np.ndarray:
    total = np.zeros((len(counts), responses.shape[1]))
    np.add.at(total, index, responses)
    return total / counts[:, None]
