"""Labelled arrays: joins by name, never by position."""

import h5py
import numpy as np
import pytest

from fmri2image.core.arrays import LabelledArray, concatenate, read_array, read_attributes, row_index, write_arrays
from fmri2image.core.errors import DataError, LabelMismatchError


@pytest.fixture
def array():
    """Four rows whose values say which row they are."""
    return LabelledArray(np.arange(4)[:, None] * 10 + np.arange(3), ["a", "b", "c", "d"], {"units": "mm"})


def test_take_follows_the_names(array):
    taken = array.take(["d", "a"])
    assert taken.rows == ["d", "a"]
    np.testing.assert_array_equal(taken.values, [[30, 31, 32], [0, 1, 2]])
    assert taken.attributes == {"units": "mm"}
    taken.attributes["units"] = "cm"
    assert array.attributes["units"] == "mm"


def test_a_mismatch_names_both_sides(array):
    with pytest.raises(LabelMismatchError, match=r"The trials names x.*it holds a, b, c, d\."):
        array.take(["a", "x"], "The trials")
    with pytest.raises(LabelMismatchError, match=r"s0, s1, s2, s3, … \(9 in all\).*a, b"):
        row_index(array.rows, [f"s{i}" for i in range(9)])


def test_row_names_must_fit_and_be_unique():
    with pytest.raises(LabelMismatchError, match="repeated: a"):
        LabelledArray(np.zeros(3), ["a", "b", "a"])
    with pytest.raises(LabelMismatchError, match="2 row names for 3 rows"):
        LabelledArray(np.zeros(3), ["a", "b"])


def test_concatenate_keeps_names_beside_values(array):
    joined = concatenate([array.take(["c"]), array.take(["a", "b"])])
    assert joined.rows == ["c", "a", "b"]
    np.testing.assert_array_equal(joined.values[:, 0], [20, 0, 10])
    with pytest.raises(LabelMismatchError, match="unique"):
        concatenate([array, array.take(["a"])])


def test_files_give_back_what_was_written(tmp_path, array):
    path = tmp_path / "arrays.h5"
    other = LabelledArray(np.ones((1, 2, 2), np.float32), ["ünï|code"])
    write_arrays(path, {"first": array, "second": other}, {"network": "vgg", "simulated": True})
    read = read_array(path, "first")
    assert read.rows == array.rows
    assert read.attributes == {"units": "mm"}
    np.testing.assert_array_equal(read.values, array.values)
    assert read_array(path, "second").rows == ["ünï|code"]
    assert read_array(path, "second").values.dtype == np.float32
    assert read_attributes(path) == {"network": "vgg", "simulated": True}


def test_reading_some_rows_keeps_their_order(tmp_path, array):
    path = tmp_path / "arrays.h5"
    write_arrays(path, {"x": array})
    read = read_array(path, "x", ["c", "d", "a"])
    assert read.rows == ["c", "d", "a"]
    np.testing.assert_array_equal(read.values, array.values[[2, 3, 0]])
    assert read_array(path, "x", []).values.shape == (0, 3)
    with pytest.raises(LabelMismatchError, match="e, which the array does not hold"):
        read_array(path, "x", ["a", "e"])


def test_files_that_do_not_help_are_named(tmp_path, array):
    with pytest.raises(DataError, match="absent.h5 does not exist"):
        read_array(tmp_path / "absent.h5", "x")
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"not HDF5")
    with pytest.raises(DataError, match="broken.h5 cannot be read as HDF5"):
        read_array(broken, "x")
    path = tmp_path / "arrays.h5"
    write_arrays(path, {"here": array})
    with h5py.File(path, "a") as file:
        file["bare"] = np.zeros(2)
    for name in ("there", "bare"):
        with pytest.raises(DataError, match=f"no array '{name}'; it holds here"):
            read_array(path, name)
