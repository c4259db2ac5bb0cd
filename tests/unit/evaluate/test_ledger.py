"""Published numbers: every one of them is in the table, and the ledger sets the right one of ours beside it."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from fmri2image.evaluate.ledger import LEDGER_COLUMNS, NO_RATINGS, OTHER_PAPER, Found, ledger_table
from fmri2image.evaluate.paper_tests import STATISTICS_COLUMNS
from fmri2image.evaluate.papers import shen2019
from fmri2image.evaluate.published import published_table
from fmri2image.evaluate.statistics import FACTORIAL, REPEATED
from fmri2image.report.ledger import ledger_section

# Typed from the papers and not from the table: all, subject 1, 2, 3.
P1 = {
    ("natural_generator", "pixel"): "76.1 78.4 74.2 75.7", ("natural_generator", "human"): "97.0 98.5 97.3 95.3",
    ("natural_pixels", "pixel"): "79.7 80.4 77.2 81.3", ("natural_pixels", "human"): "96.0 96.6 94.7 96.7",
    ("shapes", "pixel"): "70.5 69.6 72.1 69.8", ("shapes", "human"): "91.0 91.7 91.3 90.1",
    ("letters", "pixel"): "95.6 98.9 87.8 100.0", ("letters", "human"): "99.6 100.0 98.9 100.0",
    ("imagery_shapes", "pixel"): "51.9 49.5 52.4 53.8", ("imagery_shapes", "human"): "83.2 85.6 84.4 79.5",
    ("imagery_shapes:colour", "human"): "64.8 71.1 56.7 66.7", ("imagery_shapes:shape", "human"): "87.0 91.1 88.9 81.1",
    ("imagery_shapes_early", "pixel"): "48.8 48.2 51.3 48.4", ("imagery_shapes_early", "human"): "63.8 57.7 73.5 60.1",
    ("imagery_shapes_early:colour", "human"): "57.4 60.0 56.7 55.6",
    ("imagery_shapes_early:shape", "human"): "68.3 63.9 77.8 63.3",
}  # fmt: skip
P1_OTHER = "0.9820 0.9995 0.9819 0.9995 28.40 0.01 3.53 0.06 0.01 0.01 0.01 0.01 0.01 0.05 150 120 45 50"
P2 = (
    "78.1 78.9 75.3 79.9 62.9 63.0 61.9 63.8 95.7 95.6 95.1 96.4 69.3 56.9 92.7 76.5 57.3 95.0 56.7 50.7 75.6 95.9 79.6 96.4 "
    "0.34 0.32 0.32 0.0001 -7.3 -13.8 -18.5 -5.6 -11.1 -36.9 10.9 -41.8 -30.0 99.1 76.1 50 "
    "0.006 150 120 30"
)
SETTINGS = {
    "positions": {"S1": "07", "S2": "09"},
    "missing": {"letters": "no analysis of letters"},
}


def test_every_published_number_has_a_row():
    table = published_table()
    mine = table[table["paper"] == "shen2019"]
    scored = mine[mine["measure"] == "identification"].set_index(["condition", "metric", "subject"])["value"]
    found = {key: " ".join(scored[(*key, subject)] for subject in ("pooled", "S1", "S2", "S3")) for key in P1}
    assert found == P1
    assert len(scored) == 4 * len(P1)
    assert Counter(mine.loc[mine["measure"] != "identification", "value"]) == Counter(P1_OTHER.split())
    assert Counter(table.loc[table["paper"] == "shen2019-end-to-end", "value"]) == Counter(P2.split())
    assert len(table) == 4 * len(P1) + len(P1_OTHER.split()) + len(P2.split())
    assert table["where"].notna().all()


def statistics(**more):
    """Return a table of statistics with few rows, all other cells missing."""
    base = {"transductive": False, "method": "m", "roi": "VC", "test": "t", "dataset": "d", "simulated": True}
    rows = [
        {"analysis": "mean", "condition": "natural_generator", "metric": "pixel_identification", "subject": "pooled",
         "n": 24, "mean": 0.8, "chance": 0.51},
        {"analysis": "mean", "condition": "natural_generator", "metric": "pixel_identification", "subject": "09",
         "n": 12, "mean": 0.7, "chance": 0.5},
        {"analysis": "difference", "condition": "natural_generator", "metric": "pixel_identification", "subject": "pooled",
         "against_condition": "natural_pixels", "n": 24, "p_value": 0.03, "difference": -0.042},
        *({"analysis": "interaction", "condition": "shapes@V1", "metric": "pixel_identification", "subject": "pooled",
           "procedure": name, "statistic": f, "p_value": 0.2, "n": 80} for name, f in ((REPEATED, 9.0), (FACTORIAL, 5.0))),
        *more.get("rows", []),
    ]  # fmt: skip
    return pd.DataFrame([{**base, **row} for row in rows], columns=list(STATISTICS_COLUMNS))


def beside(table, behaviour=None):
    found = Found(SETTINGS, table, behaviour=behaviour)
    return ledger_table(published_table(), found, shen2019.MEASURES, "shen2019", simulated=True)


def ledger(**more):
    table = beside(statistics(**more))
    assert list(table) == list(LEDGER_COLUMNS)
    return table.set_index(["paper", "quantity"]).loc["shen2019"], table


def test_ours_stand_beside_the_number_of_the_same_condition_metric_and_position():
    mine, table = ledger()
    assert len(table) == len(published_table())
    assert (table["published"].to_numpy() == published_table()["value"].to_numpy()).all()
    pooled = mine.loc["identification_natural_generator_pixel_pooled"]
    assert (pooled["published"], pooled["ours"], pooled["chance"]) == ("76.1", pytest.approx(80.0), pytest.approx(51.0))
    assert pooled["difference"] == pytest.approx(80.0 - 76.1)
    second = mine.loc["identification_natural_generator_pixel_S2"]
    assert (second["subject"], second["ours"], second["n"]) == ("09", pytest.approx(70.0), 12)
    assert mine.loc["difference_natural_pixel_p", "ours"] == 0.03
    assert np.isnan(mine.loc["difference_natural_pixel_p", "difference"])
    assert mine.loc["difference_natural_pixel_p", "effect"] == pytest.approx(-4.2)
    assert mine["effect"].notna().sum() == 1
    assert mine.loc["interaction_shapes_pixel_f", "ours"] == 5.0
    assert mine.loc["n_natural_generator", "ours"] == 24
    assert table["ours"].notna().sum() == 7
    assert table.loc[table["ours"].notna(), "simulated"].eq(True).all()
    assert table.loc[table["ours"].isna(), "simulated"].isna().all()


def test_a_missing_number_of_ours_has_its_reason():
    mine, table = ledger()
    assert (table["ours"].isna() == table["why_not"].notna()).all()
    assert mine.loc["identification_natural_generator_pixel_S3", "why_not"] == "no subject of this study stands for S3"
    assert mine.loc["identification_natural_generator_human_pooled", "why_not"] == NO_RATINGS
    assert mine.loc["identification_letters_pixel_pooled", "why_not"] == "no analysis of letters"
    assert mine.loc["identification_shapes_pixel_pooled", "why_not"] == "no pixel_identification of it was scored"
    assert mine.loc["one_back_sensitivity", "why_not"] == "this study has no events of runs"
    assert set(table.loc[table["paper"] != "shen2019", "why_not"]) == {OTHER_PAPER}


def test_ratings_and_behaviour_fill_their_rows():
    rated = {"condition": "imagery_shapes", "subject": "pooled", "n": 20}
    rows = [
        {**rated, "analysis": "mean", "metric": "human_identification_shape", "mean": 0.9},
        {**rated, "analysis": "difference", "metric": "human_identification_colour", "p_value": 0.004,
         "against_metric": "human_identification_shape"},
    ]  # fmt: skip
    behaviour = pd.DataFrame(
        {"quantity": ["one_back_sensitivity"] * 3, "stimulus_set": ["all", "all", "test"], "value": [0.9, 1.0, 0.1]}
    )
    table = beside(statistics(rows=rows), behaviour).set_index(["paper", "quantity"])
    mine = table.loc["shen2019"]
    assert mine.loc["identification_imagery_shapes_shape_human_pooled", "ours"] == pytest.approx(90.0)
    assert mine.loc["aspects_imagery_human_p", "ours"] == 0.004
    assert mine.loc["one_back_sensitivity", "ours"] == pytest.approx(0.95)
    assert mine.loc["one_back_specificity", "why_not"] == "the events record no responses"


def test_the_page_shows_both_and_says_which_is_which(tmp_path):
    _, table = ledger()
    table.to_csv(tmp_path / "ledger.tsv", sep="\t", index=False, na_rep="n/a")
    section = ledger_section(str(tmp_path / "ledger.tsv"), "shen2019")
    assert section["columns"] == [("all", "all"), ("S1", "–"), ("S2", "sub-09"), ("S3", "–")]
    assert (section["n_numbers"], section["n_ours"]) == (len(table), 7)
    first = section["scores"][0]
    assert [cell["published"] for cell in first["cells"]] == ["76.1", "78.4", "74.2", "75.7"]
    assert [cell["ours"] for cell in first["cells"]] == ["80.0", "–", "70.0", "–"]
    assert not first["empty"] and section["scores"][1]["empty"]
    assert len(section["scores"]) == len(P1)
    assert len(section["elsewhere"]) == len(P2.split())
    difference = next(row for row in section["others"] if "with against without" in row["words"])
    assert (difference["published"], difference["ours"]) == ("< 0.01", "0.03 (-4.2)")
