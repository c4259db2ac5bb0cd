"""Figure: decoding accuracy of raw against absolute features (Shen et al. 2019, PLOS CB, Fig. 5)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.core.intervals import confidence_interval
from fmri2image.evaluate.filters import ALL
from fmri2image.report.style import COLOURS, FAINT, INK, MARKERS, MM, footnote, is_true, save, subject_label

KINDS = {"raw": COLOURS[0], "absolute": COLOURS[1]}
HEIGHT = 72.0  # mm


def draw_raw_absolute(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw `raw_absolute_figure` and save it under several names."""
    save(raw_absolute_figure(table, settings), outputs)


def raw_absolute_figure(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Return a figure of (A) the mean accuracy of all units and (B) that of every filter, in ascending order of raw accuracy.

    Bars and lines are means over subjects, points are subjects; error bars and bands are 95 % confidence intervals across
    subjects (Student's t), which one subject does not have.

    Parameters
    ----------
    table : DataFrame with `fmri2image.evaluate.filters.FILTER_COLUMNS`
        One layer, area and test; any number of subjects.
    settings : mapping
        ``simulated``.
    """
    whole = table[table["filter"].astype(str) == ALL].set_index("subject")
    single = table[table["filter"].astype(str) != ALL]
    subjects = list(dict.fromkeys(table["subject"]))
    about = table.iloc[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(180.0 * MM, HEIGHT * MM), width_ratios=(1, 3.2), sharey=False)
    _draw_all(left, whole, subjects)
    n_filters = _draw_filters(right, single, len(subjects))
    left.set_ylabel("Decoding accuracy\n(mean r over units)", size=7)
    right.set_ylabel("Mean r over the units of a filter", size=7)
    right.set_xlabel(f"Filters, sorted by raw accuracy (n = {n_filters})", size=7)
    left.set_title("A  All units", loc="left")
    right.set_title("B  Single filters", loc="left")
    for axes in (left, right):
        axes.axhline(0, color=FAINT, lw=0.6, zorder=1)
        axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)
    handles = [plt.Line2D([], [], color=colour, lw=3) for colour in KINDS.values()]
    handles += [
        plt.Line2D([], [], marker=MARKERS[i % len(MARKERS)], color=INK, ls="", ms=3.2) for i in range(len(subjects))
    ]
    labels = ["raw features", "absolute features", *(subject_label(subject) for subject in subjects)]
    figure.legend(handles, labels, loc="upper left", ncols=min(len(labels), 7), fontsize=6.5, bbox_to_anchor=(0, 1))
    interval = (
        "One subject: no confidence interval."
        if len(subjects) == 1
        else f"Intervals: 95 % across {len(subjects)} subjects (t)."
    )
    words = f"{about['layer']}, {about['roi']}, test {about['test']} (n = {int(about['n_rows'])}). {interval}"
    note = footnote(settings["simulated"], is_true(table["transductive"]), words)
    figure.text(1.0 / 180, 1.2 / HEIGHT, note, size=6, color=FAINT)
    top = 6.5 + 3.5 * ((len(labels) - 1) // 7)
    figure.tight_layout(rect=(0, 3.5 / HEIGHT, 1, 1 - top / HEIGHT), w_pad=1.0)
    return figure


def _draw_all(axes: Axes, whole: pd.DataFrame, subjects: Sequence[str]) -> None:
    values = whole.loc[subjects, list(KINDS)].to_numpy(dtype=float)
    means, half = np.nanmean(values, axis=0), confidence_interval(values)
    axes.bar(range(len(KINDS)), means, 0.62, color=list(KINDS.values()), alpha=0.55, zorder=2)
    known = np.isfinite(half)
    if known.any():
        axes.errorbar(
            np.flatnonzero(known),
            means[known],
            half[known],
            fmt="none",
            ecolor=INK,
            elinewidth=1.0,
            capsize=2.5,
            zorder=3,
        )
    offsets = (np.arange(len(subjects)) - (len(subjects) - 1) / 2) * min(0.14, 0.5 / len(subjects))
    for number, (offset, pair) in enumerate(zip(offsets, values, strict=True)):
        axes.plot(np.arange(len(KINDS)) + offset, pair, color=FAINT, lw=0.5, zorder=4)
        axes.plot(
            np.arange(len(KINDS)) + offset,
            pair,
            MARKERS[number % len(MARKERS)],
            color=INK,
            ms=3.2,
            mec="white",
            mew=0.3,
            zorder=5,
        )
    axes.set_xticks(range(len(KINDS)), list(KINDS))
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(KINDS) - 0.4)


def _draw_filters(axes: Axes, single: pd.DataFrame, n_subjects: int) -> int:
    """Draw the lines of all filters that have a unit to count, and return how many."""
    lines = {kind: single.pivot_table(index="subject", columns="filter", values=kind) for kind in KINDS}
    order = lines["raw"].mean().sort_values(kind="stable").index
    for kind, colour in KINDS.items():
        values = lines[kind].reindex(columns=order).to_numpy(dtype=float)
        x, mean = np.arange(values.shape[1]), np.nanmean(values, axis=0)
        if n_subjects > 1:
            half = confidence_interval(values)
            axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, lw=0, zorder=2)
        axes.plot(x, mean, "-o", color=colour, ms=2.2, lw=1.0, zorder=3)
    axes.set_xlim(-0.8, len(order) - 0.2)
    if len(order) <= 24:
        axes.set_xticks(range(len(order)), order, size=6)
    else:
        axes.set_xticks([])
    return len(order)
