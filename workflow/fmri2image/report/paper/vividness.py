"""S17 Fig of Shen et al. 2019: how vivid subjects found what they imagined, image by image in descending order."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.core.intervals import mean_interval
from fmri2image.core.samples import read_trials
from fmri2image.core.tables import read_table
from fmri2image.evaluate.lures import kinds_of
from fmri2image.report.paper import marks
from fmri2image.report.paper.marks import POOLED
from fmri2image.report.style import FAINT, INK, MM, PAGE_WIDTH, footnote, subject_label

COLUMNS = {
    "subject": "Subject label, pooled for all",
    "stimulus": "Imagined image, or all images of its kind",
    "kind": "shape: artificial; natural",
    "summary": "Whether the row is a mean of all images of its kind",
    "n_trials": "Trials with a score",
    "mean": "Mean score over trials; pooled: of scores z-scored within each subject",
    "ci_low": "Lower end of its 95 % confidence interval over trials (Student's t)",
    "ci_high": "Upper end",
    "simulated": "Whether the data are simulated",
}
KINDS = {"shape": "artificial", "natural": "natural"}
NOTHING = "No imagery trial of these samples has a score of vividness, so there is nothing to draw."
HEIGHT = 40.0  # mm of a panel


def plotted(inputs: Mapping[str, Sequence[str] | str], settings: Mapping) -> pd.DataFrame:
    """Return the mean vividness of every image, and of all artificial and all natural ones.

    Parameters
    ----------
    inputs : mapping
        ``samples``: one file per subject, ``sub-<subject>.h5``; ``stimuli``: table of the stimuli with their kinds.
    settings : mapping
        ``stimulus_set``: that of the imagery test; ``simulated``.

    Returns
    -------
    table : DataFrame with `COLUMNS`
        Subject by subject, then all of them; images in descending order of their mean.
    """
    scores = []
    for path in inputs["samples"]:
        trials = read_trials(path)
        if "vividness" not in trials:
            continue
        trials = trials[(trials["stimulus_set"] == settings["stimulus_set"]) & trials["vividness"].notna()]
        scores.append(trials[["stimulus", "vividness"]].assign(subject=Path(path).stem.removeprefix("sub-")))
    table = pd.concat(scores) if scores else pd.DataFrame(columns=["stimulus", "vividness", "subject"])
    names = list(dict.fromkeys(table["stimulus"]))
    kinds = kinds_of(names, read_table(inputs["stimuli"]), settings["stimulus_set"])["kind"]
    table["kind"] = table["stimulus"].map(kinds)
    table = table[table["kind"].isin(KINDS)]
    parts = [(subject, rows) for subject, rows in table.groupby("subject", sort=True)]
    if len(parts) > 1:
        parts.append((POOLED, pd.concat([_standardised(rows) for _, rows in parts])))
    rows = [row for subject, trials in parts for row in _means(subject, trials)]
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(simulated=settings["simulated"])


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw one panel per subject and one of all of them.

    Returns
    -------
    figure : Figure
    """
    if table.empty:
        return marks.words_only(NOTHING)
    subjects = list(dict.fromkeys(table["subject"]))
    n_bars = int(table.groupby("subject").size().max())
    longest = max(len(short(name)) for name in table.loc[~table["summary"], "stimulus"])
    rows, columns = (len(subjects), 1) if n_bars > 16 else (-(-len(subjects) // 2), min(2, len(subjects)))
    wide = columns * (14.0 + 5.0 * n_bars)
    width = marks.ONE_COLUMN if wide <= marks.ONE_COLUMN else PAGE_WIDTH
    height = (HEIGHT + 1.05 * longest) * rows
    figure, panels = plt.subplots(rows, columns, figsize=(width * MM, height * MM), squeeze=False)
    for axes, subject in zip(panels.ravel(), subjects, strict=False):
        here = table[table["subject"] == subject]
        _draw_panel(axes, here)
        axes.set_title("Pooled" if subject == POOLED else subject_label(subject), loc="left", size=7)
        axes.set_ylabel("Vividness (z)" if subject == POOLED else "Vividness", size=7)
    for axes in panels.ravel()[len(subjects) :]:
        axes.set_axis_off()
    entries = [(marks.patch(marks.colour_of(i)), f"{name} images") for i, name in enumerate(KINDS.values())]
    single = table[~table["summary"]]
    counts = "; ".join(
        f"{'pooled' if subject == POOLED else subject_label(subject)} {_range(rows['n_trials'])}"
        for subject, rows in single.groupby("subject", sort=False)
    )
    sentences = [
        footnote(bool(settings["simulated"]), False),
        f"Error bars: 95 % CI over trials (t). Trials with a score per image: {counts}.",
        "Pooled: z-scores within each subject." if POOLED in subjects else "",
        "Right: all images of a kind together.",
    ]
    return marks.finish(figure, entries, sentences)


def _draw_panel(axes: Axes, table: pd.DataFrame) -> None:
    single, whole = table[~table["summary"]], table[table["summary"]]
    x = np.concatenate([np.arange(len(single)), len(single) + 0.8 + np.arange(len(whole))])
    table = pd.concat([single, whole])
    kinds = list(KINDS)
    mean = table["mean"].to_numpy(dtype=float)
    ends = np.abs(table[["ci_low", "ci_high"]].to_numpy(dtype=float).T - mean)
    axes.bar(x, mean, 0.74, color=[marks.colour_of(kinds.index(kind)) for kind in table["kind"]], alpha=0.85, zorder=2)
    known = np.isfinite(ends).all(axis=0)
    axes.errorbar(
        x[known], mean[known], ends[:, known], fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.5, zorder=3,
    )  # fmt: skip
    axes.axhline(0, color=FAINT, lw=0.6, zorder=1)
    axes.axvline(len(single) - 0.1, color=FAINT, lw=0.5, ls=":", zorder=1)
    axes.set_xticks(x, [short(name) for name in table["stimulus"]], rotation=90, size=6)
    axes.set_xlim(-0.7, x[-1] + 0.7)
    axes.tick_params(axis="x", length=0, pad=1)
    axes.tick_params(axis="y", labelsize=6.5)
    axes.grid(axis="y", lw=0.4, color="0.92", zorder=0)


def short(stimulus: str) -> str:
    """Return the part of a stimulus' name that people read: colour and shape of an artificial one."""
    name = stimulus.split("_", 1)[1] if stimulus.startswith("colorExpStim") else stimulus
    return name.replace("_", " ")


def _standardised(trials: pd.DataFrame) -> pd.DataFrame:
    scores = trials["vividness"]
    spread = scores.std(ddof=1)
    return trials.assign(vividness=(scores - scores.mean()) / spread if spread > 0 else 0.0 * scores)


def _means(subject: str, trials: pd.DataFrame) -> list[dict]:
    """Return the rows of a subject: images in descending order of their mean, then all images of a kind."""
    single = [
        {"stimulus": name, "kind": rows["kind"].iloc[0], "summary": False, **_mean(rows["vividness"])}
        for name, rows in trials.groupby("stimulus", sort=True)
    ]
    single.sort(key=lambda row: -row["mean"])
    whole = [
        {"stimulus": words, "kind": kind, "summary": True, **_mean(trials.loc[trials["kind"] == kind, "vividness"])}
        for kind, words in KINDS.items()
        if (trials["kind"] == kind).any()
    ]
    return [{"subject": subject, **row} for row in [*single, *whole]]


def _mean(scores: pd.Series) -> dict[str, float]:
    mean, ci_low, ci_high = mean_interval(scores.to_numpy())
    return {"n_trials": len(scores), "mean": mean, "ci_low": ci_low, "ci_high": ci_high}


def _range(counts: pd.Series) -> str:
    low, high = int(counts.min()), int(counts.max())
    return f"n = {low}" if low == high else f"n = {low} to {high}"
