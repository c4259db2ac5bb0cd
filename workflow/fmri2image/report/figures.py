"""Figures of scores: identification by area and by method, and feature decoding by layer and area."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
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
    footnote,
    identification_metrics,
    is_true,
    metric_label,
    save,
    subject_label,
)

SLOT = 0.8  # share of a category's width that the subjects take
MOST_COLUMNS = 3  # panels of feature decoding side by side
LEGEND_WIDTH = 100.0  # mm that two columns of the legend take


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
        _draw_words(NOT_SCORED, outputs)
        return
    tests, subjects = list(dict.fromkeys(measured["test"])), sorted(measured["subject"].unique())
    categories = {test: list(dict.fromkeys(measured.loc[measured["test"] == test, by])) for test in tests}
    widths = [max(len(categories[test]), 1.6) for test in tests]
    height = 30.0 * len(metrics) + 26.0
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
            axes.set_xticks(range(len(categories[test])), [label(name) for name in categories[test]], size=7)
            axes.grid(axis="y", lw=0.4, color="0.9", zorder=0)
            axes.tick_params(axis="x", length=0)
        line[0].set_ylabel(f"{metric_label(metric).replace(' features', '')}\n(%)", size=7)
    for test, axes in zip(tests, panels[0], strict=True):
        axes.set_title(f"{test} (n = {int(measured.loc[measured['test'] == test, 'n_rows'].max())})", loc="left")
    top = _legend(figure, subjects, bool((table["roi"] == CEILING).any()))
    note = footnote(settings["simulated"], is_true(table["transductive"]))
    figure.text(1.0 / 180, 1.2 / height, note, size=6, color=FAINT)
    figure.tight_layout(
        rect=(0, 3.5 / height, 1, 1 - top / height),
        h_pad=0.6,
        w_pad=0.5,
    )
    save(figure, outputs)


def _draw_words(words: str, outputs: Sequence[str]) -> None:
    """Draw a figure that says why there is nothing to draw."""
    figure = plt.figure(figsize=(110.0 * MM, 14.0 * MM))
    figure.text(0.02, 0.5, words, size=7.5, va="center", color=FAINT)
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


def draw_decoding_accuracy(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw the correlation of decoded with true features by layer: a line per area, fainter points for subjects.

    Parameters
    ----------
    table : DataFrame
        ``decoding_accuracy.tsv``.
    outputs : sequence of path
    settings : mapping
        ``simulated``, ``decoder`` (the primary method's; the first of the table where it has none or that was not scored).
    """
    table = table[table["metric"] == "unit_correlation"]
    if table.empty:
        _draw_words("No test has true features to compare decoded features with.", outputs)
        return
    decoder = settings.get("decoder")
    if decoder not in set(table["decoder"]):
        decoder = table["decoder"].iloc[0]
    table = table[table["decoder"] == decoder]
    tests, layers = list(dict.fromkeys(table["test"])), list(dict.fromkeys(table["layer"]))
    rois = list(dict.fromkeys(table["roi"]))
    columns = min(len(tests), MOST_COLUMNS if len(tests) != 4 else 2)
    rows = -(-len(tests) // columns)
    width, height = max(PAGE_WIDTH * (0.35 + 0.65 * columns / MOST_COLUMNS), 90.0), 58.0 * rows + 16.0
    width = PAGE_WIDTH if columns > 1 else width
    figure, panels = plt.subplots(
        rows, columns, figsize=(width * MM, height * MM), sharey=True, sharex=True, squeeze=False
    )
    for test, axes in zip(tests, panels.ravel(), strict=False):
        here = table[table["test"] == test]
        _draw_layers(axes, here, layers, rois)
        axes.set_title(f"{test} (n = {int(here['n_rows'].max())})", loc="left")
    for axes in panels.ravel()[len(tests) :]:
        axes.set_visible(False)
    for line in panels:
        line[0].set_ylabel("Correlation of decoded and\ntrue features (mean over units)", size=7)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    handles.append(plt.Rectangle((0, 0), 1, 1, color=BAND))
    figure.legend(
        handles,
        [*labels, CHANCE_LABEL],
        loc="upper left",
        ncols=len(labels) + 1 if len(labels) < 6 else 6,
        fontsize=6.5,
        bbox_to_anchor=(0.0, 1.0),
        columnspacing=1.4,
    )
    words = footnote(settings["simulated"], is_true(table["transductive"]), f"Decoder: {decoder}. Points: subjects.")
    figure.text(1.0 / 180, 1.2 / height, words, size=6, color=FAINT)
    figure.tight_layout(rect=(0, 3.5 / height, 1, 1 - (7.0 if len(labels) < 6 else 10.0) / height), h_pad=0.8)
    save(figure, outputs)


def _draw_layers(axes: Axes, table: pd.DataFrame, layers: Sequence[str], rois: Sequence[str]) -> None:
    x = np.arange(len(layers))
    for number, roi in enumerate(rois):
        values = table[table["roi"] == roi].pivot_table(index="layer", columns="subject", values="value")
        values = values.reindex(layers)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        style = "-" if number < len(COLOURS) else "--"
        axes.plot(x, values.mean(axis=1), style + marker, color=colour, ms=3, lw=1.1, label=roi, zorder=3)
        axes.plot(np.repeat(x, values.shape[1]), values.to_numpy().ravel(), ".", color=colour, ms=2, alpha=0.5)
    chance = table.groupby("layer").agg({"chance_p01": "min", "chance_p99": "max"}).reindex(layers)
    axes.fill_between(x, chance["chance_p01"], chance["chance_p99"], color=BAND, lw=0, zorder=0)
    axes.axhline(0, color=FAINT, lw=0.6)
    axes.set_xticks(x, layers, rotation=90, size=6.5)
    axes.tick_params(axis="x", labelbottom=True)
    axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)
