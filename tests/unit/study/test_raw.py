"""Where raw and preprocessed files of a study lie."""

import pytest
from studies import study, wildcards

SUBJECT = wildcards(subject="01", dataset="x")


@pytest.mark.parametrize(
    ("name", "root"),
    [
        ("config", "results/phantom/bids"),
        ("ds001506", "resources/downloaded/ds001506/bids"),
        ("own-data", "/data/my-study"),
    ],
)
def test_the_raw_folder(name, root):
    assert study(name).bids_root == root
    assert study(name).bold_file(first(name)).startswith(f"{root}/sub-01/")


def first(name: str):
    run = study(name).raw_runs["01"][0]
    return wildcards(subject="01", dataset=name, **{key: run.names[key] for key in ("session", "task", "run")})


def test_sidecars_need_the_top_of_a_dataset_to_be_inherited():
    shen = study("ds001506")
    assert shen.run_sidecars(first("ds001506"))[0] == f"{shen.bids_root}/dataset_description.json"
    assert "dataset_description" not in study("config").run_sidecars(first("config"))[0]
    everyone = shen.raw_sidecars(SUBJECT)
    assert len(everyone) == len(set(everyone)) == 1 + len(shen.raw_runs["01"])


def test_the_reference_is_the_first_run_of_the_first_set():
    shen = study("ds001506")
    reference = shen.reference_run("01")
    assert reference["bold"].endswith("ses-perceptionNaturalImageTraining01_task-perception_run-01_bold.nii.gz")
    assert shen.inplane_images(SUBJECT)[0].split("/")[-3] == "ses-perceptionNaturalImageTraining01"
    assert study("ds001761").inplane_images(SUBJECT) == []


def test_wildcards_lead_back_to_the_run():
    for name in ("ds000255", "ds001506", "config"):
        found = study(name)
        for run in found.raw_runs["01"]:
            named = wildcards(subject="01", **{key: run.names[key] for key in ("session", "task", "run")})
            assert found.raw_run(named) is run


def test_preprocessed_files_are_in_the_order_of_runs():
    found = study("ds000255")
    files = found.run_files("01", "x.tsv")
    assert len(files) == len(set(files)) == len(found.runs["01"])
    assert files[0] == "results/ds000255/preprocess/sub-01/ses-01/func/sub-01_ses-01_task-viewRandom_run-01_x.tsv"


def test_masks_tell_the_grid_and_without_them_the_workflow_makes_one():
    shen, miyawaki = study("ds001506"), study("ds000255")
    assert not shen.own_grid and miyawaki.own_grid
    assert shen.grid_file(SUBJECT) == shen.given_masks(SUBJECT)[0] and shen.given_grid(SUBJECT) == []
    grid = "results/ds000255/preprocess/sub-01/sub-01_space-T1w_desc-grid_mask.nii.gz"
    assert miyawaki.given_grid(SUBJECT) == miyawaki.grid_file(SUBJECT) == grid
    assert miyawaki.given_masks(SUBJECT) == []
    fine = study("ds001506", {"preprocess/grid": "epi"})
    assert fine.own_grid and fine.given_grid(SUBJECT).endswith("desc-grid_mask.nii.gz") and fine.given_masks(SUBJECT)


def test_areas_of_masks_are_those_of_the_configuration():
    masks = study("ds001506").area_masks("01")
    assert set(masks.values()) == set(study("ds001506").masks)
    few = study("ds001506", {
        "samples/masks": ["LOC", "FFA"], "samples/unions": {"VC": ["LOC", "FFA"]},
        "analyses": [{"method": "icnn", "rois": ["VC"], "tests": ["shapes"]}],
    })  # fmt: skip
    assert set(few.area_masks("01").values()) == {"LOC", "FFA"} and len(few.area_masks("01")) == 4


def test_what_only_the_samples_know_is_drawn_from_them():
    miyawaki = study("ds000255")
    assert miyawaki.drawn_samples() == ["results/{dataset}/samples/sub-{subject}.h5"]
    assert miyawaki.quality_settings(SUBJECT)["outlines"] == ["active"]
    assert study("ds001506").drawn_samples() == []


def test_kept_runs_are_outputs_only_where_they_are_asked_for():
    assert study("ds000255").kept_bold("nii.gz") == []
    (kept,) = study("ds000255", {"preprocess/keep_bold": True}).kept_bold("nii.gz")
    assert kept.endswith("space-T1w_desc-preproc_bold.nii.gz")
