"""Masks with names of their own, atlases, the brain as the only area, and raw files as other labs store them."""

import json
import logging
import runpy
from pathlib import Path

import nibabel
import numpy as np
import pytest
from fmriprep_tree import description
from head import acquire, slab_affine

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.derivatives import find_run, raw_names
from fmri2image.preprocess.images import header_time, open_image, read_stored, repetition_time, write_bold, write_image
from fmri2image.preprocess.masks import on_grid, read_masks, whole_grid
from fmri2image.preprocess.run import RunOutputs, RunSettings, correct_run
from fmri2image.preprocess.summary import read_summary
from fmri2image.preprocess.timeseries import read_timeseries

SHAPE, AFFINE = (6, 5, 4), np.diag([3.0, 3, 3, 1])
SCRIPTS = Path(__file__).parents[3] / "workflow/scripts"


def write(path, where, values=1.0, shape=SHAPE, affine=AFFINE):
    """Write an image that is `values` at `where` and 0 elsewhere."""
    image = np.zeros(shape, dtype=np.float32)
    image[where] = values
    write_image(path, image, affine)
    return path


def test_names_of_ones_own_and_several_files_of_an_area(tmp_path):
    left = write(tmp_path / "lh.V1.nii.gz", np.s_[1, 1, 1])
    right = write(tmp_path / "rh.V1.nii", np.s_[4, 1, 1])
    other = write(tmp_path / "sub-01_mask_LH_V2.nii.gz", np.s_[2, 2, 2])
    areas = {str(left): "V1", str(right): "V1"}
    masks = read_masks([str(right), str(left), other], areas)
    assert {name: np.argwhere(mask).tolist() for name, mask in masks.masks.items()} == {
        "V1": [[1, 1, 1], [4, 1, 1]],
        "V2": [[2, 2, 2]],
    }
    # The mapping wins over the name.
    assert list(read_masks([other], {other: "primary"}).masks) == ["primary"]
    with pytest.raises(DataError, match=r"lh\.V1\.nii\.gz is not named like a mask.*samples\.masks"):
        read_masks([left])
    with pytest.raises(DataError, match="names .*absent.nii.gz, which was not handed over"):
        read_masks([left], {str(left): "V1", "absent.nii.gz": "V2"})


def test_probabilities_count_from_a_half(tmp_path):
    path = write(tmp_path / "p.nii.gz", np.s_[:, 0, 0], [0, 0.2, 0.49, 0.51, 0.8, 1.0001])
    assert np.argwhere(read_masks([path], {path: "V1"}).masks["V1"])[:, 0].tolist() == [3, 4, 5]
    eight_bit = write(tmp_path / "b.nii.gz", np.s_[2, 0, 0], 255)
    assert read_masks([eight_bit], {eight_bit: "V1"}).masks["V1"].sum() == 1


def test_an_atlas_holds_several_areas(tmp_path):
    path = write(tmp_path / "atlas.nii.gz", np.s_[:, 0, 0], [0, 1, 2, 3, 4, 1])
    masks = read_masks([path], {path: {"V1": [1, 2], "V3": [4]}}).masks
    assert np.argwhere(masks["V1"])[:, 0].tolist() == [1, 2, 5]
    assert np.argwhere(masks["V3"])[:, 0].tolist() == [4]
    with pytest.raises(DataError, match="Area V7 covers no voxel in .*atlas"):
        read_masks([path], {path: {"V7": [7]}})
    with pytest.raises(DataError, match=r"atlas.nii.gz holds values up to 4.*which labels"):
        read_masks([path], {path: "V1"})


def test_masks_of_other_resolution_come_to_a_grid(tmp_path):
    fine = np.diag([1.0, 1, 1, 1])
    fine[:3, 3] = -1.0  # voxels of 1 mm, of which 27 fill one of 3 mm
    mask = write(tmp_path / "fine.nii.gz", np.s_[3:9, 3:6, 0:3], shape=(18, 15, 12), affine=fine)
    grid = write(tmp_path / "grid.nii.gz", np.s_[0, 0, 0])
    coarse = write(tmp_path / "coarse.nii.gz", np.s_[5, 4, 3])
    areas = {mask: "V1", coarse: "V2"}
    with pytest.raises(DataError, match="another grid"):
        read_masks([mask, coarse], areas)
    masks = read_masks([mask, coarse], areas, grid)
    assert np.argwhere(masks.masks["V1"]).tolist() == [[1, 1, 0], [2, 1, 0]]
    assert np.argwhere(masks.masks["V2"]).tolist() == [[5, 4, 3]]
    np.testing.assert_array_equal(masks.affine, AFFINE)
    np.testing.assert_array_equal(on_grid(masks.masks["V2"], AFFINE, SHAPE, AFFINE), masks.masks["V2"])
    far = fine.copy()
    far[0, 3] = 300
    write(mask, np.s_[3:9, 3:6, 0:3], shape=(18, 15, 12), affine=far)
    with pytest.raises(
        DataError, match="Area V1 covers no voxel in .*fine.* on the grid of .*space of the T1-weighted"
    ):
        read_masks([mask], {mask: "V1"}, grid)


def test_without_masks_the_brain_is_the_only_area(tmp_path):
    path = write(tmp_path / "sub-01_space-T1w_desc-brain_mask.nii.gz", np.s_[1:4, 1:4, 1:3])
    masks = read_masks([path])
    assert {name: mask.sum() for name, mask in masks.masks.items()} == {"brain": 18}
    whole = whole_grid(path)
    assert whole.masks["brain"].all()
    assert whole.shape == SHAPE


@pytest.fixture
def raw(tmp_path, head):
    """A dataset with an uncompressed run in milliseconds without a sidecar of its own, and what else correcting it needs."""
    shape, target = (40, 26, 18), (34, 24, 14)
    affine, target_affine = slab_affine(shape), slab_affine(target, oblique=0.0)
    rng = np.random.default_rng(0)
    centre = grid_centre(shape, affine)
    poses = [rigid_matrix(rng.normal(0, [0.3] * 3 + [0.004] * 3), centre) for _ in range(6)]
    volumes = np.stack([acquire(*head, pose, shape, affine) for pose in poses])
    func = tmp_path / "data" / "sub-a" / "func"
    func.mkdir(parents=True)
    bold = func / "sub-a_task-look_acq-fast_bold.nii"
    image = nibabel.Nifti1Image(np.moveaxis(np.rint(volumes), 0, -1).astype(np.int16), affine)
    image.header.set_zooms((3, 3, 3, 2000))
    image.header.set_xyzt_units("mm", "msec")
    image.to_filename(bold)
    (tmp_path / "data" / "task-look_bold.json").write_text(json.dumps({"RepetitionTime": 2}))
    paths = {name: tmp_path / name for name in ("ref.nii.gz", "xfm.txt", "sub-a_space-T1w_desc-brain_mask.nii.gz")}
    write_image(paths["ref.nii.gz"], volumes[0].astype(np.float32), affine)
    np.savetxt(paths["xfm.txt"], np.eye(4))
    still = acquire(*head, np.eye(4), target, target_affine)
    write_image(paths["sub-a_space-T1w_desc-brain_mask.nii.gz"], still > 400, target_affine)
    return bold, *paths.values(), still


def test_a_raw_run_of_another_kind_becomes_signals_of_the_brain(tmp_path, raw):
    bold, reference, transform, brain, still = raw
    outputs = RunOutputs(tmp_path / "series.h5", tmp_path / "confounds.tsv", tmp_path / "quality.h5")
    settings = RunSettings(discard_seconds=0.0, engine_settings={"passes": 1})
    correct_run(bold, reference, transform, [], brain, outputs, settings)
    series = read_timeseries(outputs.series)
    assert list(series.areas) == ["brain"]
    assert series.repetition_time == 2.0
    inside = read_masks([brain]).masks["brain"]
    np.testing.assert_array_equal(series.voxels, np.argwhere(inside))
    seen = np.isfinite(series.signal).all(axis=0)
    errors = np.abs(series.signal.mean(axis=0) - still[inside])[seen]
    assert errors.mean() < 15  # of about 700, interpolated
    assert set(read_summary(outputs.summary).carpet_groups) == {"brain"}


def test_the_reference_is_made_of_an_uncompressed_run_with_an_inherited_sidecar(tmp_path, raw):
    main = runpy.run_path(str(SCRIPTS / "make_reference.py"), run_name="script")["main"]
    main(str(raw[0]), str(tmp_path / "boldref.nii.gz"), {"discard_seconds": 0, "realign": {}, "device": "cpu"})
    assert open_image(tmp_path / "boldref.nii.gz").shape == open_image(raw[0]).shape[:3]


@pytest.mark.parametrize(
    ("zoom", "unit", "expected"), [(2, "sec", 2), (2000, "msec", 2), (0, "sec", None), (1, "unknown", None)]
)
def test_the_header_tells_the_repetition_time_in_its_unit(raw, zoom, unit, expected):
    image = nibabel.load(raw[0])
    image.header.set_zooms((3, 3, 3, zoom))
    image.header.set_xyzt_units("mm", unit)
    assert header_time(image) == expected


def test_milliseconds_called_seconds_are_accepted_with_a_word(raw, caplog):
    image = nibabel.load(raw[0])
    values = np.array(image.get_fdata(), dtype=np.int16)  # a copy: the file is mapped into memory
    image = nibabel.Nifti1Image(values, image.affine)
    image.header.set_zooms((3, 3, 3, 2000))
    image.header.set_xyzt_units("mm", "sec")
    image.to_filename(raw[0])
    with caplog.at_level(logging.WARNING, logger="fmri2image"):
        assert repetition_time(raw[0]) == 2.0
    assert "in milliseconds, 2000, and calls them seconds" in caplog.text
    top = raw[0].parents[2] / "task-look_bold.json"
    top.write_text("{}")
    with pytest.raises(
        DataError, match="task-look_bold.json gives no RepetitionTime for sub-a_task-look_acq-fast_bold"
    ):
        repetition_time(raw[0])


def test_fmripreps_run_is_found_by_the_name_of_the_raw_one(tmp_path):
    names = raw_names("/data/sub-a/func/sub-a_task-look_acq-fast_bold.nii")
    assert names == {
        "subject": "a", "session": None, "task": "look", "run": None,
        "other": {"acq": "fast", "ce": None, "rec": None, "dir": None},
    }  # fmt: skip
    func = tmp_path / "sub-a" / "func"
    func.mkdir(parents=True)
    for kind in ("fast", "slow"):
        stem = f"sub-a_task-look_acq-{kind}"
        write_bold(func / f"{stem}_space-T1w_desc-preproc_bold.nii.gz", np.ones((3, *SHAPE)), AFFINE, 2.0, 0)
        (func / f"{stem}_desc-confounds_timeseries.tsv").write_text("trans_x\n0\n0\n0\n")
    assert find_run(tmp_path, **names).bold.name == "sub-a_task-look_acq-fast_space-T1w_desc-preproc_bold.nii.gz"
    with pytest.raises(DataError, match="both are the bold"):
        find_run(tmp_path, "a", None, "look", None)


def test_another_programs_run_without_masks_or_session(tmp_path):
    """The scripts take the reference, the brain and the run of a tree of fMRIPrep by the raw file's own name."""
    rng = np.random.default_rng(1)
    shape = (12, 14, 10)
    world = np.moveaxis(np.indices(shape), 0, -1) - (np.array(shape) - 1) / 2
    inside = np.linalg.norm(world, axis=-1) < 4.5
    volumes = (rng.uniform(800, 1200, shape) * inside + rng.normal(0, 5, (20, *shape)) + 50).astype(np.float32)
    bold = tmp_path / "data" / "sub-a" / "func" / "sub-a_task-look_bold.nii.gz"
    bold.parent.mkdir(parents=True)
    write_bold(bold, volumes, np.eye(4), 2.0, 0)
    tree = tmp_path / "tree"
    func = tree / "sub-a" / "func"
    func.mkdir(parents=True)
    description(tree)
    write_bold(func / "sub-a_task-look_space-T1w_desc-preproc_bold.nii.gz", volumes, AFFINE, 2.0, 0)
    write_image(func / "sub-a_task-look_space-T1w_desc-brain_mask.nii.gz", inside, AFFINE)
    (func / "sub-a_task-look_desc-confounds_timeseries.tsv").write_text("trans_x\n" + "0.1\n" * 20)
    settings = {"engine": "fmriprep", "tree": str(tree), "discard_seconds": 4, "simulated": False}
    run = {"subject": "a", "session": "01", "task": "look", "run": "01"}  # ours; fMRIPrep's names have neither
    scripts = {name: runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="script")["main"] for name in
               ("adopt_reference", "adopt_run")}  # fmt: skip
    brain = str(tmp_path / "sub-a_space-T1w_desc-brain_mask.nii.gz")
    scripts["adopt_reference"]({**run, "raw": str(bold)}, [], str(tmp_path / "ref.nii.gz"), brain, settings)
    output = {name: str(tmp_path / f"{name}.{end}") for name, end in
              (("series", "h5"), ("confounds", "tsv"), ("summary", "h5"))}  # fmt: skip
    scripts["adopt_run"](run, str(bold), [], brain, output, settings)
    series = read_timeseries(output["series"])
    assert {name: int(area.sum()) for name, area in series.areas.items()} == {"brain": int(inside.sum())}
    np.testing.assert_allclose(series.signal, volumes[2:][:, inside], rtol=1e-6)
    with pytest.raises(DataError, match="holds no BOLD in T1w space"):
        scripts["adopt_run"](
            {**run, "subject": "b"}, str(bold).replace("sub-a_", "sub-b_"), [], brain, output, settings
        )


def test_an_uncompressed_file_that_is_cut_short_is_named(raw):
    content = raw[0].read_bytes()
    raw[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="sub-a_task-look_acq-fast_bold.nii is truncated or corrupt"):
        read_stored(raw[0])
