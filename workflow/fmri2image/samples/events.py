"""Events of the experiment, read from the dialects of `dialects` into one table.

Only what the samples need must be good. A corrupt cell of another column, such as ``stimulus_id`` in one file of
ds001506, stops nothing and is reported.
"""

import csv
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.samples.dialects import (
    CUE,
    EVALUATION,
    FINAL_REST,
    IMAGERY,
    INITIAL_REST,
    MISSING,
    PERCEPTION,
    REPETITION,
    STIMULUS,
    STIMULUS_COLUMNS,
    Dialect,
    kinds,
    numbers,
    recognise,
    stop,
)
from fmri2image.samples.names import stimulus_names, stimulus_sets, vividness

__all__ = [
    "CUE", "EVALUATION", "FINAL_REST", "IMAGERY", "INITIAL_REST", "PERCEPTION", "REPETITION", "STIMULUS",
    "initial_rest", "read_events", "stimulated", "stimulus_blocks",
]  # fmt: skip

# Other columns are taken for numbers where most of their cells are: stimulus_id may be a name in a lab's own files.
NUMERIC = ("response_time", "category_index", "image_index", "evaluation", "oneback")
TOLERANCE = 0.1  # s; clocks of stimulus computers are not exact

log = logging.getLogger(__name__)


def read_events(path: str | Path, imagery_stimuli: Sequence[str] | str | None = None) -> pd.DataFrame:
    """Read and check an events.tsv.

    Parameters
    ----------
    path : path
    imagery_stimuli : sequence of str, or str, optional
        Names of the imagined stimuli in the order of ``category_index`` (from 1), for imagery runs without a column
        ``stimulus_name``; ``"ds001506"`` stands for that dataset's order. ds001761 takes one name, of the imagined face.

    Returns
    -------
    events : DataFrame
        ``event`` (kind: ``stimulus``, ``repetition``, ``cue``, ``imagery``, ``evaluation``, ``initial_rest``,
        ``final_rest``, ``inter_rest``), ``onset`` and ``duration`` in seconds from the start of the scan,
        ``stimulus_name`` (text, None where there is none), ``stimulus_set`` (None where the file does not tell it),
        ``vividness`` (NaN in perception and where the subject pressed no button), other columns as text. Rows are ordered
        by onset. ``events.attrs["warnings"]`` lists, one sentence each, what is odd but stops nothing; it is logged too.
        ``events.attrs["path"]`` is the file.

    Raises
    ------
    DataError
        If a needed column is missing, a needed cell does not hold what it should, or a row has too many or too few cells
        or stands twice; the message gives file, line and column.
    """
    events = _read_cells(path)
    dialect = recognise(events, path)
    for name in ("onset", "duration"):
        events[name] = numbers(events[name], path)
    found = _odd_cells(events, dialect, path)
    if (np.diff(events["onset"]) < 0).any():
        line = events.index[1:][np.diff(events["onset"]) < 0][0]
        found.append(f"{path}, line {line}: the onset is earlier than in the line before; rows were ordered by onset.")
        events = events.sort_values("onset", kind="stable")
    events["event"] = kinds(events, dialect, path)
    events["vividness"] = vividness(events, dialect, path)
    names = stimulus_names(events, dialect, path, imagery_stimuli).astype(object)
    events["stimulus_name"] = names.where(names.notna() & ~names.isin(MISSING), None)
    events["stimulus_set"] = stimulus_sets(events, dialect, path)
    shown = events["event"].isin([STIMULUS, REPETITION, IMAGERY])
    stop(shown & events["stimulus_name"].isna(), path, "a stimulus block has no stimulus_name; add it.")
    stop(shown & (events["duration"] <= 0), path, "a stimulus block has no duration; correct the cell.")
    found += _odd_times(events, dialect, path)
    for sentence in found:
        log.warning("%s", sentence)
    events = events.reset_index(drop=True)
    events.attrs |= {"path": str(path), "warnings": found}
    return events


def set_apart(events: pd.DataFrame, apart: Mapping[str, Sequence[str]] | None) -> pd.DataFrame:
    """Give stimuli that are no images of their run's set a set of their own.

    Shen et al. 2019 (PLOS CB, S16) reconstruct the fixation spot of the imagery runs, of which there is no image.

    Parameters
    ----------
    events : DataFrame
        From `read_events`.
    apart : mapping from stimulus set to names of stimuli, optional

    Returns
    -------
    events : DataFrame
        With ``stimulus_set`` of those stimuli.
    """
    for name, stimuli in (apart or {}).items():
        mine = events["stimulus_name"].isin(list(stimuli))
        events = events.assign(stimulus_set=events["stimulus_set"].astype(object).where(~mine, name))
    return events


def stimulus_blocks(events: pd.DataFrame, start: str = IMAGERY) -> pd.DataFrame:
    """Return the blocks that become samples: stimuli and imagery, without one-back repetitions, as in the lab.

    Parameters
    ----------
    events : DataFrame
        From `read_events`.
    start : {"imagery", "cue"}
        Event at whose onset an imagery block begins. Its duration is that of the imagery all the same.

    Returns
    -------
    blocks : DataFrame
        Columns of `events`, ``block`` (position in the run, from 1, repetitions counted), ``kind`` (``perception`` or
        ``imagery``) and ``averaged_from`` (s, where the block begins).

    Raises
    ------
    DataError
        If blocks shall begin at the cue and one has none.
    """
    shown = events[events["event"].isin([STIMULUS, REPETITION, IMAGERY])].copy()
    shown["block"] = np.arange(1, len(shown) + 1)
    blocks = shown[shown["event"] != REPETITION].copy()
    imagined = blocks["event"] == IMAGERY
    blocks["kind"] = np.where(imagined, IMAGERY, PERCEPTION)
    blocks["averaged_from"] = blocks["onset"]
    if start == CUE and imagined.any():
        before = events.shift().loc[blocks.index[imagined]]
        if (before["event"] != CUE).any():
            onset = blocks.loc[before.index[before["event"] != CUE][0], "onset"]
            raise DataError(f"The imagery at {onset:g} s has no cue before it; set samples: imagery_start to imagery.")
        blocks.loc[imagined, "averaged_from"] = before["onset"]
    return blocks.reset_index(drop=True)


def stimulated(events: pd.DataFrame) -> pd.DataFrame:
    """Return all events that evoke a response: stimuli, their repetitions, cues and imagery."""
    return events[events["event"].isin([STIMULUS, REPETITION, CUE, IMAGERY])]


def initial_rest(events: pd.DataFrame) -> tuple[float, float] | None:
    """Return onset and end in seconds of the initial rest, or None where the run has none."""
    rest = events[events["event"] == INITIAL_REST]
    if rest.empty:
        return None
    return float(rest["onset"].iloc[0]), float(rest["onset"].iloc[0] + rest["duration"].iloc[0])


def _read_cells(path: str | Path) -> pd.DataFrame:
    """Return the cells as text without blanks around them; the index gives lines of the file."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} is not a table of tab-separated values ({error}).") from error
    if not lines:
        raise DataError(f"{path} is not a table of tab-separated values (it is empty).")
    header, rows = lines[0][1], lines[1:]
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise DataError(f"{path} has the column '{twice[0]}' more than once; rename or drop one.")
    if not rows:
        raise DataError(f"{path} holds no event.")
    seen: dict[tuple[str, ...], int] = {}
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(row)} cell(s) where the header has {len(header)} columns; the file may be cut "
                "short or hold a stray tab."
            )
        first = seen.setdefault(tuple(row), line)
        if first != line:
            raise DataError(f"{path}, line {line} repeats line {first}; drop one of them.")
    return pd.DataFrame([row for _, row in rows], columns=header, index=[line for line, _ in rows], dtype=object)


def _odd_cells(events: pd.DataFrame, dialect: Dialect, path: str | Path) -> list[str]:
    """Name cells that are not numbers in columns of numbers; those that are needed have been checked or will be."""
    found = []
    texts = ["onset", "duration", dialect.column, "stimulus_pattern", "stimulus_set", *STIMULUS_COLUMNS]
    for name in events.columns.difference(texts, sort=False):
        given = [(line, cell) for line, cell in zip(events.index, events[name], strict=True) if cell not in MISSING]
        wrong = [(line, cell) for line, cell in given if not _is_number(cell)]
        if wrong and (name in NUMERIC or len(wrong) < len(given) / 2):
            line, cell = wrong[0]
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            found.append(f"{path}, line {line}: '{cell}'{more} in column '{name}' is not a number, as it should be.")
    return found


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _odd_times(events: pd.DataFrame, dialect: Dialect, path: str | Path) -> list[str]:
    """Name events that overlap, gaps where the dialect has none, and a missing final rest."""
    found = []
    onset, end = events["onset"].to_numpy(), (events["onset"] + events["duration"]).to_numpy()
    early = np.flatnonzero(onset[1:] < end[:-1] - TOLERANCE)
    if early.size:
        at = early[0]
        found.append(
            f"{path}, line {events.index[at + 1]}: the event at {onset[at + 1]:g} s begins before the one at "
            f"{onset[at]:g} s ends, at {end[at]:g} s; {early.size} event(s) overlap."
        )
    gaps = np.flatnonzero(onset[1:] > end[:-1] + TOLERANCE) if dialect.tiles else np.array([], dtype=int)
    if gaps.size:
        at = gaps[0]
        found.append(
            f"{path}, line {events.index[at + 1]}: nothing is listed from {end[at]:g} to {onset[at + 1]:g} s, where "
            f"{dialect.name} has no gaps ({gaps.size} in all); rows may be missing."
        )
    if dialect.tiles and events["event"].iloc[-1] != FINAL_REST:
        found.append(f"{path}, line {events.index[-1]}: the last event is no final rest; the last rows may be missing.")
    return found
