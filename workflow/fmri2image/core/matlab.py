"""MATLAB files of both kinds, v5 (scipy) and v7.3 (HDF5), read alike: plain arrays and lists of strings, nothing else."""

import io
import logging
import warnings
import zlib
from pathlib import Path

import h5py
import numpy as np
from scipy import io as scipy_io
from scipy import sparse

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError

log = logging.getLogger(__name__)

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# MATLAB puts its own 512-byte header before the HDF5 content; a file written by h5py alone has none.
SIGNATURE_OFFSETS = (0, 512, 1024, 2048)
NOT_ARRAYS = ("struct", "object", "function", "function_handle", "opaque", "table")


def variables(source: str | Path | bytes, *, what: str = "") -> list[str]:
    """Return the names of the variables in a MATLAB file, in the file's order.

    Parameters
    ----------
    source : path or bytes
        The file, or its content (a member of an archive).
    what : str, optional
        What messages call the file; needed for bytes, else its path.

    Raises
    ------
    DataError
        If it is no MATLAB file, or a damaged one.
    """
    name = _name(source, what)
    if _is_hdf5(source, name):
        with _open_hdf5(source, name) as file:
            return [str(key) for key in file if not key.startswith("#")]
    return [key for key, _, _ in _contents(source, name) if not key.startswith("__")]


def read_mat(source: str | Path | bytes, key: str | None = None, *, what: str = "") -> np.ndarray | list[str]:
    """Read one variable of a MATLAB file.

    Parameters
    ----------
    source : path or bytes
        The file, or its content (a member of an archive).
    key : str, optional
        Name of the variable; without it the file must hold exactly one.
    what : str, optional
        What messages call the file; needed for bytes, else its path.

    Returns
    -------
    value : array, or list of str
        Dimensions in MATLAB's order and never fewer than two, whatever the version of the file; the type is MATLAB's
        class (double → float64, single → float32, logical → bool). Characters and cell arrays of characters are lists
        of strings, cells in MATLAB's (column) order. A file in HDF5 that MATLAB's conventions do not mark is taken as
        Python wrote it, dimensions as stored.

    Raises
    ------
    DataError
        If it is no MATLAB file, is damaged, lacks the variable, or the variable is a struct or a cell array of other
        things than text.
    """
    name = _name(source, what)
    return _read_hdf5(source, key, name) if _is_hdf5(source, name) else _read_v5(source, key, name)


def _name(source: str | Path | bytes, what: str) -> str:
    return what or ("the MATLAB file" if isinstance(source, bytes) else str(source))


def _stream(source: str | Path | bytes) -> str | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else str(source)


def _is_hdf5(source: str | Path | bytes, name: str) -> bool:
    if isinstance(source, bytes):
        head = source[: SIGNATURE_OFFSETS[-1] + len(HDF5_SIGNATURE)]
    else:
        try:
            with Path(source).open("rb") as file:
                head = file.read(SIGNATURE_OFFSETS[-1] + len(HDF5_SIGNATURE))
        except OSError as error:
            raise DataError(f"{name} cannot be read ({error.strerror}).") from error
    return any(head[start:].startswith(HDF5_SIGNATURE) for start in SIGNATURE_OFFSETS)


def _choose(names: list[str], key: str | None, name: str) -> str:
    if key is None:
        if len(names) != 1:
            raise DataError(f"{name} holds {len(names)} variables ({shorten(names)}), but one was expected.")
        return names[0]
    if key not in names:
        raise DataError(f"{name} holds no variable '{key}'; it holds {shorten(names, 30) or 'none'}.")
    return key


def _damaged(name: str, error: Exception) -> DataError:
    return DataError(f"{name} cannot be read as a MATLAB file ({type(error).__name__}: {error}); fetch it again.")


def _wrong_kind(name: str, key: str, kind: str) -> DataError:
    return DataError(f"{name}: the variable '{key}' is a {kind}, but an array or a list of texts was expected.")


def _contents(source: str | Path | bytes, name: str) -> list[tuple]:
    try:
        return scipy_io.whosmat(_stream(source), appendmat=False)
    except Exception as error:  # scipy raises a dozen kinds on bytes that are no MATLAB file
        raise _damaged(name, error) from error


def _read_v5(source: str | Path | bytes, key: str | None, name: str) -> np.ndarray | list[str]:
    contents = _contents(source, name)
    key = _choose([entry for entry, _, _ in contents if not entry.startswith("__")], key, name)
    kind = next(kind for entry, _, kind in contents if entry == key)
    if kind in NOT_ARRAYS:
        raise _wrong_kind(name, key, kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", np.exceptions.ComplexWarning)  # the imaginary part would be dropped
            # mat_dtype: MATLAB stores doubles that are small whole numbers as bytes; this gives the class back.
            value = scipy_io.loadmat(_stream(source), appendmat=False, variable_names=[key], mat_dtype=True)[key]
    except Exception as error:  # see _contents; also zlib's for a cut file
        raise _damaged(name, error) from error
    if sparse.issparse(value):
        return value.toarray()
    value = np.asarray(value)
    if value.dtype.kind == "O":
        cells = [np.asarray(cell) for cell in value.ravel(order="F")]
        if any(cell.dtype.kind not in "US" and cell.size for cell in cells):
            raise _wrong_kind(name, key, "cell array of arrays")
        return [str(cell.ravel()[0]) if cell.size else "" for cell in cells]
    if value.dtype.kind == "U":
        return [str(text).rstrip() for text in value.ravel()]
    if value.dtype.names:
        raise _wrong_kind(name, key, "struct")
    return value.astype(value.dtype.newbyteorder("="), copy=False)


def _open_hdf5(source: str | Path | bytes, name: str) -> h5py.File:
    try:
        return h5py.File(_stream(source), "r")
    except OSError as error:
        raise _damaged(name, error) from error


def _read_hdf5(source: str | Path | bytes, key: str | None, name: str) -> np.ndarray | list[str]:
    with _open_hdf5(source, name) as file:
        key = _choose([str(entry) for entry in file if not entry.startswith("#")], key, name)
        try:
            return _hdf5_value(file, file[key], key, name, by_matlab=_written_by_matlab(source, file[key]))
        except (OSError, RuntimeError, KeyError, zlib.error) as error:
            raise _damaged(name, error) from error


def _written_by_matlab(source: str | Path | bytes, item: h5py.Dataset | h5py.Group) -> bool:
    if "MATLAB_class" in item.attrs:
        return True
    if isinstance(source, bytes):
        return source.startswith(b"MATLAB")
    with Path(source).open("rb") as file:
        return file.read(6) == b"MATLAB"


def _hdf5_value(
    file: h5py.File, item: h5py.Dataset | h5py.Group, key: str, name: str, by_matlab: bool
) -> np.ndarray | list[str]:
    kind = item.attrs.get("MATLAB_class", b"")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    if not isinstance(item, h5py.Dataset):
        raise _wrong_kind(name, key, "sparse matrix" if "MATLAB_sparse" in item.attrs else kind or "struct")
    if item.attrs.get("MATLAB_empty", 0):
        shape = tuple(int(size) for size in np.ravel(item[()]))
        return [] if kind in ("cell", "char") else np.zeros(shape)
    if item.dtype.names:
        raise _wrong_kind(name, key, "complex array" if set(item.dtype.names) == {"real", "imag"} else "struct")
    if h5py.check_ref_dtype(item.dtype) is not None:
        cells = [file[reference] for reference in np.ravel(item[()])]  # stored transposed: C order is MATLAB's order
        if any(not _is_text(cell) for cell in cells):
            raise _wrong_kind(name, key, "cell array of arrays")
        return [_characters(cell) for cell in cells]
    if kind == "char":
        if item.ndim == 2 and item.shape[1] > 1:  # several rows of characters
            return ["".join(map(chr, row)).rstrip() for row in item[()].T]
        return [_characters(item)]
    if h5py.check_string_dtype(item.dtype) is not None:
        return [text.decode() if isinstance(text, bytes) else str(text) for text in np.ravel(item[()])]
    if not by_matlab:
        log.info("%s: '%s' carries no mark of MATLAB; its dimensions %s are taken as stored", name, key, item.shape)
    value = np.asarray(item[()])
    value = value.T if by_matlab else value
    value = value.astype(bool) if kind == "logical" else value
    return np.atleast_2d(value) if value.ndim < 2 else value


def _is_text(cell: h5py.Dataset | h5py.Group) -> bool:
    return isinstance(cell, h5py.Dataset) and (
        cell.attrs.get("MATLAB_class", b"") in (b"char", "char") or bool(cell.attrs.get("MATLAB_empty", 0))
    )


def _characters(item: h5py.Dataset) -> str:
    """Return the text of a character array, which MATLAB stores as 16-bit codes."""
    if item.attrs.get("MATLAB_empty", 0):
        return ""
    return "".join(map(chr, np.ravel(item[()])))
