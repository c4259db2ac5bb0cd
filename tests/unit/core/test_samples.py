"""Samples in BData layout."""

import h5py
import numpy as np
import pandas as pd
import pytest

from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples, read_bdata, write_bdata


@pytest.fixture
def samples():
    """Five trials of three stimuli in four voxels."""
    rng = np.random.default_rng(0)
    trials = pd.DataFrame(
        {
            "stimulus": ["n01_7", "n02_8", "n01_7", "n03_9", "n02_8"],
            "stimulus_set": "train",
            "session": ["one", "one", "one", "two", "two"],
            "run": [1, 1, 2, 1, 1],
            "onset": [32.0, 40.0, 32.0, 32.0, 40.5],
        }
    )
    voxels = pd.DataFrame(
        {
            "voxel_i": [0, 1, 2, 3],
            "voxel_x": [0.0, 3.0, 6.0, 9.5],
            "ROI_V1": [1, 1, 0, 0],
            "ROI_V2": [0, 0, 1, 0],
            "ROI_VC": [1, 1, 1, 1],
        }
    )
    data = rng.standard_normal((5, 4)).astype(np.float32)
    return Samples(data, trials, voxels, {"subject": "01", "simulated": True, "units": "per cent signal change"})


def test_round_trip(tmp_path, samples):
    path = tmp_path / "sub-01.h5"
    write_bdata(path, samples)
    read = read_bdata(path)
    np.testing.assert_array_equal(read.data, samples.data)
    assert list(read.trials["stimulus"]) == list(samples.trials["stimulus"])
    assert list(read.trials["stimulus_set"]) == ["train"] * 5
    np.testing.assert_array_equal(read.trials["run"].to_numpy(dtype=float), samples.trials["run"])
    np.testing.assert_array_equal(read.trials["onset"].to_numpy(dtype=float), samples.trials["onset"])
    for column in samples.voxels.columns:
        np.testing.assert_array_equal(read.voxels[column], samples.voxels[column])
    assert read.rois == ["V1", "V2", "VC"]
    assert read.attributes["subject"] == "01"
    assert read.attributes["simulated"] == "True"


def test_the_file_is_bdata(tmp_path, samples):
    path = tmp_path / "sub-01.h5"
    write_bdata(path, samples)
    with h5py.File(path) as file:
        data, values = file["dataset"][:], file["metadata/value"][:]
        keys = [key.decode() for key in file["metadata/key"][:]]
        assert data.dtype == np.float64
        assert data.shape == (5, 4 + 5)
        assert values.shape == (len(keys), 9)
        np.testing.assert_array_equal(values[keys.index("ROI_V1")][:4], [1, 1, 0, 0])
        assert np.isnan(values[keys.index("ROI_V1")][4:]).all()
        column = int(np.flatnonzero(values[keys.index("stimulus")] == 1)[0])
        labels = {number: file[f"vmap/stimulus/{number}"][()].decode() for number in file["vmap/stimulus"]}
        assert [labels[str(int(code))] for code in data[:, column]] == list(samples.trials["stimulus"])


def test_the_labs_files_are_read(tmp_path):
    """Legacy group names, no VoxelData key, numbers as labels, a motion column that is no voxel."""
    data = np.array([[1.0, 2, 3, 1704.0, 1], [4, 5, 6, 2416.5, 2]])
    nan = np.nan
    values = np.array([[1, 1, 0, nan, nan], [0, 0, 1, nan, nan], [nan, nan, nan, 1, nan], [nan, nan, nan, nan, 1]])
    path = tmp_path / "Subject1.h5"
    with h5py.File(path, "w") as file:
        file["dataSet"] = data
        file["metaData/key"] = np.array(["ROI_V1", "ROI_V2", "stimulus_id", "Run"], dtype=h5py.string_dtype())
        file["metaData/value"] = values
    read = read_bdata(path)
    np.testing.assert_array_equal(read.data, data[:, :3])
    np.testing.assert_array_equal(read.trials["stimulus_id"], [1704.0, 2416.5])
    np.testing.assert_array_equal(read.trials["Run"], [1, 2])
    assert read.select(roi="V2").data.tolist() == [[3.0], [6.0]]


def test_selection_by_area_and_trial(samples):
    chosen = samples.select(roi="V1", trials=samples.trials["stimulus"] == "n01_7")
    np.testing.assert_array_equal(chosen.data, samples.data[[0, 2]][:, :2])
    assert list(chosen.voxels["voxel_i"]) == [0, 1]
    assert list(chosen.trials["run"]) == [1, 2]
    with pytest.raises(DataError, match="no area 'V9'; they hold V1, V2, VC"):
        samples.select(roi="V9")


def test_average_joins_by_name(samples):
    mean = samples.average()
    assert list(mean.trials["stimulus"]) == ["n01_7", "n02_8", "n03_9"]
    assert list(mean.trials["n_trials"]) == [2, 2, 1]
    np.testing.assert_allclose(mean.data[1], samples.data[[1, 4]].mean(axis=0), rtol=1e-6)


def test_bad_samples_are_refused(tmp_path, samples):
    with pytest.raises(DataError, match="do not fit"):
        Samples(samples.data[:4], samples.trials, samples.voxels)
    path = tmp_path / "broken.h5"
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read as HDF5"):
        read_bdata(path)
    write_bdata(path, samples)
    with h5py.File(path, "r+") as file:
        values = file["metadata/value"][:]
        del file["metadata/value"]
        file["metadata/value"] = values[:-1]
    with pytest.raises(DataError, match="does not fit"):
        read_bdata(path)
