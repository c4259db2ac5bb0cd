"""Assembly of one subject's samples from preprocessed runs, one run in memory at a time."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.core.samples import Samples
from fmri2image.preprocess.images import (
    DISCARDED,
    open_image,
    read_sidecar,
    read_volumes,
    repetition_time,
    same_grid,
    sidecar_path,
)
from fmri2image.preprocess.masks import RoiMasks
from fmri2image.preprocess.tables import read_motion
from fmri2image.samples.blocks import average_blocks
from fmri2image.samples.events import IMAGERY, initial_rest, read_events, stimulated, stimulus_blocks
from fmri2image.samples.nuisance import (
    clip_outliers,
    nuisance_regressors,
    percent_signal_change,
    regress_out,
    rest_level,
    task_response,
)
from fmri2image.samples.rois import voxel_table


@dataclass(frozen=True)
class SampleSettings:
    """Settings of the samples, in the order in which they apply (Shen et al. 2019, PLOS Comput. Biol.).

    Parameters
    ----------
    linear_trend, motion_regression : bool
        Whether the trend and the six motion parameters are regressed out.
    high_pass : float, optional
        Drifts of this and longer periods, in seconds, are regressed out, fitted beside the task's response; None leaves
        them, as the paper does.
    percent_signal : bool
        Whether signals become per cent change from the level at rest.
    baseline : {"initial_rest", "model"}
        That level: the mean over the initial rest (the paper), or the intercept beside the task's response.
    despike_threshold : float, optional
        Signals are bounded to this many standard deviations per run; None leaves them.
    shift_seconds : float
        Haemodynamic delay.
    window : float, optional
        Seconds averaged per block; None takes the event's duration.
    imagery_start : {"imagery", "cue"}
        Event at whose onset, shifted, the average of an imagery trial begins.
    imagery_window : float, optional
        Seconds averaged per imagery trial; None takes the duration of the imagery. The paper averages all 16 s of the
        trial: ``imagery_start="cue"`` and ``imagery_window=16``.
    imagery_stimuli : list of str, optional
        Names of the imagined stimuli, see `events.read_events`.
    """

    linear_trend: bool = True
    motion_regression: bool = True
    high_pass: float | None = None
    percent_signal: bool = True
    baseline: str = "initial_rest"
    despike_threshold: float | None = 3.0
    shift_seconds: float = 4.0
    window: float | None = None
    imagery_start: str = "imagery"
    imagery_window: float | None = None
    imagery_stimuli: list[str] | None = None


@dataclass(frozen=True)
class Run:
    """Files of one preprocessed run and what it is.

    Parameters
    ----------
    bold, motion, events : path
        ``…_space-T1w_desc-preproc_bold.nii.gz`` with its sidecar, ``…_desc-confounds_timeseries.tsv``, ``…_events.tsv``.
    stimulus_set : str
        ``train``, ``test``, ``shapes``, ``letters``, ...
    session : str
    run : int
    """

    bold: Path
    motion: Path
    events: Path
    stimulus_set: str
    session: str
    run: int


def build_samples(
    runs: Sequence[Run],
    masks: RoiMasks,
    subject: str,
    simulated: bool,
    settings: SampleSettings | None = None,
) -> Samples:
    """Turn the runs of one subject into samples, one row per stimulus block.

    Parameters
    ----------
    runs : sequence of Run
    masks : RoiMasks
        With unions; on the grid of the BOLD files.
    subject : str
    simulated : bool
        Goes into the header of the samples.
    settings : SampleSettings, optional

    Returns
    -------
    samples : Samples
        Voxels that some run did not see are left out; their number is the attribute ``n_voxels_without_signal``.

    Raises
    ------
    DataError
        If files of a run do not fit each other or the masks, or an area loses all its voxels.
    """
    settings = settings or SampleSettings()
    if not runs:
        raise DataError(f"Subject {subject} has no run to make samples from.")
    voxels = voxel_table(masks)
    index = tuple(voxels[[f"voxel_{axis}" for axis in "ijk"]].to_numpy().T)
    responses, tables = [], []
    seen = np.ones(len(voxels), dtype=bool)
    for run in runs:
        means, table, visible = _run_samples(run, masks, index, settings)
        responses.append(means.astype(np.float32))
        tables.append(table)
        seen &= visible
    lost = [
        column[4:] for column in voxels.columns if column.startswith("ROI_") and not (voxels[column] == 1)[seen].any()
    ]
    if lost:
        raise DataError(
            f"Subject {subject}: no voxel of {', '.join(lost)} was inside the field of view in every run; check the "
            "coregistration, or leave out the run that misses it."
        )
    attributes = {
        "subject": subject,
        "simulated": bool(simulated),
        "units": "per cent signal change" if settings.percent_signal else "scanner units",
        "settings": json.dumps(asdict(settings)),
        "n_voxels_without_signal": int((~seen).sum()),
    }
    return Samples(
        np.concatenate(responses)[:, seen],
        pd.concat(tables, ignore_index=True),
        voxels[seen].reset_index(drop=True),
        attributes,
    )


def clean_signal(
    signal: np.ndarray,
    motion: np.ndarray,
    rest: np.ndarray | None,
    response: np.ndarray,
    seconds: float,
    settings: SampleSettings,
) -> np.ndarray:
    """Apply the cleaning steps that `settings` asks for to a run.

    Parameters
    ----------
    signal : array of shape (T, V)
    motion : array of shape (T, 6)
    rest : bool array of shape (T,), or None where it gives no baseline
        Volumes of the initial rest.
    response : array of shape (T,)
        The task's response, see `nuisance.task_response`.
    seconds : float
        Repetition time.
    settings : SampleSettings

    Returns
    -------
    clean : array of shape (T, V)
    """
    regressors = nuisance_regressors(
        len(signal),
        motion if settings.motion_regression else None,
        settings.linear_trend,
        None if settings.high_pass is None else settings.high_pass / seconds,
    )
    signal = regress_out(signal, regressors, None if settings.high_pass is None else response)
    if settings.percent_signal:
        signal = percent_signal_change(
            signal, rest_level(signal, response) if rest is None else signal[rest].mean(axis=0)
        )
    if settings.despike_threshold is not None:
        signal = clip_outliers(signal, settings.despike_threshold)
    return signal


def _run_samples(
    run: Run, masks: RoiMasks, index: tuple[np.ndarray, ...], settings: SampleSettings
) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Return block means (B, V), the trial table of a run, and which voxels it saw (V,)."""
    image = open_image(run.bold)
    if not same_grid(image.shape, image.affine, masks.shape, masks.affine):
        raise DataError(
            f"{run.bold} ({tuple(image.shape[:3])} voxels) and the ROI masks ({tuple(masks.shape)} voxels) lie on "
            "different grids: shape or affine differ; preprocess again with these masks."
        )
    seconds = repetition_time(run.bold)
    discarded = read_sidecar(run.bold).get(DISCARDED)
    if not isinstance(discarded, int):
        raise DataError(f"{sidecar_path(run.bold)} does not say {DISCARDED}; preprocess the run again.")
    signal = np.stack([volume[index] for volume in read_volumes(run.bold)])
    motion = read_motion(run.motion)
    if len(motion) != len(signal):
        raise DataError(f"{run.motion} has {len(motion)} rows, but {run.bold} has {len(signal)} volumes.")
    events = read_events(run.events, settings.imagery_stimuli)
    end, last = (discarded + len(signal)) * seconds, float((events["onset"] + events["duration"]).max())
    if last > end + seconds:
        raise DataError(f"{run.events} ends at {last:g} s, but {run.bold} ends at {end:g} s; the scan is cut short.")
    try:
        blocks = stimulus_blocks(events, settings.imagery_start)
    except DataError as error:
        raise DataError(f"{run.events}: {error}") from error
    if blocks.empty:
        raise DataError(f"{run.events} holds no stimulus block and no imagery.")

    times = (discarded + np.arange(len(signal))) * seconds
    resting = None
    if settings.percent_signal and settings.baseline == "initial_rest":
        rest = initial_rest(events)
        resting = np.zeros(len(signal), dtype=bool) if rest is None else (times >= rest[0]) & (times < rest[1] - 1e-6)
        if not resting.any():
            raise DataError(
                f"{run.events}: no kept volume lies in an initial rest, which per cent signal change needs; "
                "set samples: baseline: model, switch percent_signal off or drop fewer volumes."
            )
    shown = stimulated(events)
    response = task_response(shown["onset"].to_numpy(), shown["duration"].to_numpy(), times)
    visible = np.all(np.isfinite(signal), axis=0) & (np.mean(signal, axis=0) > 0)
    clean = clean_signal(signal, motion[list(PARAMETERS)].to_numpy(), resting, response, seconds, settings)
    starts = blocks["averaged_from"].to_numpy() - discarded * seconds
    imagined = blocks["kind"] == IMAGERY
    fixed = np.where(imagined, settings.imagery_window or np.nan, settings.window or np.nan)
    windows = np.where(np.isnan(fixed), blocks["duration"], fixed)
    try:
        means, n_volumes = average_blocks(clean, starts, windows, seconds, settings.shift_seconds)
    except DataError as error:
        raise DataError(f"{run.events}: {error}") from error
    visible &= np.all(np.isfinite(means), axis=0)
    table = pd.DataFrame(
        {
            "stimulus": blocks["stimulus_name"].astype(str),
            "stimulus_set": run.stimulus_set,
            "session": run.session,
            "run": int(run.run),
            "block": blocks["block"],
            "onset": blocks["onset"],
            "duration": blocks["duration"],
            "n_volumes": n_volumes,
            "kind": blocks["kind"],
            "vividness": blocks["vividness"],
        }
    )
    return means, table, visible
