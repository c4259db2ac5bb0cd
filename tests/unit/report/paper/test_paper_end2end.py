"""Plots of Shen et al. 2019 (end to end) show what the tables of the study say: quality, sizes, ablations."""

from types import SimpleNamespace

import end2end_tables
import numpy as np
import pytest
import yaml
from paper_tables import printed, words, write

from fmri2image.core.digest import WORKFLOW
from fmri2image.report.paper import ablations, bars, sizes
from fmri2image.report.style import metric_label
from fmri2image.study import load_study

SIZES = {
    "sizes": {str(n): {"method": f"size-{n}", "samples": n} for n in (6000, *end2end_tables.SIZES)},
    "metrics": list(end2end_tables.METRICS),
    "subjects": list(end2end_tables.SUBJECTS),
    "roi": "VC",
    "test": "sizes",
    "simulated": True,
}
ABLATIONS = {
    "models": end2end_tables.MODELS,
    "metrics": ["pixel_correlation", "ssim", "human", "feature_correlation_squeezenet"],
    "subjects": list(end2end_tables.SUBJECTS),
    "title": "Natural images",
    "simulated": True,
}


@pytest.fixture(scope="module")
def made():
    return end2end_tables.scores()


@pytest.fixture(scope="module")
def tables(tmp_path_factory, made):
    return write(
        tmp_path_factory.mktemp("end2end"),
        statistics=end2end_tables.statistics(made),
        identification=end2end_tables.identification(made),
        winning=end2end_tables.winning(),
        ledger=end2end_tables.ledger(),
    )


def bar_settings(figure: str) -> dict:
    """Return the settings that a study makes for a figure, with the judge and the ratings of the tables."""
    config = yaml.safe_load((WORKFLOW.parent / "config" / "phantom-end2end.yaml").read_text(encoding="utf-8"))
    config["evaluate"]["judges"] = {"squeezenet": {"network": "squeezenet1_1", "layer": "fire9"}}
    config["report"]["paper"]["ratings"] = "ratings.tsv"
    return load_study(config).plot_settings(SimpleNamespace(figure=figure))


QUALITY = [("fig2b", "natural", 150), ("fig3b", "shapes", 120), ("fig3e", "letters", 30)]


@pytest.mark.parametrize("figure, condition, n", QUALITY)
def test_quality_is_that_of_the_images(tables, made, tmp_path, figure, condition, n):
    settings = bar_settings(figure)
    table = bars.plotted({key: tables[key] for key in ("statistics", "identification")}, settings)
    shown = table[table["drawn"] == "bar"]
    assert list(shown["metric"]) == list(end2end_tables.METRICS) and set(shown["n"]) == {n}
    for row in shown.to_dict("records"):
        mine = made[(made["condition"] == condition) & (made["metric"] == row["metric"])]
        assert row["mean"] == pytest.approx(mine["value"].mean())
        assert (row["chance_p01"], row["chance_p99"]) == pytest.approx((0.42, 0.58))  # widest of the subjects
    text = printed(bars.draw(table, settings), tmp_path)
    assert f"n = {n}" in text and "Human" in text and "SSIM" in text and "Simulated" in text


def test_shape_and_colour_stand_side_by_side(tables, made, tmp_path):
    settings = bar_settings("fig3c")
    table = bars.plotted({key: tables[key] for key in ("statistics", "identification")}, settings)
    shown = table[table["drawn"] == "bar"]
    assert list(dict.fromkeys(shown["bar"])) == ["Shape", "Colour"]
    colour = shown[(shown["bar"] == "Colour") & (shown["metric"] == "ssim_identification_colour")].iloc[0]
    mine = made[(made["condition"] == "shapes") & (made["metric"] == "ssim_identification_colour")]
    assert colour["mean"] == pytest.approx(mine["value"].mean())
    printed(bars.draw(table, settings), tmp_path)


def test_published_values_are_of_this_paper_alone(tables):
    table = bars.plotted(tables, bar_settings("fig2b"))
    drawn = table[table["published"].notna()]
    assert list(drawn["published"]) == pytest.approx([0.781]) and list(drawn["subject"]) == ["pooled"]
    aspects = bars.plotted(tables, bar_settings("fig3c"))
    assert list(aspects["published"].dropna()) == pytest.approx([0.567])


def test_sizes_rise_along_a_logarithmic_axis(tables, made, tmp_path):
    table = sizes.plotted(tables, SIZES)
    figure = sizes.draw(table, SIZES)
    assert len(figure.axes) == 4  # two to a line
    for axes, metric in zip(figure.axes, end2end_tables.METRICS, strict=False):
        line = axes.containers[0]
        assert list(line.lines[0].get_xdata()) == list(end2end_tables.SIZES)
        for n, height, (low, high) in zip(
            end2end_tables.SIZES, line.lines[0].get_ydata(), (path.vertices[:, 1] for path in line.lines[2][0].get_paths()),
            strict=True,
        ):  # fmt: skip
            mine = made[(made["condition"] == f"size@{n}") & (made["metric"] == metric)]["value"]
            assert height == pytest.approx(100 * mine.mean())
            half = 100 * 1.976013 * mine.std() / np.sqrt(150)  # t of 149 degrees of freedom
            assert (low, high) == pytest.approx((height - half, height + half), rel=1e-5)
        assert axes.get_xscale() == "log" and axes.xaxis.get_transform().base == 2
        assert axes.get_title(loc="left") == metric_label(metric)
    text = printed(figure, tmp_path)
    assert "n = 150" in text and "6,000" in text and "Subject 03" in text and "Simulated" in text


def test_sizes_that_nobody_scored_are_left_out(tables, tmp_path):
    more = {**SIZES, "sizes": {**SIZES["sizes"], "12": {"method": "nobody", "samples": 12}}}
    assert sizes.plotted(tables, more).equals(sizes.plotted(tables, SIZES))
    none = sizes.plotted(tables, {**SIZES, "test": "other"})
    assert "nothing to draw" in words(sizes.draw(none, SIZES), tmp_path)
    alone = {**SIZES, "subjects": ["01"], "metrics": ["pixel_identification"]}
    assert "Subject 01" in printed(sizes.draw(sizes.plotted(tables, alone), alone), tmp_path)


def test_models_come_in_the_order_of_the_figure_with_their_shares(tables, tmp_path):
    table = ablations.plotted(tables, ABLATIONS)
    assert set(table) == set(ablations.COLUMNS)
    shown = table[table["drawn"] == "bar"]
    assert list(shown["bar"][:4]) == list(end2end_tables.MODELS)
    assert list(shown["mean"][:4]) == [0.5, 0.45, 0.44, 0.61]
    assert set(table.loc[table["drawn"] == "point", "subject"]) == set(end2end_tables.SUBJECTS)
    text = printed(ablations.draw(table, ABLATIONS), tmp_path)
    for expected in ("Winning percentage", "All 6 pairs of 4 models", "no preference", "n = 50", "\u2212image loss"):
        assert expected in text
    assert "chance" not in text and "identification" not in text


def test_models_without_a_comparison_are_said_in_words(tables, tmp_path):
    empty = ablations.plotted(tables, {**ABLATIONS, "models": {"Full": "another"}})
    assert "nothing to draw" in words(ablations.draw(empty, ABLATIONS), tmp_path)
