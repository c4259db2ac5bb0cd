"""NIfTI reading and writing."""

import json

import nibabel
import numpy as np
import pytest
from head import slab_affine

from fmri2image.core.errors import DataError
from fmri2image.preprocess.images import (
    read_bold,
    read_image,
    read_sidecar,
    read_stored,
    read_volumes,
    repetition_time,
    same_grid,
    sidecar_path,
    write_bold,
    write_image,
)


@pytest.fixture
def bold(tmp_path):
    """Write a BOLD file and return its path and volumes."""
    volumes = np.random.default_rng(0).normal(500, 10, (6, 5, 4, 3)).astype(np.float32)
    path = tmp_path / "sub-01_task-perception_run-01_space-T1w_desc-preproc_bold.nii.gz"
    write_bold(path, volumes, slab_affine((5, 4, 3)), 2.0, 4, {"Sources": ["raw"]})
    return path, volumes


def test_bold_round_trip(bold):
    path, volumes = bold
    read, affine = read_bold(path)
    np.testing.assert_array_equal(read, volumes)
    np.testing.assert_allclose(affine, slab_affine((5, 4, 3)), atol=1e-5)
    assert nibabel.load(path).get_data_dtype() == np.float32
    assert repetition_time(path) == 2.0
    sidecar = json.loads(sidecar_path(path).read_text())
    assert sidecar == {"RepetitionTime": 2.0, "NumberOfVolumesDiscardedByUser": 4, "Sources": ["raw"]}


def test_volumes_are_read_one_by_one_without_the_first(bold):
    path, volumes = bold
    np.testing.assert_array_equal(np.stack(list(read_volumes(path, n_discard=2))), volumes[2:])


def test_integers_with_a_slope_are_scaled(tmp_path):
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 2, 2), np.eye(4))
    image.header.set_slope_inter(0.5, 3)
    image.to_filename(tmp_path / "raw.nii.gz")
    stored = np.asarray(nibabel.load(tmp_path / "raw.nii.gz").dataobj)
    np.testing.assert_allclose(read_bold(tmp_path / "raw.nii.gz")[0], np.moveaxis(stored, -1, 0), rtol=1e-6)


@pytest.mark.parametrize(
    ("stored", "slope", "kept"),
    [
        (np.int16, 1.0, np.int16),
        (np.uint16, 1.0, np.uint16),
        (np.int16, 0.5, np.float32),
        (np.float64, 1.0, np.float32),
    ],
)
def test_a_scanners_integers_stay_integers_unless_they_are_scaled(tmp_path, stored, slope, kept):
    values = np.arange(2 * 3 * 2 * 5).reshape(2, 3, 2, 5)
    image = nibabel.Nifti1Image(values.astype(stored), slab_affine((2, 3, 2)))
    image.header.set_slope_inter(slope, 0)
    path = tmp_path / "raw.nii.gz"
    image.to_filename(path)
    volumes, affine = read_stored(path, n_discard=2)
    assert volumes.dtype == kept
    np.testing.assert_array_equal(volumes, read_bold(path)[0][2:])
    np.testing.assert_allclose(affine, slab_affine((2, 3, 2)), atol=1e-5)


@pytest.mark.parametrize("read", [read_bold, read_stored])
def test_a_truncated_file_is_refused(bold, read):
    path, _ = bold
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="truncated or corrupt"):
        read(path)


def test_bad_files_are_named(tmp_path, bold):
    with pytest.raises(DataError, match=r"nothing\.nii\.gz does not exist"):
        read_bold(tmp_path / "nothing.nii.gz")
    (tmp_path / "text.nii.gz").write_text("not an image")
    with pytest.raises(DataError, match=r"text\.nii\.gz cannot be read as NIfTI"):
        read_image(tmp_path / "text.nii.gz")
    with pytest.raises(DataError, match="none is left"):
        read_bold(bold[0], n_discard=6)
    with pytest.raises(DataError, match="three dimensions"):
        read_image(bold[0])
    write_image(tmp_path / "flat.nii.gz", np.ones((2, 2, 2), dtype=bool), np.eye(4))
    with pytest.raises(DataError, match="four dimensions"):
        read_bold(tmp_path / "flat.nii.gz")
    with pytest.raises(DataError, match="four dimensions"):
        read_stored(tmp_path / "flat.nii.gz")
    with pytest.raises(DataError, match="none is left"):
        read_stored(bold[0], n_discard=6)


def test_repetition_times_that_disagree_are_refused(bold):
    path, _ = bold
    sidecar_path(path).write_text(json.dumps({"RepetitionTime": 3.0}))
    with pytest.raises(DataError, match="2 s in its header and 3 s in its sidecar"):
        repetition_time(path)
    sidecar_path(path).write_text("{")
    with pytest.raises(DataError, match="not valid JSON"):
        repetition_time(path)
    sidecar_path(path).unlink()
    with pytest.raises(DataError, match="does not exist"):
        repetition_time(path)


def test_grids_are_compared_by_shape_and_affine():
    affine = slab_affine()
    assert same_grid((4, 5, 6, 10), affine, (4, 5, 6), affine + 1e-4)
    assert not same_grid((4, 5, 6), affine, (4, 5, 7), affine)
    assert not same_grid((4, 5, 6), affine, (4, 5, 6), affine + 0.1)


def test_a_sidecar_is_inherited_from_the_top_of_the_dataset(bold, tmp_path):
    root = tmp_path / "dataset"
    func = root / "sub-01" / "ses-a" / "func"
    func.mkdir(parents=True)
    path = func / "sub-01_ses-a_task-perception_run-01_bold.nii.gz"
    path.write_bytes(bold[0].read_bytes())
    (root / "task-perception_bold.json").write_text('{"RepetitionTime": 2.0, "EchoTime": 0.03, "FlipAngle": 80}')
    assert repetition_time(path) == 2.0  # the folder that holds the subject's is the dataset
    (root / "sub-01" / "ses-a" / "dataset_description.json").write_text("{}")
    with pytest.raises(DataError, match="run-01_bold.json does not exist"):
        read_sidecar(path)  # that dataset begins below
    (root / "sub-01" / "ses-a" / "dataset_description.json").rename(root / "dataset_description.json")
    assert repetition_time(path) == 2.0
    # What is nearer wins, and what is of another task, run or kind does not apply.
    (root / "sub-01" / "sub-01_task-perception_bold.json").write_text('{"EchoTime": 0.04, "FlipAngle": 70}')
    path.with_name("sub-01_ses-a_task-perception_run-01_bold.json").write_text('{"FlipAngle": 60}')
    for other in ("task-imagery_bold.json", "task-perception_events.json", "task-perception_run-02_bold.json"):
        (root / other).write_text('{"RepetitionTime": 9, "EchoTime": 9, "FlipAngle": 9}')
    assert read_sidecar(path) == {"RepetitionTime": 2.0, "EchoTime": 0.04, "FlipAngle": 60}
    (root / "task-perception_bold.json").write_text("{")
    with pytest.raises(DataError, match="task-perception_bold.json is not valid JSON"):
        read_sidecar(path)


@pytest.mark.parametrize("name", ["a_bold.nii.gz", "a_bold.nii", "a_bold.tsv", "a_bold.txt", "a_bold.json"])
def test_a_sidecar_has_the_name_of_its_file(name):
    assert sidecar_path(f"func/{name}").as_posix() == "func/a_bold.json"
