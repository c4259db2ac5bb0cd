"""What a study downloads: never more than it uses, all that it uses, and nothing again because of where it comes from."""

from collections import Counter
from pathlib import Path

import pytest
from studies import CONFIGS, configuration, study, wildcards

from fmri2image.acquire.manifests import MANIFESTS, read_manifest
from fmri2image.acquire.openneuro import OPENNEURO
from fmri2image.core.errors import ConfigError
from fmri2image.study.entries import EntryPattern

ONE = {"subjects": ["01"]}
GIVEN = {"acquire/stimuli/train/folder": "/pictures", "acquire/stimuli/test/folder": "/pictures"}
REAL = ["ds000255", "ds001246", "ds001506", "ds001761"]
PAPERS = ["paper-end2end", "paper-shen2019", "paper-shen2019-s3"]  # they take ds001506 and ds001246
# Raw runs of ds001246 as SPM has prepared them; masks as before.
SPM = {
    "preprocess/engine": "derivatives",
    "preprocess/derivatives": {
        "preset": "preproc-spm", "folder": "resources/downloaded/ds001246/bids/derivatives/preproc-spm"
    },
    "samples/motion_regression": False,
}  # fmt: skip


# Files of a dataset ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REAL)
def test_every_file_is_fetched_by_one_rule_and_has_the_manifests_size_and_checksum(name):
    found = study(name)
    groups = [*found.bundles().values(), *found.stimulus_folders().values(), found.images()]
    counts = Counter(path for paths in groups for path in paths)
    assert counts.most_common(1)[0][1] == 1
    files = {file.path: file for file in found.bids_files()}
    assert set(files) == set(counts)
    manifest = {file.path: file for file in read_manifest(MANIFESTS / f"{name}.tsv")}
    assert all(manifest[path] == file for path, file in files.items())
    settings = found.bids_settings(sorted(counts))
    assert settings["files"] == {path: [manifest[path].size, manifest[path].md5] for path in sorted(counts)}
    assert (settings["dataset"], settings["root"]) == (name, f"resources/downloaded/{name}/bids")


@pytest.mark.parametrize("name", REAL)
def test_every_file_that_a_rule_asks_for_is_fetched(name):
    found = study(name)
    fetched = {f"{found.bids_root}/{file.path}" for file in found.bids_files()}
    for subject in found.subjects:
        one = wildcards(subject=subject, dataset=found.dataset)
        asked = [found.t1w_file(one), *found.raw_bold(one), *found.raw_sidecars(one), *found.events_files(one)]
        asked += [*found.inplane_images(one), *found.given_masks(one)]
        assert set(asked) <= fetched
    assert {path for path in fetched if path.endswith("_bold.nii.gz")} == {
        path for subject in found.subjects for path in found.raw_bold(wildcards(subject=subject))
    }


def test_a_bundle_holds_the_small_files_of_a_session_and_a_run_its_image():
    found = study("ds001506", ONE)
    session = "sub-01_ses-perceptionLetterImage01"
    stem = f"sub-01/ses-perceptionLetterImage01/func/{session}_task-perception_run-"
    bundles = found.bundles()
    assert bundles[session] == [f"{stem}{run:02}_{end}" for run in range(1, 13) for end in ("bold.json", "events.tsv")]
    assert bundles["dataset"] == ["dataset_description.json"]
    assert len(bundles["sub-01_masks"]) == 2 * len(found.masks)
    assert [path for path in found.images() if path.startswith(stem)] == [
        f"{stem}{run:02}_bold.nii.gz" for run in range(1, 13)
    ]
    assert not [path for paths in bundles.values() for path in paths if path.endswith("_bold.nii.gz")]
    anatomy = [path for path in found.images() if "/anat/" in path]
    assert [path.rsplit("_", 1)[1] for path in anatomy] == ["T1w.nii.gz", "inplaneT2.nii.gz"]


def test_sidecars_at_the_top_come_with_the_dataset():
    assert study("ds001246").bundles()["dataset"] == ["dataset_description.json", "task-perception_bold.json"]
    assert set(study("ds000255").bundles()["dataset"]) == {
        "dataset_description.json", "task-viewFigure_bold.json", "task-viewRandom_bold.json"
    }  # fmt: skip


def test_subjects_that_are_left_out_are_not_fetched():
    both, one = study("ds000255"), study("ds000255", {"subjects": ["02"]})
    assert {file.subject for file in one.bids_files()} == {"", "02"}
    assert {file.path for file in one.bids_files()} < {file.path for file in both.bids_files()}


def test_tests_that_are_left_out_are_not_fetched():
    shown = {file.stimulus_set for file in study("ds001506", ONE).bids_files()}
    assert shown == {"", "train", "test", "shapes", "letters"}  # no imagery without the pictures that train for it
    assert "imagery" in {file.stimulus_set for file in study("ds001506", {**ONE, **GIVEN}).bids_files()}
    few = {**ONE, "analyses": [{"method": "icnn", "rois": ["VC"], "tests": ["shapes"]}], "decode/analyses": None}
    assert {file.stimulus_set for file in study("ds001506", few).bids_files()} == {"", "train", "shapes"}


def test_sessions_that_are_left_out_are_not_fetched():
    some = study("ds000255", {"acquire/sessions": ["01"], **ONE})
    assert {run["session"] for run in some.runs["01"]} == {"01"}
    assert {file.session for file in some.bids_files() if file.suffix in ("bold", "events")} == {"01"}
    assert len(some.bids_files()) < len(study("ds000255", ONE).bids_files())


def test_run_sets_say_which_runs_there_are():
    random = {"acquire/run_sets": ["random"], "stimulus_sets": ["random"], "tests": {
        "cv": {"stimuli": "random", "leave_out": "run", "rows": "trial"}}, "acquire/stimuli": {"random": {"from": "events"}},
        "samples/responsive/stimulus_set": "random", "analyses": [
            {"method": "pixels", "rois": ["brain"], "tests": ["cv"], "refit_permutations": 19}],
        "report/primary/roi": "brain"}  # fmt: skip
    with pytest.raises(ConfigError, match="must not choose voxels"):
        study("ds000255", random)
    found = study("ds000255", {**random, "samples/responsive": None})
    assert {run["stimulus_set"] for runs in found.runs.values() for run in runs} == {"random"}
    assert found.run_sets == ["random"]


def test_no_in_plane_image_is_fetched_that_is_not_used():
    direct = study("ds000255", {"preprocess/coregister/path": "direct"})
    assert not [path for path in direct.images() if "inplane" in path]
    assert [path for path in study("ds000255").images() if "inplane" in path]


def test_what_another_program_prepared_is_fetched_where_it_belongs_to_the_dataset():
    found = study("ds001246", {**ONE, **SPM})
    prepared = [path for path in found.images() if path.startswith("derivatives/preproc-spm/output/sub-01/")]
    assert len(prepared) == len(found.raw_runs["01"]) == 59
    assert set(prepared) <= {file.path for file in found.bids_files()}
    assert not [path for path in found.images() if "inplane" in path]
    elsewhere = {**SPM, "preprocess/derivatives": {"preset": "preproc-spm", "folder": "/mine"}}
    assert not [path for path in study("ds001246", {**ONE, **elsewhere}).images() if path.startswith("derivatives")]


def test_derivatives_do_without_masks():
    alone = {
        "samples/masks": [],
        "samples/unions": {},
        "samples/responsive": {"name": "active", "stimulus_set": "train"},
    }
    rows = [{"method": "icnn", "rois": ["active"], "tests": ["test"]}]
    found = study("ds001246", {**ONE, **SPM, **alone, "analyses": rows, "report/primary/roi": "active"})
    assert found.area_masks("01") == {} and found.given_masks(wildcards(subject="01")) == []
    assert "sub-01_masks" not in found.bundles()
    assert found.own_grid and found.given_grid(wildcards(subject="01")).endswith("_desc-grid_mask.nii.gz")
    assert found.drawn_samples() and found.samples_settings(wildcards(subject="01"))["responsive"]["name"] == "active"
    assert "areas" not in found.adopt_settings(wildcards(subject="01"))


def test_pictures_of_the_dataset_are_those_of_its_subjects():
    found = study("ds001761", ONE)
    assert list(found.stimulus_folders()) == ["stimuli/sub01"]
    assert len(found.stimulus_folders()["stimuli/sub01"]) == 9416
    assert study("ds001506").stimulus_folders() == {}


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in REAL + PAPERS])
def test_studies_without_a_public_dataset_fetch_none(name):
    found = study(name)
    assert (found.bundles(), found.images(), found.bids_files(), found.remote) == ({}, [], [], {})


# Where files come from is no part of what they are ---------------------------------------------------------------------


def parameters(found) -> list:
    paths = found.images()[:1]
    return [
        found.bids_settings(paths), found.image_settings(wildcards(path=paths[0])),
        found.registry_settings(wildcards(entry="stimuli-shapes")), found.samples_settings(wildcards(subject="01")),
        found.import_stimuli_settings(wildcards(stimulus_set="shapes")),
    ]  # fmt: skip


def test_a_mirror_and_being_offline_start_nothing_again():
    plain = study("ds001506", ONE)
    other = {"acquire/mirror": "/mirror", "acquire/offline": True, "acquire/openneuro/url": "http://127.0.0.1:9/x"}
    moved = study("ds001506", {**ONE, **other})
    assert parameters(plain) == parameters(moved)
    assert plain.bids_place() == {"address": OPENNEURO, "mirror": "", "offline": 0}
    assert moved.bids_place() == {"address": "http://127.0.0.1:9/x", "mirror": "/mirror", "offline": 1}
    assert moved.place() == {"mirror": "/mirror", "offline": 1}
    assert study("miyawaki2008").place() == {"mirror": "", "offline": 0}


def test_what_a_file_is_does_start_it_again():
    name = "true-features-vgg19-test-fc8"
    settings = study("ds001506").registry_settings(wildcards(entry=name))
    assert set(settings) == {"name", "file", "size", "md5", "sha256"}
    assert settings["name"] == name and (settings["md5"] or settings["size"])


# Entries of the registry ----------------------------------------------------------------------------------------------

# Configuration: how many files of the registry it needs, by kind.
ENTRIES = {
    "ds001246": {"torch-archive": 1, "true-features": 38},
    "ds001246-published": {"torch-archive": 1, "true-features": 38, "samples": 5},
    "ds001506": {"torch-archive": 1, "true-features": 38, "stimuli": 2},
    "ds001506-published": {
        "torch-archive": 1, "true-features": 38, "stimuli": 2, "samples": 3, "decoded-features": 57, "feature-statistics": 1
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_every_name_of_a_configuration_is_an_entry_of_its_kind(name):
    found = study(name)
    entries = found.entries()
    assert len({entry.name for entry in entries}) == len(entries)
    for pattern in found.entry_patterns():
        assert pattern.names() and not pattern.missing_file()
    assert all(entry.urls for entry in entries)
    if name in ENTRIES:
        assert Counter(entry.kind for entry in entries) == ENTRIES[name]


def test_tables_of_names_are_among_the_entries():
    found = study("ds001506-decoded")
    named = [one["names"] for one in found.config["acquire"]["stimuli"].values() if "names" in one]
    entries = {entry.name for entry in found.entries()}
    assert {"/" in name for name in named} == {True, False}
    assert {name for name in named if "/" not in name} <= entries


def test_places_are_filled_in_with_every_subject_and_layer():
    pattern = EntryPattern("here", "x-sub-{subject}-{layer}", (), {"subject": ["01", "02"], "layer": ["fc6", "fc7"]})
    assert pattern.names() == ["x-sub-01-fc6", "x-sub-01-fc7", "x-sub-02-fc6", "x-sub-02-fc7"]
    assert EntryPattern("here", "x-{layer}-{layer}", (), {"layer": ["fc6"]}).names() == ["x-fc6-fc6"]
    assert EntryPattern("here", "/mine/{layer}.zip", (), {"layer": ["fc6", "fc7"]}).names() == [
        "/mine/fc6.zip",
        "/mine/fc7.zip",
    ]


def test_a_path_of_ones_own_is_used_in_place(tmp_path):
    found = study("ds001506", {"features/networks/vgg19/published/train": f"{tmp_path}/{{layer}}.zip"})
    assert found.entry_file(f"{tmp_path}/fc6.zip") == f"{tmp_path}/fc6.zip"
    assert found.entry_file("stimuli-shapes").startswith("resources/downloaded/files/stimuli-shapes/")
    (pattern,) = [one for one in found.entry_patterns() if one.own]
    assert pattern.missing_file() == f"{tmp_path}/conv1_1.zip"
    for name in pattern.names():
        Path(name).touch()
    assert pattern.missing_file() == ""
    assert not [entry for entry in found.entries() if entry.name.startswith("true-features-vgg19-train")]


def test_samples_of_a_subject_are_its_own():
    found = study("ds001246-published")
    for subject in ("01", "04"):
        files = found.published_samples(wildcards(subject=subject))["files"]
        assert files and all(f"sub-{subject}" in file for file in files)
        settings = found.published_samples_settings(wildcards(subject=subject))
        assert set(settings["files"]) == set(found.config["samples"]["published"]["entries"])
        assert set(settings["files"].values()) == set(files)


def test_labels_are_inputs_and_settings(tmp_path):
    found = study("ds001506-published", {"samples/published/labels": {"test": "stimulus-table-test"}})
    (table,) = found.published_samples(wildcards(subject="01"))["labels"]
    assert found.published_samples_settings(wildcards(subject="01"))["labels"] == {"test": table}
    assert "stimulus-table-test" in {entry.name for entry in found.entries()}


def test_stimuli_that_are_left_out_are_left_out_of_pictures_too():
    found = study("ds001506")
    assert found.import_stimuli_settings(wildcards(stimulus_set="shapes"))["leave_out"] == ["fixation"]
    assert (
        configuration("ds001761")["samples"]["leave_out"]
        == (study("ds001761").import_stimuli_settings(wildcards(stimulus_set="train"))["leave_out"])
    )
