"""The runs of a subject as the quality figures need them: number, name, confounds, share of moved volumes, status."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.tables import framewise_displacement, read_confounds

ENTITY = re.compile(r"(?P<key>ses|task|run)-(?P<value>[A-Za-z0-9]+)")
VERDICTS = {"keep": "ok", "flag": "flagged", "drop": "dropped"}


@dataclass(frozen=True)
class QualityRun:
    """One run.

    Parameters
    ----------
    number : int
        From 1, by stimulus set and session: how figures and tables call the run.
    session, task, run : str
        As in the file name; empty where the name has none.
    confounds : DataFrame
        One row per kept volume (`tables.COLUMNS`).
    """

    number: int
    session: str
    task: str
    run: str
    confounds: pd.DataFrame

    @property
    def displacement(self) -> np.ndarray | None:
        """Framewise displacement in mm (T,), NaN for the first volume; None where the engine gives no motion."""
        if "framewise_displacement" in self.confounds:
            return self.confounds["framewise_displacement"].to_numpy(float)
        if set(PARAMETERS) <= set(self.confounds):
            return framewise_displacement(self.confounds[list(PARAMETERS)].to_numpy())
        return None

    @property
    def dvars(self) -> np.ndarray | None:
        """Standardised DVARS (T,), NaN for the first volume; None where the table has none."""
        return self.confounds["std_dvars"].to_numpy(float) if "std_dvars" in self.confounds else None

    def share_above(self, limit: float) -> float:
        """Return the share of volumes displaced by more than `limit` mm or without a settled estimate; NaN without motion."""
        moved = self.displacement
        if moved is None:
            return np.nan
        above = moved > limit
        if "converged" in self.confounds:
            above |= ~(self.confounds["converged"].fillna(1).to_numpy() > 0)
        return float(above.mean())

    def status(self, motion_limit: Mapping | None) -> str:
        """Return ``ok``, ``flagged`` or ``dropped`` under the setting ``samples.motion_limit``, None for no limit."""
        if motion_limit is None or not self.share_above(motion_limit["displacement"]) > motion_limit["share"]:
            return "ok"
        return VERDICTS[motion_limit["runs"]]


def read_runs(paths: Sequence[str | Path]) -> list[QualityRun]:
    """Read the confounds of all runs of a subject, by stimulus set and session.

    Raises
    ------
    DataError
        If there is no run.
    """
    if not paths:
        raise DataError("No table of confounds was given; a subject without runs has no quality page.")
    runs = []
    for number, path in enumerate(paths, start=1):
        session, task, run = entities(path)
        runs.append(QualityRun(number, session, task, run, read_confounds(path)))
    return runs


def entities(path: str | Path) -> tuple[str, str, str]:
    """Return session, task and run of a BIDS file name, empty where it has none."""
    found = {match["key"]: match["value"] for match in ENTITY.finditer(Path(path).name)}
    return found.get("ses", ""), found.get("task", ""), found.get("run", "")


def match_runs(runs: Sequence[QualityRun], paths: Sequence[str | Path]) -> list[str | Path]:
    """Return the files of the runs, joined by session, task and run.

    Raises
    ------
    DataError
        If a run has no file or a file no run; both are named.
    """
    by_name = {entities(path): path for path in paths}
    names = {(run.session, run.task, run.run): run for run in runs}
    missing = [_words(name) for name in names if name not in by_name]
    extra = [_words(name) for name in by_name if name not in names]
    if missing or extra:
        raise DataError(
            f"Confounds and summaries are not of the same runs: without a summary {shorten(missing) or 'none'}, without "
            f"confounds {shorten(extra) or 'none'}; make both again."
        )
    return [by_name[name] for name in names]


def session_codes(sessions: Sequence[str]) -> dict[str, str]:
    """Return short names for sessions: a letter per kind of session, and the number at the end of the name.

    ``perceptionNaturalImageTraining01`` becomes ``A01``; a kind is the name without its last digits.
    """
    kinds: dict[str, str] = {}
    codes = {}
    for session in dict.fromkeys(sessions):
        kind = session.rstrip("0123456789")
        letter = kinds.setdefault(kind, chr(ord("A") + len(kinds) % 26) * (1 + len(kinds) // 26))
        codes[session] = letter + session[len(kind) :]
    return codes


def _words(name: tuple[str, str, str]) -> str:
    return " ".join(f"{key}-{value}" for key, value in zip(("ses", "task", "run"), name, strict=True) if value)
