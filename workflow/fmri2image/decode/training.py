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

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Targets:
    """Standardised features of some units, as the training trials meet them.

    Parameters
    ----------
    cross : tensor of shape (n_units, n_voxels)
        Sum over trials of standardised voxel times standardised unit.
    rows : tensor of shape (n_stimuli, n_units)
        Standardised features of the training stimuli.
    total, squares : tensors of shape (n_units,)
        Sum over trials of the standardised unit, and of its square.
    scale : Scale
        Of the units.
    """

    cross: torch.Tensor
    rows: torch.Tensor
    total: torch.Tensor
    squares: torch.Tensor
    scale: Scale

    def restore(self, predicted: np.ndarray) -> np.ndarray:
        """Return predictions (n_test, n_units) in the units' own scale, float32; units that do not vary get their mean."""
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
        sums = torch.zeros((len(self.counts), self.z.shape[1]), dtype=self.dtype, device=device)
        self.sums = sums.index_add_(0, self.index, self.z)

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

    def standardise(self, responses: np.ndarray) -> torch.Tensor:
        """Return responses (n, n_voxels) on the voxels' training scale; what is not finite becomes zero (the mean)."""
        return torch.as_tensor(self.voxel_scale.apply(responses), dtype=self.dtype, device=self.device)

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
        rows = rows.to(self.dtype)
        cross = rows.T @ self.sums
        return Targets(cross, rows, total.to(self.dtype), squares.to(self.dtype), scale)


def _stimulus_means(responses: np.ndarray, index: np.ndarray, counts: np.ndarray) -> np.ndarray:
    total = np.zeros((len(counts), responses.shape[1]))
    np.add.at(total, index, responses)
    return total / counts[:, None]
