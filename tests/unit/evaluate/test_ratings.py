"""Human ratings: the table is checked cell by cell, and scores are counted as the paper counts them."""

import numpy as np
import pandas as pd
import pytest

from fmri2image.core.errors import DataError
from fmri2image.evaluate.papers import shen2019
from fmri2image.evaluate.ratings import RATING_COLUMNS, exchange_candidates, rated_shares, read_ratings, score_ratings
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS
from fmri2image.evaluate.winning import winning_table

NAMES = ["colorExpStim01_red_square", "colorExpStim02_red_X", "colorExpStim06_green_square"]
NATURAL = "n01443537_22563"
KINDS = pd.DataFrame(
    {"stimulus": [*NAMES, NATURAL], "stimulus_set": "shapes", "kind": ["shape"] * 3 + ["natural"],
     "colour": ["red", "red", "green", None], "shape": ["square", "X", "square", None]}
)  # fmt: skip
SCORES = pd.DataFrame(
    [{"method": method, "subject": subject, "roi": "VC", "test": "imagery", "stimulus": name, "metric": "ssim", "value": 0.1,
      "transductive": subject == "02"}
     for method in ("icnn", "other") for subject in ("01", "02", None) for name in [*NAMES, NATURAL]]
)  # fmt: skip
SETTINGS = {
    "dataset": "d", "simulated": True, "permutations": 400, "seed": 1,
    "tests": {"imagery": {"stimuli": "shapes", "same": "kind", "aspects": ["colour", "shape"]}},
}  # fmt: skip


def rating(stimulus=0, against=1, won="1", rater="a", **more):
    other = NAMES[against] if isinstance(against, int) else against
    row = {"task": "identification", "rater": rater, "method": "icnn", "subject": "01", "roi": "VC", "test": "imagery",
           "stimulus": NAMES[stimulus], "against": other, "won": won}  # fmt: skip
    return row | more


def read(folder, rows):
    path = folder / "ratings.tsv"
    pd.DataFrame(rows, columns=list(RATING_COLUMNS)).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return read_ratings(path, SCORES)


@pytest.mark.parametrize("rows, message", [
    ([rating(won="0.5")], "won is '0.5'; give 0 or 1"),
    ([rating(task="guess")], "task is 'guess'; give identification or winning"),
    ([rating(rater=None)], "empty cell in column rater"),
    ([rating(subject="03")], "subject '03' is unknown; there are 01, 02"),
    ([rating(roi="V1")], "roi 'V1' is unknown"),
    ([rating(stimulus=0, against="ghost")], "a stimulus of test imagery 'ghost' is unknown"),
    ([rating(), rating(won="0")], "rater a judges .* twice; keep one row"),
    ([rating(against=0)], "compares 'colorExpStim01_red_square' with itself"),
    ([rating(task="winning", against="nobody")], "against 'nobody' is unknown; there are icnn, other"),
    ([rating(task="winning", against="other"), rating(task="winning", against="icnn", method="other")], "twice"),
])  # fmt: skip
def test_what_is_wrong_in_the_table_is_one_sentence(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, rows)


def test_a_column_that_is_missing_is_named(tmp_path):
    pd.DataFrame([rating()]).drop(columns="won").to_csv(tmp_path / "r.tsv", sep="\t", index=False)
    with pytest.raises(DataError, match="lacks the column won; see docs/evaluation.md"):
        read_ratings(tmp_path / "r.tsv", SCORES)


def test_trials_are_averaged_within_raters_then_over_them(tmp_path):
    """Rater a sees both lures of stimulus 0, rater b one of them; the pair is averaged over raters, the image over pairs."""
    rows = [rating(0, 1, "1"), rating(0, 2, "0"), rating(0, 1, "0", rater="b"), rating(1, 0, "1"),
            rating(0, 1, "1", subject="02")]  # fmt: skip
    scores, tests = score_ratings(read(tmp_path, rows), SCORES, KINDS, SETTINGS)
    assert list(scores) == list(SCORE_COLUMNS) and list(tests) == list(PERMUTATION_COLUMNS)
    values = scores[scores["subject"] == "01"].set_index(["metric", "stimulus"])
    whole = values.loc[("human_identification", NAMES[0])]
    assert (whole["value"], whole["n_comparisons"]) == (0.25, 2)
    assert values.loc[("human_identification_shape", NAMES[0]), "value"] == 0.5  # the lure of the same colour
    assert values.loc[("human_identification_colour", NAMES[0]), "value"] == 0.0  # the lure of the same shape
    assert ("human_identification_colour", NAMES[1]) not in values.index
    assert values.loc[("human_identification", NAMES[1]), "value"] == 1.0
    row = tests[(tests["metric"] == "human_identification") & (tests["subject"] == "01")].iloc[0]
    assert row["value"] == pytest.approx((0.25 + 1) / 2)
    assert row["chance"] == pytest.approx(0.5, abs=0.05)
    assert set(scores.groupby("subject")["transductive"].first().items()) == {("01", False), ("02", True)}


def test_a_lure_of_another_kind_is_refused(tmp_path):
    with pytest.raises(DataError, match=f"compare '{NAMES[0]}' with '{NATURAL}', which is not of the same kind"):
        score_ratings(read(tmp_path, [rating(against=NATURAL), rating(0, 1)]), SCORES, KINDS, SETTINGS)


def test_exchanging_candidates_by_enumeration():
    shares, stimuli = np.array([1.0, 0.75, 0.5, 1.0]), np.array(["a", "a", "b", "c"])
    weights = np.array([1 / 6, 1 / 6, 1 / 3, 1 / 3])
    every = [np.where([i >> k & 1 for k in range(4)], 1 - shares, shares) @ weights for i in range(16)]
    test = exchange_candidates(shares, stimuli, 6000, np.random.default_rng(0))
    assert test.value == pytest.approx(shares @ weights)
    assert test.null.mean() == pytest.approx(0.5, abs=0.01)
    assert test.p_value == pytest.approx(np.mean(np.array(every) >= test.value - 1e-12), abs=0.02)


def test_preferred_reconstructions_become_winning_percentages(tmp_path):
    rows = [rating(i, "other", won, rater=rater, task="winning")
            for i, votes in enumerate(("11", "10", "10")) for rater, won in zip("ab", votes, strict=True)]  # fmt: skip
    shares = rated_shares(read(tmp_path, rows))
    assert len(shares) == 6
    settings = {"dataset": "d", "simulated": True, "subjects": ["01"], "models": {"DNN1": "icnn", "DNN1-2": "other"},
                "roi": "VC", "test": "imagery"}  # fmt: skip
    table = winning_table(SCORES, shares, settings, shen2019.WINNING).set_index(["subject", "metric", "layer_set"])
    assert table.loc[("pooled", "human", "DNN1"), "value"] == pytest.approx(2 / 3)
    assert table.loc[("01", "human", "DNN1-2"), "value"] == pytest.approx(1 / 3)
    assert table.loc[("01", "human", "DNN1"), "n_images"] == 3
