"""Pairwise identification counted by brute force, and its permutation distribution."""

import numpy as np
import pytest

from fmri2image.core.errors import DataError
from fmri2image.evaluate.identification import (
    PermutationTest,
    identification,
    permute_labels,
    relabel,
    top_one,
    win_matrix,
)


def brute_force(similarity):
    n_rows, n = similarity.shape
    wins = np.zeros((n_rows, n))
    for i in range(n_rows):
        for s in range(n):
            for lure in range(n):
                if lure != s:
                    a, b = similarity[i, s], similarity[i, lure]
                    wins[i, s] += 0.5 if np.isnan(a) or np.isnan(b) or a == b else float(a > b)
    return wins / (n - 1)


def test_wins_by_brute_force_with_ties_and_missing_values():
    similarity = np.random.default_rng(0).integers(0, 4, (20, 6)).astype(float)
    similarity[3, 2], similarity[4] = np.nan, np.nan
    similarity[5] = 1
    np.testing.assert_allclose(win_matrix(similarity), brute_force(similarity))
    np.testing.assert_allclose(win_matrix(similarity)[4:6], 0.5)
    own = np.arange(20) % 6
    np.testing.assert_allclose(identification(similarity, own), brute_force(similarity)[np.arange(20), own])
    with pytest.raises(DataError, match="at least two"):
        win_matrix(np.ones((3, 1)))


def test_top_one_needs_every_lure_beaten():
    wins = win_matrix(np.array([[3.0, 1, 2], [2, 2, 1]]))
    np.testing.assert_array_equal(top_one(wins), [[1, 0, 0], [0, 0, 0]])


def test_p_value_counts_the_observed_score():
    null = np.array([0.1, 0.5, 0.6, 0.9])
    assert PermutationTest(0.6, null).p_value == pytest.approx(3 / 5)
    assert PermutationTest(1.0, null).p_value == pytest.approx(1 / 5)


def test_rows_of_one_stimulus_keep_a_common_label():
    own = np.array([0, 0, 1, 2, 2, 2])
    labels = relabel(own, 4, 300, np.random.default_rng(0))
    assert labels.shape == (300, 6)
    assert (labels[:, 0] == labels[:, 1]).all()
    assert (labels[:, 3] == labels[:, 5]).all()
    assert (labels[:, 0] != labels[:, 2]).all()
    assert set(labels[:, 2]) == {0, 1, 2, 3}


def test_null_distribution_lies_at_one_half():
    rng = np.random.default_rng(1)
    noise = win_matrix(rng.standard_normal((12, 12)))
    own = np.arange(12)
    test = permute_labels(noise, own, 4000, rng)
    assert test.null.mean() == pytest.approx(0.5, abs=0.01)
    assert test.value == noise[own, own].mean()
    informed = permute_labels(win_matrix(rng.standard_normal((12, 12)) + 5 * np.eye(12)), own, 999, rng)
    assert informed.p_value == pytest.approx(0.001)
