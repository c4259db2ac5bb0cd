"""Carpet plots: what every voxel does over the volumes of a run, beneath the run's motion (Power 2017, NeuroImage 154:150)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fmri2image.preprocess.quality_runs import QualityRun, match_runs
from fmri2image.preprocess.quality_style import (
    BLUE,
    INK,
    RED,
    TITLE_HEIGHT,
    WIDTH,
    inches,
    new_figure,
    note,
    note_height,
    note_lines,
    save,
    styled,
    title,
)
from fmri2image.preprocess.summary import AREAS, RunSummary, read_summary

N_SHOWN = 3
BLOCK = 2.5  # inches
LEFT, RIGHT = 0.75, 0.72  # inches


def plot_carpets(
    path: str | Path,
    subject: str,
    runs: Sequence[QualityRun],
    paths: Sequence[str | Path],
    motion_limit: Mapping | None,
    simulated: bool,
) -> None:
    """Draw the carpets of the runs with most motion and of a typical run.

    Parameters
    ----------
    path : path
    subject : str
    runs : sequence of QualityRun
    paths : sequence of path
        Summaries of the runs, in any order.
    motion_limit : mapping, optional
        ``displacement`` (mm).
    simulated : bool
    """
    files = dict(zip([run.number for run in runs], match_runs(runs, paths), strict=True))
    limit = None if motion_limit is None else motion_limit["displacement"]
    chosen = choose_runs(runs, limit)
    summaries = [read_summary(files[run.number]) for run, _ in chosen]
    contrast = max(1.0, round(max(float(np.nanpercentile(np.abs(one.carpet), 95)) for one in summaries)))
    n_rows = max(len(one.carpet) for one in summaries)
    with styled():
        lines = note_lines([f"Rows: up to {n_rows} voxels of a run, linear trend removed."], simulated)
        bottom = note_height(lines)
        figure = new_figure(BLOCK * len(chosen) + bottom + TITLE_HEIGHT)
        for i, ((run, why), summary) in enumerate(zip(chosen, summaries, strict=True)):
            floor = bottom + BLOCK * (len(chosen) - 1 - i)
            _draw_run(figure, floor, run, why, summary, limit, contrast)
        title(figure, f"sub-{subject}: carpets of {len(chosen)} of {len(runs)} run{'s' * (len(runs) > 1)}")
        note(figure, lines)
        save(figure, path)


def choose_runs(runs: Sequence[QualityRun], limit: float | None) -> list[tuple[QualityRun, str]]:
    """Return the runs to show with the reason: most motion first, then the run with the median displacement.

    Without motion, the first, the middle and the last run.
    """
    moved = [run for run in runs if run.displacement is not None]
    if not moved:
        places = sorted({0, len(runs) // 2, len(runs) - 1})
        return [(runs[i], "no estimate of motion") for i in places]
    mean = {run.number: float(np.nanmean(run.displacement)) for run in moved}
    above = {run.number: 0.0 if limit is None else run.share_above(limit) for run in moved}
    ordered = sorted(moved, key=lambda run: (above[run.number], mean[run.number]), reverse=True)
    chosen = [(run, words) for run, words in zip(ordered, ("most motion", "second most motion"), strict=False)]
    by_mean = sorted(moved, key=lambda run: mean[run.number])
    typical = next((run for run in _from_the_middle(by_mean) if run not in [one for one, _ in chosen]), None)
    return chosen + ([(typical, "typical motion")] if typical is not None else [])


def _from_the_middle(ordered: Sequence[QualityRun]) -> list[QualityRun]:
    middle = (len(ordered) - 1) / 2
    return [ordered[i] for i in sorted(range(len(ordered)), key=lambda i: abs(i - middle))]


def _draw_run(
    figure: Figure, floor: float, run: QualityRun, why: str, summary: RunSummary, limit: float | None, contrast: float
) -> None:
    """Draw one run in the `BLOCK` inches above `floor`."""
    width = WIDTH - LEFT - RIGHT
    carpet = inches(figure, LEFT, floor + 0.48, width, 1.15)
    middle = inches(figure, LEFT, floor + 1.71, width, 0.25)
    upper = inches(figure, LEFT, floor + 2.03, width, 0.25)
    for axis in (upper, middle):
        axis.sharex(carpet)
        axis.tick_params(labelbottom=False)
    start = summary.n_discarded * summary.repetition_time
    times = start + summary.repetition_time * np.arange(summary.carpet.shape[1])
    _trace(upper, times, run.displacement, "FD\n(mm)")
    if limit is not None and run.displacement is not None:
        upper.axhline(limit, color=RED, linewidth=0.9, linestyle=(0, (4, 2)))
        upper.set_ylim(0, max(1.3 * limit, 1.05 * np.nanmax(run.displacement)))
    _trace(middle, times, run.dvars, "DVARS\n(std.)")
    half = summary.repetition_time / 2
    image = carpet.imshow(
        summary.carpet, aspect="auto", cmap="gray", vmin=-contrast, vmax=contrast, interpolation="nearest",
        extent=(times[0] - half, times[-1] + half, len(summary.carpet), 0),
    )  # fmt: skip
    n_areas = summary.carpet_groups.count(AREAS)
    n_rows = len(summary.carpet)
    carpet.set_yticks([])
    carpet.spines[:].set_visible(False)
    for first, stop, words, colour in ((0, n_areas, "areas", BLUE), (n_areas, n_rows, "brain", "#E69F00")):
        if stop > first:
            # A coloured edge beside the rows of a group, with its name.
            carpet.plot([-0.006] * 2, [1 - first / n_rows, 1 - stop / n_rows], transform=carpet.transAxes, color=colour,
                        linewidth=3, clip_on=False, solid_capstyle="butt")  # fmt: skip
            carpet.text(-0.014, 1 - (first + stop) / 2 / n_rows, words, transform=carpet.transAxes, rotation=90,
                        ha="right", va="center")  # fmt: skip
    if 0 < n_areas < n_rows:
        carpet.axhline(n_areas, color=RED, linewidth=0.8)
    carpet.set_xlabel("time from the start of the scan (s)", labelpad=1)
    bar = figure.colorbar(image, cax=inches(figure, WIDTH - RIGHT + 0.08, floor + 0.48, 0.1, 1.15), extend="both")
    bar.set_label("change (%)")
    share = np.nan if limit is None else run.share_above(limit)
    moved = "" if np.isnan(share) else f", {100 * share:.1f} % above limit"
    upper.set_title(f"Run {run.number}: {why}")
    upper.set_title(_name(run) + moved, loc="right", fontweight="normal", fontsize=8)


def _trace(axis: Axes, times: np.ndarray, values: np.ndarray | None, label: str) -> None:
    axis.set_ylabel(label, rotation=0, ha="right", va="center")
    axis.yaxis.set_label_coords(-0.055, 0.5)
    if values is None:
        axis.text(0.5, 0.5, "not given", ha="center", va="center", transform=axis.transAxes)
        axis.set_yticks([])
        return
    axis.plot(times[: len(values)], values, color=INK, linewidth=0.7)
    axis.set_ylim(0, 1.05 * np.nanmax(values))


def _name(run: QualityRun) -> str:
    session = run.session if len(run.session) <= 36 else f"{run.session[:26]}…{run.session[-8:]}"
    return ", ".join(words for words in (session, f"run {run.run}" if run.run else "") if words)
