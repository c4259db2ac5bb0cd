"""Scales of voxels and units: the published variants, and what cannot be scaled.

Statistics come from the training trials alone. Published code differs in what it averages over:

- voxels: mean and SD over the single training trials, ddof 1 (Horikawa & Kamitani 2017; PyFastL2LiR's scripts), or over the
  mean responses to the unique images;
- units: mean and SD over the unique training images, ddof 1 (PyFastL2LiR's scripts since about 2020), or over the trials, in
  which an image counts as often as it was shown (Horikawa & Kamitani 2017).

The variants differ only where repeats do, or where voxels are noisy: an SD over means of repeats is smaller.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fmri2image.core.errors import ConfigError

OVER_VOXELS = ("trials", "stimuli")
OVER_UNITS = ("stimuli", "trials")


@dataclass(frozen=True)
class Standardisation:
    """Which statistics scale voxels and units.

    Parameters
    ----------
    voxels : {"trials", "stimuli"}
        Mean and SD of voxels over single trials, or over the mean responses to the unique images.
    units : {"stimuli", "trials"}
        Mean and SD of units over unique images, or over trials.
    ddof : {0, 1}
    """

    voxels: str = "trials"
    units: str = "stimuli"
    ddof: int = 1

    def __post_init__(self) -> None:
        if self.voxels not in OVER_VOXELS or self.units not in OVER_UNITS or self.ddof not in (0, 1):
            raise ConfigError(
                f"standardise: voxels over {self.voxels}, units over {self.units}, ddof {self.ddof} is unknown; use "
                f"{' or '.join(OVER_VOXELS)}, {' or '.join(OVER_UNITS)}, and 0 or 1."
            )

    @classmethod
    def from_settings(cls, settings: Mapping | None) -> "Standardisation":
        """Read a decoder's ``standardise`` chapter."""
        return cls(**(settings or {}))


@dataclass(frozen=True)
class Scale:
    """Mean and SD of columns, voxels or units.

    Parameters
    ----------
    mean, sd : float64 arrays of shape (n,)
        1 stands for an SD that is zero or unknown.
    constant, damaged : boolean arrays of shape (n,)
        Columns that do not vary, and those with a value that is not finite.
    """

    mean: np.ndarray
    sd: np.ndarray
    constant: np.ndarray
    damaged: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """Columns that can be standardised, (n,)."""
        return ~(self.constant | self.damaged)

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return standardised values (..., n); columns that are not usable, and values that are not finite, become zero."""
        z = (np.asarray(values, dtype=np.float64) - self.mean) / self.sd
        return np.where(np.isfinite(z) & self.usable, z, 0.0)


def column_scale(values: np.ndarray, counts: np.ndarray | None = None, *, ddof: int = 1) -> Scale:
    """Return the scale of columns.

    Parameters
    ----------
    values : array of shape (n_rows, n)
    counts : array of shape (n_rows,), optional
        How often each row counts; once without.
    ddof : int

    Returns
    -------
    scale : Scale
        A column whose SD is below 1e-12 of its largest value counts as constant: rounding is no response.
    """
    values = np.asarray(values, dtype=np.float64)
    damaged = ~np.isfinite(values).all(axis=0)
    kept = np.where(damaged, 0.0, values)
    weights = np.ones(len(values)) if counts is None else np.asarray(counts, dtype=np.float64)
    total = weights.sum()
    mean = weights @ kept / total
    variance = weights @ (kept - mean) ** 2 / max(total - ddof, 1e-300)
    sd = np.sqrt(variance)
    constant = ~(sd > 1e-12 * np.abs(kept).max(axis=0, initial=0.0)) & ~damaged
    return Scale(mean, np.where(constant | damaged, 1.0, sd), constant, damaged)
