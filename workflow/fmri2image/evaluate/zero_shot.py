"""Zero-shot identification: the own stimulus among all those that the decoder was trained on.

Lures from the test set alone do not show a decoder that only gives back its training images (Shirakawa et al. 2025, Neural
Networks, 10.1016/j.neunet.2025.107515). Here each test stimulus stands among all training stimuli, and no other one of the
test. Correlation of patterns decides, each unit centred and scaled by its training mean and SD. A tie, or a correlation
that does not exist, counts one half.
"""

from dataclasses import dataclass

import numpy as np

from fmri2image.evaluate.identification import PermutationTest, relabel

BEST = (1, 10, 50)


@dataclass(frozen=True)
class ZeroShot:
    """Places of test stimuli among the training stimuli.

    Parameters
    ----------
    ranks : array of shape (n_rows, n_stimuli)
        Place, from 1 to n_lures + 1, that each row would give each stimulus of the test among all training stimuli.
    own : integer array of shape (n_rows,)
        Column of each row's own stimulus.
    n_lures : int
    """

    ranks: np.ndarray
    own: np.ndarray
    n_lures: int

    @property
    def rank(self) -> np.ndarray:
        """Place of the own stimulus of each row, (n_rows,)."""
        return self.ranks[np.arange(len(self.own)), self.own]

    @property
    def pairwise(self) -> np.ndarray:
        """Share of training stimuli that are less like each row than its own stimulus is, (n_rows,)."""
        return _beaten(self.rank, self.n_lures)

    def tests(self, n_permutations: int, generator: np.random.Generator) -> dict[str, PermutationTest]:
        """Return the scores by name, each beside what exchanged labels of the test stimuli give.

        If the own stimulus and the lures could be exchanged, chance would be 1/2 and k/(n_lures + 1). They cannot: decoded
        features lean to the training images, and artificial shapes are unlike photographs. The permutations keep that.

        Parameters
        ----------
        n_permutations : int
        generator : numpy Generator

        Returns
        -------
        tests : dict from ``zero_shot_pairwise`` and ``zero_shot_top<k>`` to PermutationTest
            A k that every stimulus would reach is left out.
        """
        rows = np.arange(len(self.own))
        permuted = self.ranks[rows, relabel(self.own, self.ranks.shape[1], n_permutations, generator)]
        found = {
            "zero_shot_pairwise": PermutationTest(
                float(self.pairwise.mean()), _beaten(permuted, self.n_lures).mean(axis=1)
            )
        }
        for k in BEST:
            if k <= self.n_lures:
                found[f"zero_shot_top{k}"] = PermutationTest(
                    float((self.rank <= k).mean()), (permuted <= k).mean(axis=1)
                )
        return found


def zero_shot(pattern: np.ndarray, lures: np.ndarray, own: np.ndarray) -> ZeroShot:
    """Return the places of test stimuli among the training stimuli.

    Parameters
    ----------
    pattern : array of shape (n_rows, n_stimuli)
        Correlation of each decoded pattern with the stimuli of the test.
    lures : array of shape (n_rows, n_lures)
        Correlation with the training stimuli.
    own : integer array of shape (n_rows,)
    """
    n_lures = lures.shape[1]
    ranks = np.empty(pattern.shape)
    for row, (values, others) in enumerate(zip(pattern, lures, strict=True)):
        known = np.sort(others[~np.isnan(others)])
        above = len(known) - np.searchsorted(known, values, side="right")
        equal = len(known) - above - np.searchsorted(known, values, side="left") + n_lures - len(known)
        ranks[row] = np.where(np.isnan(values), 1 + n_lures / 2, 1 + above + equal / 2)
    return ZeroShot(ranks, own, n_lures)


def _beaten(rank: np.ndarray, n_lures: int) -> np.ndarray:
    return 1 - (rank - 1) / n_lures
