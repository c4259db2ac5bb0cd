"""Figure 4B of Shen et al. 2019 (end to end): quality of reconstructions against the number of training samples."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.core.tables import read_table
from fmri2image.report.paper import marks
from fmri2image.report.paper.marks import POOLED, SMALL
from fmri2image.report.style import BAND, INK, MM, PAGE_WIDTH, footnote, is_true, metric_label, subject_label

COLUMNS = {
    "metric": "Metric of scores.tsv",
    "samples": "Training samples (trials) of the model",
    "subject": "Subject label, pooled for all",
    "method": "Named setting of a method",
    "roi": "Visual area that was decoded",
    "test": "Test of the configuration",
    "n": "Images (times subjects, where pooled) that enter the mean",
    "mean": "Mean over images, as a fraction",
    "ci_low": "Lower end of its 95 % confidence interval over images (Student's t)",
    "ci_high": "Upper end",
    "chance": "Mean of the permutation distribution",
    "chance_p01": "Its 1st percentile, pooled: the lowest of the subjects",
    "chance_p99": "Its 99th percentile, pooled: the highest of the subjects",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
FOUND = ("method", "roi", "test", "n", "mean", "ci_low", "ci_high", "chance", "transductive", "simulated")
NOTHING = "No model of these sizes was scored, so there is nothing to draw."
HEIGHT = 42.0  # mm of a panel
MOST_PANELS = 3  # side by side


def plotted(inputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Return the numbers of the figure, metric by metric, from few to many samples.

    Parameters
    ----------
    inputs : mapping
        ``statistics`` and ``identification``: tables of the study.
    settings : mapping
        ``sizes``: from words to {``method``, ``samples``}; ``metrics``; ``subjects``; ``roi``; ``test``.

    Returns
    -------
    table : DataFrame with `COLUMNS`
        Sizes without a mean in ``statistics`` are left out.
    """
    chosen = {"roi": settings["roi"], "test": settings["test"]}
    means = _here(read_table(inputs["statistics"], subject=str), chosen)
    means = means[means["analysis"] == "mean"].drop_duplicates(["method", "metric", "subject"])
    permuted = _here(read_table(inputs["identification"], subject=str), chosen)
    by_key = means.set_index(["method", "metric", "subject"])
    rows = []
    for metric in settings["metrics"]:
        for one in sorted(settings["sizes"].values(), key=lambda one: one["samples"]):
            mine = permuted[(permuted["method"] == one["method"]) & (permuted["metric"] == metric)]
            for subject in (POOLED, *settings["subjects"]):
                key = (one["method"], metric, subject)
                if key not in by_key.index:
                    continue
                about = {"method": one["method"], **by_key.loc[key].to_dict()}
                own = mine if subject == POOLED else mine[mine["subject"] == subject]
                rows.append(
                    {
                        **{name: about[name] for name in FOUND},
                        "metric": metric,
                        "samples": one["samples"],
                        "subject": subject,
                        "chance_p01": own["chance_p01"].min(),
                        "chance_p99": own["chance_p99"].max(),
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw one panel per metric: the mean of all subjects with its interval, subjects as marks, the band of chance.

    Returns
    -------
    figure : Figure
    """
    if table.empty:
        return marks.words_only(NOTHING)
    metrics = [name for name in settings["metrics"] if (table["metric"] == name).any()]
    subjects = [name for name in settings["subjects"] if (table["subject"] == name).any()]
    columns = 2 if len(metrics) == 4 else min(len(metrics), MOST_PANELS)
    lines = -(-len(metrics) // columns)
    width = (marks.ONE_COLUMN, 130.0, PAGE_WIDTH)[columns - 1]
    figure, panels = plt.subplots(
        lines, columns, figsize=(width * MM, lines * HEIGHT * MM), squeeze=False, sharey=True
    )  # fmt: skip
    lowest = 100 * table[["mean", "ci_low", "chance_p01"]].min().min()
    for number, axes in enumerate(panels.ravel()):
        if number >= len(metrics):
            axes.set_axis_off()
            continue
        here = table[table["metric"] == metrics[number]]
        _draw_panel(axes, here, subjects, marks.colour_of(number))
        axes.set_title(metric_label(metrics[number]), loc="left", size=7)
        if number % columns == 0:
            axes.set_ylabel("Correct identification (%)", size=7)
        if number + columns >= len(metrics):
            axes.set_xlabel("Training samples (log\N{SUBSCRIPT TWO} axis)", size=7)
    panels[0][0].set_ylim(min(40.0, lowest - 3.0), 102)
    several = len(subjects) > 1
    line = plt.Line2D([], [], color=INK, lw=1.4, marker="o", ms=3)
    entries = [(line, "all subjects" if several else subject_label(subjects[0]) if subjects else "mean")]
    if several:
        entries += [(marks.subject_mark(i), subject_label(name)) for i, name in enumerate(subjects)]
    if table["chance_p01"].notna().any():
        entries.append((marks.patch(BAND), marks.CHANCE))
    counts = ", ".join(str(n) for n in sorted({int(n) for n in table.loc[table["subject"] == POOLED, "n"]}))
    sentences = [
        footnote(bool(settings["simulated"]), False),
        footnote(False, is_true(table["transductive"])),
        f"Error bars: 95 % CI over images{' of all subjects' if several else ''} (n = {counts}; t).",
        "Chance band: widest of the subjects." if several else "",
    ]
    return marks.finish(figure, entries, sentences)


def _here(table: pd.DataFrame, chosen: Mapping[str, str]) -> pd.DataFrame:
    for name, value in chosen.items():
        table = table[table[name] == value]
    return table


def _draw_panel(axes: Axes, table: pd.DataFrame, subjects: list[str], colour: str) -> None:
    pooled = table[table["subject"] == POOLED].sort_values("samples")
    samples, mean = pooled["samples"].to_numpy(dtype=float), 100 * pooled["mean"].to_numpy(dtype=float)
    low, high = (100 * pooled[name].to_numpy(dtype=float) for name in ("ci_low", "ci_high"))
    band = 100 * pooled[["chance_p01", "chance_p99"]].to_numpy(dtype=float)
    known = np.isfinite(band).all(axis=1)
    axes.fill_between(samples[known], band[known, 0], band[known, 1], color=BAND, lw=0, zorder=1)
    axes.plot(samples, 100 * pooled["chance"].to_numpy(dtype=float), color=INK, lw=0.8, ls=(0, (3, 2)), zorder=2)
    axes.errorbar(
        samples, mean, np.array([mean - low, high - mean]), fmt="-o", color=colour, ecolor=INK, elinewidth=0.9,
        capsize=2.0, ms=3.2, lw=1.4, zorder=4,
    )  # fmt: skip
    single = table[table["subject"].isin(subjects)]
    if len(subjects) > 1:
        # Marks stand beside each other around their place on the logarithmic axis.
        exponents = np.log2(single["samples"].to_numpy(dtype=float))
        order = {name: i - (len(subjects) - 1) / 2 for i, name in enumerate(subjects)}
        shifted = 2 ** (exponents + 0.2 * single["subject"].map(order).to_numpy(dtype=float))
        marks.draw_subjects(axes, shifted, single["subject"], 100 * single["mean"], subjects, 0.0, 2.2)
    axes.set_xscale("log", base=2)
    axes.set_xlim(samples.min() / 2**0.45, samples.max() * 2**0.45)
    axes.set_xticks(
        samples, [f"{int(n):,}" for n in samples], size=SMALL, rotation=45, ha="right", rotation_mode="anchor"
    )
    axes.minorticks_off()
    axes.set_yticks([50, 75, 100])
    axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)
    axes.tick_params(axis="y", labelsize=SMALL)
