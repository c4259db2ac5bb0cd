"""Finding another program's files of a run."""

import csv
import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fmriprep_tree import description, write_run

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.derivatives import (
    PRESETS,
    derivative_run,
    derivatives_settings,
    find_run,
    fmriprep_version,
)

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = ROOT.parent / "shared" / "data" / "openneuro" / "ds001246" / "manifest.tsv.gz"
VOLUMES = np.random.default_rng(0).uniform(1, 2, (5, 3, 4, 2)).astype(np.float32)


@pytest.fixture
def tree(tmp_path) -> Path:
    """Two sessions of two runs, and a run of a subject without sessions."""
    for session in ("a", "b"):
        for run in ("01", "02"):
            write_run(tmp_path, f"sub-01_ses-{session}_task-rest_run-{run}", VOLUMES, np.eye(4), 2.0)
    write_run(tmp_path, "sub-02_task-rest", VOLUMES, np.eye(4), 2.0)
    description(tmp_path)
    return tmp_path


def test_a_run_is_found_with_everything_that_belongs_to_it(tree):
    found = find_run(tree, "01", "a", "rest", "01", fmriprep_version(tree))
    stem = tree / "sub-01" / "ses-a" / "func" / "sub-01_ses-a_task-rest_run-01"
    assert found.bold == Path(f"{stem}_space-T1w_desc-preproc_bold.nii.gz")
    assert found.confounds == Path(f"{stem}_desc-confounds_timeseries.tsv")
    assert found.reference == Path(f"{stem}_space-T1w_boldref.nii.gz")
    assert found.mask == Path(f"{stem}_space-T1w_desc-brain_mask.nii.gz")
    assert found.n_discarded == 0
    assert found.generated_by == {"Name": "fMRIPrep", "Version": "25.2.7"}


def test_runs_without_session_and_number(tree):
    assert find_run(tree, "02", None, "rest", None).bold.name == "sub-02_task-rest_space-T1w_desc-preproc_bold.nii.gz"


def test_padding_of_run_numbers_does_not_matter(tree):
    folder = tree / "sub-01" / "ses-a" / "func"
    for file in folder.glob("*run-02*"):
        file.rename(folder / file.name.replace("run-02", "run-2"))
    assert "run-2_" in find_run(tree, "01", "a", "rest", "02").bold.name
    assert "run-01_" in find_run(tree, "01", "a", "rest", "1").bold.name


def test_confounds_of_old_versions(tree):
    folder = tree / "sub-01" / "ses-a" / "func"
    for file in folder.glob("*run-01_desc-confounds_timeseries*"):
        file.rename(folder / file.name.replace("timeseries", "regressors"))
    assert find_run(tree, "01", "a", "rest", "01").confounds.name.endswith("desc-confounds_regressors.tsv")


def test_the_layout_of_old_versions(tree, tmp_path):
    legacy = tmp_path / "legacy"
    (legacy / "fmriprep").mkdir(parents=True)
    shutil.move(tree / "sub-01", legacy / "fmriprep" / "sub-01")
    made = {"Name": "fMRIPrep", "PipelineDescription": {"Name": "fMRIPrep", "Version": "1.5.9"}}
    (legacy / "fmriprep" / "dataset_description.json").write_text(json.dumps(made))
    assert find_run(legacy, "01", "b", "rest", "02").mask.is_file()
    assert fmriprep_version(legacy) == {"Name": "fMRIPrep", "Version": "1.5.9"}


def test_single_echoes_and_phases_are_not_the_run(tree):
    folder = tree / "sub-01" / "ses-a" / "func"
    for part in ("echo-1", "part-phase"):
        name = f"sub-01_ses-a_task-rest_run-01_{part}_space-T1w_desc-preproc_bold.nii.gz"
        (folder / name).write_bytes(b"")
    assert "run-01_space" in find_run(tree, "01", "a", "rest", "01").bold.name


def test_two_versions_of_a_run_are_refused(tree):
    folder = tree / "sub-01" / "ses-a" / "func"
    (folder / "sub-01_ses-a_task-rest_acq-x_run-01_space-T1w_desc-preproc_bold.nii.gz").write_bytes(b"")
    with pytest.raises(DataError, match="both are the bold of sub-01_ses-a_task-rest_run-01; remove one"):
        find_run(tree, "01", "a", "rest", "01")


def test_output_in_another_space_is_said(tree):
    folder = tree / "sub-01" / "ses-a" / "func"
    for file in folder.glob("*run-01_space-T1w*"):
        file.rename(folder / file.name.replace("space-T1w", "space-MNI152NLin2009cAsym"))
    with pytest.raises(
        DataError, match=r"it has MNI152NLin2009cAsym space\); run fMRIPrep on it with --output-spaces T1w"
    ):
        find_run(tree, "01", "a", "rest", "01")
    with pytest.raises(DataError, match="it has none of this run"):
        find_run(tree, "01", "c", "rest", "01")


def test_missing_confounds_are_said(tree):
    next((tree / "sub-01" / "ses-a" / "func").glob("*run-01_desc-confounds*.tsv")).unlink()
    with pytest.raises(DataError, match="holds no sub-01_ses-a_task-rest_run-01_desc-confounds_timeseries.tsv"):
        find_run(tree, "01", "a", "rest", "01")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "is no output folder of fMRIPrep"),
        ("{", "is not valid JSON"),
        ('{"GeneratedBy": [{"Name": "heudiconv"}]}', "does not say that fMRIPrep made"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "dataset_description.json").write_text(text)
    with pytest.raises(DataError, match=sentence):
        fmriprep_version(tmp_path)


def test_a_pattern_names_the_file_of_a_run(tmp_path):
    settings = derivatives_settings(
        {"folder": str(tmp_path), "bold": "s{subject}/{task}{run}.nii", "mask": "s{subject}/m.nii"}
    )
    run = {"subject": "01", "session": "x", "task": "rest", "run": "02"}
    with pytest.raises(
        DataError, match=r"s01/rest02.nii does not exist; correct preprocess.derivatives \(bold, folder\)"
    ):
        derivative_run(settings, run)
    (tmp_path / "s01").mkdir()
    (tmp_path / "s01" / "rest02.nii").touch()
    (tmp_path / "s01" / "m.nii").touch()
    found = derivative_run(settings, run)
    assert (found.bold, found.mask, found.confounds) == (
        tmp_path / "s01" / "rest02.nii",
        tmp_path / "s01" / "m.nii",
        None,
    )


def test_a_preset_is_filled_in_and_can_be_changed():
    settings = derivatives_settings({"preset": "preproc-spm", "folder": "x", "version": "5", "discarded_volumes": 2})
    assert (settings.software, settings.version, settings.discarded_volumes) == ("SPM", "5", 2)
    assert derivatives_settings({"preset": "preproc-spm", "folder": "x"}).discarded_volumes == 3


@pytest.mark.parametrize(
    ("chapter", "sentence"),
    [
        ({"preset": "afni", "folder": "x"}, "preset: 'afni' is unknown; there are preproc-spm"),
        ({"preset": "preproc-spm"}, "'folder' is missing"),
        ({"folder": "x"}, "'bold' is missing"),
        ({"folder": "x", "bold": "{subjekt}.nii"}, r"bold: \{subjekt\} is no part of a run's name"),
        ({"folder": "x", "bold": "b.nii", "motion": "m.tsv"}, "unknown key motion"),
    ],
)
def test_wrong_settings_are_one_sentence(chapter, sentence):
    with pytest.raises(ConfigError, match=sentence):
        derivatives_settings(chapter)


@pytest.mark.skipif(not MANIFEST.is_file(), reason="the file list of ds001246 is not here (shared/data/openneuro)")
def test_the_preset_names_every_preprocessed_run_of_ds001246():
    with gzip.open(MANIFEST, "rt", encoding="utf-8") as file:
        paths = [row["path"] for row in csv.DictReader(file, delimiter="\t")]
    root = "derivatives/preproc-spm/"
    there = {path.removeprefix(root) for path in paths if path.startswith(root) and "/func/" in path}
    raw = [Path(path).name.split("_") for path in paths if path.endswith("_bold.nii.gz") and not path.startswith(root)]
    runs = [dict(part.split("-", 1) for part in name[:-1]) for name in raw]
    named = {
        PRESETS["preproc-spm"]["bold"].format(subject=run["sub"], session=run["ses"], task=run["task"], run=run["run"])
        for run in runs
    }
    assert len(there) == 395
    assert named == there
