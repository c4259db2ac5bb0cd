"""The runs of a subject: what is read of each, what must fit, and the table that says how each fared."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.tables import framewise_displacement, read_confounds
from fmri2image.preprocess.timeseries import TimeSeries, read_timeseries
from fmri2image.samples.events import read_events, set_apart
from fmri2image.samples.settings import DROP, FLAG, KEEP, MotionLimit, SampleSettings

log = logging.getLogger(__name__)

OK, FLAGGED, DROPPED = "ok", "flagged", "dropped"
RUN_COLUMNS = {
    "session": "Session",
    "task": "Task",
    "run": "Run within its session and task",
    "stimulus_set": "Set of images shown or imagined",
    "n_volumes": "Volumes kept after dropping the start of the run",
    "n_discarded": "Volumes dropped at the start of the run",
    "seconds": "Seconds scanned, dropped volumes included",
    "seconds_needed": "Seconds from the start of the scan to the end of the last event",
    "n_trials_kept": "Trials that became samples",
    "n_trials_dropped": "Trials left out; one-back repetitions are not trials and do not count",
    "mean_displacement": "Mean framewise displacement in mm, first volume left out",
    "largest_displacement": "Largest framewise displacement in mm",
    "share_above": "Share of volumes above the limit of motion, or whose motion estimate did not converge",
    "status": "ok, flagged (kept, look at it) or dropped",
    "reason": "Why it is not ok",
    "notes": "What is odd in its events file but stops nothing",
}


@dataclass(frozen=True)
class Run:
    """Files of one preprocessed run and what it is.

    Parameters
    ----------
    series, confounds, events : path
        ``…_desc-areas_timeseries.h5``, ``…_desc-confounds_timeseries.tsv``, ``…_events.tsv``.
    stimulus_set : str
        ``train``, ``test``, ``shapes``, ``letters``, ...
    session : str
    run : int
    task : str
    """

    series: Path
    confounds: Path
    events: Path
    stimulus_set: str
    session: str
    run: int
    task: str = ""


@dataclass(frozen=True)
class Motion:
    """How much the head moved in a run.

    Parameters
    ----------
    displacement : array of shape (T,)
        Framewise displacement in mm: 0 for the first volume, NaN everywhere where the engine gives no motion.
    converged : bool array of shape (T,)
        False where the motion estimate did not settle.
    """

    displacement: np.ndarray
    converged: np.ndarray

    @property
    def known(self) -> bool:
        """Whether the engine gives motion."""
        return bool(np.isfinite(self.displacement).any())

    def above(self, limit: MotionLimit | None) -> np.ndarray:
        """Return which volumes (T,) are above the limit."""
        if limit is None:
            return np.zeros(len(self.displacement), dtype=bool)
        return (self.displacement > limit.displacement) | ~self.converged


@dataclass(frozen=True)
class RunData:
    """What is read of a run."""

    run: Run
    series: TimeSeries
    confounds: pd.DataFrame
    events: pd.DataFrame
    motion: Motion

    @property
    def times(self) -> np.ndarray:
        """Seconds (T,) from the start of the scan to each kept volume."""
        return (self.series.n_discarded + np.arange(len(self.series.signal))) * self.series.repetition_time

    @property
    def seconds(self) -> float:
        """Seconds from the start of the scan to its end."""
        return (self.series.n_discarded + len(self.series.signal)) * self.series.repetition_time

    @property
    def seconds_needed(self) -> float:
        """Seconds from the start of the scan to the end of the last event."""
        return float((self.events["onset"] + self.events["duration"]).max())

    @property
    def too_short(self) -> bool:
        """Whether events end later than the scan by more than a volume."""
        return self.seconds_needed > self.seconds + self.series.repetition_time


def planned_runs(
    plans: Sequence[Mapping], series: Sequence[str], confounds: Sequence[str], events: Sequence[str]
) -> list[Run]:
    """Return the runs that settings plan, each with its files.

    Parameters
    ----------
    plans : sequence of mapping
        ``session``, ``task``, ``run`` and ``stimulus_set``, and ``events`` where raw files have names of their own: the path
        of the run's events file, one of `events`.
    series, confounds, events : sequence of path
        In any order.

    Raises
    ------
    DataError
        If a run has no file.
    """
    return [
        Run(
            *(Path(file_of_run(plan, files, kind)) for kind, files in
              (("series", series), ("confounds", confounds), ("events", events))),
            plan["stimulus_set"], plan["session"], int(plan["run"]), plan["task"],
        )
        for plan in plans
    ]  # fmt: skip


def file_of_run(plan: Mapping, paths: Sequence[str], kind: str) -> str:
    """Return a run's file among those of a subject: the one that its plan names under `kind`, or the one called after it.

    Raises
    ------
    DataError
        If there is none.
    """
    given = plan.get(kind)
    name = f"_ses-{plan['session']}_task-{plan['task']}_run-{plan['run']}_"
    found = [path for path in paths if (str(path) == str(given) if given else name in Path(path).name)]
    if len(found) != 1:
        raise DataError(
            f"{len(found)} of {len(paths)} files are the {kind} of {given or name.strip('_')}; they are {shorten(paths)}."
        )
    return found[0]


def read_run(run: Run, settings: SampleSettings) -> RunData:
    """Read the files of a run and check that they fit each other.

    Raises
    ------
    DataError
        If the confounds have another number of volumes than the signals, or motion shall decide and there is none, or
        events end later than the scan and ``incomplete_trials`` is not ``drop``.
    """
    series = read_timeseries(run.series)
    confounds = read_confounds(run.confounds)
    if len(confounds) != len(series.signal):
        raise DataError(
            f"{run.confounds} has {len(confounds)} rows, but {run.series} has {len(series.signal)} volumes; preprocess "
            "the run again."
        )
    events = set_apart(read_events(run.events, settings.imagery_stimuli), settings.apart)
    data = RunData(run, series, confounds, events, read_motion(confounds))
    limit = settings.motion_limit
    if limit is not None and DROP in (limit.runs, limit.trials) and not data.motion.known:
        raise DataError(
            f"{run.confounds} tells no motion, by which runs or trials shall be dropped; set samples: motion_limit: runs "
            "and trials to keep."
        )
    if data.too_short and settings.incomplete_trials != DROP:
        raise DataError(
            f"{run.events} ends at {data.seconds_needed:g} s, but {run.series} ends at {data.seconds:g} s: the scan was "
            "cut short or the events belong to another run; correct them, or leave out the trials that were not scanned "
            "(samples: incomplete_trials: drop)."
        )
    return data


def read_motion(confounds: pd.DataFrame) -> Motion:
    """Take displacement and convergence from a confounds table; the displacement is computed where only motion is there."""
    n_volumes = len(confounds)
    if "framewise_displacement" in confounds.columns:
        displacement = confounds["framewise_displacement"].to_numpy(dtype=float).copy()
    elif all(name in confounds.columns for name in PARAMETERS):
        displacement = framewise_displacement(confounds[list(PARAMETERS)].to_numpy(dtype=float))
    else:
        displacement = np.full(n_volumes, np.nan)
    if n_volumes > 1 and np.isfinite(displacement[1:]).any():
        displacement[0] = np.nan_to_num(displacement[0])
    converged = np.ones(n_volumes, dtype=bool)
    if "converged" in confounds.columns:
        converged = confounds["converged"].fillna(1).to_numpy() > 0
    return Motion(displacement, converged)


def judge_motion(motion: Motion, limit: MotionLimit | None) -> tuple[str, str]:
    """Return the status of a run, ``ok``, ``flagged`` or ``dropped``, and why."""
    if limit is None or limit.runs == KEEP:
        return OK, ""
    share = float(motion.above(limit).mean())
    if share <= limit.share:
        return OK, ""
    reason = f"motion: {100 * share:.0f}% of volumes above {limit.displacement:g} mm (at most {100 * limit.share:g}%)"
    return (FLAGGED if limit.runs == FLAG else DROPPED), reason


def describe_run(data: RunData, trials: pd.DataFrame, status: str, reason: str, limit: MotionLimit | None) -> dict:
    """Return a run's row of the table of runs, see `RUN_COLUMNS`.

    Parameters
    ----------
    data : RunData
    trials : DataFrame
        From `exclude.exclude_trials`.
    status, reason : str
        From `judge_motion`.
    limit : MotionLimit, optional
    """
    motion, candidates = data.motion, trials["candidate"]
    reasons = [reason] if reason else []
    if data.too_short:
        reasons.append(f"the scan ends at {data.seconds:g} s, the events at {data.seconds_needed:g} s")
    n_kept, n_dropped = int(trials["kept"].sum()), int((candidates & ~trials["kept"]).sum())
    if n_kept == 0 and status != DROPPED:
        status = DROPPED
        reasons.append("no trial is left")
    return {
        "session": data.run.session,
        "task": data.run.task,
        "run": int(data.run.run),
        "stimulus_set": data.run.stimulus_set,
        "n_volumes": len(data.series.signal),
        "n_discarded": data.series.n_discarded,
        "seconds": data.seconds,
        "seconds_needed": data.seconds_needed,
        "n_trials_kept": n_kept,
        "n_trials_dropped": n_dropped,
        "mean_displacement": _largest(motion.displacement[1:], np.mean),
        "largest_displacement": _largest(motion.displacement[1:], np.max),
        "share_above": float(motion.above(limit).mean()) if limit is not None and motion.known else np.nan,
        "status": FLAGGED if reasons and status == OK else status,
        "reason": "; ".join(reasons),
        "notes": "; ".join(data.events.attrs.get("warnings", ())),
    }


def run_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Return the table of runs, with those flagged that are shorter than most runs of the same stimulus set, and log it."""
    table = pd.DataFrame(rows, columns=list(RUN_COLUMNS))
    total = table["n_volumes"] + table["n_discarded"]
    for name, group in total.groupby(table["stimulus_set"], sort=False):
        usual = int(group.mode().max())
        for row in group.index[group < usual]:
            sentence = f"{group[row]} volumes scanned, {usual} in other runs of {name}"
            table.loc[row, "reason"] = "; ".join(filter(None, [table.loc[row, "reason"], sentence]))
            if table.loc[row, "status"] == OK:
                table.loc[row, "status"] = FLAGGED
    for row in table[table["status"] != OK].itertuples():
        log.warning("ses-%s run-%02d %s: %s", row.session, row.run, row.status, row.reason)
    return table


def _largest(values: np.ndarray, summary) -> float:
    values = values[np.isfinite(values)]
    return float(summary(values)) if len(values) else np.nan
