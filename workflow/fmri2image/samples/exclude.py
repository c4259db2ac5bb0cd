"""Which trials of a run become samples, and why the others do not."""

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.samples.blocks import block_volumes
from fmri2image.samples.events import IMAGERY, PERCEPTION, REPETITION, STIMULUS, stimulus_blocks
from fmri2image.samples.runs import RunData
from fmri2image.samples.settings import DROP, SHORTEN, SampleSettings

TRIAL_COLUMNS = {
    "session": "Session",
    "task": "Task",
    "run": "Run within its session and task",
    "stimulus_set": "Set of images shown or imagined",
    "block": "Position in the run, from 1, one-back repetitions counted",
    "stimulus": "Stimulus shown or imagined",
    "kind": "perception or imagery",
    "onset": "Seconds from the start of the scan",
    "duration": "Seconds",
    "kept": "1 where the trial became a sample, or went into one",
    "reason": "Why it did not",
    "n_volumes": "Volumes in its window, shifted by the haemodynamic delay, that were scanned and kept",
    "largest_displacement": "Largest framewise displacement in mm in this window",
}


NOT_WANTED = "left out by name: samples: leave_out"


def exclude_trials(data: RunData, settings: SampleSettings, run_reason: str = "") -> pd.DataFrame:
    """List everything that was shown or imagined in a run, and decide what is kept.

    Parameters
    ----------
    data : RunData
    settings : SampleSettings
    run_reason : str
        Why the whole run is left out; empty where it is not.

    Returns
    -------
    trials : DataFrame
        One row per stimulus, one-back repetition and imagery, in the order of the run: what `stimulus_blocks` gives,
        ``window`` (s that are averaged), ``first`` and ``last`` (the kept volumes of the window, the end excluded, as far
        as they exist), ``n_volumes``, ``largest_displacement`` (mm), ``candidate`` (False for repetitions), ``kept`` and
        ``reason``.

    Raises
    ------
    DataError
        If a trial is incomplete and ``incomplete_trials`` is ``stop``, or has no volume and it is ``shorten``; or if the
        run holds no trial.
    """
    run, series = data.run, data.series
    try:
        blocks = stimulus_blocks(data.events, settings.imagery_start)
    except DataError as error:
        raise DataError(f"{run.events}: {error}") from error
    if blocks.empty:
        raise DataError(f"{run.events} holds no stimulus block and no imagery.")
    trials = _shown(data.events, blocks, run.stimulus_set)
    imagined = trials["kind"] == IMAGERY
    fixed = np.where(imagined, settings.imagery_window or np.nan, settings.window or np.nan)
    trials["window"] = np.where(np.isnan(fixed), trials["duration"], fixed)
    n_volumes, seconds = len(series.signal), series.repetition_time
    starts = trials["averaged_from"].to_numpy(dtype=float) - series.n_discarded * seconds
    first, last = block_volumes(starts, trials["window"].to_numpy(dtype=float), seconds, settings.shift_seconds)
    whole = (first >= 0) & (last <= n_volumes)
    trials["first"], trials["last"] = np.clip(first, 0, n_volumes), np.clip(last, 0, n_volumes)
    trials["n_volumes"] = trials["last"] - trials["first"]
    trials["largest_displacement"] = [
        _largest(data.motion.displacement[a:b]) for a, b in zip(trials["first"], trials["last"], strict=True)
    ]
    trials["reason"] = np.where(trials["candidate"], run_reason, "one-back repetition")
    unwanted = trials["candidate"] & (trials["reason"] == "") & trials["stimulus_name"].isin(list(settings.leave_out))
    trials.loc[unwanted, "reason"] = NOT_WANTED
    _drop_incomplete(trials, whole, data, settings)
    _drop_moved(trials, data, settings)
    trials["kept"] = trials["reason"] == ""
    return trials


def trial_rows(data: RunData, trials: pd.DataFrame) -> pd.DataFrame:
    """Return a run's rows of the table of trials, see `TRIAL_COLUMNS`."""
    table = trials.rename(columns={"stimulus_name": "stimulus"}).assign(
        session=data.run.session,
        task=data.run.task,
        run=int(data.run.run),
        kept=trials["kept"].astype(int),
    )
    return table[list(TRIAL_COLUMNS)]


def check_what_is_left(trials: pd.DataFrame, tested: tuple[str, ...], subject: str) -> None:
    """Check that every stimulus set, and every stimulus that is tested, still has a trial.

    Parameters
    ----------
    trials : DataFrame
        `TRIAL_COLUMNS` of all runs.
    tested : sequence of str
        Stimulus sets that are tested; others, such as training sets, may lose stimuli.
    subject : str

    Raises
    ------
    DataError
        Naming the set or stimuli, why they are gone, and the settings that decide it.
    """
    advice = "relax samples: motion_limit or incomplete_trials, or take them from the study"
    for name, group in trials.groupby("stimulus_set", sort=False):
        shown = group[~group["reason"].isin(["one-back repetition", NOT_WANTED])]
        if not shown["kept"].any():
            raise DataError(
                f"Subject {subject}: all {len(shown)} trials of '{name}' were left out ({_why(shown)}); {advice}."
            )
        if name not in tested:
            continue
        kept = shown.groupby("stimulus", sort=False)["kept"].max()
        gone = list(kept.index[kept == 0])
        if gone:
            reasons = _why(shown[shown["stimulus"].isin(gone)])
            raise DataError(
                f"Subject {subject}: all trials of {shorten(gone)}, which '{name}' tests, were left out ({reasons}); {advice}."
            )


def _shown(events: pd.DataFrame, blocks: pd.DataFrame, stimulus_set: str) -> pd.DataFrame:
    """Return `blocks` and, between them, the repetitions that are none; joined by their position in the run.

    The stimulus set is that of the run, unless the events tell one trial by trial (ds001761).
    """
    shown = events[events["event"].isin([STIMULUS, REPETITION, IMAGERY])].reset_index(drop=True)
    shown["block"] = np.arange(1, len(shown) + 1)
    starts = blocks.set_index("block")["averaged_from"]
    told = (
        shown["stimulus_set"] if "stimulus_set" in shown.columns else pd.Series(None, index=shown.index, dtype=object)
    )
    return shown.assign(
        stimulus_set=told.where(told.notna(), stimulus_set),
        kind=np.where(shown["event"] == IMAGERY, IMAGERY, PERCEPTION),
        candidate=shown["block"].isin(blocks["block"]),
        averaged_from=shown["block"].map(starts).fillna(shown["onset"]).astype(float),
    )


def _drop_incomplete(trials: pd.DataFrame, whole: np.ndarray, data: RunData, settings: SampleSettings) -> None:
    wanted = (trials["reason"] == "").to_numpy()
    empty = (trials["n_volumes"] <= 0).to_numpy()
    refused = wanted & (empty if settings.incomplete_trials == SHORTEN else ~whole)
    if not refused.any():
        return
    if settings.incomplete_trials != DROP:
        trial = trials[refused].iloc[0]
        begin = trial["averaged_from"] + settings.shift_seconds
        raise DataError(
            f"{data.run.events}: the block at {trial['onset']:g} s is averaged from {begin:g} s to "
            f"{begin + trial['window']:g} s, but the kept volumes of {data.run.series} reach from {data.times[0]:g} s to "
            f"{data.seconds:g} s; shorten samples: window, or leave out such trials (samples: incomplete_trials: drop)."
        )
    trials.loc[refused, "reason"] = "incomplete: its window reaches outside the kept volumes"


def _drop_moved(trials: pd.DataFrame, data: RunData, settings: SampleSettings) -> None:
    limit = settings.motion_limit
    if limit is None or limit.trials != DROP:
        return
    moved = data.motion.displacement > limit.displacement
    for row in trials.index[trials["reason"] == ""]:
        window = slice(trials.loc[row, "first"], trials.loc[row, "last"])
        if moved[window].any():
            largest = trials.loc[row, "largest_displacement"]
            trials.loc[row, "reason"] = f"motion: {largest:.2f} mm in its window (at most {limit.displacement:g} mm)"
        elif not data.motion.converged[window].all():
            trials.loc[row, "reason"] = "motion: the estimate did not converge in its window"


def _largest(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(values.max()) if len(values) else np.nan


def _why(trials: pd.DataFrame) -> str:
    return shorten(list(dict.fromkeys(trials["reason"])), 3)
