"""The noise ceiling of feature decoding: how high the accuracy could be if the test responses had no noise.

What a decoder makes of a mean over trials is what it would make of endless trials plus noise. Decoding the odd and the even
trials of a test apart and correlating the two gives the reliability of half the trials; the Spearman-Brown formula gives
that of all of them, and its square root is the correlation expected between what is decoded from all trials and from
endless ones. That is the ceiling: accuracy over ceiling estimates the accuracy of the same decoder, fitted as it is,
after endless repeats of the test. It says nothing of a decoder fitted to more or cleaner training trials.

One unit's reliability over the few stimuli of a test is very uncertain, which decides how to average. On simulated subjects
whose noise-free responses are known (3 subjects, 2 areas, 4 layers, 3 tests), the ratio of two averages over all units
missed the accuracy of endless repeats by 0.02 to 0.04 (root mean square; uncorrected accuracy is 0.06 to 0.11 too low). The
same ratio over the clearly reliable units alone missed it by 0.04 to 0.11: units are chosen for luck where few pass. With
weak signals means of single ratios come out too high. ``normalised`` is therefore the ratio of averages over all units;
that of the reliable ones is told beside it.

What all trials of a test share stays in the ceiling: a shift of the test sessions' baseline against training lowers pattern
correlations, and endless repeats in the same sessions would not remove it. So do trials of one run that share its noise.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.01  # one-sided; a unit is clearly reliable if noise alone would seldom reach its correlation
LEAST_SHARE = 0.05  # of units that must be clearly reliable, five times what noise alone gives


@dataclass(frozen=True)
class Ceiling:
    """A noise ceiling and the accuracy divided by it; NaN where reliability is unknown or not clearly positive.

    Parameters
    ----------
    noise_ceiling, normalised : float
        Of all units (or stimuli) whose reliability is known.
    n_known, n_reliable : int
        Units (or stimuli) whose reliability is known, and those for which it is clearly positive.
    normalised_reliable : float
        Accuracy over ceiling, averages of the clearly reliable units alone.
    """

    noise_ceiling: float = np.nan
    normalised: float = np.nan
    n_known: int = 0
    n_reliable: int = 0
    normalised_reliable: float = np.nan


def spearman_brown(half: np.ndarray | float) -> np.ndarray | float:
    """Return the reliability of all trials from that of halves (Spearman 1910; Brown 1910).

    Exact for halves of equal size; of three trials it is too low by at most 2 per cent.
    """
    return 2 * half / (1 + half)


def clear_correlation(n: int) -> float:
    """Return the correlation over n stimuli that independent normal values exceed with probability `LEVEL`."""
    if n < 3:
        return np.inf
    t = stats.t.ppf(1 - LEVEL, n - 2)
    return float(t / np.sqrt(n - 2 + t**2))


class UnitCeiling:
    """Noise ceiling of unit correlations, accumulated over blocks of units.

    A unit is clearly reliable if its split-half correlation exceeds `clear_correlation` of the stimuli. A layer is
    normalised if at least `LEAST_SHARE` of its units are.

    Parameters
    ----------
    n_stimuli : int
        Over which the split-half correlations were taken.
    """

    def __init__(self, n_stimuli: int) -> None:
        self._least = clear_correlation(n_stimuli)
        self._known, self._clear = np.zeros(3), np.zeros(3)  # number, sum of accuracy, sum of reliability or ceiling

    def add(self, correlation: np.ndarray, reliability: np.ndarray) -> None:
        """Add units: accuracy and split-half reliability, arrays of shape (n_units,); NaN in either leaves a unit out."""
        reliability = np.asarray(reliability, dtype=np.float64)
        known = np.isfinite(correlation) & np.isfinite(reliability)
        r, half = correlation[known], np.clip(reliability[known], -1, 1)
        self._known += (len(r), r.sum(), half.sum())
        clear = half > self._least
        self._clear += (clear.sum(), r[clear].sum(), np.sqrt(spearman_brown(half[clear])).sum())

    def ceiling(self) -> Ceiling:
        """Return the ceiling of the units added so far."""
        (n, accuracy, half), (n_clear, clear_accuracy, clear_ceiling) = self._known, self._clear
        counts = {"n_known": int(n), "n_reliable": int(n_clear)}
        if n == 0 or n_clear < LEAST_SHARE * n or half <= 0:
            return Ceiling(**counts)
        ceiling = float(np.sqrt(spearman_brown(half / n)))
        return Ceiling(
            ceiling, float(accuracy / n) / ceiling, **counts, normalised_reliable=clear_accuracy / clear_ceiling
        )


def pattern_ceiling(correlation: np.ndarray, reliability: np.ndarray) -> Ceiling:
    """Return the noise ceiling of pattern correlations, one common to all stimuli.

    Units share their noise, so that the chance level of one pattern's split-half correlation is unknown; stimuli are
    independent. Reliability is clearly positive if its mean over stimuli exceeds zero by a one-sided t-test at `LEVEL`.

    Parameters
    ----------
    correlation, reliability : arrays of shape (n_stimuli,)
        Accuracy and split-half reliability of each stimulus' pattern; NaN in either leaves a stimulus out.
    """
    reliability = np.asarray(reliability, dtype=np.float64)
    known = np.isfinite(correlation) & np.isfinite(reliability)
    r, half, n = correlation[known], reliability[known], int(known.sum())
    if n < 3:
        return Ceiling(n_known=n)
    least = stats.t.ppf(1 - LEVEL, n - 1) * half.std(ddof=1) / np.sqrt(n)
    if half.mean() <= max(least, 0):
        return Ceiling(n_known=n)
    ceiling = float(np.sqrt(spearman_brown(half.mean())))
    return Ceiling(ceiling, float(r.mean()) / ceiling, n, n, float(r.mean()) / ceiling)
