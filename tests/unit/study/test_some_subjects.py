"""A method that runs for some subjects only: its files are asked for, and no others'; trainings have figures."""

import ast

import pytest
from studies import configuration, study, wildcards

from fmri2image.core.errors import ConfigError
from fmri2image.study import Study, load_study
from fmri2image.study.trainings import _says

SOME = ["02", "03"]


def some(subjects: list[str] = SOME, name: str = "phantom-end2end", skip: str = "end2end") -> Study:
    """Return a study whose analyses, all but the primary method's, are of some subjects."""
    config = configuration(name)
    for row in config["analyses"]:
        if row["method"] != skip:
            row["subjects"] = subjects
    return load_study(config)


def test_only_their_files_are_asked_for():
    found = some()
    assert found.sources("end2end", "test") == [f"sub-{subject}_roi-VC" for subject in ("01", "02", "03")]
    assert found.sources("end2end-48", "sizes") == ["sub-02_roi-VC", "sub-03_roi-VC"]
    assert found.sources("icnn-dgn", "test") == ["sub-02_roi-VC", "sub-03_roi-VC", "true-features"]
    mine = [path for path in (*found.score_files("scores"), *found.accuracy_files()) if "sub-01" in path]
    assert mine and all("/end2end/" in path for path in mine)
    assert {path.split("/")[3] for path in found.subject_images("01")} == {"end2end"}
    assert not [path for path in found.mapped_files("ridge", "01")] and found.mapped_files("ridge", "02")
    assert all("sub-01" not in path for path in found.selection_files())


def test_rows_that_name_other_subjects_of_one_setting_add_up():
    config = configuration("phantom-end2end")
    config["analyses"] += [
        {"method": "end2end-48", "rois": ["VC"], "tests": ["test"], "subjects": ["03"]},
        {"method": "end2end-48", "rois": ["VC"], "tests": ["test"], "subjects": ["01"]},
    ]
    assert load_study(config).sources("end2end-48", "test") == ["sub-01_roi-VC", "sub-03_roi-VC"]


def test_figures_of_one_subject_are_of_the_first_with_most_methods():
    found = some()
    assert found.paper_first == "02"
    for figure in ("fig4a", "fig5a"):
        images = found.image_figure_inputs(wildcards(figure=figure))["images"]
        assert all("sub-02" in path for path in images)
        assert "subject 02" in found.image_figures()[figure]["caption"]
    assert len(found.image_figure_inputs(wildcards(figure="fig2a"))["images"]) == 3
    config = configuration("phantom-end2end")
    only = {"end2end-48": ["03"], "end2end-no-image": ["01"]}
    for row in config["analyses"]:
        if row["method"] in only:
            row["subjects"] = only[row["method"]]
    mixed = load_study(config)
    assert mixed.paper_first == "01"  # as many as of 03
    columns = {figure: mixed.image_figures()[figure]["parts"][0]["columns"] for figure in ("fig4a", "fig5a")}
    assert [one["method"] for one in columns["fig4a"]][0] == "end2end-120" and len(columns["fig4a"]) == 4
    assert "end2end-no-image" in [one["method"] for one in columns["fig5a"]]
    assert len(mixed.plot_settings(wildcards(figure="fig4b"))["sizes"]) == 5


def test_a_figure_that_needs_another_subject_is_left_out():
    config = configuration("phantom-shen2019")
    for row in config["analyses"]:
        if row["method"] == "icnn-dgn":
            row["subjects"] = ["03"]
        if row["method"] in ("icnn-dnn1", "icnn-dnn2"):
            row["subjects"] = ["01"]
    found = load_study(config)
    reason = {one.what: one.reason for one in found.skipped}["shen2019 figure fig3a"]
    assert found.paper_first == "01" and reason == "no analysis runs icnn-dgn on area VC and test test of subject 01"
    assert len(found.image_figure_inputs(wildcards(figure="fig2"))["images"]) == 1


def test_recovery_and_norm_corrections_are_of_all_subjects():
    config = configuration("config")
    primary = config["report"]["primary"]["method"]
    config["analyses"].append({"method": primary, "rois": ["V1"], "tests": ["shapes"], "subjects": ["02"]})
    found = load_study(config)
    decoder = found.methods[primary]["decoder"]
    assert found.decoder_subjects(decoder, "V1") in (["02"], found.subjects)
    assert all(found.decoder_subjects(decoder, roi) == found.subjects for roi in found.recovery_rois(decoder))
    variants = study("config").norm_variants()
    other = next(name for name in variants if name != primary)
    for row in config["analyses"]:
        if row["method"] == other:
            row["subjects"] = ["02"]
    assert other not in load_study(config).norm_variants()


@pytest.mark.parametrize("change, words", [
    (["04"], "analyses.0.subjects: '04' is not among subjects"),
    (["01"], "report.primary: the analyses of method 'end2end' on area 'VC' leave out subject 02, 03"),
    ([], "analyses.0.subjects"),
])  # fmt: skip
def test_wrong_subjects_are_one_sentence(change, words):
    with pytest.raises(ConfigError, match=words):
        study("phantom-end2end", {"analyses/0/subjects": change})


def test_methods_that_train_have_a_figure_for_everyone_they_run_for():
    found = some()
    assert found.trains("end2end") and not found.trains("icnn-dgn")
    figures = found.training_figures()
    assert len(figures) == 3 + 2 * 7 and set(figures) <= set(found.final_outputs())
    assert found.training_figures("01") == ["results/phantom-end2end/figures/training_end2end_sub-01_roi-VC.png"]
    here = wildcards(method="end2end", subject="01", roi="VC")
    assert found.training_states(here) == ["results/phantom-end2end/reconstruct/end2end/sub-01_roi-VC_fit-train.pt"]
    assert found.training_figure_settings(here) == {"method": "end2end", "simulated": True}
    assert study("config", {"analyses": configuration("config")["analyses"][:1]}).training_figures() == []


@pytest.mark.parametrize("line, expected", [
    ("TRAINS = True", True), ("TRAINS: bool = True", True), ("TRAINS = False", False), ("TRAINS = 1", False),
    ("OTHER = True", False), ("if x:\n    TRAINS = True", False), ("TRAINS: bool", False),
])  # fmt: skip
def test_a_module_says_that_it_trains_by_a_literal(line, expected):
    assert _says(ast.parse(line).body[0]) is expected
