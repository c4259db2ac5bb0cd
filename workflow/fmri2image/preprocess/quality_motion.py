"""Figure of head motion: translation, rotation, framewise displacement and DVARS of all runs; share of moved volumes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.quality_runs import QualityRun, session_codes
from fmri2image.preprocess.quality_style import (
    BAND,
    BLUE,
    FAINT,
    GREEN,
    INK,
    RED,
    TITLE_HEIGHT,
    new_figure,
    note,
    note_height,
    note_lines,
    save,
    styled,
    title,
)

MARK = {
    "flagged": ("#F3C9A5", "above the motion limit, kept"),
    "dropped": ("#E58F5B", "above the motion limit, dropped"),
}
BINS = 6000  # at most this many points across; more volumes are summarised by mean and maximum
BINNED = "One point: {} volumes, mean in colour or black, largest value in grey."
AXES_WIDTH = 5.6  # inches
ROOM = 0.17  # inches from one number to the next
PANEL, NARROW = 1.05, 0.85  # inches


def plot_motion(
    path: str | Path, subject: str, runs: Sequence[QualityRun], motion_limit: Mapping | None, simulated: bool
) -> None:
    """Draw motion over the volumes of all runs, sessions as blocks, runs above the motion limit shaded.

    Parameters
    ----------
    path : path
    subject : str
    runs : sequence of QualityRun
        By stimulus set and session.
    motion_limit : mapping, optional
        ``displacement`` (mm), ``share`` (of a run's volumes), ``runs`` (``keep``, ``flag`` or ``drop``).
    simulated : bool
    """
    panels = _panels(runs, motion_limit)
    heights = [NARROW if name in ("share", "none") else PANEL for name in panels]
    edges = np.concatenate([[0], np.cumsum([len(run.confounds) for run in runs])])
    n_bins = max(1, int(np.ceil(edges[-1] / BINS)))
    marked = _legend(runs, motion_limit)
    with styled():
        lines = note_lines(session_key(runs, edges) + [BINNED.format(n_bins)] * (n_bins > 1), simulated)
        bottom, top = note_height(lines), TITLE_HEIGHT + 0.16 * len(marked)
        figure = new_figure(sum(heights) + 0.9 + bottom + top, layout="constrained")
        height = figure.get_figheight()
        figure.get_layout_engine().set(rect=(0, bottom / height, 1, 1 - (bottom + top) / height))
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        for axis, name in zip(axes, panels, strict=True):
            DRAW[name](axis, runs, edges, n_bins, motion_limit)
            _mark_blocks(axis, runs, edges, motion_limit)
            axis.set_xlim(0, edges[-1])
        figure.align_ylabels(axes)
        name_sessions(axes[0], runs, edges)
        number_runs(axes[-1], runs, edges)
        plural = "s" * (len(runs) > 1)
        title(figure, f"sub-{subject}: head motion in {len(runs)} run{plural}, {edges[-1]:,} volumes")
        if marked:
            figure.legend(handles=marked, loc="upper left", bbox_to_anchor=(0, 1 - 0.26 / height), handlelength=1.2,
                          borderaxespad=0.1, borderpad=0.1)  # fmt: skip
        note(figure, lines)
        save(figure, path)


def _panels(runs: Sequence[QualityRun], limit: Mapping | None) -> list[str]:
    """Return what the runs hold: an engine may give neither motion nor DVARS."""
    panels = []
    if all(set(PARAMETERS) <= set(run.confounds) for run in runs):
        panels += ["translation", "rotation"]
    if any(run.displacement is not None for run in runs):
        panels += ["displacement"]
    if any(run.dvars is not None for run in runs):
        panels += ["dvars"]
    if limit is not None and any(run.displacement is not None for run in runs):
        panels += ["share"]
    return panels or ["none"]


def _translation(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, n_bins: int, limit: Mapping | None) -> None:
    _parameters(axis, runs, edges, n_bins, PARAMETERS[:3], 1.0)
    axis.set_ylabel("translation\n(mm)")


def _rotation(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, n_bins: int, limit: Mapping | None) -> None:
    _parameters(axis, runs, edges, n_bins, PARAMETERS[3:], 180 / np.pi)
    axis.set_ylabel("rotation\n(degrees)")


def _parameters(
    axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, n_bins: int, names: Sequence[str], factor: float
) -> None:
    for name, colour in zip(names, (BLUE, RED, GREEN), strict=True):
        at, value = [], []
        for run, start in zip(runs, edges, strict=False):
            middle, mean, _ = binned(run.confounds[name].to_numpy(float) * factor, n_bins)
            # A gap between two runs: the volumes between them are not there.
            at += [start + middle, [np.nan]]
            value += [mean, [np.nan]]
        axis.plot(np.concatenate(at), np.concatenate(value), color=colour, linewidth=0.8, label=name[-1])
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=1.0, borderaxespad=0.3)


def _displacement(
    axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, n_bins: int, limit: Mapping | None
) -> None:
    _spikes(axis, [run.displacement for run in runs], edges, n_bins)
    if limit is not None:
        _limit_line(axis, limit["displacement"], f"{limit['displacement']:g} mm")
        axis.set_ylim(0, max(1.3 * limit["displacement"], axis.get_ylim()[1]))
    axis.set_ylabel("framewise\ndisplacement\n(mm)")


def _dvars(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, n_bins: int, limit: Mapping | None) -> None:
    _spikes(axis, [run.dvars for run in runs], edges, n_bins)
    axis.set_ylim(0, axis.get_ylim()[1])
    axis.set_ylabel("DVARS\n(standardised)")


def _spikes(axis: Axes, values: Sequence[np.ndarray | None], edges: np.ndarray, n_bins: int) -> None:
    """Draw what matters by its peaks: the largest value of each bin in grey below the mean in black."""
    for value, start in zip(values, edges, strict=False):
        if value is not None:
            middle, mean, most = binned(value, n_bins)
            if n_bins > 1:
                axis.vlines(start + middle, mean, most, color=FAINT, linewidth=0.5)
            axis.plot(start + middle, mean, color=INK, linewidth=0.6)
    top = np.nanmax(np.concatenate([value for value in values if value is not None]))
    axis.set_ylim(0, 1.06 * top)


def _share(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, n_bins: int, limit: Mapping | None) -> None:
    shares = 100 * np.array([run.share_above(limit["displacement"]) for run in runs])
    widths = np.diff(edges)
    axis.bar(edges[:-1] + widths / 2, shares, width=0.7 * widths, color=BLUE, linewidth=0)
    _limit_line(axis, 100 * limit["share"], f"{100 * limit['share']:g} %")
    axis.set_ylim(0, max(130 * limit["share"], 1.1 * np.nanmax(shares, initial=0)))
    axis.set_ylabel("volumes\nabove limit\n(% of run)")


def _limit_line(axis: Axes, at: float, words: str) -> None:
    axis.axhline(at, color=RED, linewidth=0.9, linestyle=(0, (4, 2)), zorder=3)
    place = {"xycoords": ("axes fraction", "data"), "annotation_clip": False}
    axis.annotate(f" limit\n {words}", (1.0, at), va="center", color=RED, **place)


def _none(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, n_bins: int, limit: Mapping | None) -> None:
    axis.text(0.5, 0.5, "These runs came without estimates of motion and without DVARS.", ha="center", va="center",
              transform=axis.transAxes)  # fmt: skip
    axis.set_yticks([])


DRAW = {
    "translation": _translation,
    "rotation": _rotation,
    "displacement": _displacement,
    "dvars": _dvars,
    "share": _share,
    "none": _none,
}


def binned(values: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Summarise a run in bins of `size` volumes.

    Parameters
    ----------
    values : array of shape (T,)
        May hold NaN.
    size : int

    Returns
    -------
    middle, mean, most : arrays of shape (ceil(T / size),)
        Middle of each bin in volumes from the start of the run; mean and largest value, NaN where all are NaN.
    """
    n = len(values)
    padded = np.full(int(np.ceil(n / size)) * size, np.nan)
    padded[:n] = values
    blocks = np.ma.masked_invalid(padded.reshape(-1, size))
    starts = size * np.arange(len(blocks))
    middle = (starts + np.minimum(starts + size, n)) / 2
    return middle, blocks.mean(axis=1).filled(np.nan), blocks.max(axis=1).filled(np.nan)


def name_sessions(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, width: float = AXES_WIDTH) -> None:
    """Write the names of sessions above their blocks, or short names (`session_key`) where those do not fit.

    Parameters
    ----------
    axis : Axes
    runs : sequence of QualityRun
    edges : array of shape (R + 1,)
        Where runs begin, and the end of the last one.
    width : float
        Of the axes, inches.
    """
    short = bool(session_key(runs, edges, width))
    codes = session_codes([run.session for run in runs])
    previous = ""
    for name, start, stop in session_blocks(runs, edges):
        text, letter = codes[name] if short else name, codes[name].rstrip("0123456789")
        if len(text) + 1 > _letters(
            stop - start, edges, width
        ):  # the letter stands at the first session of its kind only
            text = letter if letter != previous else ""
        previous = letter
        axis.annotate(text, ((start + stop) / 2, 1.03), xycoords=("data", "axes fraction"), ha="center", va="bottom")


def session_key(runs: Sequence[QualityRun], edges: np.ndarray, width: float = AXES_WIDTH) -> list[str]:
    """Return a sentence that explains the short names of sessions, or nothing where the names themselves fit."""
    if all(len(name) + 1 <= _letters(stop - start, edges, width) for name, start, stop in session_blocks(runs, edges)):
        return []
    codes = session_codes([run.session for run in runs])
    kinds = {code.rstrip("0123456789"): name.rstrip("0123456789") for name, code in codes.items()}
    return ["Sessions: " + ", ".join(f"{letter}\u00a0{name}" for letter, name in kinds.items()) + "."]


def _letters(length: float, edges: np.ndarray, width: float) -> float:
    """Return how many letters of 8 points, about 0.066 inches wide, fit above a block."""
    return length / edges[-1] * width / 0.066


def number_runs(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, width: float = AXES_WIDTH) -> None:
    """Put the numbers of runs below their middle: every one, or every fifth, tenth, … where they would touch."""
    per_run = width / len(runs)
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1000) if step * per_run > ROOM)
    middle = edges[:-1] + np.diff(edges) / 2
    shown: list[int] = []
    for i, run in enumerate(runs):
        far = not shown or (middle[i] - middle[shown[-1]]) / edges[-1] * width > ROOM
        if (run.number == 1 or run.number % step == 0) and far:
            shown.append(i)
    axis.set_xticks(middle[shown], [runs[i].number for i in shown])
    axis.set_xlabel("run, by stimulus set and session")


def session_blocks(runs: Sequence[QualityRun], edges: np.ndarray) -> list[tuple[str, float, float]]:
    """Return session, begin and end of every stretch of runs of one session."""
    first = [i for i in range(len(runs)) if i == 0 or runs[i].session != runs[i - 1].session]
    return [(runs[i].session, edges[i], edges[j]) for i, j in zip(first, [*first[1:], len(runs)], strict=True)]


def _mark_blocks(axis: Axes, runs: Sequence[QualityRun], edges: np.ndarray, limit: Mapping | None) -> None:
    for number, (_, start, stop) in enumerate(session_blocks(runs, edges)):
        if number % 2:
            axis.axvspan(start, stop, color=BAND, linewidth=0, zorder=-3)
    if len(runs) <= 40:
        for edge in edges[1:-1]:
            axis.axvline(edge, color="#d0d0d0", linewidth=0.5, zorder=-1)
    for run, start, stop in zip(runs, edges, edges[1:], strict=False):
        status = run.status(limit)
        if status != "ok":
            axis.axvspan(start, stop, color=MARK[status][0], linewidth=0, zorder=-2)


def _legend(runs: Sequence[QualityRun], limit: Mapping | None) -> list[Patch]:
    present = {run.status(limit) for run in runs}
    return [
        Patch(color=colour, label=f"{words}: run {_numbers(runs, limit, name)}")
        for name, (colour, words) in MARK.items()
        if name in present
    ]


def _numbers(runs: Sequence[QualityRun], limit: Mapping | None, status: str) -> str:
    numbers = [str(run.number) for run in runs if run.status(limit) == status]
    return ", ".join(numbers[:12]) + (f", … ({len(numbers)} in all)" if len(numbers) > 12 else "")
