"""The long score table and the table of permutation tests; one name, one definition, values as fractions."""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.images import resize
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import stimulus_of
from fmri2image.evaluate.identification import IDENTIFICATIONS, PermutationTest, permute_labels, win_matrix
from fmri2image.evaluate.lures import count_lures
from fmri2image.evaluate.similarity import SIMILARITIES, SIMILARITY_NAME

log = logging.getLogger(__name__)

DRAWN = ", with the lures drawn for them"  # ends what was permuted where lures were drawn

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
    "n_comparisons": "Lures per reconstruction, their mean where rows differ",
    "chance": "Mean of the permutation distribution",
    "chance_p01": "1st percentile of the permutation distribution",
    "chance_p95": "95th percentile of the permutation distribution",
    "chance_p99": "99th percentile of the permutation distribution",
    "p_value": "One-sided permutation p, the observed score counted",
    "n_permutations": "Permutations",
    "permuted": "What was permuted: stimulus labels (within groups of lures), or training pairs with refitting",
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
    groups: Mapping[str, np.ndarray] | None = None,
    drawn: Mapping[str, np.ndarray] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score reconstructions against the stimuli of their image set.

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
    groups : mapping from ending to integer array of shape (n_stimuli,), optional
        Which stimuli are each other's lures (`lures.lure_groups`); all of them without it.
    drawn : mapping from ending to boolean array of shape (n_stimuli, n_stimuli), optional
        The lures that count, if not all of a group (`lures.draw_lures`); needs `groups`.

    Returns
    -------
    scores : DataFrame with `SCORE_COLUMNS`
    permutations : DataFrame with `PERMUTATION_COLUMNS`
    """
    size = stimuli.values.shape[-1]
    resized = resize(images.values, size)
    own = row_index(stimuli.rows, [stimulus_of(row) for row in images.rows], "A reconstruction")
    common = {**keys, "dialect": f"RGB {size}x{size}; ties one half"}
    scores, tests = [], []
    for name in similarities:
        found = score_similarity(
            SIMILARITIES[name](resized, stimuli.values),
            own,
            images.rows,
            common,
            (SIMILARITY_NAME[name], f"{name}_{{}}"),
            n_permutations,
            lambda *more, name=name: generator_for(seed, "permute labels", name, *more),
            groups,
            refitted,
            drawn,
        )
        scores += found[0]
        tests += found[1]
    return pd.concat(scores)[list(SCORE_COLUMNS)], pd.DataFrame(tests)[list(PERMUTATION_COLUMNS)]


def score_similarity(
    matrix: np.ndarray,
    own: np.ndarray,
    labels: Sequence[str],
    keys: Mapping[str, object],
    names: tuple[str, str],
    n_permutations: int,
    generator: Callable[..., np.random.Generator],
    groups: Mapping[str, np.ndarray] | None = None,
    refitted: pd.DataFrame | None = None,
    drawn: Mapping[str, np.ndarray] | None = None,
) -> tuple[list[pd.DataFrame], list[dict]]:
    """Score rows by one matrix of similarities: the similarity itself, and every identification for every kind of lures.

    Parameters
    ----------
    matrix : array of shape (n_rows, n_stimuli)
    own : integer array of shape (n_rows,)
    labels : sequence of str
        Rows.
    keys : mapping
        Further columns, ``dialect`` among them.
    names : (str, str)
        Metric of the similarity itself, and pattern of those of identification, filled with ``identification`` or ``top1``.
    n_permutations : int
    generator : function
        Called with the ending of the metric where it has one.
    groups : mapping from ending to integer array of shape (n_stimuli,), optional
        From `lures.lure_groups`. A row whose stimulus has no lure has no row in that metric; aspects have no ``top1``.
    refitted : DataFrame, optional
        As for `score_images`.
    drawn : mapping from ending to boolean array of shape (n_stimuli, n_stimuli), optional
        As for `score_images`.

    Returns
    -------
    scores : list of DataFrame
    tests : list of dict, one per metric of identification with any row
    """
    labels = np.asarray(labels, dtype=object)
    scores = [pd.DataFrame({**keys, "stimulus": labels, "metric": names[0], "value": matrix[np.arange(len(own)), own]})]
    tests = []
    whole = {"": np.zeros(matrix.shape[1], dtype=int)}
    for suffix, group in (groups or whole).items():
        mask = None if drawn is None else drawn[suffix]
        lures = (count_lures(group) if mask is None else mask.sum(axis=1))[own]
        rows = np.flatnonzero(lures)
        if not len(rows):
            log.info("%s: no stimulus has a lure, so nothing is scored", names[1].format("identification") + suffix)
            continue
        wins, mine, lures = win_matrix(matrix[rows], group, mask), own[rows], lures[rows]
        for kind, derive in IDENTIFICATIONS.items():
            if suffix and kind != "identification":
                continue
            metric, derived = names[1].format(kind) + suffix, derive(wins)
            value = derived[np.arange(len(rows)), mine]
            scores.append(
                pd.DataFrame(
                    {**keys, "stimulus": labels[rows], "metric": metric, "value": value, "n_comparisons": lures}
                )
            )
            if refitted is None:
                more, within = ((suffix,) if suffix else ()), (None if groups is None else group)
                test = permute_labels(derived, mine, n_permutations, generator(*more), within)
                permuted = "stimulus labels" if groups is None else "stimulus labels within groups of lures"
                permuted += "" if mask is None else DRAWN
            else:
                null = refitted.loc[refitted["metric"] == metric, "value"].to_numpy()
                test, permuted = PermutationTest(float(value.mean()), null), "training pairs, refitted"
            n_lures = lures[0] if (lures == lures[0]).all() else lures.mean()
            counts = {"n_rows": len(rows), "n_comparisons": n_lures, "permuted": permuted}
            tests.append({**keys, "metric": metric, **summarise(test), **counts})
    return scores, tests


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
