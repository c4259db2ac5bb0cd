"""MATLAB files: ones that MATLAB wrote (scipy ships them for its own tests), and v7.3 files made by its conventions."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from fmri2image.core.errors import DataError
from fmri2image.core.matlab import read_mat, variables

SHIPPED = Path(scipy.io.__file__).parent / "matlab" / "tests" / "data"
shipped = pytest.mark.skipif(not SHIPPED.is_dir(), reason="this scipy comes without the MATLAB files of its tests")


def write_v73(path: Path, values: dict[str, np.ndarray | list[str]]) -> None:
    """Write a file as MATLAB v7.3 does: 512 bytes of header, dimensions reversed, texts as 16-bit codes."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in values.items():
            if isinstance(value, list):
                cells = []
                for number, text in enumerate(value):
                    codes = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
                    cell = file.create_dataset(f"#refs#/{name}{number}", data=codes if text else np.array([0, 0], "u8"))
                    cell.attrs["MATLAB_class"] = np.bytes_("char")
                    if not text:
                        cell.attrs["MATLAB_empty"] = np.uint8(1)
                    cells.append([cell.ref])
                item = file.create_dataset(name, data=np.array(cells, dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
                item.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                item = file.create_dataset(name, data=value.T.astype(np.uint8) if value.dtype == bool else value.T)
                kind = {"f8": "double", "f4": "single", "b1": "logical", "u1": "uint8"}[value.dtype.str[1:]]
                item.attrs["MATLAB_class"] = np.bytes_(kind)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116))


@shipped
@pytest.mark.parametrize("version", ["6.1_SOL2", "7.1_GLNX86", "7.4_GLNX86"])
def test_files_that_matlab_wrote(version):
    expected = np.arange(1, 25).reshape(2, 3, 4, order="F")
    np.testing.assert_array_equal(read_mat(SHIPPED / f"test3dmatrix_{version}.mat"), expected)
    assert read_mat(SHIPPED / f"teststringarray_{version}.mat") == ["one", "two", "three"]
    with pytest.raises(DataError, match="'teststruct' is a struct"):
        read_mat(SHIPPED / f"teststruct_{version}.mat")
    with pytest.raises(DataError, match="'testcell' is a cell array of arrays"):
        read_mat(SHIPPED / f"testcell_{version}.mat")


@shipped
def test_a_v73_file_that_matlab_wrote():
    path = SHIPPED / "testhdf5_7.4_GLNX86.mat"
    assert variables(path) == ["testdouble"]
    value = read_mat(path)
    np.testing.assert_allclose(value, np.linspace(0, 2 * np.pi, 9)[None])  # a row in MATLAB, a column in the file
    np.testing.assert_array_equal(read_mat(path.read_bytes(), "testdouble"), value)


@shipped
def test_damage_is_one_sentence():
    for name in ("corrupted_zlib_checksum", "malformed1", "bad_miuint32"):
        with pytest.raises(DataError, match="cannot be read as a MATLAB file"):
            read_mat(SHIPPED / f"{name}.mat")


@pytest.mark.parametrize("shape", [(2, 3), (1, 5), (5, 1), (2, 3, 4), (1, 2, 3, 4)])
def test_both_versions_read_alike(tmp_path, shape):
    values = np.random.default_rng(0).standard_normal(shape)
    content = {"a": values, "b": values.astype(np.float32), "c": values > 0, "d": (values * 9 + 99).astype(np.uint8)}
    scipy.io.savemat(tmp_path / "v5.mat", content, do_compression=True)
    write_v73(tmp_path / "v73.mat", content)
    assert sorted(variables(tmp_path / "v5.mat")) == sorted(variables(tmp_path / "v73.mat")) == ["a", "b", "c", "d"]
    for key, expected in content.items():
        for name in ("v5.mat", "v73.mat"):
            found = read_mat(tmp_path / name, key)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_texts_in_cells(tmp_path):
    names = ["n01518878_5958", "", "größe"]
    cells = np.empty(3, dtype=object)
    cells[:] = names
    scipy.io.savemat(tmp_path / "v5.mat", {"names": cells})
    write_v73(tmp_path / "v73.mat", {"names": names})
    assert read_mat(tmp_path / "v5.mat", "names") == names
    assert read_mat(tmp_path / "v73.mat", "names") == names


def test_hdf5_without_matlabs_marks_keeps_its_dimensions(tmp_path):
    path = tmp_path / "python.mat"
    with h5py.File(path, "w") as file:
        file["feat"] = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(read_mat(path, "feat"), np.arange(6.0).reshape(2, 3))


def test_what_is_missing_is_named(tmp_path):
    scipy.io.savemat(tmp_path / "two.mat", {"a": np.eye(2), "b": np.eye(3)})
    with pytest.raises(DataError, match=r"two.mat holds no variable 'feat'; it holds a, b"):
        read_mat(tmp_path / "two.mat", "feat")
    with pytest.raises(DataError, match=r"holds 2 variables \(a, b\), but one was expected"):
        read_mat(tmp_path / "two.mat")
    with pytest.raises(DataError, match="no.mat cannot be read"):
        read_mat(tmp_path / "no.mat")
    with pytest.raises(DataError, match=r"archive.zip: x.mat cannot be read as a MATLAB file"):
        read_mat(b"<html>not found</html>" * 30, what="archive.zip: x.mat")
    with h5py.File(tmp_path / "group.mat", "w", userblock_size=512) as file:
        file.create_group("s").attrs["MATLAB_class"] = np.bytes_("struct")
    with pytest.raises(DataError, match="'s' is a struct"):
        read_mat(tmp_path / "group.mat", "s")
    with pytest.raises(DataError, match="complex"):
        scipy.io.savemat(tmp_path / "z.mat", {"z": np.array([[1 + 2j]])})
        read_mat(tmp_path / "z.mat", "z")
