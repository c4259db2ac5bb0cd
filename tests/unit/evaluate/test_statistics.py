"""Statistics of the paper: intervals, signed-rank tests, ANOVA and winning percentages against independent computations."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fmri2image.core.errors import DataError
from fmri2image.core.intervals import mean_interval
from fmri2image.evaluate import paper_tests
from fmri2image.evaluate.paper_tests import STATISTICS_COLUMNS
from fmri2image.evaluate.papers import shen2019
from fmri2image.evaluate.statistics import FACTORIAL, REPEATED, interaction, signed_rank
from fmri2image.evaluate.winning import winning_shares, winning_table


def test_interval_is_that_of_the_t_test():
    values = np.random.default_rng(0).random(17)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(mean_interval(values), (values.mean(), low, high))
    assert np.isnan(mean_interval(np.array([0.3]))[1:]).all()


def by_enumeration(differences, greater):
    """Return the rank sum of positive differences and p, from all signs that the ranks could have."""
    rest = differences[differences != 0]
    ranks = stats.rankdata(np.abs(rest))
    observed = ranks[rest > 0].sum()
    sums = np.array([(ranks * signs).sum() for signs in product((0, 1), repeat=len(ranks))])
    above, below = np.mean(sums >= observed), np.mean(sums <= observed)
    return above if greater else min(1, 2 * min(above, below))


@pytest.mark.parametrize("seed", range(4))
def test_signed_rank_against_all_signs(seed):
    differences = np.random.default_rng(seed).normal(0.4, 1, 9)
    differences[2] = 0
    for alternative in ("two-sided", "greater"):
        found = signed_rank(differences, alternative)
        assert found["p_value"] == pytest.approx(by_enumeration(differences, alternative == "greater"))
        assert found["n_zero"] == 1
        assert "exact" in found["procedure"]


def test_signed_rank_with_ties_is_the_normal_approximation():
    """By hand: ranks of |d| = 1, 1, 1, 2, 2, 3 are 2, 2, 2, 4.5, 4.5, 6; the positive ones sum to 19."""
    found = signed_rank(np.array([1.0, 1, -1, 2, 2, 3, 0, 0]), "greater")
    mean, variance = 6 * 7 / 4, 6 * 7 * 13 / 24 - (27 - 3 + 8 - 2) / 48
    assert found["statistic"] == 19
    assert found["n_zero"] == 2
    assert found["p_value"] == pytest.approx(stats.norm.sf((19 - mean) / np.sqrt(variance)))
    assert "normal approximation" in found["procedure"]
    nothing = signed_rank(np.zeros(4), "two-sided")
    assert (nothing["p_value"], nothing["n_zero"]) == (1.0, 4)
    assert signed_rank(np.array([0.1 + 0.2 - 0.3, 1.0, 2.0]), "two-sided")["n_zero"] == 1


def test_interaction_by_hand():
    scores = np.random.default_rng(1).normal(0.6, 0.1, (20, 2, 2))
    scores[:, 0, 0] += 0.2
    tests = {test["procedure"]: test for test in interaction(scores)}
    contrast = scores[:, 0, 0] - scores[:, 0, 1] - scores[:, 1, 0] + scores[:, 1, 1]
    n = len(scores)
    between = (n * contrast.mean() ** 2 / 4) / (((scores - scores.mean(0)) ** 2).sum() / (4 * n - 4))
    assert tests[FACTORIAL]["statistic"] == pytest.approx(between)
    assert (tests[FACTORIAL]["df1"], tests[FACTORIAL]["df2"]) == (1, 76)
    assert tests[FACTORIAL]["p_value"] == pytest.approx(stats.f.sf(between, 1, 76))
    t = stats.ttest_1samp(contrast, 0)
    assert tests[REPEATED]["statistic"] == pytest.approx(t.statistic**2)
    assert (tests[REPEATED]["df1"], tests[REPEATED]["df2"]) == (1, 19)
    assert tests[REPEATED]["p_value"] == pytest.approx(t.pvalue)
    assert interaction(np.ones((5, 2, 2))) == []


def test_the_paper_s_p_of_the_interaction_follows_from_its_f():
    """F = 3.53 gives the printed P = .06 in both models with 40 shapes of three subjects."""
    for error in (4 * 120 - 4, 119):
        assert f"{stats.f.sf(3.53, 1, error):.2f}" == "0.06"
        assert stats.f.sf(28.40, 1, error) < 0.01


NAMES = ["colorExpStim01_red_square", "colorExpStim02_red_X", "colorExpStim06_green_square", "colorExpStim07_green_X"]
NATURAL = ["n01443537_22563", "n01677366_18182"]
STIMULI = pd.DataFrame(
    {"stimulus": NAMES + NATURAL, "stimulus_set": "elsewhere", "kind": ["shape"] * 4 + ["natural"] * 2,
     "colour": ["red", "red", "green", "green", None, None], "shape": ["square", "X", "square", "X", None, None]}
)  # fmt: skip


def statistics_table(scores, chances):
    return paper_tests.statistics_table(scores, chances, STIMULI, SETTINGS, shen2019.tests)


def study_scores(seed=0):
    """Return scores and chances of two subjects in three areas."""
    rng = np.random.default_rng(seed)
    rows, chances = [], []
    plan = [("p", "VC", "test", NATURAL), ("g", "VC", "test", NATURAL), ("p", "V1", "shapes", NAMES),
            ("p", "V4", "shapes", NAMES), ("i", "VC", "imagery", NAMES + NATURAL)]  # fmt: skip
    for subject in ("01", "02", None):
        for method, roi, test, names in plan:
            keys = {"method": method, "subject": subject, "roi": roi, "test": test, "stimulus_set": test}
            for metric in ("pixel_correlation", "pixel_identification", "pixel_identification_colour",
                           "pixel_identification_shape", "pixel_top1"):  # fmt: skip
                for name in names:
                    if metric.endswith(("colour", "shape")) and name in NATURAL:
                        continue
                    labels = [f"{name}|one", f"{name}|two"] if test == "imagery" else [name]
                    rows += [{**keys, "stimulus": label, "metric": metric, "value": rng.random()} for label in labels]
                if metric != "pixel_correlation":
                    chance = {"chance": 0.5 + 0.01 * (subject == "02"), "permuted": "training pairs, refitted"}
                    chances.append({**keys, "metric": metric, **chance})
    return pd.DataFrame(rows).assign(transductive=False), pd.DataFrame(chances)


SETTINGS = {
    "dataset": "d", "simulated": True, "subjects": ["01", "02"], "conditions": [
        {"name": "natural_pixels", "method": "p", "roi": "VC", "test": "test", "kind": None},
        {"name": "natural_generator", "method": "g", "roi": "VC", "test": "test", "kind": None},
        {"name": "imagery_shapes", "method": "i", "roi": "VC", "test": "imagery", "kind": "shape"},
        {"name": "shapes@V1", "method": "p", "roi": "V1", "test": "shapes", "kind": None},
        {"name": "shapes@V4", "method": "p", "roi": "V4", "test": "shapes", "kind": None},
    ],
}  # fmt: skip


def pick(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    assert len(table) == 1, wanted
    return table.iloc[0]


def test_table_of_statistics_counts_images_of_subjects():
    scores, chances = study_scores()
    table = statistics_table(scores, chances)
    assert list(table) == list(STATISTICS_COLUMNS)
    mine = scores[
        (scores["test"] == "imagery") & scores["subject"].notna() & (scores["metric"] == "pixel_identification")
    ]
    mine = mine.assign(name=mine["stimulus"].str.split("|").str[0])
    images = mine[mine["name"].isin(NAMES)].groupby(["subject", "name"])["value"].mean()
    row = pick(table, analysis="mean", condition="imagery_shapes", metric="pixel_identification", subject="pooled")
    assert row["n"] == 8
    assert row["mean"] == pytest.approx(images.mean())
    assert row["ci_high"] == pytest.approx(stats.ttest_1samp(images, 0).confidence_interval(0.95).high)
    assert row["chance"] == pytest.approx(0.505)
    alone = pick(table, analysis="mean", condition="imagery_shapes", metric="pixel_identification", subject="02")
    assert (alone["n"], alone["mean"], alone["chance"]) == (4, pytest.approx(images.loc["02"].mean()), 0.51)
    above = pick(
        table, analysis="above_chance", condition="imagery_shapes", metric="pixel_identification", subject="pooled"
    )
    offset = images.to_numpy() - np.where(images.index.get_level_values(0) == "02", 0.51, 0.5)
    assert above["p_value"] == pytest.approx(by_enumeration(offset, True))
    assert not table["metric"][table["analysis"] == "above_chance"].str.contains("top1").any()


@pytest.mark.parametrize("permuted", ["stimulus labels within groups of lures", "the two candidates of each trial"])
def test_one_half_is_chance_and_not_a_difference_where_labels_are_exchanged(permuted):
    scores, chances = study_scores()
    scores["value"] = scores["value"].where(scores["metric"] != "pixel_identification", 0.5)
    # The mean of some thousand permutations is never one half to the last digit.
    chances = chances.assign(chance=0.4996, permuted=permuted)
    table = statistics_table(scores, chances)
    above = pick(
        table, analysis="above_chance", condition="imagery_shapes", metric="pixel_identification", subject="pooled"
    )
    assert (above["chance"], above["difference"], above["n_zero"], above["p_value"]) == (0.5, 0, 8, 1)


def test_drawn_lures_may_be_off_one_half():
    scores, chances = study_scores()
    chances = chances.assign(
        chance=0.47, permuted="stimulus labels within groups of lures, with the lures drawn for them"
    )
    above = pick(
        statistics_table(scores, chances), analysis="above_chance", condition="imagery_shapes",
        metric="pixel_identification", subject="pooled",
    )  # fmt: skip
    assert above["chance"] == pytest.approx(0.47)
    assert above["difference"] == pytest.approx(above["mean"] - 0.47)


def test_table_of_statistics_compares_conditions_image_by_image():
    scores, chances = study_scores()
    table = statistics_table(scores.sample(frac=1, random_state=1), chances)
    wide = scores[(scores["metric"] == "pixel_identification") & scores["subject"].notna()]
    wide = wide[wide["test"] == "test"].pivot(index=["subject", "stimulus"], columns="method", values="value")
    row = pick(
        table, analysis="difference", condition="natural_generator", metric="pixel_identification", subject="pooled"
    )
    assert row["difference"] == pytest.approx((wide["g"] - wide["p"]).mean())
    assert row["p_value"] == pytest.approx(by_enumeration((wide["g"] - wide["p"]).to_numpy(), False))
    aspects = pick(table, analysis="difference", condition="imagery_shapes", subject="01")
    assert (aspects["metric"], aspects["against_metric"]) == (
        "pixel_identification_colour",
        "pixel_identification_shape",
    )
    assert aspects["n"] == 4
    test = pick(table, analysis="interaction", subject="pooled", procedure=REPEATED)
    assert (test["n"], test["df2"], test["against_condition"]) == (8, 7, "shapes@V4")
    shapes = scores[scores["subject"].notna() & (scores["test"] == "shapes")].pivot(
        index=["subject", "stimulus"], columns=["metric", "roi"], values="value"
    )
    shape, colour = (shapes[f"pixel_identification_{aspect}"] for aspect in ("shape", "colour"))
    contrast = (shape["V1"] - shape["V4"]) - (colour["V1"] - colour["V4"])
    assert test["difference"] == pytest.approx(contrast.mean())
    assert test["p_value"] == pytest.approx(stats.ttest_1samp(contrast, 0).pvalue)


def test_winning_shares_by_hand():
    values = np.array([[0.1, 0.5, 0.9], [0.4, 0.4, np.nan]])
    np.testing.assert_allclose(winning_shares(values), [[0, 0.5, 1], [0.5, 0.5, 0.5]])
    with pytest.raises(DataError, match="at least two models"):
        winning_shares(np.ones((3, 1)))


def test_winning_table_of_a_study():
    sets = {"DNN1": "a", "DNN1-2": "b", "DNN1-3": "c"}
    rng = np.random.default_rng(0)
    rows = [
        {"method": method, "subject": subject, "roi": "VC", "test": "test", "stimulus": f"s{i}", "metric": metric,
         "value": rng.random(), "transductive": False}
        for method in ("c", "a", "b") for subject in ("01", "02") for i in range(5)
        for metric in ("pixel_correlation", "feature_correlation_judge", "ssim")
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    settings = {
        "dataset": "d",
        "simulated": True,
        "subjects": ["01", "02"],
        "models": sets,
        "roi": "VC",
        "test": "test",
    }
    table = winning_table(scores, None, settings, shen2019.WINNING)
    assert list(table) == list(shen2019.WINNING.columns)
    assert len(table) == 2 * 3 * 3
    wide = scores[scores["metric"] == "pixel_correlation"].pivot(
        index=["subject", "stimulus"], columns="method", values="value"
    )
    share = ((wide["b"] > wide["a"]).astype(float) + (wide["b"] > wide["c"])) / 2
    row = pick(table, metric="pixel_correlation", layer_set="DNN1-2", subject="02")
    assert row["value"] == pytest.approx(share.loc["02"].mean())
    assert (row["n_images"], row["n_opponents"], row["method"]) == (5, 2, "b")
    row = pick(table, metric="pixel_correlation", layer_set="DNN1-2", subject="pooled")
    assert row["ci_low"] == pytest.approx(stats.ttest_1samp(share, 0).confidence_interval(0.95).low)
    assert table.groupby(["metric", "subject"])["value"].mean().to_numpy() == pytest.approx(0.5)
    with pytest.raises(DataError, match=r"Layers DNN1 \(method a\) have no pixel_correlation of s0 of sub-01"):
        winning_table(
            scores.drop(scores[(scores["method"] == "a") & (scores["stimulus"] == "s0")].index[:1]),
            None,
            settings,
            shen2019.WINNING,
        )
    assert winning_table(scores, None, {**settings, "models": {"DNN1": "a"}}, shen2019.WINNING).empty
