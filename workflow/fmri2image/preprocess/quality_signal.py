"""Temporal signal-to-noise ratio: of every run by area as a table, of all runs as a map; runs are read one at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.core.errors import DataError
from fmri2image.preprocess.images import same_grid
from fmri2image.preprocess.quality_motion import name_sessions, number_runs, session_blocks, session_key
from fmri2image.preprocess.quality_runs import QualityRun, match_runs
from fmri2image.preprocess.quality_slices import Box, Grid, Row, draw_rows, mosaic_height, spread
from fmri2image.preprocess.quality_style import (
    BAND,
    BLUE,
    INK,
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
from fmri2image.preprocess.summary import read_summary

BRAIN = "brain"
SHARES = {"tsnr_p05": 5, "tsnr_p25": 25, "tsnr_median": 50, "tsnr_p75": 75, "tsnr_p95": 95}
SIGNAL_COLUMNS = {
    "number": "number of the run in the figures, from 1 by stimulus set and session",
    "session": "session",
    "task": "task",
    "run": "run within the session",
    "area": "area, or brain: the brain mask of the reference EPI",
    "n_voxels": "voxels of the area",
    "n_covered": "voxels of the area with a signal in every volume of the run",
    **{
        name: f"{'median' if share == 50 else f'percentile {share}'} over covered voxels of the temporal signal-to-noise "
        "ratio: mean over time by standard deviation after a linear trend is removed"
        for name, share in SHARES.items()
    },
}


@dataclass(frozen=True)
class SubjectSignal:
    """Mean images over the runs of a subject, and the table of `SIGNAL_COLUMNS`.

    Parameters
    ----------
    mean : array of shape (X, Y, Z)
        Mean EPI over runs.
    tsnr : array of shape (X, Y, Z)
        Mean over runs of tSNR, 0 where no run has a signal.
    table : DataFrame
        One row per run and area.
    """

    mean: np.ndarray
    tsnr: np.ndarray
    table: pd.DataFrame


def subject_signal(
    runs: Sequence[QualityRun],
    paths: Sequence[str | Path],
    brain: np.ndarray,
    areas: Mapping[str, np.ndarray],
    affine: np.ndarray,
) -> SubjectSignal:
    """Read the summaries of all runs, one at a time.

    Parameters
    ----------
    runs : sequence of QualityRun
    paths : sequence of path
        Summaries, in any order.
    brain : bool array of shape (X, Y, Z)
    areas : mapping of str to bool array of shape (X, Y, Z)
    affine : array of shape (4, 4)
        Of brain and areas.

    Raises
    ------
    DataError
        If runs and files do not match, or a summary lies on another grid.
    """
    total, tsnr_total, counts = (np.zeros(brain.shape, dtype=np.float64) for _ in range(3))
    rows = []
    for run, path in zip(runs, match_runs(runs, paths), strict=True):
        summary = read_summary(path)
        if not same_grid(summary.mean.shape, summary.affine, brain.shape, affine):
            raise DataError(
                f"{path} lies on another grid ({summary.mean.shape} voxels) than the brain mask ({brain.shape}); delete it "
                "and run the workflow again."
            )
        covered = summary.deviation > 0
        tsnr = np.divide(summary.mean, summary.deviation, out=np.zeros_like(summary.mean), where=covered)
        total += summary.mean
        tsnr_total += tsnr
        counts += covered
        for name, mask in {BRAIN: brain, **areas}.items():
            values = tsnr[mask & covered]
            shares = np.percentile(values, list(SHARES.values())) if values.size else np.full(len(SHARES), np.nan)
            rows.append(
                {
                    "number": run.number, "session": run.session, "task": run.task, "run": run.run, "area": name,
                    "n_voxels": int(mask.sum()), "n_covered": len(values),
                    **dict(zip(SHARES, shares.round(3), strict=True)),
                }
            )  # fmt: skip
    counts = np.maximum(counts, 1)
    return SubjectSignal(total / counts, tsnr_total / counts, pd.DataFrame(rows, columns=list(SIGNAL_COLUMNS)))


def plot_signal(
    path: str | Path,
    subject: str,
    signal: SubjectSignal,
    runs: Sequence[QualityRun],
    brain: np.ndarray,
    affine: np.ndarray,
    simulated: bool,
) -> None:
    """Draw the map of tSNR, and its distribution by area and by run.

    Parameters
    ----------
    path : path
    subject : str
    signal : SubjectSignal
    runs : sequence of QualityRun
    brain : bool array of shape (X, Y, Z)
    affine : array of shape (4, 4)
        Of the images.
    simulated : bool
    """
    grid = Grid.of(brain.shape, affine)
    inside = grid.turn(brain) & (grid.turn(signal.tsnr) > 0)
    if not inside.any():
        raise DataError(f"sub-{subject}: no voxel of the brain mask has a signal; check the coregistration.")
    box = Box.around(inside)
    slices = spread(box.first[2] + 2, box.stop[2] - 2, 10)
    half = (len(slices) + 1) // 2
    rows = [Row("axial", slices[:half]), *([Row("axial", slices[half:])] if slices[half:] else [])]
    map_width = WIDTH - 0.75
    height = mosaic_height(grid, box, rows, map_width)
    n_areas = signal.table["area"].nunique()
    lower = max(1.9, 0.5 + 0.17 * n_areas)
    run_width = WIDTH - 3.15
    with styled():
        key = session_key(runs, np.arange(len(runs) + 1), run_width)
        lines = note_lines(
            ["Lines: 5th to 95th percentile of voxels; bars: quartiles; marks: medians.", *key], simulated
        )
        floor = note_height(lines) + 0.42
        bottom = floor + lower + 0.2
        figure = new_figure(bottom + height + TITLE_HEIGHT)
        tsnr = np.where(inside, grid.turn(signal.tsnr), np.nan)
        top = float(np.nanpercentile(tsnr, 99))
        for tile in draw_rows(figure, grid, box, rows, bottom, width=map_width):
            shown = tile.image(tsnr, cmap="viridis", vmin=0, vmax=top)
        bar = inches(figure, map_width + 0.12, bottom + 0.1, 0.12, height - 0.4)
        figure.colorbar(shown, cax=bar, extend="max")
        bar.set_title("tSNR", fontsize=8, fontweight="normal", loc="center")
        words = len(max(signal.table["area"], key=len)) * 0.075
        left = 0.25 + words
        _by_area(inches(figure, left, floor, 2.45 - left, lower - 0.2), signal.table)
        _by_run(inches(figure, 3.05, floor, run_width, lower - 0.2), signal.table, runs, run_width)
        plural = "s" * (len(runs) > 1)
        title(figure, f"sub-{subject}: temporal signal-to-noise ratio (tSNR), map: mean of {len(runs)} run{plural}")
        note(figure, lines)
        save(figure, path)


def _by_area(axis: Axes, table: pd.DataFrame) -> None:
    """Draw a box per area: medians over runs of the percentiles over voxels."""
    middle = table.groupby("area", sort=False)[list(SHARES)].median()
    _boxes(axis, middle)
    axis.set_yticks(range(len(middle)), middle.index)
    axis.set_ylim(len(middle) - 0.4, -0.6)
    axis.set_xlim(0, 1.05 * np.nanmax(middle["tsnr_p95"]))
    axis.set_xlabel("tSNR of voxels, by area")


def _boxes(axis: Axes, shares: pd.DataFrame) -> None:
    at = np.arange(len(shares))
    axis.hlines(at, shares["tsnr_p05"], shares["tsnr_p95"], color=BLUE, linewidth=0.8)
    axis.hlines(at, shares["tsnr_p25"], shares["tsnr_p75"], color=BLUE, linewidth=5, alpha=0.45)
    axis.plot(shares["tsnr_median"], at, "|", color=INK, markersize=6, markeredgewidth=1.4)


def _by_run(axis: Axes, table: pd.DataFrame, runs: Sequence[QualityRun], width: float) -> None:
    """Draw the percentiles over brain voxels of every run."""
    brain = table[table["area"] == BRAIN].set_index("number").loc[[run.number for run in runs]]
    edges = np.arange(len(runs) + 1, dtype=float)
    middle = edges[:-1] + 0.5
    wide = 4.0 if len(runs) <= 40 else 1.6
    axis.vlines(middle, brain["tsnr_p05"], brain["tsnr_p95"], color=BLUE, linewidth=0.8 if wide > 2 else 0.5)
    axis.vlines(middle, brain["tsnr_p25"], brain["tsnr_p75"], color=BLUE, linewidth=wide, alpha=0.45)
    axis.plot(middle, brain["tsnr_median"], "_", color=INK, markersize=wide + 1, markeredgewidth=1.2)
    for number, (_, start, stop) in enumerate(session_blocks(runs, edges)):
        if number % 2:
            axis.axvspan(start, stop, color=BAND, linewidth=0, zorder=-3)
    name_sessions(axis, runs, edges, width)
    number_runs(axis, runs, edges, width)
    axis.set_xlim(0, len(runs))
    axis.set_ylim(0, 1.05 * np.nanmax(brain["tsnr_p95"]))
    axis.set_ylabel("tSNR of brain voxels")
