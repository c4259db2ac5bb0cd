"""What the words and numbers of the public events files mean: ds001506, ds001246 and ds001761 of OpenNeuro.

The dialect and the task are recognised from the file's content, never from its name. What is odd in the real files, and
what is made of it here (``docs/events.md`` counts it):

ds001506
    ``event_type`` is a number; one-back repetitions have a number of their own. Imagery files name 26 wrong categories;
    only ``category_index`` tells what was imagined (`names.IMAGERY_ORDERS`).
ds001246
    ``event_type`` is a word; the second of two equal stimuli in a row is a one-back repetition, which nothing marks.
ds001761
    Columns are ``trial_type``, ``stim_file`` and ``oneback``, not ``stimulus`` and ``one_back`` as its README says; types
    are ``Fix`` and ``Img`` in runs of faces, and padded with blanks (``fix   ``) in localizers. Faces are single events of
    1 s every 3 s, a run begins at 6 s without an initial rest, training, test and imagery lie in the same run, and
    imagery does not say which face. A test face lies in one folder per run under the same file name; no two subjects
    share a file name.

In both Kamitani datasets an imagery trial without a button press holds a score all the same (ds001246: always 1, where
answers are mostly 3 to 5). Nobody gave it, and it is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError

# Kinds of events after reading.
STIMULUS, REPETITION = "stimulus", "repetition"
CUE, IMAGERY, EVALUATION = "cue", "imagery", "evaluation"
INITIAL_REST, FINAL_REST, INTER_REST = "initial_rest", "final_rest", "inter_rest"

PERCEPTION, LOCALIZER = "perception", "localizer"  # tasks, beside imagery
NUMBERS, WORDS, FACES = "ds001506", "ds001246", "ds001761"  # dialects
KINDS = {
    (NUMBERS, PERCEPTION): {1: STIMULUS, 2: REPETITION, -1: INITIAL_REST, -2: FINAL_REST, -3: INTER_REST},
    (NUMBERS, IMAGERY): {1: CUE, 2: IMAGERY, 3: EVALUATION, 4: INTER_REST, -1: INITIAL_REST, -2: FINAL_REST},
    # Rests are told apart by their place.
    (WORDS, PERCEPTION): {"stimulus": STIMULUS, "rest": INTER_REST},
    (WORDS, IMAGERY): {
        "cue": CUE, "imagery": IMAGERY, "evaluation": EVALUATION, "inter_rest": INTER_REST, "rest": INTER_REST,
    },
    (FACES, PERCEPTION): {"fix": INTER_REST, "train_face": STIMULUS, "test_face": STIMULUS, "img": IMAGERY},
    (FACES, LOCALIZER): {"fix": INTER_REST, "face": STIMULUS, "object": STIMULUS},
}  # fmt: skip
COLUMNS = {
    PERCEPTION: ("onset", "duration", "event_type", "stimulus_name"),
    IMAGERY: ("onset", "duration", "event_type", "evaluation"),
}
FACES_COLUMNS = {
    PERCEPTION: ("onset", "duration", "trial_type", "stim_file", "oneback"),
    LOCALIZER: ("onset", "duration", "trial_type"),
}
IMAGERY_COLUMNS = ("evaluation", "category_id", "category_name")
MISSING = ("n/a", "")


@dataclass(frozen=True)
class Dialect:
    """How a file says what happened.

    Parameters
    ----------
    name : {"ds001506", "ds001246", "ds001761"}
    task : {"perception", "imagery", "localizer"}
    """

    name: str
    task: str

    @property
    def kinds(self) -> Mapping:
        """Kind of event by number or word."""
        return KINDS[self.name, self.task]

    @property
    def column(self) -> str:
        """Column that holds the type of an event."""
        return "trial_type" if self.name == FACES else "event_type"

    @property
    def rests_by_place(self) -> bool:
        """Whether the first and last rest are known by their place alone."""
        return self.name == WORDS or self.task == LOCALIZER

    @property
    def tiles(self) -> bool:
        """Whether events follow each other without a gap from an initial to a final rest."""
        return self.name != FACES or self.task == LOCALIZER


def recognise(events: pd.DataFrame, path: str | Path) -> Dialect:
    """Recognise the dialect and the task of a file from its columns and its event types.

    Raises
    ------
    DataError
        If a needed column is missing.
    """
    if "trial_type" in events.columns and "event_type" not in events.columns:
        task = PERCEPTION if {"stim_file", "oneback"} & set(events.columns) else LOCALIZER
        needed = FACES_COLUMNS[task]
    else:
        task = IMAGERY if any(name in events.columns for name in IMAGERY_COLUMNS) else PERCEPTION
        needed = COLUMNS[task]
    missing = [name for name in needed if name not in events.columns]
    if missing:
        raise DataError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(events.columns)}; "
            "add or rename it as in the dialect of ds001506, ds001246 or ds001761."
        )
    if "trial_type" in needed:
        return Dialect(FACES, task)
    types = pd.to_numeric(events["event_type"], errors="coerce")
    return Dialect(NUMBERS if types.notna().mean() > 0.5 else WORDS, task)


def kinds(events: pd.DataFrame, dialect: Dialect, path: str | Path) -> pd.Series:
    """Return the kind of every event, in the order of their onsets.

    Parameters
    ----------
    events : DataFrame
        As in the file, ordered by onset; the index gives lines of the file.
    dialect : Dialect
    path : path
        For messages.

    Raises
    ------
    DataError
        If a type is unknown, or ``oneback`` is neither 0 nor 1.
    """
    cells = events[dialect.column]
    if dialect.name == NUMBERS:
        found = pd.to_numeric(cells, errors="coerce").map(dialect.kinds)
    else:
        found = cells.str.lower().map(dialect.kinds) if dialect.name == FACES else cells.map(dialect.kinds)
    if found.isna().any():
        line = cells.index[found.isna()][0]
        raise DataError(
            f"{path}, line {line}: '{cells[line]}' in column '{dialect.column}' is unknown; "
            f"{dialect.name} knows {', '.join(map(str, dialect.kinds))} in {dialect.task}."
        )
    shown = events.index[found == STIMULUS]
    if dialect.name == WORDS:
        names = events.loc[shown, "stimulus_name"] if dialect.task == PERCEPTION else pd.Series(dtype=object)
        found[names.index[names == names.shift()]] = REPETITION
    elif dialect == Dialect(FACES, PERCEPTION):
        again = numbers(events.loc[shown, "oneback"], path)
        stop(~again.isin([0, 1]), path, "oneback is neither 0 nor 1; correct the cell.")
        found[shown[again == 1]] = REPETITION
    if dialect.rests_by_place:
        rest = cells.str.lower().isin(["rest", "fix"]).to_numpy()
        if rest[0]:
            found.iloc[0] = INITIAL_REST
        if rest[-1] and len(rest) > 1:
            found.iloc[-1] = FINAL_REST
    return found


def numbers(cells: pd.Series, path: str | Path, missing: Sequence[str] = ()) -> pd.Series:
    """Return cells as finite numbers, NaN where they are `missing`; the index gives lines of the file.

    Raises
    ------
    DataError
        If a cell is no number.
    """
    found = pd.to_numeric(cells, errors="coerce").astype(float)
    wrong = ~np.isfinite(found) & ~cells.isin(missing)
    if wrong.any():
        line = cells.index[wrong][0]
        raise DataError(
            f"{path}, line {line}: '{cells[line]}' in column '{cells.name}' is not a number; correct the cell."
        )
    return found


def stop(wrong: pd.Series, path: str | Path, sentence: str) -> None:
    """Raise a DataError that names the first line of the file that is wrong, if any; the index gives lines."""
    if wrong.any():
        raise DataError(f"{path}, line {wrong.index[wrong][0]}: {sentence}")
