"""Numbers of the papers, in one table: they are shown beside ours, never as ours."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table

PUBLISHED = WORKFLOW.parent / "resources" / "published_numbers.tsv"
COLUMNS = {
    "paper": "Key of the paper: shen2019 (PLOS CB), shen2019-end-to-end (Front. Comput. Neurosci.)",
    "quantity": "Name of the number, once per paper",
    "measure": "What kind of number it is: identification, difference_p, interaction_f, …",
    "condition": "What was scored; after a colon the aspect, colour or shape",
    "metric": "pixel: correlation of pixels; ssim; human: human judgment; n/a",
    "subject": "pooled, S1 to S3 by position, mean over subjects, or each of them",
    "value": "The number with the digits that are printed; for 'p, less than' the bound",
    "spread": "Its spread, n/a where none is printed",
    "unit": "Unit of the value",
    "where": "Where it stands in the paper's text",
}


def published_table(path: str | Path = PUBLISHED) -> pd.DataFrame:
    """Return all published numbers as text.

    Parameters
    ----------
    path : path
        Table with `COLUMNS`; one row per number.

    Raises
    ------
    DataError
        If the table has other columns, a value is no number, or a paper has a quantity twice.
    """
    table = read_table(path, **dict.fromkeys(COLUMNS, str))
    if list(table.columns) != list(COLUMNS):
        raise DataError(f"{path} needs the columns {', '.join(COLUMNS)}, separated by tabs.")
    for row in table[pd.to_numeric(table["value"], errors="coerce").isna()].to_dict("records"):
        raise DataError(f"{path}: {row['quantity']} of {row['paper']} is '{row['value']}', not a number.")
    for row in table[table.duplicated(["paper", "quantity"])].to_dict("records"):
        raise DataError(f"{path} gives {row['quantity']} of {row['paper']} twice; keep one.")
    return table


def published_numbers(paper: str | None, path: str | Path = PUBLISHED) -> Mapping[str, str]:
    """Return the published numbers of a paper by quantity, as text with the digits that are printed.

    Parameters
    ----------
    paper : str or None
        Key of the paper, such as ``shen2019``; without one there are no published numbers.
    path : path
        For `published_table`.

    Raises
    ------
    DataError
        If the table is not as it must be, or the paper is not in it.
    """
    if paper is None:
        return {}
    table = published_table(path)
    rows = table[table["paper"] == paper]
    if rows.empty:
        raise DataError(f"{path} has no number of '{paper}'; it has {', '.join(sorted(set(table['paper'])))}.")
    return dict(zip(rows["quantity"], rows["value"], strict=True))


def agrees(value: float, printed: str) -> bool:
    """Return whether a number, rounded to the printed digits, is the printed number."""
    digits = len(printed.partition(".")[2])
    return f"{value:.{digits}f}" == printed
