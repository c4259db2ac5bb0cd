"""Which stimulus an event shows, or whose imagery it is, and how vivid that was, in the dialects of `dialects`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.acquire.patterns import pattern_name
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.samples.dialects import (
    CUE,
    EVALUATION,
    FACES,
    GENERIC,
    IMAGERY,
    LOCALIZER,
    MISSING,
    NUMBERS,
    PATTERNS,
    REPETITION,
    STIMULUS,
    WORDS,
    Dialect,
    file_stem,
    numbers,
    shown_stimuli,
    stop,
)

IMAGINED_FACE = "imagined_face"  # ds001761 does not say which

_SHAPES = {"red": (2, 4, 5), "green": (7, 9, 10), "blue": (12, 14, 15), "white": (32, 34, 35), "black": (37, 39, 40)}
# Imagined stimuli in the order of category_index, by the names that the perception runs give them. ds001506: the order of
# the lab's own scripts (KamitaniLab/repro_mental_image_recon). The 16th is the fixation spot, which is no stimulus image.
IMAGERY_ORDERS = {
    NUMBERS: (
        *(
            f"colorExpStim{number:02d}_{colour}_{shape}"
            for colour, numbers in _SHAPES.items()
            for number, shape in zip(numbers, ("smallring", "+", "X"), strict=True)
        ),
        "fixation",
        "n02416519_12793",
        "n01443537_22563",
        "n01677366_18182",
        "n02128385_20264",
        "n01858441_11077",
        "n02690373_7713",
        "n02882301_14188",
        "n03710193_22225",
        "n04297750_25624",
        "n04507155_21299",
    )
}


def stimulus_names(
    events: pd.DataFrame, dialect: Dialect, path: str | Path, imagery_stimuli: Sequence[str] | str | None
) -> pd.Series:
    """Return the name of the stimulus that every event shows, or whose imagery it is; None or ``n/a`` elsewhere.

    In ds001761 a name is the picture's file name without folder and ending, and the category in localizers; in ds000255 the
    figure's name, or ``random_`` and the start of the pattern's SHA-1.

    Parameters
    ----------
    events : DataFrame
        As in the file, with the column ``event`` from `kinds`; the index gives lines of the file.
    dialect : Dialect
    path : path
        For messages.
    imagery_stimuli : sequence of str, str or None
        See `events.read_events`.

    Raises
    ------
    DataError
        If the file does not say what is imagined, or not in the way that `imagery_stimuli` needs.
    """
    if dialect.task == IMAGERY:
        return _imagined(events, path, imagery_order(imagery_stimuli, dialect, path), dialect)
    if dialect.name == GENERIC:
        names = shown_stimuli(events)
        stop((events["event"] == IMAGERY) & names.isna(), path, "the imagery names no stimulus; add it.")
        return names
    if dialect.name == PATTERNS:
        return _of_patterns(events)[0]
    if dialect.name != FACES:
        return events["stimulus_name"]
    if dialect.task == LOCALIZER:
        return events["trial_type"].where(events["event"] == STIMULUS, None)
    names = file_stem(events["stim_file"])
    names = names.where(~events["stim_file"].isin(MISSING), None)
    names = names.where(events["event"].isin([STIMULUS, REPETITION]), None)
    imagined = events["event"] == IMAGERY
    if imagined.any():
        known = imagery_order(imagery_stimuli, dialect, path)
        if known is not None and len(known) != 1:
            raise DataError(
                f"{path} does not say which face is imagined, so samples: imagery_stimuli must name one, not {len(known)}."
            )
        names = names.mask(imagined, IMAGINED_FACE if known is None else known[0])
    return names


def stimulus_sets(events: pd.DataFrame, dialect: Dialect, path: str | Path) -> pd.Series:
    """Return the stimulus set of every event where the file tells it, else None.

    ds001761 and ds000255 tell it by the type and the pattern, your own files in a column ``stimulus_set``.

    Raises
    ------
    DataError
        If a set's name is not of lower-case letters alone.
    """
    if dialect.name == PATTERNS:
        return _of_patterns(events)[1]
    if dialect.name == GENERIC and "stimulus_set" in events.columns:
        sets = events["stimulus_set"].where(~events["stimulus_set"].isin(MISSING), None)
        wrong = sets.notna() & ~sets.astype(str).str.fullmatch("[a-z]+")
        stop(wrong, path, "stimulus_set has other than lower-case letters; rename the set.")
        return sets
    if dialect.name != FACES:
        return pd.Series(None, index=events.index, dtype=object)
    known = {"train_face": "train", "test_face": "test", "img": IMAGERY, "face": LOCALIZER, "object": LOCALIZER}
    sets = events["trial_type"].str.lower().map(known)
    return sets.astype(object).where(sets.notna(), None)


def _of_patterns(events: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return name and stimulus set of every event of ds000255, None for rests."""
    shown = events["event"] == STIMULUS
    found = [
        pattern_name(pattern, kind) if show else (None, None)
        for pattern, kind, show in zip(events["stimulus_pattern"], events["trial_type"], shown, strict=True)
    ]
    return tuple(pd.Series([pair[i] for pair in found], index=events.index, dtype=object) for i in (0, 1))


def vividness(events: pd.DataFrame, dialect: Dialect, path: str | Path) -> pd.Series:
    """Return the score of vividness of every event of an imagery trial, NaN where the subject gave none.

    Parameters
    ----------
    events : DataFrame
        As in the file, with the column ``event`` from `kinds`; the index gives lines of the file.
    dialect : Dialect
    path : path
        For messages.

    Raises
    ------
    DataError
        If a score is not a number.
    """
    scores = pd.Series(np.nan, index=events.index)
    if dialect.task == IMAGERY:
        trial = events["event"].isin([CUE, IMAGERY, EVALUATION])
        scores[trial] = numbers(events.loc[trial, "evaluation"], path, missing=MISSING)
        if "response_time" in events.columns:  # without a press nobody gave the score
            scores[events["response_time"].isin(MISSING)] = np.nan
    return scores


def imagery_order(
    imagery_stimuli: Sequence[str] | str | None, dialect: Dialect, path: str | Path
) -> Sequence[str] | None:
    """Return the imagined stimuli in the order of ``category_index``; a dataset's name stands for its order.

    Raises
    ------
    ConfigError
        If the name is unknown.
    DataError
        If the file is not in the dialect of the named dataset.
    """
    if not isinstance(imagery_stimuli, str):
        return imagery_stimuli
    if imagery_stimuli not in IMAGERY_ORDERS:
        raise ConfigError(
            f"samples: imagery_stimuli is '{imagery_stimuli}'; give {' or '.join(IMAGERY_ORDERS)}, or a list of names."
        )
    if dialect.name != imagery_stimuli:
        raise DataError(
            f"{path} is in the dialect of {dialect.name}, but samples: imagery_stimuli is the order of "
            f"{imagery_stimuli}; leave the setting out or give a list of names."
        )
    return IMAGERY_ORDERS[imagery_stimuli]


def _imagined(
    events: pd.DataFrame, path: str | Path, imagery_stimuli: Sequence[str] | None, dialect: Dialect
) -> pd.Series:
    """Return the imagined stimulus of every event; in ds001246, whose subjects imagine categories, the category."""
    if imagery_stimuli is None and "stimulus_name" in events.columns:
        return events["stimulus_name"]
    if imagery_stimuli is None and dialect.name == WORDS and "category_name" in events.columns:
        return events["category_name"]
    if imagery_stimuli is None:
        raise DataError(
            f"{path} does not say which stimuli are imagined, and the category names of ds001506 are wrong; give "
            "samples: imagery_stimuli, their names in the order of category_index, or ds001506 for that dataset's."
        )
    if "category_index" not in events.columns:
        raise DataError(f"{path} lacks the column category_index, by which samples: imagery_stimuli names stimuli.")
    names = pd.Series(None, index=events.index, dtype=object)
    for line, number in numbers(events.loc[events["event"] == IMAGERY, "category_index"], path).items():
        if not (number.is_integer() and 1 <= number <= len(imagery_stimuli)):
            raise DataError(
                f"{path}, line {line}: category_index is {number:g}, but samples: imagery_stimuli names "
                f"{len(imagery_stimuli)} stimuli."
            )
        names[line] = imagery_stimuli[int(number) - 1]
    return names
