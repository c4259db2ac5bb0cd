"""Figures of scores: pairwise identification, and feature decoding by layer and area."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from fmri2image.report.style import CEILING_LABEL, COLOURS, footnote, is_true, save, subject_label

METRICS = {"pixel_identification": "Pixel correlation", "ssim_identification": "SSIM"}


def draw_identification(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw pairwise identification per test and area, subjects side by side.

    The grey bar of every subject spans the 1st to 99th percentile of its permutation distribution, with a line at its
    mean; the diamond is the same method on true features.

    Parameters
    ----------
    table : DataFrame
        ``identification.tsv``.
    outputs : sequence of path
    settings : mapping
        ``title``, ``simulated``.
    """
    metrics = [metric for metric in METRICS if metric in set(table["metric"])]
    subjects = sorted(table["subject"].dropna().unique())
    groups = table.dropna(subset=["subject"])[["method", "roi", "test"]].drop_duplicates().to_records(index=False)
    figure, panels = plt.subplots(
        len(metrics),
        1,
        figsize=(max(4.2, 0.95 * len(groups) + 1.6), 2.5 * len(metrics) + 0.5),
        sharex=True,
        squeeze=False,
    )
    step = 0.7 / max(len(subjects), 1)
    for metric, axes in zip(metrics, panels[:, 0], strict=True):
        mine = table[table["metric"] == metric]
        for position, (method, roi, test) in enumerate(groups):
            here = mine[(mine["method"] == method) & (mine["test"] == test)]
            for number, subject in enumerate(subjects):
                rows = here[(here["subject"] == subject) & (here["roi"] == roi)]
                if rows.empty:
                    continue
                row = rows.iloc[0]
                x = position + (number - (len(subjects) - 1) / 2) * step
                axes.bar(x, 100 * row["value"], 0.86 * step, color=COLOURS[number % len(COLOURS)], zorder=2)
                low, high = 100 * row["chance_p01"], 100 * row["chance_p99"]
                axes.bar(x, high - low, 0.86 * step, bottom=low, color="0.75", alpha=0.65, zorder=3)
                axes.hlines(100 * row["chance"], x - 0.43 * step, x + 0.43 * step, color="0.2", lw=0.8, zorder=4)
            ceiling = here[here["roi"] == "true-features"]
            if not ceiling.empty:
                axes.plot(position, 100 * ceiling.iloc[0]["value"], "D", color="black", ms=3.5, zorder=5, clip_on=False)
        axes.set_ylim(0, 104)
        axes.set_yticks([0, 25, 50, 75, 100])
        axes.set_ylabel("Identification (%)")
        axes.set_title(METRICS[metric], loc="left")
        axes.grid(axis="y", lw=0.4, color="0.9", zorder=0)
    panels[-1, 0].set_xticks(range(len(groups)), [f"{test}\n{roi}\n{method}" for method, roi, test in groups], size=7)
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[i % len(COLOURS)]) for i in range(len(subjects))]
    handles += [plt.Rectangle((0, 0), 1, 1, color="0.75"), plt.Line2D([], [], marker="D", color="black", ls="", ms=3.5)]
    labels = [subject_label(subject) for subject in subjects] + ["chance: 98 % of permutations", CEILING_LABEL]
    figure.legend(
        handles, labels, loc="upper center", ncols=min(len(labels), 3), fontsize=6.5, bbox_to_anchor=(0.53, 1.0)
    )
    figure.text(0.01, 0.01, footnote(settings["simulated"], is_true(table["transductive"])), size=5.5, color="0.35")
    figure.tight_layout(rect=(0, 0.02, 1, 0.92))
    save(figure, outputs)


def draw_decoding_accuracy(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw the correlation of decoded with true features by layer, one line per area (mean and subjects).

    Parameters
    ----------
    table : DataFrame
        ``decoding_accuracy.tsv``.
    outputs : sequence of path
    settings : mapping
        ``simulated``.
    """
    table = table[table["metric"] == "unit_correlation"]
    tests, layers = list(dict.fromkeys(table["test"])), list(dict.fromkeys(table["layer"]))
    rois = list(dict.fromkeys(table["roi"]))
    figure, panels = plt.subplots(
        1, len(tests), figsize=(max(3.4, 2.5 * len(tests) + 0.8), 2.9), sharey=True, squeeze=False
    )
    x = np.arange(len(layers))
    for test, axes in zip(tests, panels[0], strict=True):
        here = table[table["test"] == test]
        for number, roi in enumerate(rois):
            values = (
                here[here["roi"] == roi].pivot_table(index="layer", columns="subject", values="value").reindex(layers)
            )
            colour = COLOURS[number % len(COLOURS)]
            axes.plot(x, values.mean(axis=1), "-o", color=colour, ms=3, lw=1.2, label=roi, zorder=3)
            axes.plot(np.repeat(x, values.shape[1]), values.to_numpy().ravel(), ".", color=colour, ms=2, alpha=0.5)
        chance = here.groupby("layer").agg({"chance_p01": "min", "chance_p99": "max"}).reindex(layers)
        axes.fill_between(x, chance["chance_p01"], chance["chance_p99"], color="0.88", zorder=0)
        axes.axhline(0, color="0.4", lw=0.6)
        axes.set_xticks(x, layers, rotation=90, size=6.5)
        axes.set_title(test, loc="left")
        axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)
    panels[0, 0].set_ylabel("Correlation of decoded and\ntrue features (mean over units)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    handles.append(plt.Rectangle((0, 0), 1, 1, color="0.88"))
    figure.legend(handles, [*labels, "chance: 98 % of permutations"], loc="upper center", ncols=4, fontsize=6.5)
    figure.text(
        0.01,
        0.01,
        footnote(settings["simulated"], is_true(table["transductive"]), "Points: subjects."),
        size=5.5,
        color="0.35",
    )
    figure.tight_layout(rect=(0, 0.03, 1, 0.92))
    save(figure, outputs)
