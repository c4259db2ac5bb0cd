"""Events of the experiment in the dialect of OpenNeuro ds001506 (event_type is a number)."""

from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError

STIMULUS, REPETITION, INITIAL_REST, FINAL_REST, INTER_TRIAL_REST = 1, 2, -1, -2, -3
EVENT_TYPES = (STIMULUS, REPETITION, INITIAL_REST, FINAL_REST, INTER_TRIAL_REST)

REQUIRED_NUMBERS = ("onset", "duration", "event_type")
OPTIONAL_NUMBERS = ("category_index", "image_index", "response_time")
MISSING = ("n/a", "")


def read_events(path: str | Path) -> pd.DataFrame:
    """Read and check an events.tsv.

    Parameters
    ----------
    path : path

    Returns
    -------
    events : DataFrame
        ``onset`` and ``duration`` in seconds from the start of the scan, ``event_type`` int, ``stimulus_name`` and
        ``stimulus_id`` text (None where there is none), other columns as they are. Rows are ordered by onset.

    Raises
    ------
    DataError
        If a column is missing or a cell does not hold what it should; the message gives file, row and column.
    """
    try:
        events = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of tab-separated values ({error}).") from error
    missing = [name for name in (*REQUIRED_NUMBERS, "stimulus_name") if name not in events.columns]
    if missing:
        raise DataError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(events.columns)}. "
            "The events must follow the dialect of ds001506."
        )
    for name in REQUIRED_NUMBERS + OPTIONAL_NUMBERS:
        if name in events.columns:
            events[name] = _numbers(events[name], path, required=name in REQUIRED_NUMBERS)
    for name in ("stimulus_name", "stimulus_id"):
        if name in events.columns:
            events[name] = events[name].astype(object).where(~events[name].isin(MISSING), None)
    _check_rows(events, path)
    events["event_type"] = events["event_type"].astype(int)
    return events.sort_values("onset", kind="stable").reset_index(drop=True)


def stimulus_blocks(events: pd.DataFrame) -> pd.DataFrame:
    """Return the stimulus blocks (event_type 1); one-back repetitions (2) are left out, as the lab leaves them out.

    The column ``block`` is the position in the run, from 1, repetitions counted.
    """
    shown = events[events["event_type"].isin([STIMULUS, REPETITION])].copy()
    shown["block"] = np.arange(1, len(shown) + 1)
    return shown[shown["event_type"] == STIMULUS].reset_index(drop=True)


def initial_rest(events: pd.DataFrame) -> tuple[float, float] | None:
    """Return onset and end in seconds of the initial rest, or None where the run has none."""
    rest = events[events["event_type"] == INITIAL_REST]
    if rest.empty:
        return None
    return float(rest["onset"].iloc[0]), float(rest["onset"].iloc[0] + rest["duration"].iloc[0])


def _numbers(cells: pd.Series, path: str | Path, required: bool) -> pd.Series:
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    wrong = ~np.isfinite(numbers) & (required | ~cells.isin(MISSING))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{path}, line {row + 2}: '{cells.iloc[row]}' in column '{cells.name}' is not a number; correct the cell."
        )
    return numbers


def _check_rows(events: pd.DataFrame, path: str | Path) -> None:
    def stop(wrong: pd.Series, sentence: str) -> None:
        if wrong.any():
            raise DataError(f"{path}, line {int(np.flatnonzero(wrong)[0]) + 2}: {sentence}")

    known = ", ".join(str(code) for code in EVENT_TYPES)
    stop(~events["event_type"].isin(EVENT_TYPES), f"unknown event_type; ds001506 knows {known}.")
    shown = events["event_type"].isin([STIMULUS, REPETITION])
    stop(shown & events["stimulus_name"].isna(), "a stimulus block has no stimulus_name.")
    stop(shown & (events["duration"] <= 0), "a stimulus block has no duration.")
