"""A raw run to signals, confounds and summary, against simulated truth and bad input."""

import json
import logging

import nibabel
import numpy as np
import pytest
from head import acquire, motion_errors, slab_affine

from fmri2image.core.arrays import read_attributes
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import PARAMETERS, grid_centre, rigid_matrix
from fmri2image.preprocess import run as module
from fmri2image.preprocess.images import read_bold, read_sidecar, write_image, write_sidecar
from fmri2image.preprocess.motion import MotionFit
from fmri2image.preprocess.run import RunOutputs, RunSettings, correct_run
from fmri2image.preprocess.summary import read_summary
from fmri2image.preprocess.tables import read_motion
from fmri2image.preprocess.timeseries import read_timeseries

SHAPE, TARGET = (48, 30, 22), (40, 26, 16)
TR, N_DISCARDED, N_KEPT = 2.0, 2, 9
SLICES = [k % 2 * 1.0 for k in range(SHAPE[2])]
COREGISTRATION = np.array([2.0, -3.0, 1.0, 0.02, -0.01, 0.03])


@pytest.fixture(scope="module")
def scan(head, tmp_path_factory):
    """Write a raw run of a moving head with its masks; return the arguments of `correct_run` and the truth."""
    folder = tmp_path_factory.mktemp("raw")
    rng = np.random.default_rng(0)
    affine, target_affine = slab_affine(SHAPE), slab_affine(TARGET, oblique=0.0)
    centre = grid_centre(SHAPE, affine)
    to_reference = rigid_matrix(COREGISTRATION, centre)
    truth = np.vstack([rng.normal(0, [0.4] * 3 + [0.006] * 3, (N_DISCARDED + N_KEPT, 6))])
    poses = rigid_matrix(truth, centre)
    volumes = np.stack([acquire(*head, pose @ to_reference, SHAPE, affine) for pose in poses])
    volumes[:N_DISCARDED] *= 1.4  # before the signal is steady
    volumes += rng.normal(0, 4, volumes.shape)
    paths = {name: folder / f"sub-01_{name}" for name in ("boldref.nii.gz", "xfm.txt", "desc-brain_mask.nii.gz")}
    bold = folder / "sub-01_task-perception_run-01_bold.nii.gz"
    image = nibabel.Nifti1Image(np.moveaxis(np.rint(volumes), 0, -1).astype(np.int16), affine)
    image.header.set_zooms((3, 3, 3, TR))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(bold)
    write_sidecar(bold, {"RepetitionTime": TR, "SliceTiming": SLICES})
    write_image(paths["boldref.nii.gz"], acquire(*head, to_reference, SHAPE, affine).astype(np.float32), affine)
    np.savetxt(paths["xfm.txt"], to_reference)
    still = acquire(*head, np.eye(4), TARGET, target_affine)
    write_image(paths["desc-brain_mask.nii.gz"], still > 400, target_affine)
    masks = []
    for name, where in {
        "LH_V1": np.s_[8:12, 8:14, 6:9],
        "RH_V1": np.s_[22:26, 8:14, 6:9],
        "LH_HVC": np.s_[10:14, 2:5, 3:6],
    }.items():
        mask = np.zeros(TARGET, dtype=bool)
        mask[where] = True
        masks.append(folder / f"sub-01_mask_{name}.nii.gz")
        write_image(masks[-1], mask, target_affine)
    inputs = {
        "bold": bold,
        "reference": paths["boldref.nii.gz"],
        "transform": paths["xfm.txt"],
        "masks": masks,
        "brain_mask": paths["desc-brain_mask.nii.gz"],
    }
    return inputs, truth[N_DISCARDED:], still, target_affine


def files(folder, keep_bold=False):
    """Return the outputs of a run in a folder."""
    bold = folder / "sub-01_desc-preproc_bold.nii.gz" if keep_bold else None
    return RunOutputs(folder / "series.h5", folder / "confounds.tsv", folder / "quality.h5", bold)


SETTINGS = {"discard_seconds": 4.0}


def test_a_run_is_corrected_and_written_in_one_interpolation(tmp_path, scan, caplog):
    inputs, truth, still, target_affine = scan
    outputs = files(tmp_path, keep_bold=True)
    with caplog.at_level(logging.INFO, logger="fmri2image"):
        correct_run(**inputs, outputs=outputs, settings=RunSettings(**SETTINGS), threads=2)
    motion = read_motion(outputs.confounds)
    assert len(motion) == N_KEPT
    millimetres, degrees = motion_errors(motion[list(PARAMETERS)], truth)
    assert millimetres < 0.03
    assert degrees < 0.03
    assert np.isfinite(motion["std_dvars"][1:]).all()

    series = read_timeseries(outputs.series)
    assert {name: int(area.sum()) for name, area in series.areas.items()} == {"V1": 144, "HVC": 36}
    assert (series.repetition_time, series.n_discarded, series.shape) == (TR, N_DISCARDED, TARGET)
    seen = np.isfinite(series.signal)
    assert (seen.all(axis=0) | ~seen.any(axis=0)).all()
    expected = still[tuple(series.voxels.T)]
    errors = np.abs(series.signal - expected)[:, seen.all(axis=0)]
    assert errors.mean() < 12  # noise of 4, and what a 3 mm voxel cannot show
    assert read_attributes(outputs.series)["source"] == inputs["bold"].name

    volumes, affine = read_bold(outputs.bold)
    np.testing.assert_allclose(affine, target_affine, atol=1e-5)
    np.testing.assert_array_equal(volumes[(slice(None), *series.voxels.T)], np.nan_to_num(series.signal))
    sidecar = read_sidecar(outputs.bold)
    assert sidecar["NumberOfVolumesDiscardedByUser"] == N_DISCARDED
    assert sidecar["SliceTimingCorrected"] is False

    summary = read_summary(outputs.summary)
    assert (summary.n_volumes, summary.n_discarded) == (N_DISCARDED + N_KEPT, N_DISCARDED)
    inside = summary.mean > 0
    np.testing.assert_allclose(summary.mean[inside], volumes.mean(axis=0)[inside], rtol=1e-4)
    assert set(summary.carpet_groups) == {"areas", "brain"}
    assert f"{N_DISCARDED + N_KEPT} volumes" in caplog.text
    assert "did not converge" not in caplog.text


def test_only_the_areas_are_kept_unless_asked(tmp_path, scan):
    outputs = files(tmp_path)
    correct_run(**scan[0], outputs=outputs, settings=RunSettings(**SETTINGS))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "confounds.json",
        "confounds.tsv",
        "quality.h5",
        "series.h5",
    ]


@pytest.fixture
def motionless(monkeypatch):
    """Replace the engine by one that sees the true motion of a head that does not move."""

    def fit(volumes, *_):
        n = len(volumes)
        return MotionFit(np.zeros((n, 6)), np.ones(n), np.ones(n), np.arange(n) != 1, np.ones(n, dtype=int))

    monkeypatch.setattr(module, "fit_motion", fit)


@pytest.mark.parametrize("order", ["before", "after"])
def test_slice_timing_is_corrected_on_either_side_of_the_realignment(tmp_path, scan, motionless, order, caplog):
    inputs, *_ = scan
    # Every voxel rises by 3 a volume, read at the time of its slice: the corrected values are those of one moment.
    time = (np.arange(30) * TR)[:, None] + np.array(SLICES)
    bold = tmp_path / "sub-01_task-perception_run-02_bold.nii.gz"
    values = np.broadcast_to((400 + 1.5 * time)[:, None, None, :], (30, *SHAPE))
    image = nibabel.Nifti1Image(np.moveaxis(values, 0, -1).astype(np.float32), slab_affine(SHAPE))
    image.header.set_zooms((3, 3, 3, TR))
    image.to_filename(bold)
    write_sidecar(bold, {"RepetitionTime": TR, "SliceTiming": SLICES})
    settings = RunSettings(**SETTINGS, slice_timing=order, slice_timing_reference=0.25, reslice_order=0)
    correct_run(**{**inputs, "bold": bold}, outputs=files(tmp_path), settings=settings)
    series = read_timeseries(tmp_path / "series.h5")
    moment = (np.arange(2, 30) + 0.25) * TR
    expected = np.broadcast_to((400 + 1.5 * moment)[:, None], series.signal.shape)
    seen = np.isfinite(series.signal[0])
    np.testing.assert_allclose(series.signal[:, seen], expected[:, seen], atol=0.01)
    assert read_attributes(tmp_path / "series.h5")["slice_timing"] == order
    assert "the motion of 1 volumes did not converge (counted after the dropped ones): 1" in caplog.text


def test_bad_input_is_one_sentence(tmp_path, scan, motionless):
    inputs, *_ = scan

    def refused(sentence, settings=None, **changed):
        with pytest.raises(DataError, match=sentence):
            correct_run(**{**inputs, **changed}, outputs=files(tmp_path), settings=settings or RunSettings(**SETTINGS))
        assert not (tmp_path / "series.h5").exists()

    raw = inputs["bold"].read_bytes()

    def copy(name, sidecar, content=raw):
        path = tmp_path / f"{name}_bold.nii.gz"
        path.write_bytes(content)
        if sidecar is not None:
            path.with_name(f"{name}_bold.json").write_text(json.dumps(sidecar))
        return path

    refused(r"alone_bold\.json does not exist", bold=copy("alone", None))
    refused("2 s in its header and 3 s in its sidecar", bold=copy("slow", {"RepetitionTime": 3.0}))
    refused("truncated or corrupt", bold=copy("short", {"RepetitionTime": TR}, raw[: len(raw) // 2]))
    refused("11 volumes, of which 9 are dropped; 2 are too few", RunSettings(discard_seconds=18.0))
    refused("none is left", RunSettings(discard_seconds=22.0))
    refused(
        r"untimed_bold\.nii\.gz gives no SliceTiming",
        RunSettings(**SETTINGS, slice_timing="before"),
        bold=copy("untimed", {"RepetitionTime": TR}),
    )
    flat = tmp_path / "flat_bold.nii.gz"
    write_image(flat, np.ones(SHAPE, dtype=np.float32), slab_affine(SHAPE))
    write_sidecar(flat, {"RepetitionTime": TR})
    refused("four dimensions", bold=flat)
    other = tmp_path / "sub-01_mask_RH_HVC.nii.gz"
    write_image(other, np.ones((5, 5, 5), dtype=bool), np.eye(4))
    refused("mask_RH_HVC.* lies on another grid than", masks=[*inputs["masks"], other])
    refused("mask_RH_HVC.* lies on another grid than the ROI masks", brain_mask=other)
    far = tmp_path / "far_xfm.txt"
    np.savetxt(far, rigid_matrix(np.array([500.0, 0, 0, 0, 0, 0]), np.zeros(3)))
    refused("No voxel of any area lies inside the field of view", transform=far)
    far.write_text("nothing")
    refused("far_xfm.txt is not a matrix as text", transform=far)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="engine 'fmriprep'"):
        RunSettings(engine="fmriprep")
    with pytest.raises(ConfigError, match="slice_timing is 'first'"):
        RunSettings(slice_timing="first")
    with pytest.raises(ConfigError, match="slice_timing_reference is 2"):
        RunSettings(slice_timing="before", slice_timing_reference=2)


def test_an_area_out_of_view_is_missing_and_warned_of(tmp_path, scan, motionless, caplog):
    inputs, *_ = scan
    aside = tmp_path / "aside_xfm.txt"
    np.savetxt(aside, rigid_matrix(np.array([0.0, 0, -26.0, 0, 0, 0]), np.zeros(3)))
    correct_run(**{**inputs, "transform": aside}, outputs=files(tmp_path), settings=RunSettings(**SETTINGS))
    series = read_timeseries(tmp_path / "series.h5")
    missing = np.isnan(series.signal).all(axis=0)
    assert 0 < missing.sum() < len(missing)
    assert np.isfinite(series.signal[:, ~missing]).all()
    assert f"{int(missing[series.areas['HVC']].sum())} of 36 voxels of HVC are out of view" in caplog.text
