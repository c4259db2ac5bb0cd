"""Signals of the areas in one file per run."""

import numpy as np
import pytest
from head import slab_affine

from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.errors import DataError
from fmri2image.preprocess.timeseries import TimeSeries, area_voxels, read_timeseries, write_timeseries

SHAPE = (6, 5, 4)


@pytest.fixture
def masks():
    """Two areas that share a voxel."""
    v1, lvc = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    v1[1:3, 2, 1], lvc[2:5, 2, 1:3] = True, True
    return {"V1": v1, "LVC": lvc}


def test_round_trip(tmp_path, masks):
    rng = np.random.default_rng(0)
    signal = rng.normal(500, 9, (7, 7)).astype(np.float32)
    signal[:, 3] = np.nan
    series = TimeSeries.of_masks(signal, masks, slab_affine(SHAPE), 1.5, 4)
    path = tmp_path / "sub-01_run-01_space-T1w_desc-areas_timeseries.h5"
    write_timeseries(path, series, {"engine": "realign", "simulated": True})
    read = read_timeseries(path)
    np.testing.assert_array_equal(read.signal, signal)
    assert read.signal.dtype == np.float32
    np.testing.assert_allclose(read.affine, slab_affine(SHAPE))
    assert (read.shape, read.repetition_time, read.n_discarded, read.units) == (SHAPE, 1.5, 4, "arbitrary")
    assert list(read.areas) == ["V1", "LVC"]
    assert read_attributes(path)["engine"] == "realign"
    # Rows are named by the volume in the raw file.
    assert read_array(path, "signal").rows == [str(volume) for volume in range(4, 11)]


def test_voxels_and_areas_describe_the_masks(masks):
    voxels = area_voxels(masks)
    assert len(voxels) == 7
    image = np.random.default_rng(1).standard_normal(SHAPE)
    series = TimeSeries.of_masks(image[tuple(voxels.T)][None], masks, np.eye(4), 2.0, 0)
    for name, mask in masks.items():
        np.testing.assert_array_equal(series.signal[0, series.areas[name]], image[mask])
        again = np.zeros(SHAPE, dtype=bool)
        again[tuple(series.voxels[series.areas[name]].T)] = True
        np.testing.assert_array_equal(again, mask)


def test_files_of_another_form_are_refused(tmp_path, masks):
    with pytest.raises(DataError, match=r"nothing\.h5 does not exist"):
        read_timeseries(tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("text")
    with pytest.raises(DataError, match=r"text\.h5 cannot be read as HDF5"):
        read_timeseries(tmp_path / "text.h5")
    with pytest.raises(DataError, match="does not fit to 7 voxel positions"):
        TimeSeries.of_masks(np.zeros((3, 6)), masks, np.eye(4), 2.0, 0)
