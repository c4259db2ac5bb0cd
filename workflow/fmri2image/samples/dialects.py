"""What the words and numbers of events files mean: ds001506, ds001246, ds001761 and ds000255 of OpenNeuro, and your own.

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
ds000255
    ``trial_type`` is a word; the stimulus is a pattern of 144 digits in ``stimulus_pattern`` (`acquire.patterns`). There
    is no task on the stimuli, so nothing is a repetition.
generic
    Your own files, as BIDS has them: ``trial_type`` and a column that names the stimulus, ``stimulus_name``, ``stimulus``
    or ``stim_file``. A row with a stimulus is a stimulus, or imagery if its type is ``imagery``; a row without one must
    have a type of `RESTS`, ``cue`` or ``evaluation``. A column ``one_back``, ``oneback`` or ``repeat`` may mark
    repetitions, and ``stimulus_set`` may name the set.

In both Kamitani datasets an imagery trial without a button press holds a score all the same (ds001246: always 1, where
answers are mostly 3 to 5). Nobody gave it, and it is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.acquire.patterns import SETS, is_pattern
from fmri2image.core.errors import DataError

# Kinds of events after reading.
STIMULUS, REPETITION = "stimulus", "repetition"
CUE, IMAGERY, EVALUATION = "cue", "imagery", "evaluation"
INITIAL_REST, FINAL_REST, INTER_REST = "initial_rest", "final_rest", "inter_rest"

PERCEPTION, LOCALIZER = "perception", "localizer"  # tasks, beside imagery
NUMBERS, WORDS, FACES, PATTERNS, GENERIC = "ds001506", "ds001246", "ds001761", "ds000255", "generic"  # dialects
RESTS = ("rest", "baseline", "fixation", "fix", "blank", "iti", "isi", "null", "none", "n/a", "")  # of your own files
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
    (PATTERNS, PERCEPTION): {"rest": INTER_REST, **dict.fromkeys(SETS, STIMULUS)},
    (GENERIC, PERCEPTION): {**dict.fromkeys(RESTS, INTER_REST), "cue": CUE, IMAGERY: IMAGERY, "evaluation": EVALUATION},
}  # fmt: skip
COLUMNS = {
    PERCEPTION: ("onset", "duration", "event_type", "stimulus_name"),
    IMAGERY: ("onset", "duration", "event_type", "evaluation"),
}
FACES_COLUMNS = {
    PERCEPTION: ("onset", "duration", "trial_type", "stim_file", "oneback"),
    LOCALIZER: ("onset", "duration", "trial_type"),
}
PATTERN_COLUMNS = ("onset", "duration", "trial_type", "stimulus_pattern")
STIMULUS_COLUMNS = (
    "stimulus_name",
    "stimulus",
    "stim_file",
)  # of your own files; the first that is there names stimuli
REPETITION_COLUMNS = ("one_back", "oneback", "repeat")  # of your own files
REPEATED = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "n/a": False, "": False}
IMAGERY_COLUMNS = ("evaluation", "category_id", "category_name")
MISSING = ("n/a", "")


@dataclass(frozen=True)
class Dialect:
    """How a file says what happened.

    Parameters
    ----------
    name : {"ds001506", "ds001246", "ds001761", "ds000255", "generic"}
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
        return "event_type" if self.name in (NUMBERS, WORDS) else "trial_type"

    @property
    def rests_by_place(self) -> bool:
        """Whether the first and last rest are known by their place alone."""
        return self.name in (WORDS, PATTERNS, GENERIC) or self.task == LOCALIZER

    @property
    def tiles(self) -> bool:
        """Whether events follow each other without a gap from an initial to a final rest."""
        return self.name not in (FACES, GENERIC) or self.task == LOCALIZER


def recognise(events: pd.DataFrame, path: str | Path) -> Dialect:
    """Recognise the dialect and the task of a file from its columns and its event types.

    Raises
    ------
    DataError
        If a needed column is missing.
    """
    columns = set(events.columns)
    if "event_type" in columns or "trial_type" not in columns:
        task = IMAGERY if columns.intersection(IMAGERY_COLUMNS) else PERCEPTION
        dialect, needed = None, COLUMNS[task]
    elif "stimulus_pattern" in columns:
        dialect, needed = Dialect(PATTERNS, PERCEPTION), PATTERN_COLUMNS
    elif _has_faces(events):
        task = PERCEPTION if {"stim_file", "oneback"} & columns else LOCALIZER
        dialect, needed = Dialect(FACES, task), FACES_COLUMNS[task]
    else:
        dialect, needed = Dialect(GENERIC, PERCEPTION), ("onset", "duration", "trial_type")
    missing = [name for name in needed if name not in columns]
    if missing:
        raise DataError(
            f"{path} lacks the column(s) {', '.join(missing)}; it has {', '.join(events.columns)}; add or rename it as in "
            "the dialect of ds001506, ds001246, ds001761 or ds000255, or give your own file trial_type and stimulus_name."
        )
    if dialect is not None and dialect.name == GENERIC and not columns.intersection(STIMULUS_COLUMNS):
        raise DataError(
            f"{path} lacks a column that names stimuli; it has {', '.join(events.columns)}; add stimulus_name, or stim_file "
            "with paths below the dataset's folder stimuli."
        )
    if dialect is not None:
        return dialect
    types = pd.to_numeric(events["event_type"], errors="coerce")
    return Dialect(NUMBERS if types.notna().mean() > 0.5 else WORDS, task)


def _has_faces(events: pd.DataFrame) -> bool:
    """Return whether the types are those of ds001761: all of a file without stimuli, else any of the runs of faces."""
    types = set(events["trial_type"].str.lower())
    if not {*STIMULUS_COLUMNS, "oneback"}.intersection(events.columns):
        return types <= set(KINDS[FACES, LOCALIZER])
    return bool(types & {"train_face", "test_face"})


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
        If a type is unknown or does not go with the row's stimulus, or ``oneback`` is neither 0 nor 1.
    """
    cells = events[dialect.column]
    if dialect.name == GENERIC:
        return _at_the_ends(_generic_kinds(events, path))
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
    elif dialect.name == PATTERNS:
        given = events["stimulus_pattern"].map(is_pattern)
        stop(
            (found == STIMULUS) & ~given,
            path,
            "stimulus_pattern is no pattern of 144 digits 0 and 1; correct the cell.",
        )
        stop((found != STIMULUS) & given, path, "a rest has a stimulus_pattern; correct the type or write null.")
    return _at_the_ends(found) if dialect.rests_by_place else found


def _at_the_ends(found: pd.Series) -> pd.Series:
    """Name the rests at the start and the end of a run."""
    rest = (found == INTER_REST).to_numpy()
    if rest[0]:
        found.iloc[0] = INITIAL_REST
    if rest[-1] and len(rest) > 1:
        found.iloc[-1] = FINAL_REST
    return found


def _generic_kinds(events: pd.DataFrame, path: str | Path) -> pd.Series:
    """Return the kind of every event of your own file by its type and by whether it has a stimulus."""
    types, shows = events["trial_type"].str.lower(), shown_stimuli(events).notna()
    plain = types.map(KINDS[GENERIC, PERCEPTION])
    nothing = types.isin(MISSING)
    found = plain.where(~shows | (plain.notna() & ~nothing), STIMULUS)
    stop(
        shows & (plain == INTER_REST) & ~nothing,
        path,
        "a rest names a stimulus; give the row another trial_type or n/a as its stimulus.",
    )
    unknown = found.isna()
    if unknown.any():
        line = unknown.index[unknown][0]
        stop(
            unknown,
            path,
            f"'{events['trial_type'][line]}' in column 'trial_type' names no stimulus and is no rest; name its stimulus, use "
            f"one of {', '.join(word for word in KINDS[GENERIC, PERCEPTION] if word)}, or drop the row.",
        )
    for column in REPETITION_COLUMNS:
        if column in events.columns:
            marks = events[column].str.lower().str.removesuffix(".0").map(REPEATED)
            stop(marks.isna(), path, f"{column} is neither 0 nor 1; correct the cell.")
            found[(found == STIMULUS) & marks.astype(bool)] = REPETITION
            break
    return found


def shown_stimuli(events: pd.DataFrame) -> pd.Series:
    """Return the stimulus that every row of your own file names, None where it names none.

    That is ``stimulus_name`` or ``stimulus`` where there is such a column, else the file name of ``stim_file`` without
    folder and ending.
    """
    column = next(name for name in STIMULUS_COLUMNS if name in events.columns)
    cells = events[column].astype(object)
    names = file_stem(cells) if column == "stim_file" else cells
    return names.where(~cells.str.lower().isin([*MISSING, "null", "none"]), None)


def file_stem(paths: pd.Series) -> pd.Series:
    """Return the names of files without folder and ending."""
    return paths.str.replace("\\", "/", regex=False).str.split("/").str[-1].str.rsplit(".", n=1).str[0]


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
