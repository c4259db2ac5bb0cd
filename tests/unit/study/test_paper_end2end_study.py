"""Which figures of Shen et al. 2019 (end to end) a configuration draws, from which files, and why others are left out."""

import json

import pytest
from studies import study, wildcards

from fmri2image.core.digest import code_digest
from fmri2image.core.errors import ConfigError
from fmri2image.report.paper.registry import PLOTS_OF, load_plot, plot_module
from fmri2image.study import Study, load_study
from fmri2image.study.paper_images import figure_number
from fmri2image.study.papers import paper_facts
from fmri2image.study.papers.facts import PaperFacts

NAME = "shen2019-end-to-end"
ROOT = "results/phantom-end2end"
SIZES = ["48", "120", "240", "600", "1200"]


def reasons(found: Study) -> dict[str, str]:
    what = f"{NAME} figure "
    return {one.what.removeprefix(what): one.reason for one in found.skipped if one.what.startswith(what)}


def names(found: Study, figure: str) -> list[str]:
    paths = found.image_figure_inputs(wildcards(figure=figure))["images"]
    return [path.removeprefix(f"{ROOT}/reconstruct/").removesuffix(".h5") for path in paths]


@pytest.fixture(scope="module")
def whole() -> Study:
    return study("phantom-end2end")


def test_all_figures_are_drawn_in_a_folder_and_by_targets_of_their_own(whole):
    assert set(whole.image_figures()) == {"fig2a", "fig3a", "fig3d", "fig4a", "fig5a"}
    assert set(whole.plot_figures()) == set(PLOTS_OF[NAME]) == {"fig2b", "fig3b", "fig3c", "fig3e", "fig4b", "fig5b"}
    folder = f"{ROOT}/figures/{NAME}"
    assert whole.paper_targets() == {
        "fig2": [f"{folder}/fig2a.svg", f"{folder}/fig2b.svg"],
        "fig3": [f"{folder}/fig3{part}.svg" for part in "abcde"],
        "fig4": [f"{folder}/fig4a.svg", f"{folder}/fig4b.svg"],
        "fig5": [f"{folder}/fig5a.svg", f"{folder}/fig5b.svg"],
    }
    made = {path for paths in whole.paper_targets().values() for path in paths}
    assert made <= set(whole.final_outputs()) and not reasons(whole) and whole.movies() == {}


@pytest.mark.parametrize("paper", PLOTS_OF)
def test_every_paper_says_all_that_its_figures_need(paper):
    facts = paper_facts(paper)
    assert isinstance(facts, PaperFacts) and facts.name == paper
    for figure in PLOTS_OF[paper]:
        module = load_plot(figure, paper)
        assert callable(module.plotted) and callable(module.draw) and all(module.COLUMNS.values())
    assert set(facts.ranked) <= set(facts.image_figures) and all(map(figure_number, facts.image_figures))
    assert set(facts.fallbacks) <= set(facts.single) and set(facts.through_generator or ()) <= {
        *facts.single, *facts.several
    }  # fmt: skip


def test_a_figure_of_one_name_is_drawn_by_the_module_of_its_paper():
    assert plot_module("fig4b").endswith(".winning") and plot_module("fig4b", NAME).endswith(".sizes")
    with pytest.raises(ConfigError, match="no plot 's22' of shen2019-end-to-end"):
        plot_module("s22", NAME)


def test_an_edit_to_one_plot_redraws_its_own_figures_only(whole):
    package = "fmri2image.report.paper."
    wanted = {"fig2b": {"bars"}, "fig4b": {"sizes"}, "fig5b": {"ablations", "bars", "winning"}}
    for figure, mine in wanted.items():
        digest = code_digest("plot_paper_plot", also=[whole.plot_module(figure)])
        modules = {name.removeprefix(package) for name in digest if name.startswith(package)}
        assert modules & {"bars", "sizes", "ablations", "winning", "areas"} == mine


def test_image_figures_read_the_files_of_their_models(whole):
    everyone = [f"sub-{subject}_roi-VC" for subject in ("01", "02", "03")]
    for figure, test in (("fig2a", "test"), ("fig3a", "shapes"), ("fig3d", "letters")):
        assert names(whole, figure) == [f"end2end/{source}_{test}" for source in everyone]
        assert [row["subject"] for row in whole.image_figures()[figure]["parts"][0]["rows"]] == ["01", "02", "03"]
    models = [*(f"end2end-{n}" for n in SIZES[:-1]), "end2end"]
    assert names(whole, "fig4a") == [f"{model}/sub-01_roi-VC_sizes" for model in models]
    assert [one["label"] for one in whole.image_figures()["fig4a"]["parts"][0]["columns"]] == SIZES
    ablations = ["end2end", "end2end-no-image", "end2end-no-feature", "end2end-no-adversarial"]
    assert names(whole, "fig5a") == [f"{name}/sub-01_roi-VC_test" for name in ablations]
    caption = whole.image_figures()["fig4a"]["caption"]
    assert caption.startswith("Fig. 4A of Shen et al. 2019 (Front. Comput. Neurosci.)") and "grey frames" in caption


def test_plots_read_conditions_sizes_and_models(whole):
    settings = {figure: whole.plot_settings(wildcards(figure=figure)) for figure in whole.plot_figures()}
    conditions = {name: [bar["condition"] for bar in one["bars"]] for name, one in settings.items() if "bars" in one}
    assert conditions == {
        "fig2b": ["natural"],
        "fig3b": ["shapes"],
        "fig3c": ["shapes", "shapes"],
        "fig3e": ["letters"],
    }
    assert settings["fig2b"]["metrics"][:2] == ["pixel_identification", "ssim_identification"]
    assert [one["samples"] for one in settings["fig4b"]["sizes"].values()] == [int(n) for n in SIZES]
    assert settings["fig4b"]["test"] == "sizes"
    assert list(settings["fig5b"]["models"].values())[0] == "end2end" and len(settings["fig5b"]["models"]) == 4
    assert settings["fig5b"]["metrics"][:2] == ["pixel_correlation", "ssim"]
    assert all(one["paper"] == NAME and one["caption"] for one in settings.values())
    assert json.loads(json.dumps(settings)) == settings


def test_ratings_add_human_judgment_in_the_order_of_the_paper():
    rated = study("phantom-end2end", {"report/paper/ratings": "ratings.tsv"})
    metrics = {figure: rated.plot_settings(wildcards(figure=figure))["metrics"][:3] for figure in ("fig4b", "fig5b")}
    assert metrics["fig4b"] == ["pixel_identification", "ssim_identification", "human_identification"]
    assert metrics["fig5b"] == ["pixel_correlation", "ssim", "human"]


def test_published_values_stand_beside_those_of_the_paper_s_data():
    given = {f"acquire/stimuli/{name}/folder": "/pictures" for name in ("train", "test")}
    paper = study("paper-end2end", given)
    inputs = paper.plot_inputs(wildcards(figure="fig2b"))
    assert inputs["ledger"] == "results/paper-end2end/tables/ledger.tsv"
    assert "ledger" not in study("phantom-end2end").plot_inputs(wildcards(figure="fig2b"))
    assert set(paper.paper_targets()) == {"fig2", "fig3", "fig4", "fig5"}
    assert list(paper.plot_settings(wildcards(figure="fig4b"))["sizes"]) == [
        "120",
        "300",
        "600",
        "1500",
        "3000",
        "6000",
    ]


def test_without_pictures_nothing_is_trained_and_the_reason_is_given():
    paper = study("paper-end2end")
    assert paper.paper_targets() == {} and paper.training_figures() == []
    assert {row["method"] for row in paper.analyses} == {"icnn-dgn"}
    assert all("left out, see there" in reason for reason in reasons(paper).values()) and len(reasons(paper)) == 11


def test_what_no_analysis_makes_is_left_out_with_its_reason():
    found = study(
        "phantom-end2end", {"report/paper/methods": {"full": "end2end"}, "report/paper/tests": {"natural": "test"}}
    )
    why = reasons(found)
    assert set(found.paper_targets()) == {"fig2"}
    assert why["fig4a"] == "report.paper names no methods for sizes"
    assert why["fig5a"] == "report.paper names no methods for ablations"
    assert why["fig3a"] == why["fig3b"] == "report.paper names no test for it"
    half = study("phantom-end2end")
    config = {**half.config, "analyses": [row for row in half.config["analyses"] if "no-" not in row["method"]]}
    assert "no analysis runs end2end-no-image" in reasons(load_study(config))["fig5b"]


@pytest.mark.parametrize("change, words", [
    ({"report/paper/methods/pixels": "end2end"}, "report.paper.methods: 'pixels' is not one of"),
    ({"report/paper/methods/full": "end2"}, "report.paper.methods.full: 'end2' is not among"),
    ({"report/paper/methods/ablations": {"no-loss": "end2end"}}, "report.paper.methods.ablations: unknown key no-loss"),
    ({"report/paper/methods/sizes": {"many": "end2end"}}, "many"),
    ({"report/paper/methods/full": None}, "'full' is a required property"),
    ({"report/paper/images": {"fig8a": ["a"]}}, "'fig8a' is not among the image figures"),
])  # fmt: skip
def test_wrong_names_are_one_sentence(change, words):
    with pytest.raises(ConfigError, match=words):
        study("phantom-end2end", change)
