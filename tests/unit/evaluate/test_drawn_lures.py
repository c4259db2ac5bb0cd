"""Fixed comparisons: the same lures for all, scores counted by brute force, and a permutation test that holds its level."""

from math import isclose

import numpy as np
import pandas as pd
import pytest

from fmri2image.acquire.stimulus_table import add_kinds
from fmri2image.core.arrays import LabelledArray
from fmri2image.core.seeds import generator_for
from fmri2image.evaluate.identification import permute_labels, win_matrix
from fmri2image.evaluate.lures import draw_lures, lure_mask, lures_of_test
from fmri2image.evaluate.scores import score_images

NAMES = [f"s{i:02d}" for i in range(12)]
SHAPES = [f"colorExpStim{i:02d}_{colour}_{shape}" for i, (colour, shape) in enumerate(
    (colour, shape) for colour in ("red", "green", "blue") for shape in ("X", "+", "square", "ring"))]  # fmt: skip
KEYS = {
    "dataset": "d", "method": "m", "subject": "01", "roi": "VC", "stimulus_set": "test", "test": "sizes",
    "transductive": False, "simulated": True,
}  # fmt: skip


def named(masks, names):
    """Return the lures of every stimulus by name."""
    return {name: {names[i] for i in np.flatnonzero(row)} for name, row in zip(names, masks[""], strict=True)}


def drawn(names, comparisons=4, seed=1, test="sizes"):
    return draw_lures(names, {"": np.zeros(len(names), int)}, comparisons, seed, test)


def test_lures_are_drawn_once_for_a_test():
    first = named(drawn(NAMES), NAMES)
    assert all(len(lures) == 4 and name not in lures for name, lures in first.items())
    shuffled = NAMES[5:] + NAMES[:5]
    assert named(drawn(shuffled), shuffled) == first  # the order of the file does not matter
    assert named(drawn(NAMES, test="other"), NAMES) != first
    assert named(drawn(NAMES, seed=2), NAMES) != first
    everyone = drawn(NAMES, 50)[""]
    np.testing.assert_array_equal(everyone, lure_mask(np.zeros(12, int)))


def test_every_other_stimulus_is_drawn_as_often():
    counts = sum(drawn(NAMES, seed=seed)[""].astype(int) for seed in range(600))
    off = counts[~np.eye(12, dtype=bool)]
    assert counts.trace() == 0
    assert off.mean() == 600 * 4 / 11 and np.abs(off - off.mean()).max() < 5 * np.sqrt(600 * 4 / 11 * 7 / 11)


def test_lures_stay_within_kinds_and_aspects():
    table = add_kinds(pd.DataFrame({"stimulus": [*SHAPES, *NAMES[:3]], "stimulus_set": "shapes"}))
    settings = {"same": "kind", "aspects": ["colour", "shape"], "comparisons": 3, "seed": 1, "permutations": 5}
    groups, masks = lures_of_test([*SHAPES, *NAMES[:3]], table, "shapes", "sizes", settings)
    assert set(groups) == set(masks) == {"", "_colour", "_shape"}
    for suffix, group in groups.items():
        assert not (masks[suffix] & ~lure_mask(group)).any()
        np.testing.assert_array_equal(masks[suffix].sum(1), np.minimum(lure_mask(group).sum(1), 3))
    assert lures_of_test(NAMES, None, "test", "sizes", {"seed": 1}) == (None, None)
    only_kind, none = lures_of_test(SHAPES, table, "shapes", "sizes", {"seed": 1, "same": "kind"})
    assert set(only_kind) == {""} and none is None


def test_scores_by_brute_force():
    rng = np.random.default_rng(0)
    stimuli = LabelledArray(rng.random((12, 3, 12, 12)).astype(np.float32), NAMES)
    images = LabelledArray(stimuli.values + rng.normal(0, 1, stimuli.values.shape).astype(np.float32), NAMES).take(
        NAMES[3:]
    )
    groups, masks = lures_of_test(NAMES, None, "test", "sizes", {"comparisons": 4, "seed": 1})
    scores, tests = score_images(images, stimuli, ["pixel"], KEYS, 50, 1, groups=groups, drawn=masks)
    lures = named(masks, NAMES)
    r = np.corrcoef(images.values.reshape(9, -1), stimuli.values.reshape(12, -1))[:9, 9:]
    expected = [
        np.mean([r[i, 3 + i] > r[i, NAMES.index(lure)] for lure in lures[name]]) for i, name in enumerate(NAMES[3:])
    ]
    mine = scores[scores["metric"] == "pixel_identification"].set_index("stimulus")
    np.testing.assert_allclose(mine.loc[NAMES[3:], "value"], expected)
    assert set(mine["n_comparisons"]) == {4}
    row = tests.set_index("metric").loc["pixel_identification"]
    assert (row["n_comparisons"], row["value"]) == (4, pytest.approx(np.mean(expected)))
    assert row["permuted"] == "stimulus labels within groups of lures, with the lures drawn for them"
    again, _ = score_images(images.take(NAMES[:2:-1]), stimuli, ["pixel"], KEYS, 50, 1, groups=groups, drawn=masks)
    pd.testing.assert_series_equal(
        again[again["metric"] == "pixel_identification"].set_index("stimulus")["value"].sort_index(),
        mine["value"].sort_index(),
    )


def test_mean_of_the_null_is_that_of_all_labels():
    """A stimulus that everything resembles is a hard lure: with few lures chance may be off one half, and the null says so."""
    similarity = np.random.default_rng(2).standard_normal((12, 12)) + np.linspace(0, 4, 12)
    mask = drawn(NAMES, 2)[""]
    wins = win_matrix(similarity, lures=mask)
    test = permute_labels(wins, np.arange(12), 5000, np.random.default_rng(0), np.zeros(12, int))
    assert test.null.mean() == pytest.approx(wins.mean(), abs=0.005)
    assert not isclose(wins.mean(), 0.5, abs_tol=0.01)
    assert win_matrix(similarity).mean() == pytest.approx(0.5)


def test_p_values_of_reconstructions_that_know_nothing_are_uniform():
    """The lures stay the same, as in a study; labels are random, and all stimuli resemble one lure."""
    mask, groups, p = drawn(NAMES, 3)[""], np.zeros(12, int), []
    for seed in range(400):
        similarity = generator_for(seed, "noise").standard_normal((12, 12)) + np.linspace(0, 3, 12)
        wins = win_matrix(similarity, lures=mask)
        p.append(permute_labels(wins, np.arange(12), 199, np.random.default_rng(seed), groups).p_value)
    p = np.array(p)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(p <= level) == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / 400))
