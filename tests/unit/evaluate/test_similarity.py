"""Similarities against NumPy and scikit-image, pair by pair."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from fmri2image.core.errors import DataError
from fmri2image.evaluate.similarity import SIMILARITIES, pixel_correlation, structural


@pytest.fixture
def images():
    return np.random.default_rng(0).random((5, 3, 16, 16)).astype(np.float32)


def test_pixel_correlation_is_pearsons_r(images):
    found = pixel_correlation(images[:2], images[2:])
    expected = [[np.corrcoef(a.ravel(), b.ravel())[0, 1] for b in images[2:]] for a in images[:2]]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    images[1] = 0.5
    assert np.isnan(pixel_correlation(images[:2], images[2:])).tolist() == [[False] * 3, [True] * 3]


def test_ssim_of_equal_images_is_one(images):
    found = structural(images, images)
    np.testing.assert_allclose(np.diag(found), 1)
    assert found[~np.eye(5, dtype=bool)].max() < 0.5


def test_ssim_is_the_mean_over_channels_of_clipped_images(images):
    a = images[:1] * 1.6 - 0.3
    options = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    channels = [structural_similarity(np.clip(a[0, c], 0, 1), images[3, c], **options) for c in range(3)]
    np.testing.assert_allclose(structural(a, images[3:4]), [[np.mean(channels)]], atol=1e-6)


@pytest.mark.parametrize("name", ["pixel", "ssim"])
def test_sizes_must_agree(images, name):
    with pytest.raises(DataError, match="cannot be compared"):
        SIMILARITIES[name](images, images[..., :8, :8])
