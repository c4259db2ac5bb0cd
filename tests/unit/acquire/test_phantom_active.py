"""Signal change between and around the responding voxels."""

import copy

import numpy as np
import pytest
from phantom_settings import tiny
from scipy.interpolate import CubicSpline

from fmri2image.acquire.phantom.active import ActiveTissue
from fmri2image.acquire.phantom.anatomy import functional_grid


def settings_of(spread: float) -> dict:
    settings = copy.deepcopy(tiny())
    settings["response"]["spread"] = spread
    return settings


def test_the_grid_is_twice_as_fine_and_lies_on_the_functional_one():
    shape, affine = functional_grid(tiny())
    tissue = ActiveTissue(np.array([[3, 4, 5]]), tiny())
    assert tissue.shape == tuple(2 * n - 1 for n in shape)
    np.testing.assert_allclose(tissue.affine @ [6, 8, 10, 1], affine @ [3, 4, 5, 1])


def test_voxels_keep_their_values_and_between_them_runs_a_cubic_spline():
    settings = settings_of(0.0)
    shape, _ = functional_grid(settings)
    line = np.stack([np.arange(shape[0]), np.full(shape[0], 4), np.full(shape[0], 5)], axis=1)
    values = np.random.default_rng(0).standard_normal((2, shape[0])).astype(np.float32)
    found = ActiveTissue(line, settings).volumes(values).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, ::2, 8, 10], values, atol=1e-5)
    expected = CubicSpline(np.arange(shape[0]), values, axis=1, bc_type="not-a-knot")(np.arange(found.shape[1]) / 2)
    np.testing.assert_allclose(found[:, :, 8, 10], expected, atol=1e-5)
    # Without spread, neighbours off the line stay silent.
    np.testing.assert_allclose(found[:, ::2, 10, 10], 0, atol=1e-5)


def test_the_change_fades_around_the_responding_tissue():
    settings = settings_of(6.0)
    block = np.stack(np.meshgrid(*[np.arange(4, 8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found = ActiveTissue(block, settings).volumes(np.ones((1, len(block)))).numpy()[0]
    profile = found[::2, 12, 12]
    np.testing.assert_allclose(profile[4:8], 1, atol=1e-5)
    assert 0.05 < profile[8] < 0.5
    assert abs(profile[11]) < 0.02
    assert profile[8] == pytest.approx(profile[3], rel=1e-3)
