"""Figures of scores: identification by area and by method, and feature decoding by layer and area."""

from collections.abc import Mapping, Sequence

import matplotlib
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from fmri2image.report.style import (
    BAND,
    CEILING,
    CEILING_LABEL,
    CHANCE_LABEL,
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    MM,
    NOT_SCORED,
    PAGE_WIDTH,
    ceiling_of,
    draw_words,
    footnote,
    identification_metrics,
    is_true,
    metric_label,
    save,
    subject_label,
)

SLOT = 0.8  # share of a category's width that the subjects take
LEGEND_WIDTH = 100.0  # mm that two columns of the legend take
MANY = 10  # categories of a panel whose names stand upright
NEXT_LINE = "\n"
TITLE_LETTER = 2.0  # mm of a letter above a panel


def draw_identification(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw pairwise identification of the primary method: one panel per similarity and test, areas side by side.

    Points are subjects; the grey bar behind each spans the 1st to 99th percentile of its permutation distribution, with
    a line at its mean; the short black line is the same method on true features.

    Parameters
    ----------
    table : DataFrame
        ``identification.tsv``.
    outputs : sequence of path
    settings : mapping
        ``primary``, ``simulated``.
    """
    mine = table[table["method"] == settings["primary"]["method"]]
    _draw_panels(mine, "roi", lambda name: name, outputs, settings)


def draw_methods(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw pairwise identification of several methods on the primary area, as `draw_identification` does areas.

    Parameters
    ----------
    table : DataFrame
        ``identification.tsv``.
    outputs : sequence of path
    settings : mapping
        ``primary``, ``simulated``, ``methods`` (those compared).
    """
    mine = table[table["roi"].isin([settings["primary"]["roi"], CEILING]) & table["method"].isin(settings["methods"])]
    _draw_panels(mine, "method", lambda name: name.replace("-", "-\n"), outputs, settings)


def _draw_panels(table: pd.DataFrame, by: str, label: object, outputs: Sequence[str], settings: Mapping) -> None:
    metrics = identification_metrics(table["metric"])
    measured = table[(table["roi"] != CEILING) & table["metric"].isin(metrics)]
    if measured.empty:
        draw_words(NOT_SCORED, outputs)
        return
    tests, subjects = list(dict.fromkeys(measured["test"])), sorted(measured["subject"].unique())
    categories = {test: list(dict.fromkeys(measured.loc[measured["test"] == test, by])) for test in tests}
    many = max(map(len, categories.values())) > MANY
    titles = {
        test: f"{test}{NEXT_LINE if many else ' '}(n = {int(measured.loc[measured['test'] == test, 'n_rows'].max())})"
        for test in tests
    }
    widths = [max(len(categories[test]), 1.6) for test in tests]
    if many:
        room = (PAGE_WIDTH - 20.0) / sum(widths)
        letters = [max(map(len, titles[test].split(NEXT_LINE))) for test in tests]
        widths = [max(width, n * TITLE_LETTER / room) for width, n in zip(widths, letters, strict=True)]
    foot = max(len(name) for names in categories.values() for name in names) * 1.2 if many else 0.0
    height = 30.0 * len(metrics) + 26.0 + foot
    figure, panels = plt.subplots(
        len(metrics),
        len(tests),
        figsize=(min(PAGE_WIDTH, max(LEGEND_WIDTH, 34.0 + 22.0 * sum(widths))) * MM, height * MM),
        sharey=True,
        sharex="col",
        squeeze=False,
        width_ratios=widths,
    )
    lowest = min(30.0, 100 * measured[["value", "chance_p01"]].min().min() - 3)
    for metric, line in zip(metrics, panels, strict=True):
        for test, axes in zip(tests, line, strict=True):
            here = measured[(measured["metric"] == metric) & (measured["test"] == test)]
            for position, name in enumerate(categories[test]):
                rows = here[here[by] == name].set_index("subject")
                _draw_subjects(axes, position, rows, subjects)
                if not rows.empty:
                    ceiling = ceiling_of(table, rows.iloc[0]["method"], test, metric)
                    _draw_ceiling(axes, position, ceiling)
            axes.set_ylim(lowest, 103)
            axes.set_yticks([50, 75, 100])
            axes.set_xlim(-0.6, len(categories[test]) - 0.4)
            labels = [name if many else label(name) for name in categories[test]]
            axes.set_xticks(range(len(labels)), labels, size=6.5 if many else 7, rotation=90 if many else 0)
            axes.grid(axis="y", lw=0.4, color="0.9", zorder=0)
            axes.tick_params(axis="x", length=0)
        line[0].set_ylabel(f"{metric_label(metric).replace(' features', '')}\n(%)", size=7)
    for test, axes in zip(tests, panels[0], strict=True):
        axes.set_title(titles[test], loc="left")
    top = _legend(figure, subjects, bool((table["roi"] == CEILING).any()))
    note = footnote(settings["simulated"], is_true(table["transductive"]))
    figure.text(1.0 / 180, 1.2 / height, note, size=6, color=FAINT)
    figure.tight_layout(
        rect=(0, 3.5 / height, 1, 1 - top / height),
        h_pad=0.6,
        w_pad=0.5,
    )
    save(figure, outputs)


def _draw_subjects(axes: Axes, position: float, rows: pd.DataFrame, subjects: Sequence[str]) -> None:
    step = SLOT / len(subjects)
    for number, subject in enumerate(subjects):
        if subject not in rows.index:
            continue
        row = rows.loc[subject]
        x = position + (number - (len(subjects) - 1) / 2) * step
        low, high = 100 * row["chance_p01"], 100 * row["chance_p99"]
        axes.bar(x, high - low, 0.8 * step, bottom=low, color=BAND, zorder=1)
        axes.hlines(100 * row["chance"], x - 0.4 * step, x + 0.4 * step, color=FAINT, lw=0.7, zorder=2)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axes.plot(x, 100 * row["value"], marker, color=colour, ms=4, mec="white", mew=0.4, zorder=4, clip_on=False)


def _draw_ceiling(axes: Axes, position: float, ceiling: float | None) -> None:
    if ceiling is not None:
        half = SLOT / 2
        axes.hlines(100 * ceiling, position - half, position + half, color=INK, lw=1.2, zorder=3, clip_on=False)


def _legend(figure: plt.Figure, subjects: Sequence[str], has_ceiling: bool) -> float:
    """Draw the legend at the top and return its height in mm."""
    handles = [
        plt.Line2D([], [], marker=MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)], ls="", ms=4)
        for i in range(len(subjects))
    ]
    handles += [plt.Line2D([], [], color=INK, lw=1.2)] * has_ceiling + [plt.Rectangle((0, 0), 1, 1, color=BAND)]
    labels = [subject_label(subject) for subject in subjects] + [CEILING_LABEL + " (ceiling)"] * has_ceiling
    labels.append(CHANCE_LABEL)
    narrow = figure.get_figwidth() < 130 * MM
    figure.legend(
        handles,
        labels,
        loc="upper left",
        ncols=2 if narrow else 5,
        fontsize=6.5,
        bbox_to_anchor=(0.0, 1.0),
        columnspacing=1.4,
        handletextpad=0.5,
    )
    lines = -(-len(labels) // (2 if narrow else 5))
    return (12.0 if narrow else 7.0) + 3.5 * max(0, lines - (2 if narrow else 1))
