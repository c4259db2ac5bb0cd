"""Summaries of runs for the quality page."""

import numpy as np
import pytest
from head import slab_affine
from scipy import signal as scipy_signal

from fmri2image.core.errors import DataError
from fmri2image.preprocess import summary as module
from fmri2image.preprocess.summary import read_summary, summarise, write_summary

SHAPE = (9, 8, 7)


@pytest.fixture
def run():
    """Signals with trends at half of a grid's voxels, one of them out of view."""
    rng = np.random.default_rng(0)
    voxels = np.argwhere(rng.random(SHAPE) < 0.5)
    n = len(voxels)
    trend = np.linspace(-1, 1, 30)[:, None] * rng.normal(0, 20, n)
    signal = rng.uniform(300, 900, n) + trend + rng.standard_normal((30, n)) * rng.uniform(1, 10, n)
    signal[:, 11] = np.nan
    in_areas = voxels[:, 0] > 5
    return signal.astype(np.float32), voxels, in_areas


def test_images_and_carpet_equal_scipys_detrending(run, monkeypatch):
    signal, voxels, in_areas = run
    monkeypatch.setattr(module, "BATCH", 50)
    summary = summarise(signal, voxels, in_areas, SHAPE, slab_affine(SHAPE), 2.0, 34, 4, most_rows=60)
    inside = np.isfinite(signal).all(axis=0)
    residual = scipy_signal.detrend(signal[:, inside].astype(float), axis=0)
    at = tuple(voxels[inside].T)
    np.testing.assert_allclose(summary.mean[at], signal[:, inside].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(summary.deviation[at], residual.std(axis=0, ddof=2), rtol=1e-4)
    outside = np.ones(SHAPE, dtype=bool)
    outside[at] = False
    assert (summary.mean[outside] == 0).all()
    assert (summary.deviation[outside] == 0).all()
    # Every row of the carpet is one voxel's per cent change; areas come first and have half of the rows.
    change = 100 * residual / signal[:, inside].mean(axis=0)
    assert summary.carpet.shape == (60, 30)
    assert summary.carpet_groups == ["areas"] * 30 + ["brain"] * 30
    for group, wanted in (("areas", in_areas[inside]), ("brain", ~in_areas[inside])):
        rows = summary.carpet[np.array(summary.carpet_groups) == group]
        distance = np.abs(rows[:, :, None] - change[:, wanted]).max(axis=1)
        nearest = distance.argmin(axis=1)
        assert distance.min(axis=1).max() < 1e-3
        assert (np.diff(nearest) > 0).all()
        assert nearest[0] == 0
        assert nearest[-1] == wanted.sum() - 1


def test_few_voxels_of_one_group_leave_room_to_the_other(run):
    signal, voxels, in_areas = run
    few = in_areas & (np.cumsum(in_areas) <= 7)
    groups = summarise(signal, voxels, few, SHAPE, np.eye(4), 2.0, 30, 0, most_rows=60).carpet_groups
    assert (groups.count("areas"), groups.count("brain")) == (7, 53)
    everything = summarise(signal, voxels, in_areas, SHAPE, np.eye(4), 2.0, 30, 0, most_rows=10_000).carpet_groups
    assert len(everything) == len(voxels) - 1
    only = summarise(signal, voxels, np.ones(len(voxels), dtype=bool), SHAPE, np.eye(4), 2.0, 30, 0, most_rows=60)
    assert only.carpet_groups == ["areas"] * 60


def test_round_trip(tmp_path, run):
    summary = summarise(*run, SHAPE, slab_affine(SHAPE), 2.0, 34, 4)
    path = tmp_path / "sub-01_run-01_desc-quality_bold.h5"
    write_summary(path, summary)
    read = read_summary(path)
    for name in ("mean", "deviation", "carpet", "affine"):
        np.testing.assert_array_equal(getattr(read, name), getattr(summary, name))
    assert read.carpet_groups == summary.carpet_groups
    assert (read.repetition_time, read.n_volumes, read.n_discarded) == (2.0, 34, 4)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_summary(tmp_path / "nothing.h5")
    import h5py

    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file["mean"] = np.zeros(3)
    with pytest.raises(DataError, match="lacks affine, carpet"):
        read_summary(tmp_path / "empty.h5")
