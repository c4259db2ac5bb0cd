"""Tables for people: TSV with a JSON sidecar that describes the columns."""

import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing


def write_table(
    path: str | Path, table: pd.DataFrame, columns: Mapping[str, str] | None = None, **about: object
) -> None:
    """Write a table as TSV and, with `columns`, a JSON sidecar beside it.

    Parameters
    ----------
    path : path
        Ends in ``.tsv``; the sidecar gets the same name with ``.json``.
    table : DataFrame
    columns : mapping from column to its description; every column of the table must be described
    **about
        Further entries of the sidecar, for example ``simulated=True``.
    """
    path = Path(path)
    if columns is not None:
        undescribed = [column for column in table.columns if column not in columns]
        if undescribed:
            raise DataError(f"{path.name}: columns without a description: {', '.join(undescribed)}.")
        sidecar = {**about, "columns": {column: columns[column] for column in table.columns}}
        with replacing(path.with_suffix(".json")) as partial:
            partial.write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    with replacing(path) as partial:
        table.to_csv(partial, sep="\t", index=False, na_rep="n/a")


def read_table(path: str | Path, **types: type) -> pd.DataFrame:
    """Read a TSV table; `types` fixes the type of columns (subject labels are text)."""
    try:
        return pd.read_csv(path, sep="\t", na_values=["n/a"], keep_default_na=False, dtype=dict(types) or None)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a tab-separated table: {error}") from error
