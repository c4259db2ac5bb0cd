"""Figure 4B of Shen et al. 2019: how often each set of layers wins against the others, image by image."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.core.tables import read_table
from fmri2image.report.paper import marks
from fmri2image.report.paper.marks import POOLED, SMALL
from fmri2image.report.style import FAINT, INK, MM, PAGE_WIDTH, footnote, is_true, metric_label, subject_label

COLUMNS = {
    "subject": "Subject label, pooled for all",
    "metric": "What decides which of two reconstructions of an image is better",
    "layer_set": "Layers whose features were matched",
    "method": "Named setting of a method",
    "roi": "Visual area that was decoded",
    "test": "Test of the configuration",
    "value": "Share of its comparisons with the other sets that a set wins, a draw counts one half; mean over images",
    "ci_low": "Lower end of the 95 % confidence interval over images (Student's t)",
    "ci_high": "Upper end",
    "n_images": "Images (times subjects, where pooled)",
    "n_opponents": "Other sets of layers that each is compared with",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
NOTHING = "No two sets of layers were compared, so there is nothing to draw."
HEIGHT = 44.0  # mm of a panel


def plotted(inputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Return the winning percentages that are drawn.

    Parameters
    ----------
    inputs : mapping
        ``winning``: table of the study.
    settings : mapping
        ``metrics``: names in the order of the panels; ``layer_sets``: words in the order of the axis; ``subjects``.

    Returns
    -------
    table : DataFrame with `COLUMNS`
    """
    table = read_table(inputs["winning"], subject=str)
    table = table[table["layer_set"].isin(settings["layer_sets"])]
    parts = [
        table[(table["metric"] == metric) & (table["subject"] == subject)]
        for metric in settings["metrics"]
        for subject in (POOLED, *settings["subjects"])
    ]
    rank = {name: i for i, name in enumerate(settings["layer_sets"])}
    parts = [part.sort_values("layer_set", key=lambda names: names.map(rank)) for part in parts]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw one panel per metric: the mean over images of all subjects with its interval, subjects as marks.

    Returns
    -------
    figure : Figure
    """
    if table.empty:
        return marks.words_only(NOTHING)
    metrics = [name for name in settings["metrics"] if (table["metric"] == name).any()]
    names = [name for name in settings["layer_sets"] if (table["layer_set"] == name).any()]
    subjects = [name for name in settings["subjects"] if (table["subject"] == name).any()]
    width = marks.ONE_COLUMN if len(metrics) == 1 else PAGE_WIDTH
    figure, panels = plt.subplots(1, len(metrics), figsize=(width * MM, HEIGHT * MM), squeeze=False, sharey=True)
    for axes, metric in zip(panels[0], metrics, strict=True):
        _draw_panel(axes, table[table["metric"] == metric], names, subjects)
        axes.set_title(similarity_label(metric), loc="left", size=7)
    panels[0][0].set_ylabel("Winning percentage (%)", size=7)
    entries = [(plt.Line2D([], [], color=marks.colour_of(0), lw=1.6, marker="o", ms=3), "all subjects")]
    if len(subjects) > 1:
        entries += [(marks.subject_mark(i), subject_label(name)) for i, name in enumerate(subjects)]
    entries.append((plt.Line2D([], [], color=INK, lw=0.8, ls=(0, (3, 2))), "no preference"))
    pooled = table[table["subject"] == POOLED]
    counts = ", ".join(str(n) for n in sorted({int(n) for n in pooled["n_images"].dropna()}))
    pairs = len(names) * (len(names) - 1) // 2
    sentences = [
        footnote(bool(settings["simulated"]), False),
        footnote(False, is_true(table["transductive"])),
        f"All {pairs} pairs of {len(names)} sets of layers. Error bars: 95 % CI over images (n = {counts}; t).",
    ]
    return marks.finish(figure, entries, sentences)


def _draw_panel(axes: Axes, table: pd.DataFrame, names: list[str], subjects: list[str]) -> None:
    pooled = table[table["subject"] == POOLED].set_index("layer_set").reindex(names)
    x, mean = np.arange(len(names)), 100 * pooled["value"].to_numpy(dtype=float)
    ends = 100 * np.abs(pooled[["ci_low", "ci_high"]].to_numpy(dtype=float).T - pooled["value"].to_numpy(dtype=float))
    axes.errorbar(
        x, mean, ends, fmt="-o", color=marks.colour_of(0), ecolor=INK, elinewidth=0.9, capsize=2.0, ms=3.2, lw=1.4,
        zorder=4,
    )  # fmt: skip
    single = table[table["subject"].isin(subjects)]
    if len(subjects) > 1:
        places = single["layer_set"].map(dict(zip(names, x, strict=True))).to_numpy(dtype=float)
        marks.draw_subjects(axes, places, single["subject"], 100 * single["value"], subjects, 0.55)
    axes.axhline(50, color=INK, lw=0.8, ls=(0, (3, 2)), zorder=1)
    axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(0, 100)
    axes.set_yticks([0, 25, 50, 75, 100])
    axes.set_xticks(x, names, rotation=45, ha="right", rotation_mode="anchor", size=SMALL)
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.tick_params(axis="x", color=FAINT)


def similarity_label(metric: str) -> str:
    """Return the words for what decides."""
    if metric == "human":
        return metric_label("human_identification")
    if metric in ("pixel_correlation", "ssim"):
        return metric_label(f"{metric.removesuffix('_correlation')}_identification")
    return metric_label(metric.replace("feature_correlation_", "feature_identification_"))
