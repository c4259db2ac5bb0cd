"""Figure: accuracy of decoded features layer by layer (Shen et al. 2019, PLOS CB, S1 Fig), by subject, area and test.

The paper gives its values as a plot only, so there are no published numbers to stand beside ours.
"""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from fmri2image.report.style import (
    BAND,
    CHANCE_LABEL,
    COLOURS,
    FAINT,
    INK,
    LINE,
    MARKERS,
    MM,
    PAGE_WIDTH,
    draw_words,
    footnote,
    is_true,
    save,
    subject_label,
    write_below,
)

NOTHING = "No test has true features to compare decoded features with."
MOST_COLUMNS = 3  # tests side by side
LINES, AREA, LABELS = 38.0, 3.4, 14.0  # mm: height of lines, of an area of the heat map, of the names of layers
MAP = "cividis"


def draw_decoding_accuracy(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw the correlation of decoded with true features by layer, one panel per test.

    Lines: the primary area, one line per subject and their mean, over the chance of that area; dashed, the mean divided by
    the noise ceiling, where it is known for every subject. Below, where several areas were decoded, a map of areas by
    layers: mean over subjects, with a dot where not every subject exceeds the 99th percentile of its permutations.

    Parameters
    ----------
    table : DataFrame
        ``decoding_accuracy.tsv``; the column ``normalised`` may be absent.
    outputs : sequence of path
    settings : mapping
        ``simulated``, ``decoder`` (the primary method's; the first of the table where it has none or that was not scored),
        ``primary`` (its ``roi`` is drawn as lines; the first area of the table where it is not there).
    """
    table = table[table["metric"] == "unit_correlation"]
    if table.empty:
        draw_words(NOTHING, outputs)
        return
    decoder = settings.get("decoder")
    if decoder not in set(table["decoder"]):
        decoder = table["decoder"].iloc[0]
    table = table[table["decoder"] == decoder]
    tests, layers, rois = (list(dict.fromkeys(table[column])) for column in ("test", "layer", "roi"))
    subjects = sorted(table["subject"].unique())
    primary = settings.get("primary", {}).get("roi")
    primary = primary if primary in rois else rois[0]
    rois = [primary, *(roi for roi in rois if roi != primary)]
    columns = min(len(tests), MOST_COLUMNS if len(tests) != 4 else 2)
    rows = -(-len(tests) // columns)
    mapped = len(rois) > 1
    width = PAGE_WIDTH if columns > 1 else max(100.0, min(PAGE_WIDTH, 40.0 + 4.5 * len(layers)))
    share = (LINES, AREA * len(rois)) if mapped else (LINES,)
    transductive = is_true(table["transductive"])
    bottom = 4.0 + (LINE * transductive if columns == 1 else 0.0)
    height = rows * (sum(share) + LABELS + 8.0) + bottom + 8.0
    figure = plt.figure(figsize=(width * MM, height * MM))
    grid = figure.add_gridspec(rows * len(share), columns, height_ratios=share * rows)
    limits, colours = _limits(table[table["roi"] == primary]), (0.0, float(_means(table)["value"].max()))
    maps, drawn = [], None
    for number, test in enumerate(tests):
        row, column = divmod(number, columns)
        here = table[table["test"] == test]
        axes = figure.add_subplot(grid[row * len(share), column])
        _draw_lines(axes, here[here["roi"] == primary], layers, subjects)
        axes.set_ylim(*limits)
        axes.set_title(f"{test} (n = {int(here['n_rows'].max())})", loc="left")
        axes.tick_params(labelleft=column == 0, labelsize=6.5)
        below = axes
        if column == 0:
            axes.set_ylabel(f"{primary}: mean r over units", size=7)
        if mapped:
            below = figure.add_subplot(grid[row * len(share) + 1, column])
            drawn = _draw_map(below, here, layers, rois, colours)
            below.tick_params(labelleft=column == 0)
            maps.append(below)
            axes.tick_params(labelbottom=False)
        middle = 0.5 if mapped else 0.0  # cells of a map begin at whole numbers
        below.set_xticks(np.arange(len(layers)) + middle, layers, rotation=90, size=6.5 if len(layers) < 16 else 6)
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=maps, aspect=12, pad=0.01, fraction=0.03, extend="min")
        bar.set_label("mean r", size=6.5)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=6.5)
    lines = _legend(figure, table, primary, subjects, mapped)
    write_below(figure, [footnote(settings["simulated"], False), footnote(False, transductive), f"Decoder: {decoder}."])
    top = 3.0 + 3.5 * lines
    figure.set_layout_engine(
        "constrained", rect=(0, bottom / height, 1, 1 - (top + bottom) / height), h_pad=0.8 * MM, w_pad=0.8 * MM
    )
    save(figure, outputs)


def _means(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby(["test", "roi", "layer"], sort=False)[["value"]].mean()


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    high = max(table["value"].max(), table["chance_p99"].max(), 0.0)
    mean = _normalised(table)
    if mean is not None:
        high = max(high, float(mean.max()))
    low = min(table["value"].min(), table["chance_p01"].min(), 0.0)
    room = 0.05 * (high - low)
    return low - room, high + room


def _normalised(table: pd.DataFrame) -> pd.Series | None:
    """Return the noise-ceiling-normalised mean by test and layer, where every subject has it; None if there is none."""
    if "normalised" not in table or not table["normalised"].notna().any():
        return None
    known = table.groupby(["test", "layer"])["normalised"]
    mean = known.mean()[known.count() == known.size()]
    return None if mean.empty else mean


def _draw_lines(axes: Axes, table: pd.DataFrame, layers: Sequence[str], subjects: Sequence[str]) -> None:
    x = np.arange(len(layers))
    values = table.pivot_table(index="layer", columns="subject", values="value").reindex(layers)
    several = values.shape[1] > 1
    for subject in values:
        colour, marker = _look(subjects.index(subject))
        axes.plot(x, values[subject], "-" + marker, color=colour, ms=2.6, mew=0, lw=0.6 if several else 1.2, zorder=3)
    if several:
        axes.plot(x, values.mean(axis=1), "-", color=INK, lw=1.6, zorder=4)
    corrected = _normalised(table)
    if corrected is not None:
        axes.plot(x, corrected.droplevel("test").reindex(layers), "--", color=INK, lw=0.9, zorder=4)
    chance = table.groupby("layer").agg({"chance_p01": "min", "chance_p99": "max"}).reindex(layers)
    if len(layers) == 1:
        axes.bar(0, chance["chance_p99"] - chance["chance_p01"], 0.8, bottom=chance["chance_p01"], color=BAND, zorder=0)
    axes.fill_between(x, chance["chance_p01"], chance["chance_p99"], color=BAND, lw=0, zorder=0)
    axes.axhline(0, color=FAINT, lw=0.6, zorder=1)
    axes.set_xlim(-0.5, len(layers) - 0.5)
    axes.set_xticks(x)
    axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)


def _draw_map(
    axes: Axes, table: pd.DataFrame, layers: Sequence[str], rois: Sequence[str], limits: tuple[float, float]
) -> matplotlib.cm.ScalarMappable:
    above = (table["value"] > table["chance_p99"]).groupby([table["roi"], table["layer"]]).all().unstack()
    means = table.pivot_table(index="roi", columns="layer", values="value").reindex(index=rois, columns=layers)
    drawn = axes.pcolormesh(
        np.ma.masked_invalid(means.to_numpy()),
        cmap=MAP,
        vmin=limits[0],
        vmax=max(limits[1], 1e-3),
        edgecolor="white",
        linewidth=0.4,
    )
    below = ~above.reindex(index=rois, columns=layers).fillna(True).to_numpy(dtype=bool)
    y, x = np.nonzero(below)
    axes.plot(x + 0.5, y + 0.5, ".", color="white", ms=2.2, zorder=3)
    axes.set_xlim(0, len(layers))
    axes.set_ylim(len(rois), 0)
    axes.set_yticks(np.arange(len(rois)) + 0.5, rois, size=6.5)
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_facecolor("0.95")
    return drawn


def _look(number: int) -> tuple[str, str]:
    return COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]


def _legend(figure: plt.Figure, table: pd.DataFrame, primary: str, subjects: Sequence[str], mapped: bool) -> int:
    """Draw the legend at the top and return how many lines it takes."""
    handles, labels = [], []
    for number, subject in enumerate(subjects):
        colour, marker = _look(number)
        handles.append(plt.Line2D([], [], marker=marker, color=colour, lw=0.6, ms=3, mew=0))
        labels.append(subject_label(subject))
    if len(subjects) > 1:
        handles.append(plt.Line2D([], [], color=INK, lw=1.6))
        labels.append("mean")
    if _normalised(table[table["roi"] == primary]) is not None:
        handles.append(plt.Line2D([], [], color=INK, lw=0.9, ls="--"))
        labels.append("mean over noise ceiling")
    handles.append(plt.Rectangle((0, 0), 1, 1, color=BAND))
    labels.append(CHANCE_LABEL)
    if mapped:
        cell = plt.Line2D([], [], marker="s", color="#00306f", ls="", ms=6, mew=0)
        handles.append((cell, plt.Line2D([], [], marker=".", color="white", ls="", ms=2.6)))
        labels.append("not above chance in every subject")
    per_line = 4 if figure.get_figwidth() > 150 * MM else 2
    figure.legend(
        handles,
        labels,
        loc="upper left",
        ncols=min(per_line, len(labels)),
        fontsize=6.5,
        bbox_to_anchor=(0.0, 1.0),
        columnspacing=1.4,
        handletextpad=0.5,
    )
    return -(-len(labels) // per_line)
