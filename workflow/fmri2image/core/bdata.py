"""The Kamitani Lab's BData HDF5 layout, read piece by piece: keys first, then only the wanted rows and columns.

bdpy writes ``/dataset`` (samples × columns), ``/metadata/{key,description,value}`` (value: keys × columns),
``/vmap/<key>/<number>`` and ``/header/*``. Older files say ``dataSet`` and ``metaData``; files that MATLAB has written
hold both tables transposed and the keys as references to characters. All of these are read alike here.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.arrays import open_h5, shorten
from fmri2image.core.errors import DataError

log = logging.getLogger(__name__)

VOXEL_KEY = "VoxelData"
BLOCK_BYTES = 2**26  # of the file, in memory at once
_DATASETS = ("dataset", "dataSet", "DataSet")
_METADATA = ("metadata", "metaData", "MetaData")


class BDataFile:
    """An open file; use `open_bdata`.

    Parameters
    ----------
    file : h5py.File
    path : path
        For messages.

    Raises
    ------
    DataError
        If the file is not in this layout.
    """

    def __init__(self, file: h5py.File, path: str | Path) -> None:
        self.path = path
        self._data = _member(file, _DATASETS, path)
        metadata = _member(file, _METADATA, path)
        if not isinstance(metadata, h5py.Group) or "key" not in metadata or "value" not in metadata:
            raise DataError(f"{path}: the group '{metadata.name}' lacks 'key' or 'value'; this is no BData file.")
        keys = _texts(file, metadata["key"])
        self._values, by_column = self._table(metadata["value"], len(keys))
        self.metadata: dict[str, np.ndarray] = {}
        for position, key in enumerate(keys):
            if key in self.metadata:
                log.warning("%s: the key '%s' appears more than once; the first counts", path, key)
                continue
            self.metadata[key] = self._values[:, position] if by_column else self._values[position]
        n_columns = self._values.shape[0 if by_column else 1]
        self._by_column = by_column if self._data.shape == (n_columns,) * 2 else self._data.shape[1] != n_columns
        if self._data.shape[0 if self._by_column else 1] != n_columns:
            raise DataError(
                f"{path}: metadata for {n_columns} columns does not fit the data of shape {self._data.shape}; "
                "the file is damaged or no BData file."
            )
        self.n_columns = n_columns
        self.n_rows = self._data.shape[1 if self._by_column else 0]
        self.maps = _value_maps(file.get("vmap", {}))
        self.header = {name: _first_text(file, item) for name, item in file.get("header", {}).items()}

    def _table(self, item: h5py.Dataset, n_keys: int) -> tuple[np.ndarray, bool]:
        values = np.asarray(item[()], dtype=float)
        if values.ndim != 2 or n_keys not in values.shape or self._data.ndim != 2:
            raise DataError(f"{self.path}: metadata of shape {values.shape} does not fit {n_keys} keys.")
        return values, values.shape[0] != n_keys

    @property
    def is_voxel(self) -> np.ndarray:
        """Which columns (n_columns,) are voxels: those with ``VoxelData`` = 1, else those of any ``ROI_`` key."""
        if VOXEL_KEY in self.metadata:
            return self.metadata[VOXEL_KEY] == 1
        inside = [row == 1 for key, row in self.metadata.items() if key.startswith("ROI_")]
        return np.any(inside, axis=0) if inside else np.zeros(self.n_columns, dtype=bool)

    def design(self) -> dict[str, np.ndarray]:
        """Return the column numbers of every key that marks design columns, not voxels."""
        is_voxel = self.is_voxel
        found = {}
        for key, row in self.metadata.items():
            columns = np.flatnonzero((row == 1) & ~is_voxel)
            on_voxels = row[is_voxel]
            if key != VOXEL_KEY and len(columns) and not np.any(np.isfinite(on_voxels) & (on_voxels != 0)):
                found[key] = columns
        return found

    def of_voxels(self) -> dict[str, np.ndarray]:
        """Return the values (n_voxels,) of every key that describes voxels."""
        is_voxel, design = self.is_voxel, self.design()
        return {key: row[is_voxel] for key, row in self.metadata.items() if key != VOXEL_KEY and key not in design}

    def column(self, number: int) -> np.ndarray:
        """Return one column (n_rows,) as float64."""
        values = self._data[number, :] if self._by_column else self._data[:, number]
        return np.asarray(values, dtype=float)

    @property
    def precision(self) -> np.dtype:
        """Type of the numbers in the file."""
        return self._data.dtype

    def labels(self, key: str, number: int) -> list[str] | None:
        """Return the texts (n_rows,) that the value map gives to a column; None without a map, NaN becomes ``n/a``."""
        if key not in self.maps:
            return None
        texts = self.maps[key]
        return ["n/a" if np.isnan(v) else texts.get(_number(v), _number(v)) for v in self.column(number)]

    def read(self, columns: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
        """Read columns and rows, a few rows at a time.

        Parameters
        ----------
        columns : bool array of shape (n_columns,)
        rows : bool array of shape (n_rows,), optional
            All, if absent.

        Returns
        -------
        data : array of shape (n_rows_read, n_columns_read), float32
        """
        rows = np.ones(self.n_rows, dtype=bool) if rows is None else rows
        result = np.empty((int(rows.sum()), int(columns.sum())), dtype=np.float32)
        n_whole = self.n_rows if self._by_column else self.n_columns
        step = max(1, BLOCK_BYTES // max(1, n_whole * self._data.dtype.itemsize))
        if self._by_column:
            of_column = np.cumsum(columns) - 1
            for start in range(0, self.n_columns, step):
                wanted = columns[start : start + step]
                if wanted.any():
                    block = self._data[start : start + step][wanted]
                    result[:, of_column[start : start + step][wanted]] = block[:, rows].T
            return result
        of_row = np.cumsum(rows) - 1
        for start in range(0, self.n_rows, step):
            wanted = rows[start : start + step]
            if wanted.any():
                block = self._data[start : start + step]
                result[of_row[start : start + step][wanted]] = block[wanted][:, columns]
        return result


@contextmanager
def open_bdata(path: str | Path) -> Iterator[BDataFile]:
    """Open a file in BData layout.

    Raises
    ------
    DataError
        If it cannot be read or is not in this layout.
    """
    with open_h5(path) as file:
        try:
            yield _described(file, path)
        except OSError as error:
            raise DataError(f"{path} is damaged ({error}); fetch it again.") from error


def _described(file: h5py.File, path: str | Path) -> BDataFile:
    """Return the file, or say in a sentence that some part of it is of another kind than in BData."""
    try:
        return BDataFile(file, path)
    except (DataError, OSError):
        raise
    except Exception as error:  # any text, number or group may be something else in a file that others wrote
        raise DataError(
            f"{path} is not in BData's layout ({type(error).__name__}: {error}); it holds {shorten(list(file))}."
        ) from error


def _member(file: h5py.File, names: tuple[str, ...], path: str | Path) -> h5py.Dataset | h5py.Group:
    for name in names:
        if name in file:
            return file[name]
    raise DataError(
        f"{path} holds no '{names[0]}', so it is no BData file; it holds {shorten(list(file)) or 'nothing'}."
    )


def _texts(file: h5py.File, item: h5py.Dataset) -> list[str]:
    if h5py.check_ref_dtype(item.dtype) is not None:  # MATLAB's cell array: references to 16-bit characters
        return ["".join(map(chr, np.ravel(file[reference][()]))) for reference in np.ravel(item[()])]
    return [_text(value).strip() for value in np.ravel(item[()])]


def _first_text(file: h5py.File, item: h5py.Dataset | h5py.Group) -> str:
    if not isinstance(item, h5py.Dataset):
        return ""
    if h5py.check_ref_dtype(item.dtype) is not None:
        return (_texts(file, item) or [""])[0]
    values = np.ravel(item[()])
    return _text(values[0]) if len(values) else ""


def _value_maps(group: Mapping) -> dict[str, dict[str, str]]:
    return {
        key: {_number(number): _text(np.ravel(label[()])[0]) for number, label in labels.items()}
        for key, labels in group.items()
    }


def _number(value: object) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() else str(number)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
