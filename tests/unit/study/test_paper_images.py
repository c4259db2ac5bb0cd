"""Which image figures and movies a configuration draws, from which files, and why others are left out."""

import json

import pytest
from paper_study import AREAS, PAPER, SETS, SINGLE, complete
from studies import study, wildcards

from fmri2image.core.errors import ConfigError
from fmri2image.study import Study, load_study
from fmri2image.study.paper_images import IMAGE_FIGURES, MOVIES, figure_number, part_cells

ROOT = "results/phantom"


def reasons(found: Study) -> dict[str, str]:
    """Return why figures are left out, by figure."""
    what = "shen2019 figure "
    return {one.what.removeprefix(what): one.reason for one in found.skipped if one.what.startswith(what)}


def inputs(found: Study, figure: str) -> dict[str, list[str]]:
    return found.image_figure_inputs(wildcards(figure=figure))


def names(paths: list[str]) -> list[str]:
    return [path.removeprefix(f"{ROOT}/reconstruct/").removesuffix(".h5") for path in paths]


@pytest.fixture(scope="module")
def whole() -> Study:
    return load_study(complete())


def test_all_figures_of_three_subjects_are_drawn_but_that_of_five(whole):
    assert set(whole.image_figures()) == set(IMAGE_FIGURES) - {"s3"}
    assert "ds001246" in reasons(whole)["s3"]
    assert all(f"{ROOT}/figures/shen2019/{figure}.svg" in whole.final_outputs() for figure in whole.image_figures())


def test_targets_join_the_parts_of_a_figure(whole):
    targets = whole.paper_targets()
    folder = f"{ROOT}/figures/shen2019"
    assert targets["fig2"] == [f"{folder}/fig2.svg"]
    assert f"{folder}/fig8a.svg" in targets["fig8"] and f"{folder}/fig8c.svg" in targets["fig8"]
    order = list(targets)
    assert order.index("fig8") < order.index("s2") < order.index("s10")
    made = [path for paths in targets.values() for path in paths]
    assert sorted(made) == sorted(set(made)) and set(made) <= set(whole.final_outputs())


def test_without_the_chapter_nothing_is_drawn():
    found = study("miyawaki2008")
    assert found.image_figures() == found.movies() == found.paper_targets() == {}
    assert not reasons(found)


def test_figures_read_the_files_of_their_methods_areas_and_subjects(whole):
    subjects = [f"sub-{subject}_roi-VC" for subject in ("01", "02", "03")]
    assert names(inputs(whole, "fig2")["images"]) == [f"generator/{source}_test" for source in subjects]
    assert names(inputs(whole, "s5")["images"]) == [f"icnn/{source}_test" for source in subjects]
    assert names(inputs(whole, "s11")["images"]) == [f"icnn/{source}_letters" for source in subjects]
    assert names(inputs(whole, "fig3a")["images"]) == ["generator/sub-01_roi-VC_test", "icnn/sub-01_roi-VC_test"]
    assert names(inputs(whole, "s7")["images"]) == [f"{name}/sub-01_roi-VC_test" for name in SETS.values()]
    assert names(inputs(whole, "s14")["images"]) == [f"icnn/sub-01_roi-{area}_shapes" for area in AREAS]
    assert names(inputs(whole, "s20")["images"])[:1] == ["icnn/sub-01_roi-V1_imagery"]
    for figure in ("fig2", "s7"):
        assert inputs(whole, figure)["stimuli"] == [f"{ROOT}/stimuli/test.h5"]


def test_single_layers_are_drawn_from_true_and_from_decoded_features(whole):
    methods = [*SINGLE.values(), "icnn"]
    wanted = [f"{name}/{source}_test" for source in ("true-features", "sub-01_roi-VC") for name in methods]
    assert names(inputs(whole, "s8")["images"]) == wanted
    settings = whole.image_figures()["s8"]
    assert [row["label"] for row in settings["parts"][0]["rows"]] == ["True features", "Decoded, VC"]
    assert settings["parts"][0]["columns"][-1] == {"label": "DNN1-8", "method": "icnn"}


def test_without_true_features_single_layers_are_drawn_from_decoded_ones():
    config = complete()
    config["analyses"] = [{**row, "ceiling": False} for row in config["analyses"]]
    found = load_study(config)
    assert not [name for name in names(inputs(found, "s8")["images"]) if "true-features" in name]
    assert "left out" in found.image_figures()["s8"]["caption"]


def test_initial_states_stand_below_each_other(whole):
    rows = whole.image_figures()["s6"]["parts"][0]["rows"]
    assert [(row["label"], row["method"]) for row in rows] == [
        ("DGN: zero", "generator"), ("DGN: normal", "normal"),
        ("Pixels: mean", "icnn"), ("Pixels: uniform", "uniform"), ("Pixels: zero", "zero"),
    ]  # fmt: skip


def test_imagery_ends_with_fixation(whole):
    for figure, area in (("s16", "VC"), ("s20", "V1")):
        settings = whole.image_figures()[figure]
        assert [part["test"] for part in settings["parts"]] == ["imagery", "rest"]
        assert names(inputs(whole, figure)["images"])[3:] == [f"icnn/sub-0{i}_roi-{area}_rest" for i in (1, 2, 3)]
        assert "fixation" in settings["caption"]


def test_imagery_without_a_fixation_test_is_drawn_too():
    tests = {role: name for role, name in PAPER["tests"].items() if role != "fixation"}
    found = load_study(complete({"report/paper": {**PAPER, "tests": tests}}))
    assert [part["test"] for part in found.image_figures()["s16"]["parts"]] == ["imagery"]
    assert "fixation" not in found.image_figures()["s16"]["caption"]


def test_figures_by_score_read_scores_and_kinds_and_say_so(whole):
    for figure, how, which in (("fig8a", "best", "highest"), ("fig8b", "worst", "lowest")):
        settings, found = whole.image_figures()[figure], inputs(whole, figure)
        assert settings["choice"] == {"how": how, "most": 10, "kind": "shape"}
        assert which in settings["caption"] and "Fig. 8" in settings["caption"].split("choice")[0]
        scores = f"{ROOT}/evaluate/images/icnn"
        assert found["scores"] == [f"{scores}/sub-0{i}_roi-VC_imagery_scores.tsv" for i in (1, 2, 3)]
        assert found["table"] == [f"{ROOT}/stimuli/stimuli.tsv"]
    assert inputs(whole, "fig8c")["table"] and "scores" not in inputs(whole, "fig8c")
    assert set(inputs(whole, "fig2")) == {"images", "stimuli"}


def test_letters_are_the_word_of_the_paper(whole):
    assert whole.image_figures()["fig6b"]["choice"] == {"how": "word", "word": "NEURON"}
    assert whole.image_figures()["s11"]["choice"] == {"how": "all"}


def test_images_can_be_named():
    images = {"fig2": ["b", "a"], "fig6b": ["letter_black_img011_A"]}
    found = load_study(complete({"report/paper": {**PAPER, "images": images}}))
    assert found.image_figures()["fig2"]["choice"] == {"how": "named", "names": ["b", "a"]}
    assert found.image_figures()["fig6b"]["choice"]["names"] == ["letter_black_img011_A"]
    assert found.image_figures()["s2"]["choice"] == {"how": "all"}


@pytest.mark.parametrize(("figure", "words"), [("fig9", "'fig9' is not among"), ("fig8a", "highest scores")])
def test_images_of_a_figure_that_chooses_for_itself_are_refused(figure, words):
    with pytest.raises(ConfigError, match=words):
        load_study(complete({"report/paper": {**PAPER, "images": {figure: ["a"]}}}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"area": "CV"}, "report.paper.area: 'CV' is not among samples.masks"),
        ({"areas": ["V1", "V5"]}, "report.paper.areas: 'V5' is not among"),
        ({"early": "v1"}, "report.paper.early: 'v1' is not among"),
        ({"methods": {"pixels": "generator"}}, "methods.pixels: method 'generator' makes its images through generator"),
        ({"methods": {"pixels": "icnn", "generator": "icnn"}}, "methods.generator: method 'icnn' has no generator"),
        (
            {"methods": {"pixels": "icnn", "latent_starts": {"zero": "zero"}}},
            "latent_starts.zero: method 'zero' has no",
        ),
        ({"methods": {"pixels": "icnn", "layer_sets": {"DNN1": "normal"}}}, "layer_sets.DNN1: method 'normal' makes"),
    ],
)
def test_names_that_would_make_a_figure_say_what_is_not_so_are_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        load_study(complete({"report/paper": {**PAPER, **change}}))


def test_an_area_that_is_not_analysed_is_no_error():
    found = load_study(complete({"report/paper": {**PAPER, "early": "LVC"}}))
    assert reasons(found)["s20"] == "no analysis runs icnn on area LVC and test imagery"


def test_what_no_analysis_makes_is_skipped_with_its_reason():
    methods = {"pixels": "icnn", "layer_sets": SETS}
    tests = {"natural": "test", "shapes": "shapes", "imagery": "imagery"}
    config = complete({"report/paper": {"name": "shen2019", "area": "VC", "tests": tests, "methods": methods}})
    config["analyses"] = [row for row in config["analyses"] if row["method"] != "set3"]
    found = load_study(config)
    assert set(found.image_figures()) == {"s5", "fig6a", "s10", "fig8a", "fig8b", "fig8c", "s16"}
    why = reasons(found)
    assert why["fig2"] == why["s2"] == why["fig3a"] == "report.paper names no method for it"
    assert why["fig4a"] == why["s7"] == "no analysis runs set3 on area VC and test test"
    assert why["fig6b"] == why["s11"] == "report.paper names no test for it"
    assert why["fig7a"] == why["s14"] == "report.paper names no areas to compare"
    assert why["s8"] == "report.paper names no methods for single_layers"
    assert why["s6"] == "report.paper names no methods for pixel_starts or latent_starts"
    assert "on area  " not in why["s20"] and "early" in why["s20"]
    assert set(why) >= set(IMAGE_FIGURES) - set(found.image_figures())


def test_skipped_figures_are_on_the_first_page(whole):
    assert any(one["what"] == "shen2019 figure s3" for one in whole.page_settings()["skipped"])


def test_five_subjects_are_those_of_s3():
    config = complete({"subjects": ["01", "02", "03", "04"]})
    found = load_study(config)
    assert "s3" in found.image_figures() and "s2" not in found.image_figures()
    assert "drawn as s3" in reasons(found)["s2"]
    assert found.image_figures()["s3"]["heading"].startswith("S3 Fig.")
    assert len(inputs(found, "s3")["images"]) == 4


def test_movies_need_the_images_along_the_way(whole):
    assert whole.movies() == {}
    assert reasons(whole)["movie_s2"] == "method icnn keeps no images along the way (set its snapshots)"
    found = load_study(complete({"reconstruct/methods/icnn/snapshots": 20}))
    assert set(found.movies()) == {"movie_s2", "movie_s3"}
    assert found.paper_targets()["movies"] == [f"{ROOT}/figures/shen2019/{name}.gif" for name in found.movies()]
    files = found.movie_inputs(wildcards(movie="movie_s3"))
    assert files == {
        "images": f"{ROOT}/reconstruct/icnn/sub-01_roi-VC_imagery.h5",
        "stimuli": f"{ROOT}/stimuli/imagery.h5",
    }
    assert found.movie_settings(wildcards(movie="movie_s3"))["subject"] == "01"


def test_settings_survive_json_in_their_order(whole):
    for settings in whole.image_figures().values():
        assert json.loads(json.dumps(settings)) == settings
        cells = [cell for part in settings["parts"] for cell in part_cells(part)]
        assert all(set(cell) == {"method", "subject", "roi", "test"} for cell in cells)


def test_figures_are_called_as_in_the_paper():
    assert [figure_number(name) for name in ("fig2", "fig8a", "s10", "movie_s1")] == [
        "Fig. 2", "Fig. 8A", "S10 Fig.", "S1 Movie"
    ]  # fmt: skip
    assert all(figure_number(name) for name in (*IMAGE_FIGURES, *MOVIES))
