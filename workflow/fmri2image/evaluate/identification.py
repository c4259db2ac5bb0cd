"""Pairwise identification: how often a reconstruction is more like its own stimulus than like another one.

Every other stimulus of the image set is a lure (Shen et al. 2019: 49, 39 and 9 lures). The reconstruction is fixed and the
stimuli compete. A tie, or a similarity that does not exist, counts one half: no information scores chance.
"""

from dataclasses import dataclass

import numpy as np

from fmri2image.core.errors import DataError


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


def win_matrix(similarity: np.ndarray) -> np.ndarray:
    """Return what each row would score if each stimulus were its own.

    Parameters
    ----------
    similarity : array of shape (n_rows, n_stimuli)

    Returns
    -------
    wins : array of shape (n_rows, n_stimuli)
        ``wins[i, s]`` is the share of the other stimuli that are less similar to row i than stimulus s is.

    Raises
    ------
    DataError
        If there are fewer than two stimuli.
    """
    n_stimuli = similarity.shape[1]
    if n_stimuli < 2:
        raise DataError("Identification needs at least two stimuli in the image set.")
    wins = np.empty(similarity.shape)
    for row, values in enumerate(similarity):
        below = values[:, None] > values[None, :]
        equal = (values[:, None] == values[None, :]) | np.isnan(values[:, None] - values[None, :])
        np.fill_diagonal(equal, False)
        wins[row] = (below.sum(1) + 0.5 * equal.sum(1)) / (n_stimuli - 1)
    return wins


def identification(similarity: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the pairwise identification (n_rows,) of rows whose own stimuli are the columns `own` (n_rows,)."""
    return win_matrix(similarity)[np.arange(len(own)), own]


def top_one(wins: np.ndarray) -> np.ndarray:
    """Return 1 where a stimulus beats every lure, else 0; same shape as `wins`."""
    return (wins >= 1).astype(float)


# What is derived from the shares of lures that are beaten, by the suffix of the metric's name.
IDENTIFICATIONS = {"identification": lambda wins: wins, "top1": top_one}


def permute_labels(
    wins: np.ndarray, own: np.ndarray, n_permutations: int, generator: np.random.Generator
) -> PermutationTest:
    """Test a mean over rows by exchanging the stimuli's labels, the reconstructions staying as they are.

    Right for held-out test sets, where no reconstruction depends on the labels of the test stimuli. All rows of one
    stimulus keep a common label.

    Parameters
    ----------
    wins : array of shape (n_rows, n_stimuli)
        Score of each row if each stimulus were its own, from `win_matrix` or `top_one`.
    own : integer array of shape (n_rows,)
    n_permutations : int
    generator : numpy Generator

    Returns
    -------
    PermutationTest
        Of the mean over rows.
    """
    rows = np.arange(len(own))
    null = wins[rows, relabel(own, wins.shape[1], n_permutations, generator)].mean(axis=1)
    return PermutationTest(float(wins[rows, own].mean()), null)


def relabel(own: np.ndarray, n_stimuli: int, n_permutations: int, generator: np.random.Generator) -> np.ndarray:
    """Return permuted own stimuli (n_permutations, n_rows); rows of one stimulus keep a common label."""
    labels = np.tile(np.arange(n_stimuli), (n_permutations, 1))
    return generator.permuted(labels, axis=1)[:, own]
