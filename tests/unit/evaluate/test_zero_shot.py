"""Zero-shot identification against loops, and what chance is where decoded features lean to the training images."""

import numpy as np
import pytest

from fmri2image.evaluate.zero_shot import zero_shot

OWN = np.array([1, 0, 2, 3])


def test_ranks_equal_a_loop_and_ties_count_one_half():
    rng = np.random.default_rng(0)
    pattern, lures = rng.integers(0, 6, (4, 5)) / 10, rng.integers(0, 6, (4, 12)) / 10
    lures[1, 3], pattern[2, 4] = np.nan, np.nan
    found = zero_shot(pattern, lures, OWN)
    for row in range(4):
        for stimulus in range(5):
            value, rank = pattern[row, stimulus], 1.0
            for lure in lures[row]:
                rank += 1.0 if lure > value else 0.5 if not lure < value else 0.0
            assert found.ranks[row, stimulus] == rank
    np.testing.assert_array_equal(found.rank, found.ranks[range(4), OWN])
    np.testing.assert_allclose(found.pairwise, 1 - (found.rank - 1) / 12)


def test_scores_and_their_chance():
    pattern = np.full((4, 4), 0.1)
    pattern[range(4), OWN] = 0.9
    lures = np.linspace(0, 0.5, 20)[None] * np.ones((4, 1))
    tests = zero_shot(pattern, lures, OWN).tests(500, np.random.default_rng(0))
    assert list(tests) == [
        "zero_shot_pairwise",
        "zero_shot_top1",
        "zero_shot_top10",
    ]  # all 20 lures: top 50 says nothing
    assert [test.value for test in tests.values()] == [1, 1, 1]
    # An exchanged label has similarity 0.1: it beats 4 of 20 lures, and is the own one by chance once in four.
    assert tests["zero_shot_pairwise"].null.mean() == pytest.approx(0.25 * 1 + 0.75 * 0.2, abs=0.03)
    assert tests["zero_shot_top1"].null.mean() == pytest.approx(0.25, abs=0.05)
    assert tests["zero_shot_top1"].p_value < 0.08


def test_a_decoder_without_information_is_at_the_chance_of_permutations():
    """Test images unlike training images rank last; that is no failure to identify them among each other."""
    rng = np.random.default_rng(1)
    pattern, lures = rng.standard_normal((30, 30)) - 1, rng.standard_normal((30, 200))
    test = zero_shot(pattern, lures, np.arange(30)).tests(1000, rng)["zero_shot_pairwise"]
    assert test.value < 0.4
    assert 0.01 < test.p_value < 0.99
