"""Arrays out of pickled files without running anything that the file asks for.

A pickle may call any function that it names. Here the three names with which NumPy's arrays are pickled lead to small
stand-ins of our own, every other name is refused, and the arrays are made from the stored bytes.
"""

import io
import math
import pickle
import re
from typing import Any

import numpy as np

from fmri2image.core.errors import DataError


class _Type:
    """Stand-in for ``numpy.dtype``: kind and size, then the byte order."""

    def __init__(self, code: str, *_: object) -> None:
        if not re.fullmatch(r"[fiu][1248]", str(code)):
            raise pickle.UnpicklingError(f"numbers of type {code!r}")
        self.code, self.order = code, "<"

    def __setstate__(self, state: tuple) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError(f"byte order {state[1]!r}")
        self.order = state[1]


class _Array:
    """Stand-in for ``numpy.ndarray``: takes the state that NumPy pickles and keeps a real array."""

    value: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, data = state
        if not isinstance(kind, _Type) or not isinstance(data, bytes):
            raise pickle.UnpicklingError("an array that does not hold plain numbers")
        flat = np.frombuffer(data, dtype=np.dtype(kind.order + kind.code))
        if len(flat) != math.prod(shape):
            raise pickle.UnpicklingError(f"{len(flat)} numbers for an array of shape {shape}")
        self.value = flat.reshape(shape, order="F" if fortran else "C")


def _new_array(*_: object) -> _Array:
    return _Array()


# Old and new homes of the function that starts an array.
ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
}


class _ArrayReader(pickle.Unpickler):
    """Admits dictionaries, lists, text, numbers and NumPy arrays; names anything else and stops."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ADMITTED[module, name]


def read_pickled_arrays(data: bytes) -> dict[str, list[np.ndarray]]:
    """Read a pickled dictionary (protocol 3 or 4) from names to lists of NumPy arrays.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    arrays : dict from name to list of arrays

    Raises
    ------
    DataError
        If the pickle asks for anything but NumPy arrays of plain numbers, is damaged, or holds something else.
    """
    try:
        stored = _ArrayReader(io.BytesIO(data)).load()
        if not isinstance(stored, dict) or not all(isinstance(value, list | tuple) for value in stored.values()):
            raise pickle.UnpicklingError("it is no dictionary of lists of arrays")
        return {str(name): [item.value for item in value] for name, value in stored.items()}
    except (
        pickle.UnpicklingError,
        EOFError,
        LookupError,
        ArithmeticError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise DataError(f"The pickled file is refused because it is no plain set of NumPy arrays: {error}.") from error
