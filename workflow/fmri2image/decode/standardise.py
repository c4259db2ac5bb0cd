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
AT_ONCE = 4_000_000  # values that are float64 with their copies at the same time


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
        The mean is that of the finite values, 0 without any. 1 stands for an SD that is zero or unknown.
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
        values, usable = np.asarray(values), self.usable
        out = np.empty(values.shape)
        rows, into = values.reshape(-1, values.shape[-1]), out.reshape(-1, values.shape[-1])
        step = max(1, AT_ONCE // max(1, values.shape[-1]))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            z = (rows[part].astype(np.float64) - self.mean) / self.sd
            into[part] = np.where(np.isfinite(z) & usable, z, 0.0)
        return out


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
    values = np.asarray(values)
    step = max(1, AT_ONCE // max(1, len(values)))
    parts = [_column_scale(values[:, i : i + step], counts, ddof) for i in range(0, max(1, values.shape[1]), step)]
    mean, sd, constant, damaged = (np.concatenate(found) for found in zip(*parts, strict=True))
    return Scale(mean, sd, constant, damaged)


def _column_scale(
    values: np.ndarray, counts: np.ndarray | None, ddof: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    damaged = ~finite.all(axis=0)
    kept = np.where(finite, values, 0.0)
    weights = np.ones(len(values)) if counts is None else np.asarray(counts, dtype=np.float64)
    total = weights.sum()
    mean = weights @ kept / total
    if damaged.any():
        mean[damaged] = weights @ kept[:, damaged] / np.maximum(weights @ finite[:, damaged], 1e-300)
    variance = weights @ (kept - mean) ** 2 / max(total - ddof, 1e-300)
    sd = np.sqrt(variance)
    constant = ~(sd > 1e-12 * np.abs(kept).max(axis=0, initial=0.0)) & ~damaged
    return mean, np.where(constant | damaged, 1.0, sd), constant, damaged
