"""Confidence intervals of means, by Student's t, as tables and figures give them."""

import numpy as np
from scipy import stats


def confidence_interval(values: np.ndarray) -> np.ndarray:
    """Return half the width of the 95 % confidence interval of the mean over the rows of an array.

    Parameters
    ----------
    values : array of shape (n_rows, ...)
        Subjects, trials or units; NaN marks values that are missing.

    Returns
    -------
    half : array of shape (...)
        By Student's t; NaN for fewer than two values.
    """
    values = np.asarray(values, dtype=float)
    n = np.isfinite(values).sum(axis=0)
    spread = np.full(n.shape, np.nan)
    several = n > 1
    spread[several] = np.nanstd(values[:, several], axis=0, ddof=1)
    return stats.t.ppf(0.975, np.maximum(n - 1, 1)) * spread / np.sqrt(np.maximum(n, 1))


def mean_interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and both ends of its 95 % confidence interval; NaN where there are too few values.

    Parameters
    ----------
    values : array of shape (n_values,)
        All finite.
    """
    values = np.asarray(values, dtype=float)
    if not len(values):
        return np.nan, np.nan, np.nan
    mean, half = float(values.mean()), float(confidence_interval(values[:, None])[0])
    return mean, mean - half, mean + half
