"""Figures 7B and S15 of Shen et al. 2019: quality of shape and of colour by visual area, and the interaction of the two."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd

from fmri2image.core.tables import read_table
from fmri2image.report.paper import bars, marks
from fmri2image.report.paper.marks import POOLED
from fmri2image.report.style import metric_label

COLUMNS = {
    **bars.COLUMNS,
    "interaction_statistic": "F of the interaction of task (shape, colour) with area (V1, V4), ANOVA over images",
    "interaction_df": "Its degrees of freedom",
    "interaction_p": "Its p value",
}
# The paper's F(1,1); `evaluate.statistics.FACTORIAL`, which needs packages that figures do without. A test holds them equal.
FACTORIAL = "ANOVA, task × area, independent scores"
FOUND = ("interaction_statistic", "interaction_df", "interaction_p")


def plotted(inputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Return the numbers of the bars, as `bars.plotted`, with the interaction of task and area on every row of its metric.

    Parameters
    ----------
    inputs, settings : mapping
        As those of `bars.plotted`.

    Returns
    -------
    table : DataFrame with `COLUMNS`
    """
    table = bars.plotted(inputs, settings).assign(against=pd.NA, p_value=float("nan"))
    statistics = read_table(inputs["statistics"], subject=str)
    # The paper's F(1,1) is that of the factorial analysis of variance.
    tests = statistics[(statistics["analysis"] == "interaction") & (statistics["procedure"] == FACTORIAL)].to_dict(
        "records"
    )
    found = [_interaction(tests, row, settings) for row in table.to_dict("records")]
    return pd.concat([table, pd.DataFrame(found, columns=list(FOUND), index=table.index)], axis=1)[list(COLUMNS)]


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw the bars, with the interaction in words below them.

    Returns
    -------
    figure : Figure
    """
    shown = table[(table["subject"] == POOLED) & table["interaction_p"].notna()]
    words = []
    for metric, rows in shown.groupby("metric", sort=False):
        row, name = rows.iloc[0], metric_label(metric.removesuffix("_colour").removesuffix("_shape"))
        statistic = f"F({row['interaction_df']}) = {row['interaction_statistic']:.2f}"
        words.append(f"{name} {statistic}, {marks.p_words(row['interaction_p'])}")
    words = list(dict.fromkeys(words))
    sentence = f"ANOVA, task (shape, colour) × area ({settings['interaction']}): {'; '.join(words)}." if words else ""
    return bars.bar_figure(table, settings, [sentence])


def _interaction(tests: Sequence[Mapping], row: Mapping, settings: Mapping) -> tuple[float, object, float]:
    """Return F, its degrees of freedom and p of the metric and subject of a row; nothing where there is no test."""
    suffixes = list(dict.fromkeys(f"_{bar['aspect']}" for bar in settings["bars"]))
    base = row["metric"]
    for suffix in suffixes:
        base = base.removesuffix(suffix)
    names = {base, *(f"{base}{suffix}" for suffix in suffixes)}
    for test in tests:
        if test["subject"] == row["subject"] and test["metric"] in names:
            return float(test["statistic"]), f"{test['df1']:g}, {test['df2']:g}", float(test["p_value"])
    return float("nan"), pd.NA, float("nan")
