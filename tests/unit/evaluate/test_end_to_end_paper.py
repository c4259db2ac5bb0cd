"""Tests, winning percentages and ledger of Shen et al. 2019 (Front. Comput. Neurosci.) on made-up scores."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmri2image.core.errors import DataError
from fmri2image.evaluate.ledger import LEDGER_COLUMNS, NO_RATINGS, OTHER_PAPER, Found, ledger_table
from fmri2image.evaluate.paper_tests import statistics_table
from fmri2image.evaluate.papers import load_paper
from fmri2image.evaluate.published import published_table
from fmri2image.evaluate.winning import winning_table
from fmri2image.report.ledger import ledger_section

NAME = "shen2019-end-to-end"
PAPER = load_paper(NAME)
SUBJECTS, IMAGES = ["01", "02", "03"], [f"s{i}" for i in range(8)]
MODELS = {"full": "e2e", "no-image": "e2e-a", "no-feature": "e2e-b", "no-adversarial": "e2e-c"}
SIZES = {120: "small", 600: "middle", 6000: "large"}
CONDITIONS = {
    "natural": ("e2e", "test"), "shapes": ("e2e", "shapes"), "natural_icnn": ("icnn", "test"),
    "natural_without_image_loss": ("e2e-a", "test"), "natural_without_feature_loss": ("e2e-b", "test"),
    "natural_without_adversarial_loss": ("e2e-c", "test"),
    **{f"size@{size}": (method, "sizes") for size, method in SIZES.items()},
}  # fmt: skip
SETTINGS = {
    "dataset": "d", "paper": NAME, "simulated": True, "subjects": SUBJECTS,
    "positions": {"S1": "01", "S2": "02"}, "models": MODELS, "roi": "VC", "test": "test",
    "missing": {"letters": "no analysis of letters"},
    "conditions": [{"name": name, "method": method, "roi": "VC", "test": test, "kind": None}
                   for name, (method, test) in CONDITIONS.items()],
}  # fmt: skip
METRICS = ("pixel_correlation", "ssim", "pixel_identification", "ssim_identification", "human_identification")


def made_up(seed=0):
    """Return scores and chances of three subjects; larger training sets score higher."""
    rng = np.random.default_rng(seed)
    rise = {"small": 0.0, "middle": 0.1, "large": 0.3}
    rows = [
        {"method": method, "subject": subject, "roi": "VC", "test": test, "stimulus_set": test, "metric": metric,
         "stimulus": image, "value": rng.random() + rise.get(method, 0), "transductive": False}
        for method, test in dict.fromkeys(CONDITIONS.values()) for subject in [*SUBJECTS, None] for image in IMAGES
        for metric in (*METRICS, *(["pixel_identification_shape"] if test == "shapes" else []))
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    keys = ["method", "subject", "roi", "test", "metric"]
    chances = scores.loc[scores["metric"].str.contains("identification"), keys].drop_duplicates()
    return scores, chances.assign(chance=0.49, permuted="stimulus labels")


SCORES, CHANCES = made_up()


def statistics(scores=SCORES):
    return statistics_table(scores, CHANCES, pd.DataFrame(), SETTINGS, PAPER.tests)


STATISTICS = statistics()


def pick(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    assert len(table) == 1, wanted
    return table.iloc[0]


def wide(metric, methods, test, scores=SCORES):
    rows = scores[(scores["metric"] == metric) & (scores["test"] == test) & scores["subject"].notna()]
    return rows.pivot(index=["subject", "stimulus"], columns="method", values="value")[methods]


def test_columns_are_described():
    assert list(STATISTICS) == list(PAPER.STATISTICS)
    assert set(STATISTICS["analysis"]) == {"mean", "difference", "trend"}


def test_means_and_intervals_pooled_and_of_every_subject():
    for subject, n in (("pooled", 24), ("02", 8)):
        row = pick(STATISTICS, analysis="mean", condition="size@600", metric="ssim_identification", subject=subject)
        values = wide("ssim_identification", "middle", "sizes")
        values = values if subject == "pooled" else values.loc[subject]
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (row["n"], row["mean"], row["ci_low"], row["ci_high"]) == (
            n,
            *map(pytest.approx, (values.mean(), low, high)),
        )
        assert row["chance"] == pytest.approx(0.49)


def test_difference_from_icnn_is_a_two_sided_signed_rank_test():
    row = pick(STATISTICS, analysis="difference", metric="human_identification", subject="pooled")
    pairs = wide("human_identification", ["e2e", "icnn"], "test")
    assert (row["condition"], row["against_condition"], row["n"]) == ("natural", "natural_icnn", 24)
    assert row["p_value"] == pytest.approx(stats.wilcoxon(pairs["e2e"], pairs["icnn"]).pvalue)
    assert row["difference"] == pytest.approx((pairs["e2e"] - pairs["icnn"]).mean())
    metrics = set(STATISTICS.loc[STATISTICS["analysis"] == "difference", "metric"])
    assert metrics == {"pixel_identification", "ssim_identification", "human_identification"}


def test_trend_of_sizes_by_hand():
    scores = SCORES.copy()
    flat = (scores["test"] == "sizes") & (scores["subject"] == "01") & (scores["stimulus"] == "s0")
    scores.loc[flat & (scores["metric"] == "pixel_identification"), "value"] = 0.5  # an image that says nothing
    table = statistics(scores.sample(frac=1, random_state=2))
    row = pick(table, analysis="trend", metric="pixel_identification", subject="pooled")
    values = wide("pixel_identification", ["small", "middle", "large"], "sizes", scores).to_numpy()
    ranks = stats.rankdata(values, axis=1)
    n, k = values.shape
    page = (ranks.sum(axis=0) * np.arange(1, k + 1)).sum()
    mean, variance = n * k * (k + 1) ** 2 / 4, n * k**2 * (k + 1) * (k**2 - 1) / 144
    assert row["statistic"] == pytest.approx(page)
    assert row["p_value"] == pytest.approx(stats.norm.sf((page - mean) / np.sqrt(variance)))
    rho = [np.corrcoef(one, np.arange(k))[0, 1] if np.ptp(one) else 0 for one in ranks]
    assert row["mean"] == pytest.approx(np.mean(rho)) and rho[0] == 0
    assert row["difference"] == pytest.approx((values[:, 2] - values[:, 0]).mean())
    assert (row["condition"], row["against_condition"], row["n"]) == ("size@6000", "size@120", 24)


def test_no_trend_without_three_sizes():
    few = {**SETTINGS, "conditions": [one for one in SETTINGS["conditions"] if one["name"] != "size@600"]}
    table = statistics_table(SCORES, CHANCES, pd.DataFrame(), few, PAPER.tests)
    assert "trend" not in set(table["analysis"])


RATED = pd.DataFrame(
    [{"method": a, "against": b, "subject": "01", "roi": "VC", "test": "test", "stimulus": image,
      "share": {True: 0.75, False: 0.25}[a < b]}
     for a in MODELS.values() for b in MODELS.values() for image in IMAGES[:3] if a != b]
)  # fmt: skip


def winning(scores=SCORES, rated=None, **changes):
    return winning_table(scores, rated, {**SETTINGS, **changes}, PAPER.WINNING)


def test_winning_percentages_over_six_pairs_and_their_change():
    table = winning()
    assert list(table) == list(PAPER.WINNING.columns)
    assert set(table["metric"]) == {"pixel_correlation", "ssim"}
    values = wide("ssim", list(MODELS.values()), "test")
    share = {
        words: sum((values[method] > values[other]).astype(float) for other in MODELS.values() if other != method) / 3
        for words, method in MODELS.items()
    }
    row = pick(table, metric="ssim", subject="pooled", model="no-feature")
    change = share["no-feature"] - share["full"]
    assert (row["value"], row["change"]) == (pytest.approx(share["no-feature"].mean()), pytest.approx(change.mean()))
    assert row["change_low"] == pytest.approx(stats.ttest_1samp(change, 0).confidence_interval(0.95).low)
    assert row["n_opponents"] == 3
    assert np.isnan(pick(table, metric="ssim", subject="pooled", model="full")["change"])
    mine = pick(table, metric="ssim", subject="03", model="no-feature")
    assert mine["change"] == pytest.approx(change.loc["03"].mean())


def test_subjects_without_all_models_are_left_out_and_lost_images_are_named():
    alone = SCORES[~((SCORES["method"] == "e2e-b") & (SCORES["subject"] != "02"))]
    table = winning(alone)
    assert set(table["subject"]) == {"pooled", "02"}
    assert set(table["n_images"]) == {8}
    lost = SCORES.drop(SCORES[(SCORES["method"] == "e2e-b") & (SCORES["stimulus"] == "s3")].index[:1])
    with pytest.raises(
        DataError, match=r"Images of no-feature \(method e2e-b\) have no pixel_correlation of s3 of sub-01"
    ):
        winning(lost)


def rv_table(**changes):
    rows = [
        {"condition": "natural", "subject": subject, "method": "e2e", "roi": "VC", "test": "test", "value": value,
         "chance": 0.01, "p_value": p, "n_images": 8, "transductive": False, **changes}
        for subject, value, p in (("01", 0.3, 0.001), ("02", 0.2, 0.04), ("03", 0.1, 0.5))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def beside(table=None, won=None, rv=None, **changes):
    settings = {**SETTINGS, **changes}
    found = Found(settings, STATISTICS if table is None else table, winning(rated=RATED) if won is None else won,
                  rv_table() if rv is None else rv)  # fmt: skip
    ledger = ledger_table(published_table(), found, PAPER.MEASURES, NAME, simulated=True)
    assert list(ledger) == list(LEDGER_COLUMNS) and len(ledger) == len(published_table())
    return ledger.set_index(["paper", "quantity"]).loc[NAME], ledger


def test_every_number_of_the_paper_has_ours_or_a_reason():
    mine, ledger = beside()
    assert (mine["ours"].isna() == mine["why_not"].notna()).all()
    assert set(ledger.loc[ledger["paper"] != NAME, "why_not"]) == {OTHER_PAPER}
    assert set(published_table().query("paper == @NAME")["measure"]) == set(PAPER.MEASURES)
    reasons = mine["why_not"].dropna()
    assert set(reasons) == {
        "no analysis of letters", "no subject of this study stands for S3",
        "no ssim_identification_shape of it was scored", "no human_identification_shape of it was scored",
        "no pixel_identification_colour of it was scored", "no ssim_identification_colour of it was scored",
        "no human_identification_colour of it was scored",
    }  # fmt: skip


def test_ours_are_of_the_same_condition_metric_and_subject():
    mine, _ = beside()
    mean = pick(STATISTICS, analysis="mean", condition="natural", metric="ssim_identification", subject="02")["mean"]
    row = mine.loc["identification_natural_ssim_S2"]
    assert (row["ours"], row["subject"], row["chance"]) == (pytest.approx(100 * mean), "02", pytest.approx(49))
    quoted = pick(
        STATISTICS, analysis="mean", condition="natural_icnn", metric="human_identification", subject="pooled"
    )
    assert mine.loc["quoted_natural_generator_human", "ours"] == pytest.approx(100 * quoted["mean"])
    against = pick(STATISTICS, analysis="difference", metric="human_identification", subject="pooled")
    row = mine.loc["icnn_natural_human_p"]
    assert (row["ours"], row["effect"]) == (against["p_value"], pytest.approx(100 * against["difference"]))
    change = pick(winning(), metric="ssim", subject="pooled", model="no-adversarial")["change"]
    row = mine.loc["ablation_adversarial_ssim"]
    assert (row["ours"], row["method"], row["n"]) == (pytest.approx(100 * change), "e2e-c", 24)
    assert row["difference"] == pytest.approx(100 * change + 41.8)
    # Rated: the method that comes first in the alphabet gets 0.75 of every pair, so that full gets 0.75 and the next 7/12.
    assert mine.loc["ablation_image_human", "ours"] == pytest.approx(100 * (7 / 12 - 0.75))
    assert (mine.loc["rv_natural_S1", "ours"], mine.loc["rv_natural_S1", "chance"]) == (0.3, 0.01)
    # The p of each: the largest of those who stand beside the paper's subjects.
    assert (mine.loc["rv_natural_p", "ours"], mine.loc["rv_natural_p", "subject"]) == (0.04, "each")
    assert np.isnan(mine.loc["rv_natural_p", "difference"])


def test_reasons_where_a_number_is_not_the_paper_s():
    lacking = {
        "natural_without_image_loss": "no analysis runs it",
        "natural_icnn": "report.paper names no method for it",
    }
    three = {words: method for words, method in MODELS.items() if words != "no-image"}
    mine, _ = beside(won=winning(models=three), missing=lacking)
    assert mine.loc["ablation_image_pixel", "why_not"] == "no analysis runs it"
    assert mine.loc["ablation_feature_pixel", "why_not"].startswith("the paper compares four models, this study 3")
    assert mine.loc["ablation_feature_human", "why_not"] == NO_RATINGS
    assert mine.loc["icnn_natural_human_p", "why_not"] == lacking["natural_icnn"]
    assert mine.loc["quoted_natural_generator_pixel", "why_not"] == lacking["natural_icnn"]
    collapsed, _ = beside(rv=rv_table(value=np.nan, p_value=np.nan))
    assert collapsed.loc["rv_natural_S1", "why_not"].startswith("all its reconstructions are equal")
    assert collapsed.loc["rv_natural_p", "ours"] != collapsed.loc["rv_natural_p", "ours"]
    without = STATISTICS[~STATISTICS["metric"].str.startswith("human")]
    mine, _ = beside(without)
    assert mine.loc["identification_natural_human_pooled", "why_not"] == NO_RATINGS


def test_first_page_shows_changes_of_winning_percentages_with_their_sign(tmp_path):
    _, ledger = beside()
    ledger.to_csv(tmp_path / "ledger.tsv", sep="\t", index=False, na_rep="n/a")
    section = ledger_section(str(tmp_path / "ledger.tsv"), NAME)
    row = next(row for row in section["others"] if "without image loss" in row["words"] and "human" in row["words"])
    assert (row["published"], row["ours"]) == ("-18.5", "-16.7")
    rv = next(row for row in section["others"] if row["words"].endswith("coefficient, pixel correlation (S1)"))
    assert (rv["published"], rv["ours"]) == ("0.34", "0.30")
