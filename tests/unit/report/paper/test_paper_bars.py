"""Bars of quality show the means of the images that were scored, their intervals, and the chance of the same split."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import paper_tables
import pytest
from scipy import stats

from fmri2image.evaluate import statistics, winning
from fmri2image.report.paper import areas, bars, marks
from fmri2image.study import paper_plots

GENERATOR = [("natural_generator", "With"), ("natural_pixels", "Without")]
BY_METRIC = {"row": "", "panel": "title", "x": "metric", "bar": "label"}
BY_SUBJECT = {"row": "", "panel": "metric", "x": "subject", "bar": "label"}


def settings(entries=GENERATOR, layout=BY_METRIC, pooled=True, aspect="", partial=False, **more):
    """Return settings of bars as the study makes them."""
    subjects = list(paper_tables.SUBJECTS)
    return {
        "bars": [
            {"condition": name, "label": label, "aspect": aspect, "area": "", "partial": partial}
            for name, label in entries
        ],
        "metrics": list(paper_tables.BASES),
        "subjects": ["pooled"] if pooled else subjects,
        "points": subjects if pooled else [],
        "layout": layout,
        "title": "Natural images",
        "simulated": True,
        **more,
    }


def without_ledger(inputs):
    return {key: path for key, path in inputs.items() if key != "ledger"}


def drawn_heights(figure):
    """Return the heights of the coloured bars of a figure, panel by panel."""
    band = plt.matplotlib.colors.to_rgb("#d9d9d9")
    return [
        bar.get_height()
        for axes in figure.axes
        for bar in axes.patches
        if not np.allclose(bar.get_facecolor()[:3], band)
    ]


@pytest.mark.parametrize("pooled", [True, False], ids=["fig3b", "s4"])
def test_numbers_are_those_of_the_images(inputs, quality, pooled):
    table = bars.plotted(inputs, settings(layout=BY_METRIC if pooled else BY_SUBJECT, pooled=pooled))
    shown = table[table["drawn"] == "bar"]
    assert len(shown) == 2 * 3 * (1 if pooled else 3)
    for row in shown.to_dict("records"):
        mine = quality[(quality["condition"] == row["condition"]) & (quality["metric"] == row["metric"])]
        mine = mine if pooled else mine[mine["subject"] == row["subject"]]
        low, high = stats.t.interval(0.95, len(mine) - 1, mine["value"].mean(), mine["value"].std() / len(mine) ** 0.5)
        assert [row["mean"], row["ci_low"], row["ci_high"]] == pytest.approx([mine["value"].mean(), low, high])
        assert row["n"] == (150 if pooled else 50)
    points = table[table["drawn"] == "point"]
    assert set(points["subject"]) == (set(paper_tables.SUBJECTS) if pooled else set())


def test_figure_shows_the_numbers_of_the_table(inputs, tmp_path):
    table = bars.plotted(without_ledger(inputs), settings())
    figure = bars.draw(table, settings())
    assert sorted(drawn_heights(figure)) == pytest.approx(sorted(100 * table.loc[table["drawn"] == "bar", "mean"]))
    text = paper_tables.printed(figure, tmp_path)
    for words in (
        "Natural images (n = 150)",
        "Simulated data",
        "Subject 02",
        "With",
        "p = .004",
        "chance (1st to 99th",
    ):
        assert words in text
    assert "published" not in text


def test_chance_is_of_the_same_split_and_the_widest_of_the_subjects(inputs):
    single = bars.plotted(inputs, settings(layout=BY_SUBJECT, pooled=False)).groupby("subject").first()
    assert list(single["chance_p99"]) == pytest.approx([0.54, 0.56, 0.58])
    pooled = bars.plotted(inputs, settings())
    pooled = pooled[pooled["drawn"] == "bar"]
    assert (pooled["chance_p01"].unique(), pooled["chance_p99"].unique()) == (
        pytest.approx([0.42]),
        pytest.approx([0.58]),
    )


def test_part_of_a_test_has_no_band_of_the_whole_one(inputs, tmp_path):
    one = settings([("imagery_shapes", "Imagined")], partial=True)
    table = bars.plotted(inputs, one)
    assert len(table) and table["chance_p01"].isna().all() and (table["chance"] == 0.5).all()
    assert (table["against"] == "chance").all() and (table["p_value"] == 0.0002).all()
    text = paper_tables.words(bars.draw(table, one), tmp_path)
    assert "1st to 99th" not in text and "one-sided" in text and "p &lt; .001" in text


def test_aspects_are_compared_with_each_other(inputs):
    chosen = settings([("imagery_shapes", "Colour")], aspect="colour")
    chosen["bars"].append({**chosen["bars"][0], "label": "Shape", "aspect": "shape"})
    table = bars.plotted(inputs, chosen)
    colour = table[table["bar"] == "Colour"]
    assert colour["metric"].str.endswith("_colour").all()
    assert (colour["against"] == "Shape").all() and (colour["p_value"] == 0.03).all()
    assert table.loc[table["bar"] == "Shape", "p_value"].isna().all()


def test_published_value_stands_beside_ours(inputs, tmp_path):
    table = bars.plotted(inputs, settings())
    known = table[table["published"].notna()]
    assert known[["condition", "metric", "subject", "published"]].to_numpy().tolist() == [
        ["natural_pixels", "pixel_identification", "pooled", 0.797]
    ]
    figure = bars.draw(table, settings())
    assert 79.7 not in drawn_heights(figure) and "published" in paper_tables.words(figure, tmp_path)
    assert bars.plotted(without_ledger(inputs), settings())["published"].isna().all()


def test_published_aspect_stands_beside_its_own_bar(inputs):
    table = bars.plotted(inputs, settings([("imagery_shapes", "Colour")], aspect="colour", partial=True))
    known = table[table["published"].notna()]
    assert known[["metric", "subject", "published"]].to_numpy().tolist() == [
        ["pixel_identification_colour", "pooled", 0.648]
    ]


def test_subject_without_scores_is_left_out(tmp_path, quality):
    some = quality[quality["subject"] != "02"]
    inputs = paper_tables.write(
        tmp_path, statistics=paper_tables.statistics(some), identification=paper_tables.identification(some)
    )
    pooled = bars.plotted(inputs, settings())
    assert set(pooled["subject"]) == {"pooled", "01", "03"}
    figure = bars.draw(pooled, settings())
    assert "Subject 02" not in paper_tables.words(figure, tmp_path)
    single = bars.plotted(inputs, settings(layout=BY_SUBJECT, pooled=False))
    assert len(drawn_heights(bars.draw(single, settings(layout=BY_SUBJECT, pooled=False)))) == 2 * 2 * 3


def test_one_subject_no_judges(tmp_path):
    some = paper_tables.quality(subjects=("01",))
    some = some[some["metric"] == "pixel_identification"]
    inputs = paper_tables.write(
        tmp_path, statistics=paper_tables.statistics(some), identification=paper_tables.identification(some)
    )
    one = settings(metrics=["pixel_identification"]) | {"points": ["01"]}
    table = bars.plotted(inputs, one)
    figure = bars.draw(table, one)
    assert len(drawn_heights(figure)) == 2
    assert "Subject 01" not in paper_tables.words(figure, tmp_path)  # a mark on its own bar would say nothing


def test_mean_that_is_not_known_is_not_drawn(inputs):
    table = bars.plotted(inputs, settings())
    table.loc[(table["condition"] == "natural_pixels") & (table["drawn"] == "bar"), ["mean", "ci_low", "ci_high"]] = (
        np.nan
    )
    assert len(drawn_heights(bars.draw(table, settings()))) == 3


def test_nothing_scored_is_said_in_words(inputs, tmp_path):
    nothing = settings([("no_such_condition", "None")])
    table = bars.plotted(inputs, nothing)
    assert table.empty and list(table) == list(bars.COLUMNS)
    assert "nothing to draw" in paper_tables.words(bars.draw(table, nothing), tmp_path).replace("\n", " ")


def by_area(pooled=True):
    layout = {
        "row": "" if pooled else "metric",
        "panel": "metric" if pooled else "subject",
        "x": "area",
        "bar": "label",
    }
    chosen = settings([], layout, pooled=pooled, interaction="V1, V4")
    entries = [(area, aspect) for area in paper_tables.AREAS for aspect in ("shape", "colour")]
    bar = {"label": "", "partial": False}
    chosen["bars"] = [
        {**bar, "condition": f"shapes@{area}", "label": aspect.capitalize(), "aspect": aspect, "area": area}
        for area, aspect in entries
    ]
    return chosen


def test_areas_show_shape_and_colour_and_their_interaction(inputs, quality, tmp_path):
    table = areas.plotted(inputs, by_area())
    shown = table[table["drawn"] == "bar"]
    assert list(shown["x"].unique()) == list(paper_tables.AREAS)
    for row in shown.to_dict("records"):
        aspect = "_shape" if row["bar"] == "Shape" else "_colour"
        mine = quality[(quality["condition"] == f"shapes@{row['x']}") & (quality["metric"] == row["metric"])]
        assert row["metric"].endswith(aspect) and row["mean"] == pytest.approx(mine["value"].mean())
    assert (shown["interaction_statistic"] == 3.53).all() and (shown["interaction_df"] == "1, 476").all()
    figure = areas.draw(table, by_area())
    assert sorted(drawn_heights(figure)) == pytest.approx(sorted(100 * shown["mean"]))
    text = paper_tables.printed(figure, tmp_path)
    assert "F(1, 476) = 3.53, p = .060" in text and "(V1, V4)" in text


def test_areas_of_single_subjects_have_a_line_per_metric(inputs):
    table = areas.plotted(inputs, by_area(pooled=False))
    figure = areas.draw(table, by_area(pooled=False))
    assert len(figure.axes) == len(paper_tables.BASES) * len(paper_tables.SUBJECTS)
    assert len(drawn_heights(figure)) == len(table) == 2 * 6 * 9


def test_no_interaction_is_no_sentence(tmp_path, quality):
    statistics = paper_tables.statistics(quality)
    inputs = paper_tables.write(
        tmp_path,
        statistics=statistics[statistics["analysis"] != "interaction"],
        identification=paper_tables.identification(quality),
    )
    table = areas.plotted(inputs, by_area())
    assert table["interaction_p"].isna().all()
    assert "ANOVA" not in paper_tables.words(areas.draw(table, by_area()), tmp_path)


def test_words_of_the_tables_are_those_of_the_statistics():
    assert areas.FACTORIAL == statistics.FACTORIAL
    assert marks.POOLED == paper_plots.POOLED == winning.POOLED


def test_every_column_is_described():
    made = {*bars.COLUMNS, *areas.FOUND}
    assert set(areas.COLUMNS) == made and all(isinstance(words, str) and words for words in areas.COLUMNS.values())
    assert not pd.Index(areas.COLUMNS).has_duplicates
