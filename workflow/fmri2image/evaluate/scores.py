"""The long score table and the table of permutation tests; one name, one definition, values as fractions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.images import resize
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import stimulus_of
from fmri2image.evaluate.identification import IDENTIFICATIONS, PermutationTest, permute_labels, win_matrix
from fmri2image.evaluate.similarity import SIMILARITIES, SIMILARITY_NAME

SCORE_COLUMNS = {
    "dataset": "Study",
    "method": "Named setting of a method",
    "subject": "Subject label, n/a for the true-feature ceiling",
    "roi": "Visual area that was decoded, true-features for the ceiling",
    "stimulus_set": "Image set of the stimulus and of its lures",
    "test": "Test of the configuration",
    "stimulus": "Stimulus, or stimulus|trial where single trials are decoded",
    "metric": "What is measured",
    "dialect": "Size, colour handling and ties",
    "value": "Score as a fraction",
    "n_comparisons": "Lures that the stimulus is compared with, n/a where there are none",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
PERMUTATION_COLUMNS = {
    **{key: SCORE_COLUMNS[key] for key in ("dataset", "method", "subject", "roi", "stimulus_set", "test", "metric")},
    "value": "Mean over rows, as a fraction",
    "n_rows": "Reconstructions averaged",
    "n_comparisons": "Lures per reconstruction",
    "chance": "Mean of the permutation distribution",
    "chance_p01": "1st percentile of the permutation distribution",
    "chance_p95": "95th percentile of the permutation distribution",
    "chance_p99": "99th percentile of the permutation distribution",
    "p_value": "One-sided permutation p, the observed score counted",
    "n_permutations": "Permutations",
    "permuted": "What was permuted: stimulus labels, or training pairs with refitting",
    "transductive": SCORE_COLUMNS["transductive"],
    "simulated": SCORE_COLUMNS["simulated"],
}


def score_images(
    images: LabelledArray,
    stimuli: LabelledArray,
    similarities: list[str],
    keys: Mapping[str, object],
    n_permutations: int,
    seed: int,
    refitted: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score reconstructions against all stimuli of their image set.

    Parameters
    ----------
    images : LabelledArray, values of shape (n_rows, 3, height, width)
        Resized to the size of the stimuli.
    stimuli : LabelledArray, values of shape (n_stimuli, 3, height, width)
    similarities : list of {"pixel", "ssim"}
    keys : mapping
        Dataset, method, subject, roi, stimulus_set, test, transductive, simulated.
    n_permutations : int
        Of the stimuli's labels, where `refitted` is not given.
    seed : int
    refitted : DataFrame, optional
        ``metric`` and ``value`` of every refitted permutation.

    Returns
    -------
    scores : DataFrame with `SCORE_COLUMNS`
    permutations : DataFrame with `PERMUTATION_COLUMNS`
    """
    size = stimuli.values.shape[-1]
    resized = resize(images.values, size)
    own = row_index(stimuli.rows, [stimulus_of(row) for row in images.rows], "A reconstruction")
    rows, n_lures = np.arange(len(own)), len(stimuli.rows) - 1
    scores, tests = [], []
    for name in similarities:
        matrix = SIMILARITIES[name](resized, stimuli.values)
        wins = win_matrix(matrix)
        dialect = f"RGB {size}x{size}; ties one half"
        common = {**keys, "stimulus": images.rows, "dialect": dialect}
        scores.append(pd.DataFrame({**common, "metric": SIMILARITY_NAME[name], "value": matrix[rows, own]}))
        for kind, derive in IDENTIFICATIONS.items():
            metric, derived = f"{name}_{kind}", derive(wins)
            scores.append(
                pd.DataFrame({**common, "metric": metric, "value": derived[rows, own], "n_comparisons": n_lures})
            )
            if refitted is None:
                generator = generator_for(seed, "permute labels", name)
                test, permuted = permute_labels(derived, own, n_permutations, generator), "stimulus labels"
            else:
                null = refitted.loc[refitted["metric"] == metric, "value"].to_numpy()
                test, permuted = PermutationTest(float(derived[rows, own].mean()), null), "training pairs, refitted"
            counts = {"n_rows": len(rows), "n_comparisons": n_lures, "permuted": permuted}
            tests.append({**keys, "metric": metric, **summarise(test), **counts})
    return pd.concat(scores)[list(SCORE_COLUMNS)], pd.DataFrame(tests)[list(PERMUTATION_COLUMNS)]


def summarise(test: PermutationTest) -> dict[str, float]:
    """Return value, chance and p of a permutation test as columns of a table."""
    return {
        "value": test.value,
        "chance": float(test.null.mean()),
        "chance_p01": float(np.percentile(test.null, 1)),
        "chance_p95": float(np.percentile(test.null, 95)),
        "chance_p99": float(np.percentile(test.null, 99)),
        "p_value": test.p_value,
        "n_permutations": len(test.null),
    }
