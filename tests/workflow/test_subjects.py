"""Subjects differ in their runs: every one has files, inputs and settings of its own."""

import copy
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from fmri2image.samples.settings import MotionLimit
from fmri2image.study import load_study
from fmri2image.study.data import MOTION_LIMIT

CONFIG = Path(__file__).resolve().parents[2] / "config" / "config.yaml"


@pytest.fixture
def config() -> dict:
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))


def test_the_demo_has_irregular_sessions(config):
    study = load_study(config)
    training = {
        subject: [run["session"][-2:] for run in runs if run["stimulus_set"] == "train"]
        for subject, runs in study.runs.items()
    }
    assert training["01"] == training["03"] == ["01"] * 4 + ["02"] * 4
    assert training["02"] == ["01"] * 5 + ["02"] * 3
    assert {run["task"] for run in study.runs["01"]} == {"perception", "imagery"}


def test_files_are_those_of_the_subject(config):
    study = load_study(config)
    for subject in study.subjects:
        wildcards = SimpleNamespace(subject=subject)
        inputs = study.samples_inputs(wildcards)
        assert len(inputs["series"]) == len(inputs["events"]) == len(study.runs[subject]) == 22
        raw = set(study.raw_files(subject))
        assert set(inputs["events"]) <= raw
        reference = study.reference_inputs(wildcards)
        files = [file for one in reference.values() for file in ([one] if isinstance(one, str) else one)]
        assert {*files, *study.inplane_images(wildcards)} <= raw
        assert all(f"sub-{subject}" in file for file in [*raw, *inputs["series"], *study.motion_tables(wildcards)])


def test_the_runs_of_another_subject_do_not_count(config):
    other = copy.deepcopy(config)
    other["acquire"]["simulate"]["stimulus_sets"]["train"]["runs"] = {"02": [1, 7], "default": [4, 4]}
    before, after = load_study(config), load_study(other)
    changed = [s for s in before.subjects if before.simulate_settings(s) != after.simulate_settings(s)]
    assert changed == ["02"]
    changed = [
        s
        for s in before.subjects
        if before.samples_settings(SimpleNamespace(subject=s)) != after.samples_settings(SimpleNamespace(subject=s))
    ]
    assert changed == ["02"]
    assert before.dataset_settings() == after.dataset_settings()


def test_in_ds001246_one_sidecar_serves_all_runs_of_a_task(config):
    config["acquire"]["simulate"]["dialect"] = "ds001246"
    study = load_study(config)
    (sidecar,) = study.reference_inputs(SimpleNamespace(subject="02"))["sidecar"]
    assert sidecar == "results/phantom/bids/task-perception_bold.json"
    assert sidecar in study.dataset_files()
    # The sidecars at the top hold the scanner's settings, so the rule that writes them must know these.
    assert {"repetition_time", "slice_timing", "voxel_size", "slab"} <= set(study.dataset_settings()["simulate"])
    assert "slab" not in load_study(yaml.safe_load(CONFIG.read_text())).dataset_settings()["simulate"]


def test_motion_limit_of_the_pages_is_that_of_the_samples():
    assert asdict(MotionLimit()) == MOTION_LIMIT
