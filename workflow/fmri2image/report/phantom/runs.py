"""Runs as graphs: what is shown, what one voxel should do, what the scanner stores of it, and how the head moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from PIL import Image

from fmri2image.acquire.phantom.events import block_weights, response_blocks, with_cue
from fmri2image.core.arrays import LabelledArray, read_array
from fmri2image.core.geometry import grid_centre, rigid_parameters
from fmri2image.preprocess.images import open_image
from fmri2image.report.phantom.files import Truth, axes_at, save_figure, write_at, write_note
from fmri2image.report.style import BAND, FAINT, INK, MM, PAGE_WIDTH
from fmri2image.samples.events import CUE, EVALUATION, IMAGERY, REPETITION, STIMULUS, read_events, stimulus_blocks

EVENT_COLOURS = {
    STIMULUS: "#56B4E9", REPETITION: "#D55E00", CUE: "#CC79A7", IMAGERY: "#009E73", EVALUATION: "#E69F00",
}  # fmt: skip
EVENT_WORDS = {
    STIMULUS: "stimulus", REPETITION: "one-back repetition", CUE: "cue", IMAGERY: "imagery (height: vividness, 1 to 5)",
    EVALUATION: "evaluation",
}  # fmt: skip
AXIS_COLOURS = ("#0072B2", "#D55E00", "#009E73")
# Where the example voxel lies: cortex that answers well to what is seen, and to what is imagined.
AREAS = {"perception": "V1", "imagery": "LOC"}
FINE_STEP = 0.5  # s
LEFT, WIDE, PICTURE, RUN_HEIGHT, HEAD, FOOT = 17.0, 160.0, 7.5, 88.0, 4.0, 5.0  # mm


@dataclass(frozen=True)
class Run:
    """A run and one voxel in it; times in seconds from the start.

    Parameters
    ----------
    events, blocks : DataFrame
        All events, and the blocks that become samples.
    signal : array of shape (n_steps, 2)
        Time, and noise-free signal change in per cent.
    trials : array of shape (n_blocks,)
        True response of each of `blocks`, per cent.
    bold : array of shape (n_volumes, 2)
        Start of the volume, and the stored value.
    motion : array of shape (n_volumes, 6)
        Pose relative to the first volume: mm and degrees.
    """

    events: pd.DataFrame
    blocks: pd.DataFrame
    signal: np.ndarray
    trials: np.ndarray
    bold: np.ndarray
    motion: np.ndarray


def read_run(truth: Truth, run: Mapping, events: str, bold: str, voxel: int) -> Run:
    """Collect what is drawn of a run.

    Parameters
    ----------
    truth : Truth
    run : mapping
        ``session``, ``run``, ``stimulus_set``.
    events, bold : path
        Raw files of the run.
    voxel : int
        Position among the responding voxels.
    """
    name = f"ses-{run['session']}_run-{run['run']}"
    table = read_events(events)
    poses, trials = truth.array(f"pose_{name}").values, truth.array(f"trials_{name}")
    blocks = stimulus_blocks(table)
    rows = [f"block-{number}" for number in blocks["block"]]
    image = open_image(bold)
    step = truth.settings["repetition_time"]
    starts = np.arange(image.shape[3]) * step
    # The voxel of the raw image that shows this place of the brain in the middle of the run.
    where = np.linalg.inv(image.affine) @ poses[len(poses) // 2] @ np.append(truth.places[voxel], 1)
    i, j, k = np.clip(np.round(where[:3]), 0, np.array(image.shape[:3]) - 1).astype(int)
    relative = rigid_parameters(poses @ np.linalg.inv(poses[0]), grid_centre(tuple(truth.shape), truth.affine))
    times = np.arange(0, starts[-1] + step, FINE_STEP)
    return Run(
        events=table,
        blocks=blocks,
        signal=np.column_stack([times, noise_free(truth, run["stimulus_set"], table, times, voxel)]),
        trials=trials.take(rows).values[:, voxel].astype(float),
        bold=np.column_stack([starts, np.asarray(image.dataobj[i, j, k], dtype=float)]),
        motion=np.hstack([relative[:, :3], np.rad2deg(relative[:, 3:])]),
    )


def noise_free(truth: Truth, stimulus_set: str, events: pd.DataFrame, times: np.ndarray, voxel: int) -> np.ndarray:
    """Return the signal change of a voxel in per cent, (n_times,), without its deviation from trial to trial.

    Parameters
    ----------
    truth : Truth
    stimulus_set : str
    events : DataFrame
        From `samples.events.read_events`.
    times : array of shape (n_times,)
        Seconds from the start of the run.
    voxel : int
    """
    blocks = response_blocks(events.assign(evaluation=events["vividness"]))
    response = truth.array(f"response_{stimulus_set}").values[voxel]
    known = pd.DataFrame({voxel: response}, index=truth.array(f"stimulus_{stimulus_set}").rows)
    selective = with_cue(known).loc[blocks["stimulus_name"], voxel].to_numpy()
    weight = block_weights(blocks, truth.part[[voxel]], truth.settings)
    weight = np.broadcast_to(weight, (len(blocks), 1))[:, 0] * blocks["amplitude"].to_numpy(dtype=float)
    height = weight * (truth.level["response_mean"][voxel] + truth.level["response_deviation"][voxel] * selective)
    course = truth.array("block_response")
    since = times[:, None] - blocks["onset"].to_numpy()
    design = _course(course, since) - _course(course, since - blocks["duration"].to_numpy())
    return design @ height


def draw_runs(
    truth: Truth,
    runs: Sequence[Mapping],
    events: Mapping[str, str],
    bold: Mapping[str, str],
    stimuli: Mapping[str, str],
    outputs: Sequence[str],
) -> dict[str, Run]:
    """Draw runs below each other: events with their pictures, noise-free signal, raw BOLD and motion.

    Parameters
    ----------
    truth : Truth
    runs : sequence of mapping
        ``session``, ``task``, ``run``, ``stimulus_set``.
    events, bold : dict from ``ses-<session>_task-<task>_run-<run>`` to path
    stimuli : dict from stimulus set to path
    outputs : sequence of path

    Returns
    -------
    drawn : dict from the name of the run, as above, to Run
    """
    height = len(runs) * RUN_HEIGHT + FOOT
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, height * MM))
    drawn = {}
    for number, run in enumerate(runs):
        name, area = run_name(run), AREAS[run["task"]]
        voxel = truth.example_voxel(area, run["stimulus_set"])
        drawn[name] = read_run(truth, run, events[name], bold[name], voxel)
        pictures = read_array(stimuli[run["stimulus_set"]], "images")
        title = f"{run['stimulus_set']}: ses-{run['session']}, run-{run['run']}, a voxel of {area}"
        _draw_run(figure, number, drawn[name], pictures, title)
    write_note(
        figure,
        f"Subject {truth.subject}. Of the best tenth of the area (noise ceiling), the voxel that sees nearest to the middle.",
    )
    save_figure(figure, outputs, palette=Image.Quantize.MEDIANCUT)
    return drawn


def run_name(run: Mapping) -> str:
    """Return the name of a run as its files bear it."""
    return f"ses-{run['session']}_task-{run['task']}_run-{run['run']}"


def _draw_run(figure: plt.Figure, number: int, run: Run, pictures: LabelledArray, title: str) -> None:
    top = number * RUN_HEIGHT + HEAD

    def panel(start: float, tall: float) -> Axes:
        axes = axes_at(figure, LEFT, top + start, WIDE, tall)
        axes.set_xlim(0, run.signal[-1, 0])
        return axes

    write_at(figure, 1.0, top - 1.0, "abcdef"[number], size=9, weight="bold")
    write_at(figure, LEFT, top - 1.0, title, size=8, weight="bold")
    _pictures(panel(2.0, PICTURE), run, pictures)
    _events(panel(10.0, 5.0), run.events)
    panels = [panel(20.0, 18.0), panel(40.0, 18.0), panel(62.5, 14.0)]
    for axes in panels:
        for row in run.events.itertuples():
            if row.event in EVENT_COLOURS and row.event != EVALUATION:
                axes.axvspan(row.onset, row.onset + row.duration, color=EVENT_COLOURS[row.event], alpha=0.13, lw=0)
    _signal(panels[0], run)
    panels[1].plot(*run.bold.T, color=INK, lw=0.7)
    _words(panels[1], "raw BOLD", "stored value")
    for axis, colour in enumerate(AXIS_COLOURS):
        panels[2].plot(run.bold[:, 0], run.motion[:, axis], color=colour, lw=0.9, label=f"{'xyz'[axis]} (mm)")
        about = f"about {'xyz'[axis]} (°)"
        panels[2].plot(run.bold[:, 0], run.motion[:, axis + 3], color=colour, lw=0.9, ls=(0, (3, 1.2)), label=about)
    _words(panels[2], "true motion", "since volume 1")
    panels[2].legend(ncols=6, fontsize=5.5, loc="lower left", bbox_to_anchor=(0, 1.01), borderpad=0, handlelength=1.6,
                     columnspacing=1.0)  # fmt: skip
    panels[2].set_xlabel("seconds", size=6.5, labelpad=1)
    for axes in panels[:2]:
        axes.tick_params(labelbottom=False)


def _pictures(axes: Axes, run: Run, pictures: LabelledArray) -> None:
    """Draw the image of every block above it, as wide as there is room."""
    image_of = dict(zip(pictures.rows, pictures.values, strict=True))
    blocks = run.events[run.events["event"].isin([STIMULUS, REPETITION, IMAGERY])]
    shown = [image_of[name] for name in blocks["stimulus_name"]]
    middle = (blocks["onset"] + blocks["duration"] / 2).to_numpy()
    seconds, spacing = run.signal[-1, 0], np.diff(middle).min() if len(middle) > 1 else np.inf
    side = min(0.94 * spacing, seconds * PICTURE / WIDE)
    share = side / seconds * WIDE / PICTURE
    for centre, image in zip(middle, shown, strict=True):
        axes.imshow(
            image, extent=(centre - side / 2, centre + side / 2, 0, share), aspect="auto", interpolation="nearest"
        )
    axes.set_xlim(0, seconds)
    axes.set_ylim(0, 1)
    axes.set_axis_off()


def _events(axes: Axes, events: pd.DataFrame) -> None:
    axes.axhspan(0, 1, color=BAND, alpha=0.5, lw=0)
    for row in events.itertuples():
        if row.event in EVENT_COLOURS:
            tall = row.vividness / 5 if row.event == IMAGERY else 1.0
            axes.bar(row.onset, tall, row.duration, align="edge", color=EVENT_COLOURS[row.event], lw=0)
        if row.event == IMAGERY:
            axes.text(row.onset + row.duration / 2, 0.06, f"{row.vividness:.0f}", size=5.5, ha="center", color="white")
    axes.set_ylim(0, 1)
    axes.set_axis_off()
    present = [kind for kind in EVENT_COLOURS if kind in set(events["event"])]
    handles = [Patch(color=EVENT_COLOURS[kind], label=EVENT_WORDS[kind]) for kind in present]
    handles.append(Patch(color=BAND, label="rest"))
    axes.legend(handles=handles, ncols=len(handles), fontsize=6, loc="upper left", bbox_to_anchor=(0, 0.0), borderpad=0,
                handlelength=1.0, columnspacing=1.2)  # fmt: skip
    axes.text(-0.012, 0.5, "events", transform=axes.transAxes, ha="right", va="center", size=6.5)


def _signal(axes: Axes, run: Run) -> None:
    axes.axhline(0, color=FAINT, lw=0.4)
    axes.plot(*run.signal.T, color="#0072B2", lw=1.0, label="noise-free signal")
    ends = run.blocks["onset"] + run.blocks["duration"]
    axes.hlines(run.trials, run.blocks["onset"], ends, color="#D55E00", lw=1.2, label="true response of each block")
    axes.legend(ncols=2, fontsize=6, loc="lower right", bbox_to_anchor=(1, 1.01), borderpad=0, handlelength=1.4)
    _words(axes, "signal", "% change")


def _words(axes: Axes, first: str, second: str) -> None:
    axes.set_ylabel(f"{first}\n({second})", size=6.5, labelpad=2)
    axes.yaxis.set_label_coords(-0.052, 0.5)
    axes.tick_params(labelsize=6)
    axes.locator_params(axis="y", nbins=4)


def _course(course: LabelledArray, since: np.ndarray) -> np.ndarray:
    seconds = np.array([float(row) for row in course.rows])
    return np.interp(since, seconds, course.values)
