"""Figure 5B of Shen et al. 2019 (end to end): how often models with and without a loss term win against each other."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd

from fmri2image.core.tables import read_table
from fmri2image.report.paper import bars, marks
from fmri2image.report.paper.marks import POOLED
from fmri2image.report.paper.winning import similarity_label

ABSENT = ("chance_p01", "chance_p99", "against", "p_value", "published")  # columns of bars that winning has none of
COLUMNS = {
    **{name: words for name, words in bars.COLUMNS.items() if name not in ABSENT},
    "condition": "Model, in the words of the figure",
    "metric": "What decides which of two reconstructions of an image is better",
    "mean": "Share of its comparisons with the other models that a model wins, a draw counts one half; mean over images",
    "chance": "One half: neither of two models is better",
}
NO_PREFERENCE = 0.5


def plotted(inputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Return the winning percentages that are drawn.

    Parameters
    ----------
    inputs : mapping
        ``winning``: table of the study.
    settings : mapping
        ``models``: from the words of the figure to the method, in their order; ``metrics``; ``subjects``; ``title``.

    Returns
    -------
    table : DataFrame with `COLUMNS`
    """
    table = read_table(inputs["winning"], subject=str)
    found = table.set_index(["method", "metric", "subject"])
    subjects = [name for name in settings["subjects"] if (table["subject"] == name).any()]
    rows = []
    for metric in settings["metrics"]:
        for words, method in settings["models"].items():
            for subject in (POOLED, *subjects):
                if (method, metric, subject) not in found.index:
                    continue
                one = found.loc[(method, metric, subject)]
                rows.append(
                    {
                        "row": "",
                        "panel": settings["title"],
                        "x": similarity_label(metric),
                        "bar": words,
                        "drawn": "bar" if subject == POOLED else "point",
                        "subject": subject,
                        "condition": words,
                        "metric": metric,
                        "method": method,
                        **{key: one[key] for key in ("roi", "test", "ci_low", "ci_high", "transductive", "simulated")},
                        "n": one["n_images"],
                        "mean": one["value"],
                        "chance": NO_PREFERENCE,
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw a group of bars per similarity, one bar per model, subjects as marks.

    Returns
    -------
    figure : Figure
    """
    if table.empty:
        return marks.words_only("No two models were compared, so there is nothing to draw.")
    models = table["bar"].nunique()
    words = {
        "points": list(settings["subjects"]),
        "quantity": "Winning percentage (%)",
        "dashed": ("no preference", ""),
    }
    full = table.reindex(columns=list(bars.COLUMNS))
    pairs = f"All {models * (models - 1) // 2} pairs of {models} models."
    return bars.bar_figure(full, {**settings, **words}, [pairs])
