"""Repeatability of decoded features: odd against even trials of every test stimulus, the ceiling of accuracies.

The decoded features of the means of odd and of even trials (in order of presentation) are correlated over stimuli, unit by
unit, and over units, stimulus by stimulus. Only these correlations are kept.
"""

import numpy as np

from fmri2image.core.samples import Samples

LEAST_STIMULI = 3


def halves(samples: Samples, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the mean responses of odd and of even trials of stimuli.

    Parameters
    ----------
    samples : Samples
        Test trials in order of presentation.
    names : list of str
        Stimuli.

    Returns
    -------
    odd, even : float32 arrays of shape (n_repeated, n_voxels)
    repeated : integer array of shape (n_repeated,)
        Places in `names` of the stimuli with at least two trials. None is returned if no stimulus has.
    """
    shown = samples.trials["stimulus"].astype(str).to_numpy()
    odd, even, repeated = [], [], []
    for place, name in enumerate(names):
        trials = np.flatnonzero(shown == name)
        if len(trials) >= 2:
            odd.append(samples.data[trials[::2]].mean(axis=0, dtype=np.float64))
            even.append(samples.data[trials[1::2]].mean(axis=0, dtype=np.float64))
            repeated.append(place)
    if not repeated:
        return None
    dtype = samples.data.dtype
    return np.array(odd, dtype=dtype), np.array(even, dtype=dtype), np.array(repeated)


def unit_reliability(odd: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Return the correlation over stimuli of two arrays (n_stimuli, n_units), float32 (n_units,), NaN where undefined."""
    if len(odd) < LEAST_STIMULI:
        return np.full(odd.shape[1], np.nan, dtype=np.float32)
    a, b = (half.astype(np.float64) for half in (odd, even))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    # A unit whose decoder predicts its mean for every stimulus varies by rounding only.
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    floor = len(a) * (1e-6 * np.maximum(np.abs(odd).max(axis=0), np.abs(even).max(axis=0))) ** 2
    defined = size > floor
    return np.where(defined, (a * b).sum(axis=0) / np.where(defined, size, 1), np.nan).astype(np.float32)


def pattern_moments(odd: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Return number, means, sums of squares and of products over the units of a chunk, float64 (6, n_stimuli).

    Parameters
    ----------
    odd, even : arrays of shape (n_stimuli, n_units)
        Standardised by the units' training mean and SD.
    """
    n = odd.shape[1]
    if not n:
        return np.zeros((6, len(odd)))
    mean_a, mean_b = odd.mean(axis=1), even.mean(axis=1)
    a, b = odd - mean_a[:, None], even - mean_b[:, None]
    return np.array([np.full(len(odd), n), mean_a, mean_b, (a**2).sum(1), (b**2).sum(1), (a * b).sum(1)], dtype=float)


def merge_moments(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Merge what `pattern_moments` found in two chunks."""
    n = left[0] + right[0]
    share = np.where(n > 0, right[0] / np.maximum(n, 1), 0)
    step_a, step_b = right[1] - left[1], right[2] - left[2]
    weight = left[0] * share
    means = [left[1] + step_a * share, left[2] + step_b * share]
    steps = [step_a**2 * weight, step_b**2 * weight, step_a * step_b * weight]
    return np.array([n, *means, *(left[3:] + right[3:] + np.array(steps))])


def pattern_reliability(moments: np.ndarray) -> np.ndarray:
    """Return the correlations over units, (n_stimuli,), NaN where a pattern does not vary or has fewer than three units."""
    size = np.sqrt(moments[3] * moments[4])
    defined = (size > 0) & (moments[0] >= 3)
    return np.where(defined, moments[5] / np.where(defined, size, 1), np.nan)
