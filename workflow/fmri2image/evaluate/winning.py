"""Winning percentages of models, such as sets of layers or sums of loss terms (Shen et al. 2019, PLOS CB, Fig. 4B).

For every image, the reconstructions of two models are compared: the one more similar to the original wins, a tie or a
similarity that does not exist counts one half. A model's percentage is its share of wins over all pairs that it is in (7 of 28
for eight of them) and all images; the interval is over images, as in the figure ("across samples").
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    "model": "What was compared, in the words of the figure",
    "method": "Named setting of a method",
    "roi": "Visual area that was decoded",
    "test": "Test of the configuration",
    "value": "Share of comparisons won, over all pairs and images; ties count one half",
    "ci_low": "Lower end of the 95 % Student's t interval over images",
    "ci_high": "Upper end of that interval",
    "n_images": "Images, times subjects where they are pooled",
    "n_opponents": "Others that it was compared with",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
CHANGE_COLUMNS = {
    "change": "Value minus that of the full model",
    "change_low": "Lower end of the 95 % Student's t interval of that difference over images",
    "change_high": "Upper end of that interval",
}


@dataclass(frozen=True)
class Contest:
    """What a paper compares pair by pair.

    Parameters
    ----------
    noun : str
        A model in a sentence, with a capital letter.
    columns : mapping from column to its description
        Of the table of winning percentages; the column of the models may have another name.
    similarities : sequence of str
        Similarities to the original that decide, besides those of judges and human raters.
    model : str
        Name of the column of the models.
    full : str, optional
        The model from which the change of all others is taken.
    """

    noun: str
    columns: Mapping[str, str]
    similarities: Sequence[str] = ("pixel_correlation",)
    model: str = "model"
    full: str | None = None


def winning_shares(values: np.ndarray) -> np.ndarray:
    """Return the share of its pairs that every model wins, image by image.

    Parameters
    ----------
    values : array of shape (n_images, n_models)
        Similarity to the original.

    Returns
    -------
    shares : array of shape (n_images, n_models)

    Raises
    ------
    DataError
        If there are fewer than two models.
    """
    n_models = values.shape[1]
    if n_models < 2:
        raise DataError("Winning percentages need at least two models.")
    a, b = values[:, :, None], values[:, None, :]
    won = (a > b) + 0.5 * ((a == b) | np.isnan(a - b))
    won[:, np.arange(n_models), np.arange(n_models)] = 0
    return won.sum(axis=2) / (n_models - 1)


def winning_table(
    scores: pd.DataFrame, rated: pd.DataFrame | None, settings: Mapping, contest: Contest
) -> pd.DataFrame:
    """Return the winning percentages of a study, pooled and per subject.

    Parameters
    ----------
    scores : DataFrame
        The long score table.
    rated : DataFrame or None
        From `ratings.rated_shares`.
    settings : mapping
        ``dataset``, ``simulated``, ``subjects``, ``models``: from the words of the figure to the method, ``roi``, ``test``
        (natural images).
    contest : Contest
        What the paper compares.

    Returns
    -------
    table : DataFrame with the columns of the contest
        Of the subjects for whom all models were run; empty for fewer than two models.

    Raises
    ------
    DataError
        If an image is missing from one of the models.
    """
    models = settings["models"]
    words = {method: name for name, method in models.items()}
    rows: list[dict] = []
    mine = scores[
        (scores["roi"] == settings["roi"])
        & (scores["test"] == settings["test"])
        & scores["method"].isin(words)
        & scores["subject"].notna()
    ]
    run = mine.groupby("subject")["method"].nunique()
    mine = mine[mine["subject"].isin(run.index[run == len(models)])]
    if len(models) > 1:
        for metric in dict.fromkeys(mine["metric"]):
            if metric in contest.similarities or metric.startswith(JUDGED):
                table = image_scores(mine[mine["metric"] == metric], by=("method",))
                table["model"] = table["method"].map(words)
                rows += _winning_rows(table, settings, metric, contest)
        if rated is not None:
            rows += _rated_rows(rated[rated["subject"].isin(mine["subject"])], words, settings, contest)
    table = pd.DataFrame(rows, columns=[*WINNING_COLUMNS, *CHANGE_COLUMNS])
    flags = mine.groupby("method")["transductive"].agg(lambda column: bool(column.astype(str).eq("True").any()))
    table = table.assign(
        dataset=settings["dataset"],
        roi=settings["roi"],
        test=settings["test"],
        transductive=table["method"].map(flags),
        simulated=settings["simulated"],
    )
    return table.rename(columns={"model": contest.model})[list(contest.columns)]


def _winning_rows(scores: pd.DataFrame, settings: Mapping, metric: str, contest: Contest) -> list[dict[str, object]]:
    """Return the winning percentages of all models by one similarity."""
    models = settings["models"]
    table = scores.pivot(index=["subject", "stimulus"], columns="model", values="value")
    present = scores.assign(there=True).pivot(index=["subject", "stimulus"], columns="model", values="there")
    present = present.reindex(columns=list(models))
    for words in models:
        lost = [f"{stimulus} of sub-{subject}" for subject, stimulus in present.index[present[words].isna()]]
        if lost:
            raise DataError(
                f"{contest.noun} {words} (method {models[words]}) have no {metric} of {shorten(lost)}, which other sets "
                "have; run all sets on the same tests."
            )
    shares = pd.DataFrame(winning_shares(table[list(models)].to_numpy(float)), table.index, list(models))
    return _summarised(shares, settings, metric, dict.fromkeys(models, len(models) - 1), contest.full)


def _rated_rows(
    rated: pd.DataFrame, words: Mapping[str, str], settings: Mapping, contest: Contest
) -> list[dict[str, object]]:
    """Return the winning percentages by human judgment, over the pairs that were rated."""
    here = rated[(rated["roi"] == settings["roi"]) & (rated["test"] == settings["test"])]
    here = here[here["method"].isin(words) & here["against"].isin(words)]
    if here.empty:
        return []
    here = here.assign(model=here["method"].map(words))
    shares = here.pivot_table(index=["subject", "stimulus"], columns="model", values="share", aggfunc="mean")
    opponents = here.groupby("model")["against"].nunique().to_dict()
    return _summarised(shares, settings, "human", opponents, contest.full)


def _summarised(
    shares: pd.DataFrame, settings: Mapping, metric: str, opponents: Mapping[str, int], full: str | None
) -> list[dict[str, object]]:
    """Return means and intervals over images of shares (index subject, stimulus; a column per model).

    `opponents` tells with how many others each model was compared; models that are not in it are left out.
    """
    rows = []
    for subject in (POOLED, *settings["subjects"]):
        mine = shares if subject == POOLED else shares[shares.index.get_level_values("subject") == subject]
        for words, method in settings["models"].items():
            known = mine[words].dropna() if words in opponents else pd.Series(dtype=float)
            if known.empty:
                continue
            value, low, high = mean_interval(known)
            row = {
                "subject": subject,
                "metric": metric,
                "model": words,
                "method": method,
                "value": value,
                "ci_low": low,
                "ci_high": high,
                "n_images": len(known),
                "n_opponents": opponents[words],
            }
            change = (mine[words] - mine[full]).dropna() if full in opponents and words != full else known[:0]
            rows.append(row | (dict(zip(CHANGE_COLUMNS, mean_interval(change), strict=True)) if len(change) else {}))
    return rows
