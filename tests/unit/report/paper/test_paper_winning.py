"""Winning percentages and raw against absolute features: what is drawn is what the tables of the study say."""

import numpy as np
import pandas as pd
import paper_tables
import pytest

from fmri2image.evaluate.filters import FILTER_COLUMNS
from fmri2image.report.paper import absolute, winning

SETTINGS = {
    "metrics": ["pixel_correlation", "human", *(f"feature_correlation_{judge}" for judge in paper_tables.JUDGES)],
    "layer_sets": list(paper_tables.LAYER_SETS),
    "subjects": list(paper_tables.SUBJECTS),
    "simulated": True,
}


def pooled_lines(figure):
    """Return the heights of the line of all subjects, panel by panel."""
    return [axes.containers[0].lines[0].get_ydata() for axes in figure.axes]


def test_percentages_are_those_of_the_table(inputs, tmp_path):
    table = winning.plotted(inputs, SETTINGS)
    figure = winning.draw(table, SETTINGS)
    made = paper_tables.winning()
    lines = pooled_lines(figure)
    assert len(lines) == 3  # nobody rated
    for metric, line in zip(["pixel_correlation", *SETTINGS["metrics"][2:]], lines, strict=True):
        mine = made[(made["subject"] == "pooled") & (made["metric"] == metric)].set_index("layer_set")["value"]
        assert line == pytest.approx(100 * mine[SETTINGS["layer_sets"]].to_numpy())
    text = paper_tables.printed(figure, tmp_path)
    for words in ("DNN1-8", "All 28 pairs of 8 sets", "n = 50", "Subject 03", "Simulated"):
        assert words in text


def test_sets_come_in_the_order_of_the_figure(tmp_path):
    shuffled = paper_tables.winning().sample(frac=1, random_state=0)
    table = winning.plotted(paper_tables.write(tmp_path, winning=shuffled), SETTINGS)
    assert list(table["layer_set"][:8]) == list(paper_tables.LAYER_SETS)


def test_one_subject_and_a_missing_set(tmp_path):
    made = paper_tables.winning(("01",))
    made = made[made["layer_set"] != "DNN1-4"]
    only = {**SETTINGS, "subjects": ["01"]}
    figure = winning.draw(winning.plotted(paper_tables.write(tmp_path, winning=made), only), only)
    text = paper_tables.words(figure, tmp_path)
    assert "Subject 01" not in text and "DNN1-4" not in text and "All 21 pairs of 7 sets" in text


def test_nothing_compared_is_said_in_words(tmp_path):
    empty = winning.plotted(paper_tables.write(tmp_path, winning=paper_tables.winning()[:0]), SETTINGS)
    assert "nothing to draw" in paper_tables.words(winning.draw(empty, SETTINGS), tmp_path)


def filters(subjects):
    generator = np.random.default_rng(0)
    rows = [
        {"subject": subject, "filter": name, "raw": generator.uniform(), "absolute": generator.uniform()}
        for subject in subjects
        for name in ("all", "0", "1", "2")
    ]
    same = {"roi": "VC", "layer": "conv1_1", "test": "test", "n_units": 10, "n_rows": 24, "transductive": False}
    table = pd.DataFrame(rows).assign(**same, dataset="made-up", stimulus_set="test", simulated=True)
    return table.assign(raw_decoder="ridge", absolute_decoder="ridge-absolute")[list(FILTER_COLUMNS)]


@pytest.mark.parametrize("subjects", [("01", "02", "03"), ("01",)])
def test_absolute_features_with_their_means(tmp_path, subjects):
    made = filters(subjects)
    made.loc[(made["filter"] == "2") & (made["subject"] == "01"), "raw"] = np.nan
    table = absolute.plotted(paper_tables.write(tmp_path, raw_absolute=made), {})
    means = table[table["subject"] == "mean"].set_index("filter")
    for name in ("all", "0", "2"):
        mine = made[made["filter"] == name]
        assert means.loc[name, "raw"] == pytest.approx(mine["raw"].mean(), nan_ok=True)
        if len(subjects) > 1 and name != "2":
            half = 4.302653 * mine["absolute"].std() / 3**0.5  # t of 2 degrees of freedom
            assert means.loc[name, "absolute_ci"] == pytest.approx(half, rel=1e-6)
    assert len(table) == len(made) + 4
    assert "raw features" in paper_tables.words(absolute.draw(table, {"simulated": True}), tmp_path)
