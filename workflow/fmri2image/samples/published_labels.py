"""Which stimulus every row of a published sample file shows: texts, numbers with a table, or numbers that spell the name.

The lab writes natural images as numbers, ``<WordNet number>.<six-digit image number>``: 1518878.005958 is n01518878_5958
(README of ds001506). ``image_index`` is the rank of the name in the sorted names of the set (checked in the events of
ds001506 and ds001246), except in files of Generic Object Decoding older than version 5, where it is wrong.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.bdata import BDataFile
from fmri2image.core.errors import DataError
from fmri2image.samples.dialects import NUMBERS
from fmri2image.samples.names import IMAGERY_ORDERS

log = logging.getLogger(__name__)

NONE = "n/a"
TEXT_KEYS = ("stimulus_name", "stimulus", "image_name", "Label")
IMAGERY_TEXT_KEYS = (*TEXT_KEYS, "category_name")  # elsewhere a category is no stimulus
ID_KEYS = ("stimulus_id", "image_id", "Label", "category_id")
INDEX_KEYS = ("image_index", "stimulus_index", "imagery_image_index", "stimulus_id", "Label", "category_index")
LEAST_WORDNET = 1e6  # numbers of synsets have seven or eight digits
ENDINGS = re.compile(r"\.(jpe?g|png|tiff?|bmp)$", re.IGNORECASE)
NATURAL = re.compile(r"n\d{8}_\d+")
_COLOURS = ("red", "green", "blue", "yellow", "magenta", "cyan", "white", "black")
_SHAPES = ("square", "smallring", "largering", "+", "X")
_LETTERS = ("011_A", "013_C", "015_E", "019_I", "024_N", "025_O", "028_R", "029_S", "030_T", "031_U")
# Order of image_index in the events files of ds001506; imagery has the order of category_index.
NUMBERED = {
    "shapes": tuple(
        f"colorExpStim{5 * c + s + 1:02d}_{colour}_{shape}"
        for c, colour in enumerate(_COLOURS)
        for s, shape in enumerate(_SHAPES)
    ),
    "letters": tuple(f"letter_black_img{letter}" for letter in _LETTERS),
    "imagery": IMAGERY_ORDERS[NUMBERS],
}


@dataclass(frozen=True)
class LabelTable:
    """A table that tells the stimulus of every number.

    Parameters
    ----------
    path : path
    names : list of str
        One per row, unique, without the ending of an image file.
    numbers : dict of str to array of shape (n_rows,)
        Every column of unique numbers, by its heading or its number.
    """

    path: Path
    names: list[str]
    numbers: dict[str, np.ndarray]


def name_of_id(value: float) -> str:
    """Return the name that a stimulus number spells: 3079230.00827 is n03079230_8270, 3079230 the synset n03079230.

    Raises
    ------
    ValueError
        If the fraction is no six-digit number, as after a conversion to single precision.
    """
    synset = int(value)
    fraction = (value - synset) * 1e6
    number = round(fraction)
    if synset < LEAST_WORDNET or synset > 99999999 or abs(fraction - number) > 0.01:
        raise ValueError(value)
    return f"n{synset:08d}_{number}" if number else f"n{synset:08d}"


def read_label_table(path: str | Path) -> LabelTable:
    """Read a table of stimuli, with or without headings; the column of names and those of numbers are found by content.

    Raises
    ------
    DataError
        If there is no column of unique names or none of unique numbers.
    """
    chosen, numbers = _columns(path)
    if not numbers:
        raise DataError(f"{path} has no column of numbers that are all different, by which labels could be joined.")
    return LabelTable(Path(path), chosen, numbers)


def read_names(path: str | Path) -> list[str]:
    """Read the stimuli of a set from a table like that of `read_label_table`, with or without numbers.

    Raises
    ------
    DataError
        If there is no column of unique names.
    """
    return _columns(path)[0]


def _columns(path: str | Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Return the column of names, and all columns of unique numbers."""
    try:
        cells = pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False, skip_blank_lines=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a tab-separated table: {error}") from error
    cells = cells.apply(lambda column: column.str.strip())
    headings = [str(number + 1) for number in range(cells.shape[1])]
    first = pd.to_numeric(cells.iloc[0], errors="coerce")
    second = pd.to_numeric(cells.iloc[1], errors="coerce") if len(cells) > 1 else first
    if first.isna().all() and (second.notna().any() or set(cells.iloc[0]) & set(TEXT_KEYS)):
        headings, cells = [str(cell) for cell in cells.iloc[0]], cells.iloc[1:]
    names: dict[str, list[str]] = {}
    numbers: dict[str, np.ndarray] = {}
    for heading, (_, column) in zip(headings, cells.items(), strict=True):
        values = pd.to_numeric(column, errors="coerce")
        if values.notna().all() and values.is_unique:
            numbers[heading] = values.to_numpy(dtype=float)
        elif values.isna().all() and column.is_unique:
            names[heading] = [ENDINGS.sub("", name) for name in column]
    if not names:
        raise DataError(
            f"{path} has no column of names that are all different; its columns are {shorten(headings, 8)}."
        )
    natural = [heading for heading, column in names.items() if all(map(NATURAL.fullmatch, column))]
    known = [heading for heading in names if heading in TEXT_KEYS]
    chosen = names[(known or natural or list(names))[0]]
    if all(map(NATURAL.fullmatch, chosen)):
        numbers["the names"] = np.array([_id_of_name(name) for name in chosen])
    return chosen, numbers


def stimulus_names(
    file: BDataFile, rows: np.ndarray, stimulus_set: str, numbered: bool, table: LabelTable | None
) -> tuple[np.ndarray, str]:
    """Return the stimulus of every row, and how it was found.

    Parameters
    ----------
    file : BDataFile
    rows : bool array of shape (n_rows,)
        Those of the stimulus set; the others get ``n/a``.
    stimulus_set : str
    numbered : bool
        Whether shapes, letters and imagery are numbered as in ds001506. Its imagery files name wrong categories, so only
        their numbers are used.
    table : LabelTable or None

    Returns
    -------
    names : str array of shape (n_rows,)
        ``n/a`` where a row shows no stimulus.
    found : str

    Raises
    ------
    DataError
        If labels have no names, or lost the digits that tell images apart.
    """
    design = file.design()
    only_numbers = numbered and stimulus_set == "imagery"
    texts = None if only_numbers else _texts(file, design, rows, stimulus_set)
    ids = None if only_numbers else _ids(file, design, rows, stimulus_set)
    index = _index(file, design, rows, only_numbers)
    spelled = None if ids is None else _blank([name_of_id(v) if np.isfinite(v) else NONE for v in ids[1]], rows)
    if texts is not None:
        names, found = texts[1], f"texts of {texts[0]}"
        if spelled is not None:
            _compare(file, names, spelled, texts[0], ids[0])
    elif table is not None:
        names, found = _from_table(file, table, ids, index, rows)
    elif spelled is not None:
        names, found = spelled, f"spelled by {ids[0]}"
    elif index is not None and numbered and stimulus_set in NUMBERED:
        names, found = _from_order(file, index, NUMBERED[stimulus_set], rows), f"{index[0]}, in the order of {NUMBERS}"
    else:
        raise DataError(
            f"{file.path} tells no stimulus names for the set '{stimulus_set}' (labels: {shorten(list(design), 12)}); "
            "name a table in samples: published: labels."
        )
    check_index(file, names, design)
    return names, found


def check_index(file: BDataFile, names: np.ndarray, design: dict[str, np.ndarray]) -> bool:
    """Return whether ``image_index`` is the rank of natural names; log a warning where it is not.

    It tells files of Generic Object Decoding older than version 5; where a file spells names, none depends on it.
    """
    shown = names != NONE
    if "image_index" not in design or not all(map(NATURAL.fullmatch, names[shown])):
        return True
    index = file.column(design["image_index"][0])[shown]
    distinct = sorted(set(names[shown]))
    if not np.isfinite(index).all() or index.max() != len(distinct):
        return True  # a part of the set: ranks are unknown
    rank = {name: number + 1 for number, name in enumerate(distinct)}
    wrong = np.array([rank[name] for name in names[shown]]) != index
    if wrong.any():
        log.warning(
            "%s: image_index differs from the published order in %d of %d rows, as in files of Generic Object Decoding "
            "older than version 5 of figshare 7387130; do not trust names that come from it, and fetch the newest version",
            file.path,
            wrong.sum(),
            len(wrong),
        )
    return not wrong.any()


def _texts(file: BDataFile, design: dict, rows: np.ndarray, stimulus_set: str) -> tuple[str, np.ndarray] | None:
    for key in IMAGERY_TEXT_KEYS if stimulus_set == "imagery" else TEXT_KEYS:
        labels = file.labels(key, design[key][0]) if key in design else None
        if labels is None:
            continue
        names = _blank([ENDINGS.sub("", label) for label in labels], rows)
        shown = names[names != NONE]
        unnamed = sorted({name for name in shown if re.fullmatch(r"-?[\d.]+", name)})
        if unnamed:
            raise DataError(f"{file.path}: the value map of '{key}' has no text for {shorten(unnamed)}.")
        if len(shown):
            return key, names
    return None


def _ids(file: BDataFile, design: dict, rows: np.ndarray, stimulus_set: str) -> tuple[str, np.ndarray] | None:
    """Return the first column of numbers that spell names, NaN where a row shows nothing."""
    for key in ID_KEYS:
        if key not in design or key in file.maps:
            continue
        values, shown = _positive(file, design, key, rows)
        if not len(shown) or shown.min() < LEAST_WORDNET:
            continue
        whole = stimulus_set != "imagery" and bool(np.any(np.abs(shown - np.round(shown)) < 1e-8))
        if key == "category_id" and stimulus_set != "imagery":
            continue
        try:
            names = {name_of_id(value) for value in shown}
        except ValueError as error:
            raise _imprecise(file, key, float(str(error))) from error
        if whole or file.precision.itemsize < 8 and any("_" in name for name in names):
            raise _imprecise(file, key, float(shown[0]))
        return key, values
    return None


def _positive(file: BDataFile, design: dict, key: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a column of numbers, NaN where a row shows nothing, and those that are left."""
    values = np.where(rows, file.column(design[key][0]), np.nan)
    values[~(values > 0)] = np.nan
    return values, values[np.isfinite(values)]


def _imprecise(file: BDataFile, key: str, value: float) -> DataError:
    return DataError(
        f"{file.path}: '{key}' holds {value!r} ({file.precision}), which is not <WordNet number>.<six-digit image number>; "
        "the numbers lost digits, so fetch the original file or one with the texts."
    )


def _index(file: BDataFile, design: dict, rows: np.ndarray, only_numbers: bool) -> tuple[str, np.ndarray] | None:
    """Return the first column of small whole numbers, NaN where a row shows nothing."""
    # In imagery of ds001506 the category's number is the one that tells; its ids are wrong.
    keys = ("imagery_image_index", "category_index", *INDEX_KEYS) if only_numbers else INDEX_KEYS
    for key in keys:
        if key not in design or key in file.maps:
            continue
        values, shown = _positive(file, design, key, rows)
        if len(shown) and shown.max() < LEAST_WORDNET and np.all(shown == np.round(shown)):
            return key, values
    return None


def _from_table(
    file: BDataFile,
    table: LabelTable,
    ids: tuple[str, np.ndarray] | None,
    index: tuple[str, np.ndarray] | None,
    rows: np.ndarray,
) -> tuple[np.ndarray, str]:
    # Small numbers fit almost any table: where a file has numbers that spell names, only those may join.
    label = ids or index
    if label is None:
        raise DataError(f"{file.path} holds no numbers that {table.path} could name.")
    key, values = label
    wanted = {_exact(value) for value in values[np.isfinite(values)]}
    best: tuple[str, set[int]] | None = None
    for heading, numbers in table.numbers.items():
        missing = wanted - {_exact(number) for number in numbers}
        if not missing:
            of_number = {_exact(number): name for number, name in zip(numbers, table.names, strict=True)}
            names = [of_number[_exact(value)] if np.isfinite(value) else NONE for value in values]
            return _blank(names, rows), f"{key} by column {heading} of {table.path.name}"
        if best is None or len(missing) < len(best[1]):
            best = heading, missing
    heading, missing = best
    without = [f"{number / 1e6:.6f}".rstrip("0").rstrip(".") for number in sorted(missing)]
    raise DataError(
        f"{file.path}: {table.path} names no stimulus for '{key}' = {shorten(without)} ({len(missing)} of {len(wanted)} "
        f"labels); its column {heading} holds {shorten([f'{v:.15g}' for v in table.numbers[heading]])}, the names are "
        f"{shorten(table.names)}."
    )


def _from_order(file: BDataFile, index: tuple[str, np.ndarray], order: tuple[str, ...], rows: np.ndarray) -> np.ndarray:
    key, values = index
    largest = np.nanmax(values)
    # Fixation is number 16 of imagery: without it numbers would end at 25, and later ones mean other stimuli.
    if largest > len(order) or ("fixation" in order and largest != len(order)):
        raise DataError(
            f"{file.path}: '{key}' goes up to {largest:g}, but this set of ds001506 has {len(order)} stimuli "
            f"({shorten(order)}); name a table in samples: published: labels."
        )
    return _blank([order[int(value) - 1] if np.isfinite(value) else NONE for value in values], rows)


def _compare(file: BDataFile, names: np.ndarray, spelled: np.ndarray, by_text: str, by_id: str) -> None:
    both = (names != NONE) & (spelled != NONE)
    differ = both & (names != spelled)
    if differ.any():
        row = int(np.flatnonzero(differ)[0])
        raise DataError(
            f"{file.path}: '{by_text}' and '{by_id}' name different stimuli in {int(differ.sum())} rows, first "
            f"{names[row]} and {spelled[row]} in row {row + 1}; fetch the newest version of the file."
        )


def _blank(names: list[str], rows: np.ndarray) -> np.ndarray:
    return np.where(rows, np.array(names, dtype=object), NONE)


def _exact(number: float) -> int:
    """Return a number with six decimals as a whole number, equal for every way of storing it."""
    return round(float(number) * 1e6)


def _id_of_name(name: str) -> float:
    synset, number = name.removeprefix("n").split("_")
    return float(f"{int(synset)}.{int(number):06d}")
