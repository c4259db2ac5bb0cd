"""Pairwise identification: how often a reconstruction is more like its own stimulus than like another one.

Every other stimulus of the image set is a lure (Shen et al. 2019: 49, 39 and 9 lures), or every other one of its group
(`lures.lure_groups`), or those that were drawn for it (`lures.draw_lures`). The reconstruction is fixed and the stimuli
compete. A tie, or a similarity that does not exist, counts one half: no information scores chance.
"""

from dataclasses import dataclass

import numpy as np

from fmri2image.core.errors import DataError
from fmri2image.evaluate.lures import NO_LURE, lure_mask


@dataclass(frozen=True)
class PermutationTest:
    """A score beside the permutation distribution of the same split.

    Parameters
    ----------
    value : float
    null : array of shape (n_permutations,)
    """

    value: float
    null: np.ndarray

    @property
    def p_value(self) -> float:
        """One-sided p: share of permutations at least as good, the observed one included."""
        return float((1 + np.sum(self.null >= self.value - 1e-12)) / (1 + len(self.null)))


def win_matrix(similarity: np.ndarray, groups: np.ndarray | None = None, lures: np.ndarray | None = None) -> np.ndarray:
    """Return what each row would score if each stimulus were its own.

    Parameters
    ----------
    similarity : array of shape (n_rows, n_stimuli)
    groups : integer array of shape (n_stimuli,), optional
        From `lures.lure_groups`; without it all stimuli are one group.
    lures : boolean array of shape (n_stimuli, n_stimuli), optional
        Row s marks the lures of stimulus s, from `lures.draw_lures`; without it all others of its group.

    Returns
    -------
    wins : array of shape (n_rows, n_stimuli)
        ``wins[i, s]`` is the share of the lures of stimulus s that are less similar to row i than stimulus s is; NaN where it
        has no lure.

    Raises
    ------
    DataError
        If there are fewer than two stimuli.
    """
    n_stimuli = similarity.shape[1]
    if n_stimuli < 2:
        raise DataError("Identification needs at least two stimuli in the image set.")
    if lures is None:
        lures = lure_mask(np.zeros(n_stimuli, dtype=int) if groups is None else groups)
    n_lures = lures.sum(axis=1)
    wins = np.empty(similarity.shape)
    for row, values in enumerate(similarity):
        below = (values[:, None] > values[None, :]) & lures
        equal = ((values[:, None] == values[None, :]) | np.isnan(values[:, None] - values[None, :])) & lures
        beaten = below.sum(1) + 0.5 * equal.sum(1)
        wins[row] = np.divide(beaten, n_lures, out=np.full(n_stimuli, np.nan), where=n_lures > 0)
    return wins


def identification(similarity: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the pairwise identification (n_rows,) of rows whose own stimuli are the columns `own` (n_rows,)."""
    return win_matrix(similarity)[np.arange(len(own)), own]


def top_one(wins: np.ndarray) -> np.ndarray:
    """Return 1 where a stimulus beats every lure, else 0, NaN where it has none; same shape as `wins`."""
    return np.where(np.isnan(wins), np.nan, wins >= 1)


# What is derived from the shares of lures that are beaten, by the suffix of the metric's name.
IDENTIFICATIONS = {"identification": lambda wins: wins, "top1": top_one}


def permute_labels(
    wins: np.ndarray,
    own: np.ndarray,
    n_permutations: int,
    generator: np.random.Generator,
    groups: np.ndarray | None = None,
) -> PermutationTest:
    """Test a mean over rows by exchanging the stimuli's labels, the reconstructions staying as they are.

    Right for held-out test sets, where no reconstruction depends on the labels of the test stimuli. All rows of one
    stimulus keep a common label. A label takes its lures along: which lures were drawn for a stimulus was settled before any
    reconstruction was made, so that under the null hypothesis all labels of a group are exchangeable given the lures. The mean
    of the null is then the mean of `wins` within groups: one half if every pair is compared both ways, near it for drawn lures.

    Parameters
    ----------
    wins : array of shape (n_rows, n_stimuli)
        Score of each row if each stimulus were its own, from `win_matrix` or `top_one`.
    own : integer array of shape (n_rows,)
    n_permutations : int
    generator : numpy Generator
    groups : integer array of shape (n_stimuli,), optional
        As for `win_matrix`: labels are exchanged within groups. No row may have a stimulus without lures.

    Returns
    -------
    PermutationTest
        Of the mean over rows.
    """
    rows = np.arange(len(own))
    null = wins[rows, relabel(own, wins.shape[1], n_permutations, generator, groups)].mean(axis=1)
    return PermutationTest(float(wins[rows, own].mean()), null)


def relabel(
    own: np.ndarray,
    n_stimuli: int,
    n_permutations: int,
    generator: np.random.Generator,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Return permuted own stimuli (n_permutations, n_rows), within groups; rows of one stimulus keep a common label."""
    labels = np.tile(np.arange(n_stimuli), (n_permutations, 1))
    if groups is None:
        return generator.permuted(labels, axis=1)[:, own]
    for group in np.unique(groups[groups != NO_LURE]):
        members = np.flatnonzero(groups == group)
        labels[:, members] = generator.permuted(labels[:, members], axis=1)
    return labels[:, own]
