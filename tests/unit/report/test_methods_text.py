"""The methods text says what the settings say, and nothing that they do not."""

import copy
import re

import pytest
import yaml
from small_study import config

from fmri2image.core.digest import WORKFLOW
from fmri2image.report.methods_text import methods_text
from fmri2image.report.references import REFERENCES


def text(settings) -> str:
    return " ".join(f"{heading}. {paragraph}" for heading, paragraph in methods_text(settings).paragraphs)


def change(path: list, value: object) -> dict:
    changed = copy.deepcopy(config())
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        (["seed"], 4711, "seed 4711"),
        (["acquire", "simulate", "voxel_size"], 2.75, "2.75 mm voxels"),
        (["preprocess", "discard_seconds"], 10, "first 10 s of every run"),
        (["preprocess", "realign", "fwhm"], 6.5, "6.5 mm FWHM"),
        (["preprocess", "engine"], "ants", "by ANTs"),
        (["preprocess", "engine"], "fmriprep", "those of fMRIPrep"),
        (["preprocess", "engine"], "derivatives", "preprocessed by others"),
        (["preprocess", "slice_timing"], "before", "Before that, slices"),
        (["preprocess", "slice_timing"], "after", "After that, slices"),
        (["preprocess", "realign", "passes"], 1, "Every volume was matched to the mean of the subject's first run"),
        (["preprocess", "coregister", "cost"], "boundary", "border of white matter"),
        (["preprocess", "coregister", "path"], "brain", "both reduced to the brain"),
        (["preprocess", "coregister", "bias_correction"], False, "The reference was coregistered"),
        (["samples", "responses"], "glm", "one regressor per presentation"),
        (["samples", "normalise"], "zscore", "z-scored over the run"),
        (["samples", "confounds"], ["csf"], "the confounds csf"),
        (["samples", "motion_limit"], {"displacement": 0.4, "share": 0.2, "runs": "drop", "trials": "keep"}, "above 0.4 mm"),
        (["samples", "shift_seconds"], 5.5, "shifted by 5.5 s"),
        (["samples", "despike_threshold"], 4.5, "beyond 4.5 standard deviations"),
        (["samples", "high_pass"], 90.0, "periods of 90 s and longer"),
        (["samples", "baseline"], "model", "the intercept beside the task's response"),
        (["samples", "window"], 6.0, "means over 6 s"),
        (["decode", "decoders", "ridge", "alpha"], 33, "penalty 33 on"),
        (["decode", "decoders", "ridge", "n_voxels"], None, "all voxels of an area"),
        (["decode", "decoders", "ridge", "norm_reference"], "training", "that of the training images"),
        (["reconstruct", "methods", "icnn", "norm_correction"], "none", "Method icnn: Decoded features were left"),
        (["reconstruct", "methods", "icnn", "iterations"], 77, "(77 iterations, memory 10)"),
        (["reconstruct", "methods", "icnn", "optimiser"], "descent", "by gradient descent with momentum (60 iterations"),
        (["reconstruct", "methods", "icnn", "start"], "uniform", "starting from random grey levels, pixels were changed"),
        (["reconstruct", "methods", "icnn", "precision"], "bfloat16", "in bfloat16."),
        (["evaluate", "permutations"], 2345, "2,345 permutations"),
        (["tests", "letters", "rows"], "trial", "single trials were decoded"),
        (["report", "primary", "roi"], "LVC", "is icnn on LVC"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_setting_changes_its_sentence(path, value, wanted):
    assert wanted not in text(config())
    assert wanted in text(change(path, value))


def test_steps_that_are_off_are_not_claimed():
    assert "motion parameters" in text(config())
    assert "motion parameters" not in text(change(["samples", "motion_regression"], False))
    assert "per cent change" not in text(change(["samples", "normalise"], "none"))
    assert "SSIM" not in text(change(["evaluate", "similarities"], ["pixel"]))
    without_judges = copy.deepcopy(config())
    without_judges["evaluate"].pop("judges", None)
    assert "judges" not in text(without_judges)


def test_real_data_are_not_called_simulated():
    real = text(config(simulated=False))
    assert "simulated" not in real
    assert "transductive" in real
    assert "Preprocessing" not in real
    assert "leaving out one run" in real
    assert "19 and 500 times" in real


@pytest.mark.parametrize("simulated", [True, False])
def test_references_are_numbered_as_they_are_cited(simulated):
    methods = methods_text(config(simulated))
    cited = [int(number) for _, paragraph in methods.paragraphs for number in re.findall(r"\[(\d+)\]", paragraph)]
    firsts = list(dict.fromkeys(cited))
    assert firsts == list(range(1, len(methods.references) + 1))
    assert len(set(methods.references)) == len(methods.references)
    assert set(methods.references) <= set(REFERENCES.values())
    assert not re.search(r"\[[a-z]+\d{4}\]", text(config(simulated)))


def with_generator():
    found = change(["reconstruct", "methods", "icnn", "generator"], "small")
    found["reconstruct"]["generators"]["small"] = {"generator": "deepsim-small"}
    return found


def with_end2end():
    weights = {"image_weight": 2.5e-5, "feature_weight": 0, "adversarial_weight": 100}
    entry = {"method": "end2end", "architecture": "small", "comparator": None, "steps": 5, **weights}
    found = change(["reconstruct", "methods", "e2e"], entry)
    found["analyses"] = [*found["analyses"], {"method": "e2e", "rois": ["VC"], "tests": ["test"]}]
    return found


def test_every_reference_can_be_cited():
    limit = {"displacement": 0.5, "share": 0.2, "runs": "drop", "trials": "drop"}
    variants = [
        config(),
        config(simulated=False),
        change(["preprocess", "engine"], "ants"),
        change(["preprocess", "engine"], "fmriprep"),
        change(["preprocess", "coregister", "cost"], "boundary"),
        change(["preprocess", "coregister", "cost"], "mutual_information"),
        change(["samples"], {**config()["samples"], "responses": "glm", "glm": {"separate": True}}),
        change(["samples", "motion_limit"], limit),
        yaml.safe_load((WORKFLOW.parent / "config/phantom-decoders.yaml").read_text(encoding="utf-8")),
        with_generator(),
        with_end2end(),
    ]
    used = {reference for variant in variants for reference in methods_text(variant).references}
    assert set(REFERENCES.values()) <= used
