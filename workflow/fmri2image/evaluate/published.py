"""Numbers of the papers, in one table: they are shown beside ours, never as ours."""

from collections.abc import Mapping
from pathlib import Path

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table

PUBLISHED = WORKFLOW.parent / "resources" / "published_numbers.tsv"
COLUMNS = ("paper", "quantity", "value", "spread", "unit", "where")


def published_numbers(paper: str | None, path: str | Path = PUBLISHED) -> Mapping[str, str]:
    """Return the published numbers of a paper by quantity, as text with the digits that are printed.

    Parameters
    ----------
    paper : str or None
        Key of the paper, such as ``shen2019``; without one there are no published numbers.
    path : path
        Table with `COLUMNS`; one row per number.

    Raises
    ------
    DataError
        If the table has other columns, a value is no number, a quantity stands twice, or the paper is not in the table.
    """
    if paper is None:
        return {}
    table = read_table(path, **dict.fromkeys(COLUMNS, str))
    if tuple(table.columns) != COLUMNS:
        raise DataError(f"{path} needs the columns {', '.join(COLUMNS)}, separated by tabs.")
    rows = table[table["paper"] == paper]
    if rows.empty:
        raise DataError(f"{path} has no number of '{paper}'; it has {', '.join(sorted(set(table['paper'])))}.")
    found: dict[str, str] = {}
    for quantity, value in zip(rows["quantity"], rows["value"], strict=True):
        if quantity in found:
            raise DataError(f"{path} gives {quantity} of {paper} twice; keep one.")
        try:
            float(value)
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}: {quantity} of {paper} is '{value}', not a number.") from error
        found[quantity] = value
    return found


def agrees(value: float, printed: str) -> bool:
    """Return whether a number, rounded to the printed digits, is the printed number."""
    digits = len(printed.partition(".")[2])
    return f"{value:.{digits}f}" == printed
