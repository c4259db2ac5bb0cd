"""Events of the experiment, in the dialects of OpenNeuro ds001506 (event_type is a number) and ds001246 (a word).

The dialect and the task are recognised from the file's content. Only what the samples need must be good: a corrupt cell
of another column, such as ``stimulus_id`` in one file of ds001506, stops nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError

# Kinds of events after reading.
STIMULUS, REPETITION = "stimulus", "repetition"
CUE, IMAGERY, EVALUATION = "cue", "imagery", "evaluation"
INITIAL_REST, FINAL_REST, INTER_REST = "initial_rest", "final_rest", "inter_rest"
PERCEPTION = "perception"

NUMBERS = {  # ds001506
    PERCEPTION: {1: STIMULUS, 2: REPETITION, -1: INITIAL_REST, -2: FINAL_REST, -3: INTER_REST},
    IMAGERY: {1: CUE, 2: IMAGERY, 3: EVALUATION, 4: INTER_REST, -1: INITIAL_REST, -2: FINAL_REST},
}
WORDS = {  # ds001246; its rests are told apart by their place, its repetitions by the stimulus before
    PERCEPTION: {"stimulus": STIMULUS, "rest": INTER_REST},
    IMAGERY: {
        "cue": CUE, "imagery": IMAGERY, "evaluation": EVALUATION, "inter_rest": INTER_REST, "rest": INTER_REST,
    },
}  # fmt: skip
IMAGERY_COLUMNS = ("evaluation", "category_id", "category_name")
MISSING = ("n/a", "")


def read_events(path: str | Path, imagery_stimuli: Sequence[str] | None = None) -> pd.DataFrame:
    """Read and check an events.tsv.

    Parameters
    ----------
    path : path
    imagery_stimuli : sequence of str, optional
        Names of the imagined stimuli in the order of ``category_index`` (from 1), for imagery runs without a column
        ``stimulus_name``.

    Returns
    -------
    events : DataFrame
        ``event`` (kind: ``stimulus``, ``repetition``, ``cue``, ``imagery``, ``evaluation``, ``initial_rest``,
        ``final_rest``, ``inter_rest``), ``onset`` and ``duration`` in seconds from the start of the scan,
        ``stimulus_name`` (text, None where there is none), ``vividness`` (NaN in perception and without a score), other
        columns as text. Rows are ordered by onset.

    Raises
    ------
    DataError
        If a needed column is missing or a needed cell does not hold what it should; the message gives file, row and
        column.
    """
    events = _read_text(path)
    task = IMAGERY if any(name in events.columns for name in IMAGERY_COLUMNS) else PERCEPTION
    needed = ["onset", "duration", "event_type", *(["evaluation"] if task == IMAGERY else ["stimulus_name"])]
    missing = [name for name in needed if name not in events.columns]
    if missing:
        raise DataError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(events.columns)}; "
            "add or rename it as in the dialect of ds001506 or ds001246."
        )
    for name in ("onset", "duration"):
        events[name] = _numbers(events[name], path)
    events["event"], numbered = _kinds(events["event_type"], task, path)
    events["vividness"] = np.nan
    if task == IMAGERY:
        trial = events["event"].isin([CUE, IMAGERY, EVALUATION])
        events.loc[trial, "vividness"] = _numbers(events.loc[trial, "evaluation"], path, missing=MISSING)
        events["stimulus_name"] = _imagined(events, path, imagery_stimuli, numbered)
    events["stimulus_name"] = events["stimulus_name"].astype(object).where(~events["stimulus_name"].isin(MISSING), None)
    shown = events["event"].isin([STIMULUS, REPETITION, IMAGERY])
    _stop(shown & events["stimulus_name"].isna(), path, "a stimulus block has no stimulus_name; add it.")
    _stop(shown & (events["duration"] <= 0), path, "a stimulus block has no duration; correct the cell.")
    events = events.sort_values("onset", kind="stable").reset_index(drop=True)
    return events if numbered else _complete(events)


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


def _read_text(path: str | Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of tab-separated values ({error}).") from error


def _numbers(cells: pd.Series, path: str | Path, missing: Sequence[str] = ()) -> pd.Series:
    numbers = pd.to_numeric(cells, errors="coerce").astype(float)
    wrong = ~np.isfinite(numbers) & ~cells.isin(missing)
    if wrong.any():
        row = cells.index[wrong][0]
        raise DataError(
            f"{path}, line {row + 2}: '{cells[row]}' in column '{cells.name}' is not a number; correct the cell."
        )
    return numbers


def _stop(wrong: pd.Series, path: str | Path, sentence: str) -> None:
    if wrong.any():
        raise DataError(f"{path}, line {int(np.flatnonzero(wrong)[0]) + 2}: {sentence}")


def _kinds(cells: pd.Series, task: str, path: str | Path) -> tuple[pd.Series, bool]:
    """Return the kind of every event, and whether the file is in the dialect of numbers."""
    numbers = pd.to_numeric(cells, errors="coerce")
    numbered = bool(numbers.notna().mean() > 0.5)
    known = NUMBERS[task] if numbered else WORDS[task]
    kinds = (numbers if numbered else cells).map(known)
    wrong = kinds.isna()
    if wrong.any():
        row = cells.index[wrong][0]
        raise DataError(
            f"{path}, line {row + 2}: '{cells[row]}' in column 'event_type' is unknown; "
            f"{'ds001506' if numbered else 'ds001246'} knows {', '.join(map(str, known))} in {task}."
        )
    return kinds, numbered


def _imagined(
    events: pd.DataFrame, path: str | Path, imagery_stimuli: Sequence[str] | None, numbered: bool
) -> pd.Series:
    """Return the imagined stimulus of every event; in ds001246, whose subjects imagine categories, the category."""
    if imagery_stimuli is None and "stimulus_name" in events.columns:
        return events["stimulus_name"]
    if imagery_stimuli is None and not numbered and "category_name" in events.columns:
        return events["category_name"]
    if imagery_stimuli is None:
        raise DataError(
            f"{path} does not say which stimuli are imagined, and the category names of ds001506 are wrong; give "
            "samples: imagery_stimuli, their names in the order of category_index."
        )
    if "category_index" not in events.columns:
        raise DataError(f"{path} lacks the column category_index, by which samples: imagery_stimuli names stimuli.")
    names = pd.Series(None, index=events.index, dtype=object)
    trial = events["event"] == IMAGERY
    numbers = _numbers(events.loc[trial, "category_index"], path)
    for row, number in numbers.items():
        if not (number.is_integer() and 1 <= number <= len(imagery_stimuli)):
            raise DataError(
                f"{path}, line {row + 2}: category_index is {number:g}, but samples: imagery_stimuli names "
                f"{len(imagery_stimuli)} stimuli."
            )
        names[row] = imagery_stimuli[int(number) - 1]
    return names


def _complete(events: pd.DataFrame) -> pd.DataFrame:
    """Tell rests apart by their place and mark one-back repetitions, the second of two equal stimuli (ds001246)."""
    kinds = events["event"].copy()
    rest = (events["event_type"] == "rest").to_numpy()
    if rest[0]:
        kinds.iloc[0] = INITIAL_REST
    if rest[-1] and len(events) > 1:
        kinds.iloc[-1] = FINAL_REST
    shown = events[events["event"] == STIMULUS]
    again = shown["stimulus_name"] == shown["stimulus_name"].shift()
    kinds[shown.index[again]] = REPETITION
    return events.assign(event=kinds)
