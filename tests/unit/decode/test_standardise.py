"""Scales of voxels and units against numpy on repeated rows, and what cannot be scaled."""

import numpy as np
import pytest

from fmri2image.core.errors import ConfigError
from fmri2image.decode import standardise
from fmri2image.decode.standardise import Standardisation, column_scale

RNG = np.random.default_rng(3)
VALUES = RNG.standard_normal((9, 5)) * [1, 5, 0.01, 100, 1] + [0, 3, -1, 1e4, 7]
COUNTS = np.array([1, 2, 5, 1, 1, 3, 1, 24, 2])


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("counts", [None, COUNTS])
def test_mean_and_sd_are_those_of_rows_written_as_often_as_they_count(counts, ddof):
    scale = column_scale(VALUES, counts, ddof=ddof)
    shown = VALUES if counts is None else np.repeat(VALUES, counts, axis=0)
    np.testing.assert_allclose(scale.mean, shown.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale.sd, shown.std(axis=0, ddof=ddof), rtol=1e-10)
    z = scale.apply(shown)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(z.std(axis=0, ddof=ddof), 1, rtol=1e-10)
    assert scale.usable.all()


def test_columns_that_do_not_vary_or_are_damaged_are_told_apart_and_become_zero():
    values = VALUES.astype(np.float32)
    values[:, 0] = 0.1  # not exact in binary: its SD is rounding, not zero
    values[:, 1] = 0
    values[4, 2] = np.nan
    values[0, 3] = np.inf
    scale = column_scale(values, COUNTS)
    np.testing.assert_array_equal(scale.constant, [True, True, False, False, False])
    np.testing.assert_array_equal(scale.damaged, [False, False, True, True, False])
    np.testing.assert_array_equal(scale.usable, [False, False, False, False, True])
    np.testing.assert_array_equal(scale.sd[:4], 1)
    np.testing.assert_array_equal(scale.apply(values)[:, :4], 0)
    expected = (values[:, 4] - scale.mean[4]) / scale.sd[4]
    np.testing.assert_allclose(scale.apply(values)[:, 4], expected)


def test_the_mean_of_a_damaged_column_is_that_of_its_finite_values():
    values = VALUES.copy()
    values[4, 2] = np.nan
    values[:, 3] = np.nan
    scale = column_scale(values, COUNTS)
    kept = np.repeat(np.delete(values[:, 2], 4), np.delete(COUNTS, 4))
    np.testing.assert_allclose(scale.mean[[0, 2, 3]], [np.average(VALUES[:, 0], weights=COUNTS), kept.mean(), 0])


def test_a_small_spread_on_a_large_mean_is_still_a_spread():
    values = 1e6 + np.array([[0.0], [1e-3], [2e-3]])
    assert column_scale(values).usable.all()
    np.testing.assert_allclose(column_scale(values).sd, 1e-3, rtol=1e-6)


def test_values_that_are_not_finite_become_the_mean_and_leave_their_neighbours_alone():
    scale = column_scale(VALUES)
    damaged = VALUES[:2].copy()
    damaged[0, 1], damaged[1, 4] = np.nan, -np.inf
    z = scale.apply(damaged)
    assert z[0, 1] == z[1, 4] == 0
    others = np.isfinite(damaged)
    np.testing.assert_array_equal(z[others], scale.apply(VALUES[:2])[others])


@pytest.mark.parametrize("at_once", [1, 20])
def test_parts_make_no_difference(monkeypatch, at_once):
    values = VALUES.copy()
    values[4, 2], values[:, 3] = np.nan, 0.5
    whole = column_scale(values, COUNTS)
    monkeypatch.setattr(standardise, "AT_ONCE", at_once)
    parts = column_scale(values, COUNTS)
    for name in ("mean", "sd", "constant", "damaged"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-14)
    stacked = np.stack([values, values * 2])
    monkeypatch.undo()
    expected = whole.apply(stacked)
    monkeypatch.setattr(standardise, "AT_ONCE", at_once)
    np.testing.assert_array_equal(whole.apply(stacked), expected)
    np.testing.assert_array_equal(expected[1], whole.apply(values * 2))


def test_one_row_has_no_spread():
    scale = column_scale(VALUES[:1])
    assert scale.constant.all()
    np.testing.assert_array_equal(scale.apply(VALUES[:1]), 0)


def test_settings():
    assert Standardisation.from_settings(None) == Standardisation("trials", "stimuli", 1)
    assert Standardisation.from_settings({"units": "trials", "ddof": 0}) == Standardisation("trials", "trials", 0)
    for wrong in ({"voxels": "runs"}, {"units": "runs"}, {"ddof": 2}):
        with pytest.raises(ConfigError, match="is unknown; use trials or stimuli"):
            Standardisation.from_settings(wrong)
