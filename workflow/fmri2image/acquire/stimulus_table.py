"""The table of all stimuli of a real dataset, from the files of its sets, and what kind every stimulus is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from fmri2image.acquire.stimulus_names import KINDS, SYNSET, kind_of
from fmri2image.core.arrays import array_names, open_h5, read_attributes, shorten
from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table, write_table

KIND_COLUMNS = {
    "kind": "natural, shape (artificial), letter, or other where the name does not tell",
    "colour": "Colour of a shape or letter, n/a for others",
    "shape": "Shape of an artificial shape, n/a for others",
}
TABLE_COLUMNS = {
    "stimulus": "Name of the stimulus, as in the events",
    "stimulus_set": "Set of stimuli",
    "category": "Synset of an image of ImageNet, else the stimulus itself",
    "picture": "yes; hidden: there is one, but it must not be shown; missing: there is none",
    **KIND_COLUMNS,
}


def list_stimuli(paths: Sequence[str | Path], output: str | Path, kinds: str | Path | None = None) -> pd.DataFrame:
    """Write ``stimuli.tsv``, the table of all stimuli of a study, from the files of its sets.

    Parameters
    ----------
    paths : sequence of path
        One per set, named after it.
    output : path
    kinds : path, optional
        Table of the user for `read_kinds`, where names do not tell the kind.

    Returns
    -------
    table : DataFrame
        `TABLE_COLUMNS`.
    """
    given = None if kinds is None else read_kinds(kinds)
    rows = []
    for path in paths:
        hidden = read_attributes(path).get("show") == "no"
        with open_h5(path) as file:
            arrays = array_names(file)
            names = {
                array: [name.decode() for name in file[f"{array}_rows"][:]]
                for array in ("images", "names")
                if array in arrays
            }
        for array, found in names.items():
            picture = "missing" if array == "names" else "hidden" if hidden else "yes"
            rows += [(name, Path(path).stem, _category(name), picture) for name in found]
    table = pd.DataFrame(rows, columns=[name for name in TABLE_COLUMNS if name not in KIND_COLUMNS])
    table = add_kinds(table, given=given)
    write_table(output, table, TABLE_COLUMNS)
    return table


def add_kinds(
    table: pd.DataFrame, kinds_of_sets: Mapping[str, str] | None = None, given: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return a table of stimuli with `KIND_COLUMNS`.

    Parameters
    ----------
    table : DataFrame
        ``stimulus`` and ``stimulus_set``.
    kinds_of_sets : mapping from stimulus set to kind, optional
        Of sets whose names do not tell.
    given : DataFrame, optional
        From `read_kinds`; it goes before names and sets.

    Returns
    -------
    table : DataFrame
        A copy; None where there is no colour or shape.
    """
    own = {} if given is None else {row[0]: row[1:] for row in given.itertuples(index=False, name=None)}
    rows = []
    for name, stimulus_set in zip(table["stimulus"], table["stimulus_set"], strict=True):
        if name in own:
            rows.append(own[name])
        elif kinds_of_sets and stimulus_set in kinds_of_sets:
            rows.append((kinds_of_sets[stimulus_set], None, None))
        else:
            rows.append(kind_of(name))
    columns = pd.DataFrame(rows, columns=list(KIND_COLUMNS), index=table.index, dtype=object)
    return table.assign(**{name: columns[name] for name in KIND_COLUMNS})


def read_kinds(path: str | Path) -> pd.DataFrame:
    """Read a user's table of the kinds of stimuli.

    Parameters
    ----------
    path : path
        TSV with ``stimulus`` and `KIND_COLUMNS`, one row per stimulus; n/a where there is no colour or shape.

    Raises
    ------
    DataError
        If a column is missing, a kind is unknown, or a stimulus stands twice.
    """
    wanted = ["stimulus", *KIND_COLUMNS]
    table = read_table(path, **dict.fromkeys(wanted, str))
    missing = [name for name in wanted if name not in table]
    if missing:
        raise DataError(f"{path} lacks the column {', '.join(missing)}; it needs {', '.join(wanted)}.")
    unknown = table.loc[~table["kind"].isin(KINDS), "kind"].astype(str)
    if not unknown.empty:
        raise DataError(f"{path}: the kind '{unknown.iloc[0]}' is unknown; give {', '.join(KINDS)}.")
    twice = table.loc[table["stimulus"].duplicated(), "stimulus"].astype(str).tolist()
    if twice:
        raise DataError(f"{path} names {shorten(twice)} more than once; keep one row for each stimulus.")
    table = table[wanted].astype(object)
    return table.where(table.notna(), None)


def _category(name: str) -> str:
    match = SYNSET.fullmatch(name)
    return match[1] if match else name
