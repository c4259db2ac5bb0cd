"""N4 against a field that is known."""

import numpy as np
import pytest

from fmri2image.preprocess.bias_field import BiasSettings, without_bias

SHORT = BiasSettings(iterations=(50, 50), resolution=6.0)


@pytest.fixture(scope="module")
def slab():
    """Ball of two tissues in air on a slab: image with and without a field that doubles from front to back, ball."""
    shape, affine = (48, 40, 24), np.diag([-3.0, 3.0, 3.0, 1])
    rng = np.random.default_rng(5)
    at = np.indices(shape).astype(float)
    radius = np.linalg.norm((at - np.array([24, 20, 12])[:, None, None, None]) * 3, axis=0)
    ball = radius < 50
    stripes = np.sin(at[0] * 1.1) * np.sin(at[1] * 0.9) * np.sin(at[2] * 1.3) > 0
    even = np.where(ball, np.where(stripes, 900.0, 500.0), 0.0)
    field = np.exp(np.log(2) * (0.5 - at[1] / 40) + 0.2 * np.sin(at[0] / 25))
    noise = rng.normal(0, 10, shape)
    return even * field + noise, even, affine, ball


@pytest.mark.parametrize("masked", [True, False])
def test_a_known_field_is_removed(slab, masked):
    image, even, affine, ball = slab
    found = without_bias(image, affine, ball if masked else None, SHORT)
    assert found.shape == image.shape
    assert found.dtype == np.float32
    before, after = (np.std(np.log(np.maximum(it[ball], 1) / even[ball])) for it in (image, found))
    assert before > 0.12
    assert after < before / 3


def test_an_even_image_stays_as_it_is(slab):
    _, even, affine, ball = slab
    image = even + np.random.default_rng(6).normal(0, 10, even.shape)
    found = without_bias(image, affine, ball, SHORT)
    assert np.std(np.log(found[ball] / image[ball])) < 0.03
