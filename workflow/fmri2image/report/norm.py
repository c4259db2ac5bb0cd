"""Figure of the norm corrections: what each does to the images of one subject and to the scores of all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fmri2image.core.arrays import read_attributes
from fmri2image.report.sheets import Canvas, first_images, spread
from fmri2image.report.stimuli import shown_images, shown_note
from fmri2image.report.style import (
    BAND,
    CEILING,
    CEILING_LABEL,
    COLOURS,
    FAINT,
    INK,
    MARKERS,
    METRICS,
    MM,
    NOT_SCORED,
    PAGE_WIDTH,
    ceiling_of,
    footnote,
    is_true,
    save,
    subject_label,
)

# In the order of the figure: words, and where the version was published.
VERSIONS = {
    "none": ("No correction", "as decoded"),
    "norm": ("Norm of each pattern", "Shen et al. 2019, text"),
    "norm_layer": ("Norm, one scalar per layer", "Shen et al. 2019, text, read otherwise"),
    "channel_sd": ("SD within channels", "Shen et al. 2019, scripts"),
    "grand_mean_sd": ("SD about the pattern's mean", "cookbook, feature_std"),
    "train_mean_sd": ("SD about the training mean", "cookbook, default"),
}
SCORES = ("pixel_identification", "ssim_identification")
N_IMAGES = 6
CHANCE = "98 % of permutations"
NOTE = "Line: 99th percentile. Numbers: mean over subjects, %. Bold: the primary setting."
LABEL, TILE, TOP, BOTTOM = 44.0, 11.0, 9.5, 14.5  # mm
PANEL_GAP = 4.0  # mm left of a panel
NUMBER = 6.0  # mm right of a panel for its means
LOWEST = 30.0  # per cent at the left of a panel


def draw_norm_correction(
    images: Sequence[str], stimuli: str, table: pd.DataFrame, outputs: Sequence[str], settings: Mapping
) -> None:
    """Draw images by version for one subject, and beside every version the identification of all subjects.

    Parameters
    ----------
    images : sequence of path
        Reconstructions of one subject and test, ``…/<method>/<source>_<test>.h5``, one per version, and of the primary
        method on true features if there are any.
    stimuli : path
    table : DataFrame
        ``identification.tsv``.
    outputs : sequence of path
    settings : mapping
        ``versions`` (method to kind of correction), ``primary`` (``method``, ``roi``), ``test``, ``subject``,
        ``simulated``.
    """
    order = sorted(settings["versions"], key=lambda method: list(VERSIONS).index(settings["versions"][method]))
    seen = shown_images(stimuli)
    names = spread(seen.rows, N_IMAGES)
    rows = [("Seen", "", None, dict(zip(seen.rows, seen.values.clip(0, 1).transpose(0, 2, 3, 1), strict=True)))]
    by_method = {Path(path).parent.name: path for path in images if not Path(path).stem.startswith(CEILING)}
    for method in order:
        rows.append((*VERSIONS[settings["versions"][method]], method, first_images(by_method[method])))
    for path in images:
        if Path(path).stem.startswith(CEILING):
            rows.append((CEILING_LABEL, "ceiling", CEILING, first_images(path)))
    height = TOP + len(rows) * TILE + BOTTOM
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, height * MM))
    canvas = Canvas(figure, PAGE_WIDTH, height)
    primary = settings["primary"]
    heading = f"Norm correction · {primary['roi']}, {settings['test']}, images of {subject_label(settings['subject'])}"
    canvas.text(1.0, 3.0, heading, size=8, weight="bold")
    for number, (label, source, method, pictures) in enumerate(rows):
        y = TOP + number * TILE
        strong = "bold" if method == primary["method"] else "normal"
        shift = 1.6 if source else 0.0
        canvas.text(LABEL - 2.0, y + TILE / 2 - shift, label, ha="right", size=7, weight=strong)
        canvas.text(LABEL - 2.0, y + TILE / 2 + shift, source, ha="right", size=5.8, color=FAINT)
        for column, name in enumerate(names):
            if name in pictures:
                canvas.picture(LABEL + column * TILE, y, 0.96 * TILE, pictures[name])
    mine = table[(table["test"] == settings["test"]) & table["roi"].isin([primary["roi"], CEILING])]
    methods = [method for _, _, method, _ in rows[1:]]
    _draw_scores(canvas, mine, methods, primary["method"], LABEL + len(names) * TILE + PANEL_GAP)
    transductive = is_true(mine.loc[mine["method"].isin(order), "transductive"]) or any(
        str(read_attributes(path).get("transductive")) == "True" for path in images
    )
    canvas.note(footnote(settings["simulated"], transductive, f"{NOTE} {shown_note(stimuli)}".rstrip()))
    save(figure, outputs)


def _draw_scores(canvas: Canvas, table: pd.DataFrame, methods: Sequence[str], primary: str, left: float) -> None:
    """Draw one panel per similarity, level with the lines of images."""
    metrics = [metric for metric in SCORES if metric in set(table["metric"])]
    if not metrics:
        canvas.text(left, TOP + TILE / 2, NOT_SCORED, size=6.5, color=FAINT)
        return
    subjects = sorted(table["subject"].dropna().unique())
    width = (PAGE_WIDTH - left - PANEL_GAP * (len(metrics) - 1)) / len(metrics) - NUMBER
    top, height = TOP + TILE, len(methods) * TILE
    for number, metric in enumerate(metrics):
        x = left + number * (width + NUMBER + PANEL_GAP)
        axes = canvas.figure.add_axes(
            (x / canvas.width, 1 - (top + height) / canvas.height, width / canvas.width, height / canvas.height)
        )
        here = table[table["metric"] == metric]
        for line, method in enumerate(methods):
            if method == CEILING:
                value = ceiling_of(table, primary, str(table["test"].iloc[0]), metric)
                if value is not None:
                    axes.plot(100 * value, line, "D", color=INK, ms=3.5, clip_on=False, zorder=3)
                    _number(axes, line, value)
                continue
            rows = here[(here["method"] == method) & here["subject"].notna()].set_index("subject")
            if rows.empty:
                continue
            low, high = 100 * rows["chance_p01"].min(), 100 * rows["chance_p99"].max()
            axes.barh(line, high - low, 0.62, left=low, color=BAND, zorder=1)
            axes.vlines(high, line - 0.31, line + 0.31, color=FAINT, lw=0.8, zorder=2)
            offsets = 0.36 * (np.arange(len(subjects)) - (len(subjects) - 1) / 2) / max(len(subjects) - 1, 1)
            for place, subject in enumerate(subjects):
                if subject in rows.index:
                    axes.plot(
                        100 * rows.loc[subject, "value"],
                        line + 1.3 * offsets[place],
                        MARKERS[place % len(MARKERS)],
                        color=COLOURS[place % len(COLOURS)],
                        ms=3.2,
                        mew=0,
                        zorder=3,
                    )
            _number(axes, line, rows["value"].mean())
        axes.set_xlim(LOWEST, 102)
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.set_xticks([40, 60, 80, 100])
        axes.tick_params(labelsize=6.5)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_axisbelow(True)
        axes.grid(axis="x", lw=0.4, color="0.92")
        axes.set_xlabel("Identification (%)", size=7, labelpad=1.5)
        axes.set_title(METRICS[metric], loc="left", pad=3)
    handles = [
        plt.Line2D([], [], marker=MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)], ls="", ms=3.2, mew=0)
        for i in range(len(subjects))
    ]
    handles.append(plt.Rectangle((0, 0), 1, 1, color=BAND))
    labels = [*[subject_label(subject) for subject in subjects], CHANCE]
    if CEILING in methods:
        handles.append(plt.Line2D([], [], marker="D", color=INK, ls="", ms=3.5))
        labels.append(CEILING_LABEL)
    canvas.figure.legend(
        handles,
        labels,
        loc="upper left",
        ncols=2,
        fontsize=6,
        handletextpad=0.5,
        columnspacing=1.4,
        labelspacing=0.3,
        bbox_to_anchor=(left / canvas.width, 1 - (TOP - 4.5) / canvas.height),
        borderaxespad=0,
    )


def _number(axes: plt.Axes, line: int, value: float) -> None:
    style = {"size": 6.5, "ha": "left", "va": "center", "transform": axes.get_yaxis_transform()}
    axes.text(1.03, line, f"{100 * value:.0f}", **style)
