"""Winning percentages of sets of layers (Shen et al. 2019, PLOS CB, Fig. 4B).

For every image, the reconstructions of two sets are compared: the one more similar to the original wins, a tie or a
similarity that does not exist counts one half. A set's percentage is its share of wins over all pairs that it is in (7 of 28
for eight sets) and all images; the interval is over images, as in the figure ("across samples").
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.intervals import mean_interval
from fmri2image.evaluate.statistics import image_scores

POOLED = "pooled"
JUDGED = "feature_correlation_"
WINNING_COLUMNS = {
    "dataset": "Study",
    "subject": "Subject label; pooled: the images of all subjects side by side",
    "metric": "What decides which reconstruction is better: a similarity to the original, or human judgment",
    "layer_set": "Layers, in the words of the figure",
    "method": "Named setting of a method",
    "roi": "Visual area that was decoded",
    "test": "Test of the configuration",
    "value": "Share of comparisons won, over all pairs and images; ties count one half",
    "ci_low": "Lower end of the 95 % Student's t interval over images",
    "ci_high": "Upper end of that interval",
    "n_images": "Images, times subjects where they are pooled",
    "n_opponents": "Other sets of layers that it was compared with",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}


def winning_shares(values: np.ndarray) -> np.ndarray:
    """Return the share of its pairs that every set wins, image by image.

    Parameters
    ----------
    values : array of shape (n_images, n_sets)
        Similarity to the original.

    Returns
    -------
    shares : array of shape (n_images, n_sets)

    Raises
    ------
    DataError
        If there are fewer than two sets.
    """
    n_sets = values.shape[1]
    if n_sets < 2:
        raise DataError("Winning percentages need at least two sets of layers.")
    a, b = values[:, :, None], values[:, None, :]
    won = (a > b) + 0.5 * ((a == b) | np.isnan(a - b))
    won[:, np.arange(n_sets), np.arange(n_sets)] = 0
    return won.sum(axis=2) / (n_sets - 1)


def winning_rows(
    scores: pd.DataFrame, layer_sets: Mapping[str, str], subjects: Sequence[str], metric: str
) -> list[dict[str, object]]:
    """Return the winning percentages of all sets, pooled and per subject, by one similarity.

    Parameters
    ----------
    scores : DataFrame
        ``subject``, ``stimulus``, ``layer_set``, ``value``; one row each.
    layer_sets : mapping from the words of the figure to the method
    subjects : sequence of str
    metric : str

    Returns
    -------
    rows : list of dict with the columns of `WINNING_COLUMNS` that tell the result

    Raises
    ------
    DataError
        If an image is missing from one of the sets.
    """
    table = scores.pivot(index=["subject", "stimulus"], columns="layer_set", values="value")
    present = scores.assign(there=True).pivot(index=["subject", "stimulus"], columns="layer_set", values="there")
    present = present.reindex(columns=list(layer_sets))
    for words in layer_sets:
        lost = [f"{stimulus} of sub-{subject}" for subject, stimulus in present.index[present[words].isna()]]
        if lost:
            raise DataError(
                f"Layers {words} (method {layer_sets[words]}) have no {metric} of {shorten(lost)}, which other sets have; "
                "run all sets on the same tests."
            )
    shares = pd.DataFrame(winning_shares(table[list(layer_sets)].to_numpy(float)), table.index, list(layer_sets))
    return summarised(shares, layer_sets, subjects, metric, dict.fromkeys(layer_sets, len(layer_sets) - 1))


def summarised(
    shares: pd.DataFrame,
    layer_sets: Mapping[str, str],
    subjects: Sequence[str],
    metric: str,
    opponents: Mapping[str, int],
) -> list[dict[str, object]]:
    """Return means and intervals over images of shares (index subject, stimulus; a column per set); `opponents` by set."""
    rows = []
    for subject in (POOLED, *subjects):
        mine = shares if subject == POOLED else shares[shares.index.get_level_values("subject") == subject]
        for words, method in layer_sets.items():
            known = mine[words].dropna()
            if known.empty:
                continue
            value, low, high = mean_interval(known)
            rows.append(
                {
                    "subject": subject,
                    "metric": metric,
                    "layer_set": words,
                    "method": method,
                    "value": value,
                    "ci_low": low,
                    "ci_high": high,
                    "n_images": len(known),
                    "n_opponents": opponents[words],
                }
            )
    return rows


def winning_table(scores: pd.DataFrame, rated: pd.DataFrame | None, settings: Mapping) -> pd.DataFrame:
    """Return the winning percentages of a study.

    Parameters
    ----------
    scores : DataFrame
        The long score table.
    rated : DataFrame or None
        From `ratings.rated_shares`.
    settings : mapping
        ``dataset``, ``simulated``, ``subjects``, ``layer_sets``: from words to method, ``roi``, ``test`` (natural images).

    Returns
    -------
    table : DataFrame with `WINNING_COLUMNS`
        Empty for fewer than two sets.
    """
    layer_sets = settings["layer_sets"]
    words = {method: name for name, method in layer_sets.items()}
    rows: list[dict] = []
    mine = scores[
        (scores["roi"] == settings["roi"])
        & (scores["test"] == settings["test"])
        & scores["method"].isin(words)
        & scores["subject"].notna()
    ]
    if len(layer_sets) > 1:
        named = [
            name for name in dict.fromkeys(mine["metric"]) if name == "pixel_correlation" or name.startswith(JUDGED)
        ]
        for metric in named:
            table = image_scores(mine[mine["metric"] == metric], by=("method",))
            table["layer_set"] = table["method"].map(words)
            rows += winning_rows(table, layer_sets, settings["subjects"], metric)
        if rated is not None:
            rows += _rated_rows(rated, words, settings)
    table = pd.DataFrame(rows, columns=list(WINNING_COLUMNS))
    flags = mine.groupby("method")["transductive"].agg(lambda column: bool(column.astype(str).eq("True").any()))
    return table.assign(
        dataset=settings["dataset"],
        roi=settings["roi"],
        test=settings["test"],
        transductive=table["method"].map(flags),
        simulated=settings["simulated"],
    )


def _rated_rows(rated: pd.DataFrame, words: Mapping[str, str], settings: Mapping) -> list[dict]:
    """Return the winning percentages by human judgment, over the pairs that were rated."""
    here = rated[(rated["roi"] == settings["roi"]) & (rated["test"] == settings["test"])]
    here = here[here["method"].isin(words) & here["against"].isin(words)]
    if here.empty:
        return []
    here = here.assign(layer_set=here["method"].map(words))
    shares = here.pivot_table(index=["subject", "stimulus"], columns="layer_set", values="share", aggfunc="mean")
    opponents = here.groupby("layer_set")["against"].nunique().to_dict()
    layer_sets = {name: method for name, method in settings["layer_sets"].items() if name in opponents}
    return summarised(shares, layer_sets, settings["subjects"], "human", opponents)
