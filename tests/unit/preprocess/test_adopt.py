"""Runs that another program preprocessed become this workflow's files."""

import json
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from fmriprep_tree import description, write_run
from nilearn.image import resample_to_img

from fmri2image.core.errors import DataError
from fmri2image.preprocess.adopt import adopt_run, lost_shares, on_grid, read_timing, subject_reference
from fmri2image.preprocess.derivatives import RunFiles, find_run, fmriprep_version
from fmri2image.preprocess.images import write_bold, write_image
from fmri2image.preprocess.masks import RoiMasks
from fmri2image.preprocess.tables import dvars

SHAPE, N_VOLUMES, TIME = (12, 14, 10), 20, 2.0
AFFINE = np.array([[3.0, 0, 0, -16], [0, 3, 0, -20], [0, 0, 3, -13], [0, 0, 0, 1]])


def sphere(shape: tuple[int, ...], affine: np.ndarray, centre: tuple[float, ...], radius: float) -> np.ndarray:
    world = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    return np.linalg.norm(world - centre, axis=-1) <= radius


@pytest.fixture
def volumes():
    rng = np.random.default_rng(1)
    level = rng.uniform(800, 1200, SHAPE)
    return (level + rng.normal(0, 10, (N_VOLUMES, *SHAPE))).astype(np.float32)


@pytest.fixture
def masks():
    """Two areas on the grid of the BOLD file."""
    areas = {"V1": sphere(SHAPE, AFFINE, (0, -8, 0), 6), "FFA": sphere(SHAPE, AFFINE, (8, 8, 2), 5)}
    return RoiMasks(areas, AFFINE)


@pytest.fixture
def brain():
    return sphere(SHAPE, AFFINE, (0, 0, 0), 14), AFFINE


@pytest.fixture
def raw(tmp_path, volumes):
    path = tmp_path / "bids" / "sub-01_task-rest_run-01_bold.nii.gz"
    path.parent.mkdir()
    write_bold(path, volumes, np.eye(4), TIME, 0)
    return path


@pytest.fixture
def fmriprep(tmp_path, volumes, brain):
    """fMRIPrep's files of a run and its table."""
    motion = np.random.default_rng(2).normal(0, 0.05, (N_VOLUMES, 6))
    tree = tmp_path / "fmriprep"
    table = write_run(tree, "sub-01_task-rest_run-01", volumes, AFFINE, TIME, motion, brain[0], n_dummy=4)
    description(tree)
    return find_run(tree, "01", None, "rest", "01", fmriprep_version(tree)), table


@pytest.fixture
def spm(tmp_path, volumes):
    """A run without sidecar, motion and mask whose first three volumes are gone."""
    path = tmp_path / "spm" / "run_preproc.nii.gz"
    path.parent.mkdir()
    nibabel.Nifti1Image(np.moveaxis(volumes[3:], 0, -1), AFFINE).to_filename(path)
    return RunFiles(path, 3, {"Name": "SPM", "Version": "unknown"})


def test_areas_hold_the_volumes_that_are_kept(fmriprep, masks, brain, raw, volumes):
    adopted = adopt_run(fmriprep[0], masks, brain, 8, raw)
    series = adopted.series
    assert (series.n_discarded, series.repetition_time, series.shape) == (4, TIME, SHAPE)
    np.testing.assert_array_equal(series.affine, AFFINE)
    for name, mask in masks.masks.items():
        inside = series.areas[name]
        found = dict(zip(map(tuple, series.voxels[inside]), series.signal.T[inside], strict=True))
        assert set(found) == {tuple(voxel) for voxel in np.argwhere(mask)}
        for voxel, column in found.items():
            np.testing.assert_array_equal(column, volumes[(slice(4, None), *voxel)])
    assert adopted.lost == {"V1": 0, "FFA": 0}


def test_every_column_of_fmriprep_is_kept(fmriprep, masks, brain, raw):
    files, table = fmriprep
    adopted = adopt_run(files, masks, brain, 8, raw)
    assert list(adopted.confounds.columns) == list(table.columns)
    pd.testing.assert_frame_equal(
        adopted.confounds, table.iloc[4:].reset_index(drop=True), rtol=1e-6, check_dtype=False
    )
    # The first volume of the scan has no derivative; the first one that is kept has.
    assert not adopted.confounds["trans_x_derivative1"].isna().any()
    assert adopted.descriptions["GeneratedBy"] == [{"Name": "fMRIPrep", "Version": "25.2.7"}]
    assert adopted.descriptions["a_comp_cor_00"] == {"Method": "aCompCor", "Mask": "combined"}
    assert adopted.descriptions["NumberOfVolumesDiscardedByUser"] == 4


def test_missing_values_of_the_first_volume_stay_missing(fmriprep, masks, brain):
    table = adopt_run(fmriprep[0], masks, brain, 0).confounds
    first = table.columns[table.iloc[0].isna()]
    assert {"framewise_displacement", "dvars", "std_dvars", "trans_x_derivative1", "csf_derivative1_power2"} <= set(
        first
    )
    assert not table.iloc[1:].isna().any(axis=None)


def test_the_summary_counts_the_raw_volumes(fmriprep, masks, brain, raw, volumes):
    summary = adopt_run(fmriprep[0], masks, brain, 8, raw).summary
    assert (summary.n_volumes, summary.n_discarded) == (N_VOLUMES, 4)
    inside = brain[0] | masks.masks["V1"] | masks.masks["FFA"]
    np.testing.assert_allclose(summary.mean[inside], volumes[4:].mean(axis=0)[inside], rtol=1e-5)
    assert not summary.mean[~inside].any()
    assert summary.carpet.shape[1] == N_VOLUMES - 4
    assert set(summary.carpet_groups) == {"areas", "brain"}


def test_the_maps_of_the_summary_lie_on_the_grid_of_the_masks(fmriprep, masks, brain, raw):
    here = adopt_run(fmriprep[0], masks, brain, 8, raw).summary
    shifted = AFFINE @ np.array([[1, 0, 0, 2], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # two voxels to the right
    other = RoiMasks({name: np.roll(mask, -2, axis=0) for name, mask in masks.masks.items()}, shifted)
    there = adopt_run(fmriprep[0], other, brain, 8, raw).summary
    np.testing.assert_array_equal(there.affine, shifted)
    np.testing.assert_array_equal(there.mean[:-2], here.mean[2:])
    np.testing.assert_array_equal(there.deviation[:-2], here.deviation[2:])
    assert not there.mean[-2:].any()


@pytest.mark.parametrize(("discard_seconds", "n_discarded"), [(0, 3), (6, 3), (8, 4), (10, 5)])
def test_volumes_that_are_gone_already_are_not_dropped_again(
    spm, masks, brain, raw, volumes, discard_seconds, n_discarded
):
    adopted = adopt_run(spm, masks, brain, discard_seconds, raw)
    assert adopted.series.n_discarded == n_discarded
    assert adopted.summary.n_volumes == N_VOLUMES
    voxel = tuple(adopted.series.voxels[0])
    np.testing.assert_array_equal(adopted.series.signal[:, 0], volumes[(slice(n_discarded, None), *voxel)])


def test_without_motion_the_table_holds_dvars_only(spm, masks, brain, raw, volumes):
    adopted = adopt_run(spm, masks, brain, 6, raw)
    assert list(adopted.confounds.columns) == ["dvars", "std_dvars"]
    expected = dvars(volumes[3:][:, brain[0]])
    np.testing.assert_allclose(adopted.confounds.to_numpy().T, np.array(expected), rtol=1e-6)
    assert adopted.descriptions["GeneratedBy"] == [{"Name": "SPM", "Version": "unknown"}]


@pytest.mark.parametrize("value", [0, np.nan])
def test_a_voxel_without_data_in_one_volume_is_missing_in_all(tmp_path, masks, brain, volumes, value):
    gap = tuple(np.argwhere(masks.masks["V1"])[3])
    volumes[(7, *gap)] = value
    write_bold(tmp_path / "a_bold.nii.gz", volumes, AFFINE, TIME, 0)
    adopted = adopt_run(RunFiles(tmp_path / "a_bold.nii.gz"), masks, brain, 0)
    missing = np.isnan(adopted.series.signal)
    column = np.flatnonzero((adopted.series.voxels == gap).all(axis=1))
    assert missing[:, column].all()
    assert missing.sum() == N_VOLUMES
    assert adopted.lost["V1"] == pytest.approx(1 / masks.masks["V1"].sum())
    assert adopted.lost["FFA"] == 0


def test_masks_on_another_grid_equal_nilearn():
    other = np.array([[2.0, 0.1, 0, -13], [-0.1, 2, 0.2, -17], [0, -0.2, 2, -11], [0, 0, 0, 1]])
    shape = (13, 15, 11)
    mask = sphere(shape, other, (0, 0, 0), 7)
    found = on_grid(mask, other, SHAPE, AFFINE)
    target = nibabel.Nifti1Image(np.zeros(SHAPE, dtype=np.uint8), AFFINE)
    image = nibabel.Nifti1Image(mask.astype(np.uint8), other)
    expected = resample_to_img(image, target, interpolation="nearest", force_resample=True, copy_header=True)
    np.testing.assert_array_equal(found, expected.get_fdata() > 0)
    truth = sphere(SHAPE, AFFINE, (0, 0, 0), 7)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85


def test_equal_grids_leave_masks_as_they_are(masks):
    mask = masks.masks["V1"]
    assert on_grid(mask, AFFINE + 1e-4, SHAPE, AFFINE) is mask


def test_what_an_area_loses_is_its_share_outside_the_grid():
    mask = np.zeros((8, 4, 4), dtype=bool)
    mask[2:6, 1, 1] = True
    masks = RoiMasks({"V1": mask}, np.eye(4))
    half = np.diag([1.0, 1, 1, 1])
    half[0, 3] = 4  # the BOLD grid begins at 4 mm
    assert lost_shares(masks, np.ones((4, 4, 4), dtype=bool), half) == {"V1": 0.5}
    covered = np.ones((4, 4, 4), dtype=bool)
    covered[1] = False
    assert lost_shares(masks, covered, half) == {"V1": 0.75}


def test_an_area_outside_the_field_of_view_is_one_sentence(fmriprep, masks, brain):
    away = AFFINE.copy()
    away[0, 3] += 500
    with pytest.raises(
        DataError, match="Area V1 has no voxel inside the field of view of .*take V1 out of samples.masks"
    ):
        adopt_run(fmriprep[0], RoiMasks(masks.masks, away), brain, 8)


def test_a_raw_run_of_another_length_is_refused(fmriprep, spm, raw, volumes):
    write_bold(raw, volumes[:-1], np.eye(4), TIME, 0)
    with pytest.raises(DataError, match=r"holds 20 volumes, but the raw run .* has 19; they are not the same run"):
        read_timing(fmriprep[0], 8, raw)
    with pytest.raises(DataError, match=r"holds 17 volumes and 3 dropped, but the raw run .* has 19"):
        read_timing(spm, 8, raw)


def test_a_raw_run_of_another_repetition_time_is_refused(fmriprep, raw, volumes):
    write_bold(raw, volumes, np.eye(4), 3.0, 0)
    with pytest.raises(DataError, match="has a repetition time of 2 s and its raw run .* one of 3 s"):
        read_timing(fmriprep[0], 8, raw)


def test_a_header_that_contradicts_its_sidecar_is_refused(fmriprep):
    files = fmriprep[0]
    sidecar = Path(str(files.bold).replace(".nii.gz", ".json"))
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "RepetitionTime": 2.5}))
    with pytest.raises(DataError, match="repetition time of 2 s in its header and 2.5 s in its sidecar"):
        read_timing(files, 8)


def test_the_header_counts_where_there_is_no_sidecar(spm, raw, volumes):
    # Nobody wrote a time into the header of `spm`, and it has no sidecar: the raw run's time is taken.
    assert read_timing(spm, 9, raw).repetition_time == TIME
    image = nibabel.load(spm.bold)
    image.header.set_zooms((3, 3, 3, 3.0))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.Nifti1Image(np.asarray(image.dataobj), AFFINE, image.header).to_filename(spm.bold)
    with pytest.raises(DataError, match="has a repetition time of 3 s and its raw run .* one of 2 s"):
        read_timing(spm, 9, raw)
    with pytest.raises(DataError, match="run_preproc.json does not exist, nor a raw file"):
        read_timing(spm, 9)


def test_a_run_that_is_dropped_whole_is_refused(spm, raw):
    with pytest.raises(DataError, match="keeps no volume: 25 of 20 are to be dropped"):
        read_timing(spm, 50, raw)


def test_a_table_of_another_run_is_refused(fmriprep, masks, brain):
    files, table = fmriprep
    table.iloc[:-2].to_csv(files.confounds, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(DataError, match="has 18 rows, but .* holds 20 volumes"):
        adopt_run(files, masks, brain, 8)
    table["csf"] = "high"
    table.to_csv(files.confounds, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(DataError, match="not a number in column 'csf'"):
        adopt_run(files, masks, brain, 8)


def test_the_reference_is_the_programs_own_on_the_grid_of_the_masks(fmriprep, masks, brain, volumes):
    mean, inside = subject_reference(fmriprep[0], masks)
    np.testing.assert_allclose(mean, volumes.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(inside, brain[0])
    shifted = AFFINE.copy()
    shifted[1, 3] += 3  # one voxel
    mean, inside = subject_reference(fmriprep[0], RoiMasks(masks.masks, shifted))
    np.testing.assert_allclose(mean[:, :-1], volumes.mean(axis=0)[:, 1:], rtol=1e-5)
    np.testing.assert_array_equal(inside[:, :-1], brain[0][:, 1:])


def test_without_a_reference_it_is_the_mean_of_the_run_and_its_brain(tmp_path):
    shape, affine = (30, 34, 26), np.diag([5.0, 5, 5, 1])
    affine[:3, 3] = -75, -85, -65
    head = sphere(shape, affine, (0, 0, 0), 55)
    rng = np.random.default_rng(0)
    scan = np.where(head, 900.0, 5.0) + rng.uniform(1, 20, (4, *shape))
    write_bold(tmp_path / "a_bold.nii.gz", scan, affine, TIME, 0)
    areas = RoiMasks({"V1": sphere(shape, affine, (0, -40, 0), 12)}, affine)
    mean, inside = subject_reference(RunFiles(tmp_path / "a_bold.nii.gz"), areas)
    np.testing.assert_allclose(mean, scan.mean(axis=0), rtol=1e-5)
    assert 2 * (inside & head).sum() / (inside.sum() + head.sum()) > 0.9
    write_image(tmp_path / "mask.nii.gz", head, affine)
    given = replace(RunFiles(tmp_path / "a_bold.nii.gz"), mask=tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(subject_reference(given, areas)[1], head)
