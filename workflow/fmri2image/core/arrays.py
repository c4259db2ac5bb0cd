"""Arrays whose rows carry names, and the HDF5 files that keep them (design: labels travel with data)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.errors import DataError, LabelMismatchError
from fmri2image.core.files import replacing


@dataclass
class LabelledArray:
    """An array with one name per row.

    Parameters
    ----------
    values : array of shape (n_rows, ...)
    rows : sequence of str, length n_rows, unique
    attributes : dict
        What the array is: network, layer, units, settings, "simulated", ...
    """

    values: np.ndarray
    rows: list[str]
    attributes: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = [str(row) for row in self.rows]
        if len(self.rows) != len(self.values):
            raise LabelMismatchError(f"{len(self.rows)} row names for {len(self.values)} rows.")
        if len(set(self.rows)) != len(self.rows):
            repeated = sorted({row for row in self.rows if self.rows.count(row) > 1})
            raise LabelMismatchError(f"Row names must be unique; repeated: {shorten(repeated)}.")

    def take(self, names: Sequence[str], what: str = "the requested rows") -> "LabelledArray":
        """Return the rows called `names`, in that order.

        Raises
        ------
        LabelMismatchError
            If a name is missing; the message shows both sides.
        """
        index = row_index(self.rows, names, what)
        return LabelledArray(self.values[index], list(names), dict(self.attributes))


def concatenate(parts: Sequence[LabelledArray]) -> LabelledArray:
    """Join arrays row by row; the attributes are those of the first."""
    values = np.concatenate([part.values for part in parts])
    return LabelledArray(values, [row for part in parts for row in part.rows], dict(parts[0].attributes))


def shorten(names: Sequence[str], most: int = 4) -> str:
    """Join names for a message, at most `most` of them."""
    names = [str(name) for name in names]
    tail = f", … ({len(names)} in all)" if len(names) > most else ""
    return ", ".join(names[:most]) + tail


def row_index(rows: Sequence[str], names: Sequence[str], what: str = "the requested rows") -> np.ndarray:
    """Return the positions of `names` in `rows`, an integer array of shape (len(names),).

    Raises
    ------
    LabelMismatchError
        If a name is missing from `rows`; the message shows both sides.
    """
    position = {row: i for i, row in enumerate(rows)}
    missing = [name for name in names if name not in position]
    if missing:
        raise LabelMismatchError(
            f"{what} names {shorten(missing)}, which the array does not hold; it holds {shorten(rows)}."
        )
    return np.array([position[name] for name in names], dtype=int)


def write_arrays(path: str | Path, arrays: Mapping[str, LabelledArray], attributes: Mapping | None = None) -> None:
    """Write labelled arrays to one HDF5 file.

    Array ``name`` becomes dataset ``/name`` and its row names the string dataset ``/name_rows``; the attributes of
    each array sit on its dataset, `attributes` on the file.
    """
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        _set_attributes(file, attributes or {})
        for name, array in arrays.items():
            values = np.asarray(array.values)
            dataset = file.create_dataset(name, data=values)
            _set_attributes(dataset, array.attributes)
            file.create_dataset(f"{name}_rows", data=np.array(array.rows, dtype=h5py.string_dtype()))


def read_array(path: str | Path, name: str, rows: Sequence[str] | None = None) -> LabelledArray:
    """Read one labelled array, or only the rows called `rows`.

    Raises
    ------
    DataError
        If the file cannot be read or holds no array of that name.
    """
    with open_h5(path) as file:
        if name not in file or f"{name}_rows" not in file:
            raise DataError(f"{path} holds no array '{name}'; it holds {shorten(array_names(file))}.")
        dataset = file[name]
        labels = [label.decode() if isinstance(label, bytes) else str(label) for label in file[f"{name}_rows"][:]]
        attributes = {key: _plain(value) for key, value in dataset.attrs.items()}
        if rows is None:
            return LabelledArray(dataset[:], labels, attributes)
        index = row_index(labels, rows, f"A join with {path}")
        order = np.argsort(index)
        values = dataset[index[order]] if len(index) else dataset[:0]
        return LabelledArray(values[np.argsort(order)], list(rows), attributes)


def read_attributes(path: str | Path) -> dict:
    """Return the attributes of the file itself."""
    with open_h5(path) as file:
        return {key: _plain(value) for key, value in file.attrs.items()}


def array_names(file: h5py.File) -> list[str]:
    """Return the names of the labelled arrays of an open file."""
    return [name for name in file if f"{name}_rows" in file]


def open_h5(path: str | Path) -> h5py.File:
    """Open an HDF5 file for reading, with one clear sentence when that fails."""
    try:
        return h5py.File(path, "r")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read as HDF5 ({error}); delete it and run the workflow again.") from error


def _set_attributes(target: h5py.File | h5py.Dataset, attributes: Mapping) -> None:
    for key, value in attributes.items():
        target.attrs[key] = value


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.generic):
        return value.item()
    return value
