"""What the comparison with a paper asks of a study: conditions, lures, ratings, and sentences about wrong keys."""

import pytest
from paper_study import complete
from studies import study, wildcards

from fmri2image.core.errors import ConfigError
from fmri2image.study import load_study

VC = wildcards(method="icnn", source="sub-01_roi-VC", test="imagery")


def test_lures_are_settings_of_the_scores_alone():
    plain = study("config", {"tests/imagery/same": None, "tests/shapes/aspects": None})
    chosen = study("config", {"tests/imagery/aspects": ["colour"]})
    assert chosen.tests == plain.tests
    assert chosen.lures["imagery"] == {"same": "kind", "aspects": ["colour"]}
    assert chosen.score_images_settings(VC).items() >= {"same": "kind", "aspects": ["colour"]}.items()
    assert chosen.score_images_inputs(VC)["kinds"] == "results/phantom/stimuli/stimuli.tsv"
    assert "kinds" not in plain.score_images_inputs(VC)
    assert not {"same", "aspects"} & set(plain.score_images_settings(VC))
    for judge in chosen.judges:
        here = wildcards(judge=judge, method="icnn", test="imagery")
        assert "kinds" in chosen.judge_inputs(here) and "kinds" not in plain.judge_inputs(here)
    assert chosen.score_features_settings(wildcards(decoder="ridge")) == plain.score_features_settings(
        wildcards(decoder="ridge")
    )


@pytest.mark.parametrize("name, changes, words", [
    ("config", {"tests/test/aspects": ["shape"]}, "tests.test.aspects: set 'test' holds no artificial shapes"),
    ("miyawaki2008", {"tests/run/same": "kind"}, "chance of a cross-validated test is refitted"),
    ("config", {"tests/imagery/same": "colour"}, "tests.imagery.same"),
    ("config", {"acquire/stimulus_kinds": "kinds.tsv"}, "acquire.stimulus_kinds"),
])  # fmt: skip
def test_a_wrong_choice_of_lures_is_one_sentence(name, changes, words):
    if name == "miyawaki2008":
        changes = {f"tests/{next(iter(study(name).tests))}/same": "kind"}
    with pytest.raises(ConfigError, match=words):
        study(name, changes)


def test_conditions_are_the_reconstructions_of_the_paper():
    settings = load_study(complete()).paper_settings()
    found = {one["name"]: one for one in settings["conditions"]}
    assert found["imagery_shapes_early"] == {
        "name": "imagery_shapes_early", "method": "icnn", "roi": "V1", "test": "imagery", "kind": "shape",
    }  # fmt: skip
    assert found["natural_generator"]["method"] == "generator"
    assert {"shapes@V1", "shapes@V4", "letters", "layer_set@DNN1-8"} <= set(found)
    assert settings["missing"] == {}
    assert len(settings["models"]) == 8
    lacking = complete()
    lacking["analyses"] = [row for row in lacking["analyses"] if row["method"] != "generator"]
    missing = load_study(lacking).paper_settings()["missing"]
    assert missing == {"natural_generator": "no analysis runs generator on area VC and test test"}


@pytest.mark.parametrize("name, subjects, positions", [
    ("paper-shen2019", ["01", "02", "03"], {"S1": "01", "S2": "02", "S3": "03"}),
    ("paper-shen2019", ["02"], {"S2": "02"}),
    ("paper-shen2019-s3", ["01", "02", "03", "04", "05"], {}),
    ("phantom-shen2019", ["02", "03"], {"S1": "02", "S2": "03"}),
])  # fmt: skip
def test_a_subject_stands_beside_the_published_one_of_its_number(name, subjects, positions):
    settings = study(name, {"subjects": subjects}).paper_settings()
    assert (settings["subjects"], settings["positions"]) == (subjects, positions)


def test_tables_and_ratings_are_there_only_with_the_chapter():
    plain, paper = study("config"), load_study(complete())
    assert plain.paper_tables() == []
    assert set(paper.paper_tables()) <= set(paper.final_outputs())
    assert paper.compare_paper_inputs()["rated"] == []
    config = complete()
    config["report"]["paper"] = {**config["report"]["paper"], "ratings": "ratings.tsv"}
    rated = load_study(config)
    assert rated.score_files("scores")[-1] == "results/phantom/evaluate/ratings/scores.tsv"
    assert rated.score_files("scores")[:-1] == paper.score_files("scores") == rated.ratings_inputs()["scores"]
    assert rated.ratings_settings()["tests"]["imagery"] == {"stimuli": "imagery", "same": "kind"}
    assert rated.compare_paper_inputs()["rated"] == ["results/phantom/evaluate/ratings/rated.tsv"]


def test_two_layer_sets_of_one_method_cannot_be_compared():
    config = complete()
    methods = config["report"]["paper"]["methods"]
    config["report"]["paper"] = {
        **config["report"]["paper"], "methods": {**methods, "layer_sets": {"DNN1": "icnn", "DNN1-8": "icnn"}},
    }  # fmt: skip
    with pytest.raises(ConfigError, match="DNN1 and DNN1-8 are both 'icnn'"):
        load_study(config)
