"""Spread of responses over neighbours: a Gaussian of the distance, unit variance kept."""

import numpy as np
import pytest

from fmri2image.acquire.phantom.spread import spread_responses, spread_weights

GRID = 3.5 * np.stack(np.meshgrid(*[np.arange(5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)


def test_weights_halve_at_half_the_width_and_keep_the_variance_of_noise():
    points = np.array([[0.0, 0, 0], [1.95, 0, 0], [0, 50, 0]])
    weights = spread_weights(points, 3.9).toarray()
    assert weights[0, 1] / weights[0, 0] == pytest.approx(0.5, rel=1e-3)
    assert weights[0, 2] == 0
    np.testing.assert_allclose((weights**2).sum(axis=1), 1)
    np.testing.assert_allclose(weights[2], [0, 0, 1])


def test_no_spread_leaves_every_voxel_alone():
    np.testing.assert_allclose(spread_weights(GRID, 0).toarray(), np.eye(len(GRID)))


def test_neighbours_become_alike_and_units_stay_those_of_the_training_images():
    rng = np.random.default_rng(0)
    values = {"train": rng.standard_normal((500, len(GRID))), "test": rng.standard_normal((50, len(GRID)))}
    found = spread_responses(values, spread_weights(GRID, 3.9))
    np.testing.assert_allclose(found["train"].std(axis=0), 1, rtol=1e-4)
    np.testing.assert_allclose(found["train"].mean(axis=0), 0, atol=1e-5)
    centre, beside, far = 62, 63, 0
    correlation = np.corrcoef(found["train"].T)
    assert correlation[centre, beside] > 0.2
    assert abs(correlation[centre, far]) < 0.15
    assert abs(np.corrcoef(values["train"].T)[centre, beside]) < 0.15
    # The test set is expressed in the same units, not its own.
    joined = spread_responses({"train": values["train"], "test": 3 * values["test"]}, spread_weights(GRID, 3.9))
    assert joined["test"].std() > 2.5
