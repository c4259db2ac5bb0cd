"""What comparing a study with Shen et al. 2019 (end to end) asks: conditions, models, RV coefficients, fixed comparisons."""

import pytest
from studies import study, wildcards

from fmri2image.core.errors import ConfigError
from fmri2image.study import Study

ROOT = "results/phantom-end2end"
ABLATIONS = "report/paper/methods/ablations"


@pytest.fixture(scope="module")
def whole() -> Study:
    return study("phantom-end2end")


def test_conditions_are_the_reconstructions_of_the_paper(whole):
    settings = whole.paper_settings()
    sizes = list(whole.paper["methods"]["sizes"])
    losses = [f"natural_without_{loss}_loss" for loss in ("image", "feature", "adversarial")]
    names = ["natural", "shapes", "letters", "natural_icnn", *losses, *(f"size@{size}" for size in sizes)]
    assert [one["name"] for one in settings["conditions"]] == names and settings["missing"] == {}
    found = {one["name"]: one for one in settings["conditions"]}
    assert found[f"size@{sizes[0]}"] == {
        "name": f"size@{sizes[0]}", "method": f"end2end-{sizes[0]}", "roi": "VC", "test": "sizes", "kind": None,
    }  # fmt: skip
    assert found["natural_without_feature_loss"]["method"] == "end2end-no-feature"
    assert list(settings["models"]) == ["full", "no-image", "no-feature", "no-adversarial"]
    assert settings["paper"] == "shen2019-end-to-end" and settings["positions"] == {"S1": "01", "S2": "02", "S3": "03"}


def test_what_is_not_run_has_its_reason():
    some = {"no-feature": "end2end-no-feature", "no-adversarial": "end2end-no-adversarial"}
    found = study("phantom-end2end", {ABLATIONS: some, "report/paper/methods/icnn": None}).paper_settings()
    assert found["missing"] == {
        "natural_icnn": "report.paper names no method for it",
        "natural_without_image_loss": "report.paper names no method for it",
    }
    assert list(found["models"]) == ["full", "no-feature", "no-adversarial"]


def test_rv_is_of_natural_images_shapes_and_letters_of_every_subject(whole):
    settings, inputs = whole.rv_settings(), whole.rv_inputs()
    assert whole.rv_tables() == [f"{ROOT}/tables/rv.tsv"] == whole.compare_paper_inputs()["rv"]
    assert whole.rv_tables()[0] in whole.final_outputs()
    conditions = [(one["condition"], one["subject"]) for one in settings["sources"]]
    names = ("natural", "shapes", "letters", "natural_icnn")
    assert conditions == [(name, subject) for name in names for subject in ("01", "02", "03")]
    assert f"{ROOT}/reconstruct/end2end/sub-02_roi-VC_shapes.h5" in inputs["images"]
    assert len(inputs["images"]) == len(set(inputs["images"])) == 12
    assert inputs["stimuli"] == [f"{ROOT}/stimuli/{name}.h5" for name in ("test", "shapes", "letters")]
    assert settings["permutations"] == whole.config["evaluate"]["permutations"]


def test_the_other_paper_has_no_rv():
    other = study("phantom-shen2019")
    assert other.rv_tables() == [] == other.compare_paper_inputs()["rv"]
    assert other.paper_module().endswith("papers.shen2019")


@pytest.mark.parametrize("changes, words", [
    ({f"{ABLATIONS}/no-image": "end2end"}, "methods.ablations: full and no-image are both 'end2end'"),
    ({"report/paper/methods/sizes/48": "end2end-120"}, "methods.sizes: 48 and 120 are both 'end2end-120'"),
    ({"report/paper/methods/full": "nothing"}, "report.paper.methods.full: 'nothing' is not among"),
    ({"report/paper/tests/sizes": "nothing"}, "report.paper.tests.sizes: 'nothing' is not among"),
    ({"report/paper/methods/sizes": {"many": "end2end"}}, "report.paper.methods.sizes"),
    ({"tests/sizes/comparisons": 0}, "tests.sizes.comparisons"),
    ({"tests/sizes": {"stimuli": "test", "leave_out": "run", "rows": "stimulus", "comparisons": 10}},
     "tests.sizes.comparisons: chance of a cross-validated test is refitted with all stimuli as lures"),
])  # fmt: skip
def test_a_wrong_name_is_one_sentence(changes, words):
    with pytest.raises(ConfigError, match=words):
        study("phantom-end2end", changes)


def test_fixed_comparisons_are_settings_of_the_scores_alone(whole):
    plain = study("phantom-end2end", {"tests/sizes/comparisons": None})
    one = wildcards(method="end2end-120", source="sub-01_roi-VC", test="sizes")
    assert whole.tests == plain.tests
    assert whole.score_images_settings(one) == {**plain.score_images_settings(one), "comparisons": 10}
    assert whole.score_images_inputs(one) == plain.score_images_inputs(one)  # no table of kinds is needed
    for judge in whole.judges:
        here = wildcards(judge=judge, method="end2end-120", test="sizes")
        assert whole.judge_settings(here) == {**plain.judge_settings(here), "comparisons": 10}
        assert whole.judge_inputs(here) == plain.judge_inputs(here)
