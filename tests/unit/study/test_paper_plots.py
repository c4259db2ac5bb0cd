"""Which plots of the paper a configuration draws, from which tables, and why others are left out."""

from types import SimpleNamespace

import pytest
from jinja2 import Template
from paper_study import AREAS, PAPER, SETS, complete
from studies import study, wildcards

from fmri2image.core.digest import WORKFLOW, code_digest
from fmri2image.report.paper.registry import PLOTS, load_plot
from fmri2image.study import Study, load_study
from fmri2image.study.paper_plots import POOLED

ROOT = "results/phantom"
SPLIT = {"training": "train", "rows": "stimulus"}
TESTS = {
    "tests/shapes": {"stimuli": "shapes", **SPLIT, "aspects": ["colour", "shape"]},
    "tests/imagery": {"stimuli": "imagery", **SPLIT, "same": "kind", "aspects": ["colour", "shape"]},
}


def made(changes: dict | None = None, paper: dict | None = None) -> Study:
    """Return a study that can draw every plot but those of ratings and of absolute features."""
    report = {"primary": {"method": "icnn", "roi": "VC"}, "paper": {**PAPER, **(paper or {})}}
    config = complete({"report": report, **(changes or {})})
    for path, value in TESTS.items():
        if path not in (changes or {}):
            config["tests"][path.split("/")[1]] = value
    return load_study(config)


def reason(found: Study, figure: str) -> str:
    """Return why a plot is left out; empty where it is drawn."""
    assert (figure in found.plot_figures()) == (not _reasons(found).get(figure))
    return _reasons(found).get(figure, "")


def _reasons(found: Study) -> dict[str, str]:
    what = "shen2019 figure "
    return {one.what.removeprefix(what): one.reason for one in found.skipped if one.what.startswith(what)}


def settings(found: Study, figure: str) -> dict:
    return found.plot_settings(wildcards(figure=figure))


@pytest.fixture(scope="module")
def whole() -> Study:
    return made()


def test_all_plots_are_drawn_but_those_without_their_tables(whole):
    assert set(whole.plot_figures()) == set(PLOTS) - {"fig5", "s19", "s22"}
    assert "raw_absolute" in reason(whole, "fig5")
    assert "human ratings" in reason(whole, "s19") and "human ratings" in reason(whole, "s22")
    assert all(f"{ROOT}/figures/shen2019/{figure}.svg" in whole.final_outputs() for figure in whole.plot_figures())


def test_every_plot_has_a_module_that_draws_and_describes(whole):
    for figure in PLOTS:
        module = load_plot(figure)
        assert callable(module.plotted) and callable(module.draw) and all(module.COLUMNS.values())


def test_an_edit_to_one_plot_is_an_edit_to_its_own_figures_only(whole):
    digests = {name: code_digest("plot_paper_plot", also=[whole.plot_module(name)]) for name in whole.plot_figures()}
    for figure, digest in digests.items():
        mine = {name for name in PLOTS.values() if f"fmri2image.report.paper.{name}" in digest}
        assert mine == {PLOTS[figure], *(["bars"] if PLOTS[figure] == "areas" else [])}


def test_bars_come_from_the_statistics_of_their_conditions(whole):
    conditions = {
        figure: [bar["condition"] for bar in settings(whole, figure)["bars"]]
        for figure in ("fig3b", "fig6c", "s12", "s13", "fig8d", "s21")
    }
    assert conditions == {
        "fig3b": ["natural_generator", "natural_pixels"], "fig6c": ["shapes", "letters"], "s12": ["shapes"],
        "s13": ["letters"], "fig8d": ["imagery_shapes"], "s21": ["imagery_shapes_early"],
    }  # fmt: skip
    assert whole.plot_inputs(wildcards(figure="fig3b")) == {
        "statistics": f"{ROOT}/tables/statistics.tsv", "identification": f"{ROOT}/tables/identification.tsv",
    }  # fmt: skip
    areas = settings(whole, "fig7b")["bars"]
    assert [(bar["area"], bar["aspect"]) for bar in areas] == [(a, b) for a in AREAS for b in ("shape", "colour")]


def test_bars_are_of_all_subjects_or_of_each(whole):
    subjects = list(whole.subjects)
    assert settings(whole, "fig3b")["subjects"] == [POOLED] and settings(whole, "fig3b")["points"] == subjects
    assert settings(whole, "s4")["subjects"] == subjects and settings(whole, "s4")["points"] == []
    assert settings(whole, "s21")["subjects"] == [*subjects, POOLED]


def test_metrics_are_pixels_judges_and_human_judgment_where_there_are_ratings(whole, tmp_path):
    judges = [f"feature_identification_{judge}" for judge in whole.judges]
    assert settings(whole, "fig3b")["metrics"] == ["pixel_identification", *judges]
    ratings = tmp_path / "ratings.tsv"
    ratings.write_text("", encoding="utf-8")
    rated = made(paper={"ratings": str(ratings)})
    assert settings(rated, "fig3b")["metrics"] == ["pixel_identification", "human_identification", *judges]
    assert settings(rated, "s19")["metrics"] == settings(rated, "s22")["metrics"] == ["human_identification"]
    assert settings(rated, "fig4b")["metrics"][:2] == ["pixel_correlation", "human"]


def test_no_judge_leaves_pixels(whole):
    found = made({"evaluate/judges": {}})
    assert settings(found, "fig3b")["metrics"] == ["pixel_identification"]
    nothing = made({"evaluate/judges": {}, "evaluate/similarities": ["ssim"]})
    assert "no metric" in reason(nothing, "fig3b")


def test_what_no_analysis_makes_is_left_out_with_its_reason():
    method = {key: value for key, value in PAPER["methods"].items() if key != "generator"}
    found = made(paper={"methods": method})
    assert "names no method" in reason(found, "fig3b") and "names no method" in reason(found, "s4")
    assert [one["label"] for one in settings(found, "s9")["methods"]] == ["Without the DGN"]
    tests = {key: value for key, value in PAPER["tests"].items() if key == "natural"}
    natural = made(paper={"tests": tests})
    assert set(natural.plot_figures()) == {"fig3b", "fig4b", "s1", "s4", "s9"}
    assert [one["label"] for one in settings(natural, "s1")["series"]] == ["Natural images"]


def test_colour_and_shape_need_tests_with_aspects():
    found = made({"tests/shapes": {"stimuli": "shapes", **SPLIT}})
    assert "aspects" in reason(found, "fig7b") and "aspects" in reason(found, "s15")
    assert "fig8e" in found.plot_figures()


def test_sets_of_layers_need_two():
    methods = {**PAPER["methods"], "layer_sets": {"DNN1-8": "icnn"}}
    assert "two of the sets" in reason(made(paper={"methods": methods}), "fig4b")
    assert settings(made(), "fig4b")["layer_sets"] == list(SETS)


def test_accuracy_tells_imagined_kinds_apart_by_decoded_features(whole):
    chosen, inputs = settings(whole, "s1"), whole.plot_inputs(wildcards(figure="s1"))
    assert [(one["test"], one["kind"]) for one in chosen["series"]] == [
        ("test", ""), ("shapes", ""), ("letters", ""), ("imagery", "natural"), ("imagery", "shape"),
    ]  # fmt: skip
    features = f"{ROOT}/evaluate/features/ridge"
    assert inputs["units"] == [f"{features}/sub-{subject}_roi-VC_units.h5" for subject in whole.subjects]
    assert len(inputs["decoded"]) == len(whole.subjects) * len(chosen["layers"])
    assert inputs["true"] == whole.feature_files("vgg-small", "imagery", chosen["layers"])


def test_published_values_are_asked_for_with_the_data_of_the_paper_only(whole):
    assert "ledger" not in whole.plot_inputs(wildcards(figure="fig6c"))
    paper = study("paper-shen2019")
    inputs = paper.plot_inputs(wildcards(figure="fig6c"))
    assert inputs["ledger"] == "results/paper-shen2019/tables/ledger.tsv" and inputs["ledger"] in paper.final_outputs()


def test_imagery_with_lures_of_all_kinds_is_not_the_paper_s():
    without = {key: value for key, value in TESTS["tests/imagery"].items() if key != "same"}
    mixed = made({"tests/imagery": without})
    for figure in ("fig8d", "fig8e", "s18", "s21"):
        assert reason(mixed, figure) == "test imagery takes lures of all kinds (set its same: kind)"
    missing = mixed.paper_settings()["missing"]
    assert {"imagery_shapes", "imagery_natural", "imagery_shapes_early"} <= set(missing)


def test_captions_promise_the_band_of_permutations_only_where_it_is_drawn(whole):
    template = Template((WORKFLOW / "report" / "paper_plot.rst").read_text(encoding="utf-8"))
    for figure, one in whole.plot_figures().items():
        params = SimpleNamespace(settings=one["settings"])
        words = template.render(snakemake=SimpleNamespace(wildcards=SimpleNamespace(figure=figure), params=params))
        bars = one["settings"].get("bars", [])
        assert "Simulated data" in words
        if bars:
            partial = all(bar["partial"] for bar in bars)
            assert ("Grey:" in words, "Dashed:" in words) == (not partial, partial), figure


def test_without_the_chapter_there_is_nothing():
    found = load_study(complete({"report": {"primary": {"method": "icnn", "roi": "VC"}}}))
    assert found.plot_figures() == {} and not [path for path in found.final_outputs() if "shen2019" in path]
