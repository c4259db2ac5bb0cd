"""Pickled arrays are read, and nothing that a pickle asks for is run."""

import os
import pickle

import numpy as np
import pytest

from fmri2image.acquire.pickled import read_pickled_arrays
from fmri2image.core.errors import DataError


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<i8", "u1"])
def test_arrays_come_back(protocol, dtype):
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    stored = {"a": [values, np.asfortranarray(values[0])], "b/1": (np.array([], dtype="<f4"),)}
    found = read_pickled_arrays(pickle.dumps(stored, protocol=protocol))
    assert list(found) == ["a", "b/1"]
    np.testing.assert_array_equal(found["a"][0], values)
    np.testing.assert_array_equal(found["a"][1], values[0])
    assert found["a"][0].dtype == np.dtype(dtype)
    assert found["b/1"][0].shape == (0,)


class Call:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "name"),
    [(os.system, "system"), (eval, "eval"), (np.load, "load"), (getattr, "getattr"), (np.empty, "empty")],
)
def test_no_function_is_called(tmp_path, function, name):
    marker = tmp_path / "ran"
    argument = f"touch {marker}" if function is os.system else f"open({str(marker)!r}, 'w')"
    for stored in ({"a": [Call(function, argument)]}, Call(function, argument), {Call(function, argument): []}):
        with pytest.raises(DataError, match=rf"refused.*asks for \w+(\.\w+)*\.{name}") as error:
            read_pickled_arrays(pickle.dumps(stored))
        assert "\n" not in str(error.value)
    assert not marker.exists()


def test_objects_in_arrays_are_refused(tmp_path):
    marker = tmp_path / "ran"
    array = np.array([Call(os.system, f"touch {marker}")], dtype=object)
    with pytest.raises(DataError, match="refused"):
        read_pickled_arrays(pickle.dumps({"a": [array]}, protocol=3))
    with pytest.raises(DataError, match="numbers of type 'O8'"):
        read_pickled_arrays(pickle.dumps({"a": [np.array([None])]}, protocol=3))
    assert not marker.exists()


def test_damage_is_refused():
    whole = pickle.dumps({"a": [np.arange(100, dtype="<f4")]}, protocol=3)
    for length in (0, 1, 20, len(whole) // 2, len(whole) - 1):
        with pytest.raises(DataError, match="refused"):
            read_pickled_arrays(whole[:length])
    with pytest.raises(DataError, match="99 numbers for an array of shape"):
        read_pickled_arrays(whole.replace(b"B\x90\x01\x00\x00" + bytes(4), b"B\x8c\x01\x00\x00"))


@pytest.mark.parametrize("stored", [[1, 2], {"a": 3}, {"a": ["text"]}, np.zeros(3)], ids=str)
def test_other_content_is_refused(stored):
    with pytest.raises(DataError, match="refused"):
        read_pickled_arrays(pickle.dumps(stored, protocol=3))
