"""The modified RV coefficient: whether reconstructions keep the similarity relations among the true images.

Smilde et al. (2009, Bioinformatics 25:401): rows are test stimuli, columns pixels, centred; the products of every row with
every other row are compared between the two matrices. A row's product with itself is left out, because it alone makes the
coefficient of unrelated matrices large when there are more columns than rows. Shen et al. (2019, Front. Comput. Neurosci.)
set it beside a baseline of reconstructions in random order.

Unrelated matrices are not always at zero: the mean over all orders is tr(XX') tr(YY') / (n (n − 1)) over the product of the
norms, because every centred row is a little opposed to all others. It is small for images, whose pixels vary together, and
near 1 for many more independent columns than the square of the rows. The permutation test has the same offset in its null.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.errors import DataError
from fmri2image.core.images import resize
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import stimulus_of
from fmri2image.evaluate.identification import PermutationTest
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, summarise

FEWEST = 3  # two centred rows are always opposed to each other
BATCH = 500  # permutations at a time
PERMUTED = "order of the reconstructions"
RV_COLUMNS = {
    **{key: PERMUTATION_COLUMNS[key] for key in ("dataset", "method", "subject", "roi", "stimulus_set", "test")},
    "condition": "What is compared, in the words of docs/evaluation.md",
    "value": "Modified RV coefficient of reconstructions and true images, -1 to 1",
    "n_images": "Test stimuli, the rows of both matrices; trials of a stimulus are averaged first",
    "n_pixels": "Columns of both matrices: pixels times three colours",
    **{key: PERMUTATION_COLUMNS[key] for key in ("chance", "chance_p01", "chance_p95", "chance_p99")},
    "p_value": "One-sided permutation p, the observed order counted",
    "n_permutations": PERMUTATION_COLUMNS["n_permutations"],
    "permuted": "What was permuted",
    "transductive": PERMUTATION_COLUMNS["transductive"],
    "simulated": PERMUTATION_COLUMNS["simulated"],
}


def relations(values: np.ndarray) -> np.ndarray:
    """Return the products of every row with every other row after centring the columns.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)

    Returns
    -------
    products : float64 array of shape (n_rows, n_rows)
        Zero on the diagonal.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values - values.mean(axis=0)
    products = values @ values.T
    np.fill_diagonal(products, 0)
    return products


def modified_rv(a: np.ndarray, b: np.ndarray) -> float:
    """Return the modified RV coefficient of two matrices (Smilde et al. 2009).

    Parameters
    ----------
    a : array of shape (n_rows, n_columns_a)
    b : array of shape (n_rows, n_columns_b)

    Returns
    -------
    rv : float
        From -1 to 1; NaN for fewer than three rows and where all rows of a matrix are equal, because there are no relations.

    Raises
    ------
    DataError
        If the numbers of rows differ.
    """
    first, second = _relations_of(a, b)
    return float(np.vdot(first, second))


def permute_order(
    images: np.ndarray, stimuli: np.ndarray, n_permutations: int, generator: np.random.Generator
) -> PermutationTest:
    """Test the modified RV coefficient against reconstructions in random order.

    Parameters
    ----------
    images : array of shape (n_rows, n_columns)
        Reconstructions.
    stimuli : array of shape (n_rows, n_columns)
        True images in the same order.
    n_permutations : int
    generator : numpy Generator

    Returns
    -------
    PermutationTest
        All of it NaN where the coefficient does not exist.

    Raises
    ------
    DataError
        As `modified_rv`.
    """
    made, shown = _relations_of(images, stimuli)
    null = np.empty(n_permutations)
    for start in range(0, n_permutations, BATCH):
        here = null[start : start + BATCH]
        orders = generator.permuted(np.tile(np.arange(len(made)), (len(here), 1)), axis=1)
        shuffled = made[orders[:, :, None], orders[:, None, :]]
        here[:] = np.einsum("pij,ij->p", shuffled, shown)
    return PermutationTest(float(np.vdot(made, shown)), null)


def score_relations(
    sources: Sequence[tuple[LabelledArray, Mapping[str, object]]],
    stimuli: Mapping[str, LabelledArray],
    n_permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Return the modified RV coefficient of the reconstructions of several sources.

    Parameters
    ----------
    sources : sequence of (LabelledArray with values of shape (n_rows, 3, height, width), mapping)
        Reconstructions, resized to the size of their stimuli, and their keys: dataset, method, subject, roi, stimulus_set,
        test, condition, transductive, simulated.
    stimuli : mapping from stimulus set to LabelledArray, values of shape (n_stimuli, 3, height, width)
        True images; those without a reconstruction are left out.
    n_permutations : int
    seed : int
        The orders are the same for all sources of a test, whatever the order of their rows.

    Returns
    -------
    table : DataFrame with `RV_COLUMNS`
        No value, chance or p where the coefficient does not exist.

    Raises
    ------
    LabelMismatchError
        If a reconstruction's stimulus is not in its set.
    """
    rows = []
    for images, keys in sources:
        shown = stimuli[str(keys["stimulus_set"])]
        names, made = _by_stimulus(images, shown.values.shape[-1])
        true = shown.values[row_index(shown.rows, names, "A reconstruction")].reshape(len(names), -1)
        test = permute_order(made, true, n_permutations, generator_for(seed, "shuffle images", keys["test"]))
        found = summarise(test) if np.isfinite(test.value) else {}
        rows.append({**keys, **found, "n_images": len(names), "n_pixels": true.shape[1], "permuted": PERMUTED})
    return pd.DataFrame(rows, columns=list(RV_COLUMNS))


def _by_stimulus(images: LabelledArray, size: int) -> tuple[list[str], np.ndarray]:
    """Return the stimuli in alphabetical order and the mean image (n_stimuli, n_columns) of the trials of each."""
    own = [stimulus_of(row) for row in images.rows]
    names, place, counts = np.unique(own, return_inverse=True, return_counts=True)
    values = resize(images.values, size).reshape(len(own), -1)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, place, values)
    return [str(name) for name in names], sums / counts[:, None]


def _relations_of(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the relations of both, each with a norm of 1; NaN where there are none."""
    if len(a) != len(b):
        raise DataError(f"The modified RV coefficient needs equal numbers of rows; there are {len(a)} and {len(b)}.")
    exist = len(a) >= FEWEST and all(np.ptp(values, axis=0).any() for values in (a, b))
    first, second = (relations(values) for values in (a, b))
    if not exist:
        return np.full_like(first, np.nan), np.full_like(second, np.nan)
    return first / np.linalg.norm(first), second / np.linalg.norm(second)
