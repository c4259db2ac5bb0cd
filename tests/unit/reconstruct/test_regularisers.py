"""Regularisers against SciPy, NumPy and torch's own derivatives, image by image."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from fmri2image.reconstruct import regularisers

SHAPE = (3, 3, 12, 9)


@pytest.fixture
def images():
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 40


def test_shift_is_a_roll_of_every_image_by_itself(images):
    offsets = torch.tensor([[0, 0], [3, -2], [-13, 20]])
    found = regularisers.shift(images, offsets)
    for i, (down, right) in enumerate(offsets.tolist()):
        np.testing.assert_array_equal(found[i], np.roll(images[i], (down, right), axis=(1, 2)))
    assert torch.equal(regularisers.shift(found, -offsets), images)


def test_offsets_come_from_the_seed_of_each_image():
    def draw(seeds, times=1):
        generators = [np.random.default_rng(seed) for seed in seeds]
        return [regularisers.draw_offsets(generators, 4, torch.device("cpu")) for _ in range(times)]

    assert torch.equal(draw([5, 7])[0][1:], draw([7])[0])
    many = torch.cat(draw(range(20), 20))
    assert many.min() == -4 and many.max() == 4


@pytest.mark.parametrize("sigma", [0.5, 1.3, 2.0, 4.0])
def test_blur_is_scipys(images, sigma):
    found = regularisers.blur(images, sigma)
    for image, expected in zip(found.flatten(0, 1), images.flatten(0, 1), strict=True):
        np.testing.assert_allclose(image, gaussian_filter(expected.numpy(), sigma), atol=1e-10)
    assert regularisers.blur(images, 0.0) is images


def variation(images, exponent):
    """The sum in the words of its definition, pixel by pixel."""
    below = torch.cat([images[..., 1:, :], images[..., -1:, :]], dim=-2) - images
    right = torch.cat([images[..., 1:], images[..., -1:]], dim=-1) - images
    return ((below**2 + right**2) ** (exponent / 2)).sum()


@pytest.mark.parametrize("exponent", [1.0, 2.0, 3.0])
def test_gradient_of_total_variation(images, exponent):
    # Without the corner, whose differences are zero and whose root has no slope.
    images = images.requires_grad_(True)
    corner = torch.zeros_like(images)
    corner[..., -1, -1] = 1.0
    value = variation(images, 2.0) if exponent == 2 else None
    if value is None:
        below = torch.cat([images[..., 1:, :], images[..., -1:, :]], dim=-2) - images
        right = torch.cat([images[..., 1:], images[..., -1:]], dim=-1) - images
        value = ((below**2 + right**2 + corner) ** (exponent / 2)).sum()
    (expected,) = torch.autograd.grad(value, images)
    torch.testing.assert_close(regularisers.total_variation(images.detach(), exponent), expected)


def test_total_variation_of_a_flat_image_pulls_nowhere():
    assert not regularisers.total_variation(torch.full(SHAPE, 3.0), 1.0).any()


@pytest.mark.parametrize("exponent", [2.0, 3.0, 6.0])
def test_gradient_of_the_p_norm(images, exponent):
    images = images.requires_grad_(True)
    (expected,) = torch.autograd.grad((images.abs() ** exponent).sum(), images)
    torch.testing.assert_close(regularisers.p_norm(images.detach(), exponent), expected)


def test_size_of_noise_is_that_of_drawn_noise():
    drawn = np.random.default_rng(0).integers(0, 256, 200_000)
    assert regularisers.noise_square(drawn.size) == pytest.approx((np.linalg.norm(drawn) / 2) ** 2, rel=0.01)


@pytest.mark.parametrize("percentage", [0.0, 1.0, 37.5, 99.0, 100.0, 120.0, -3.0])
def test_percentile_is_numpys(images, percentage):
    flat = images.flatten(1)
    expected = np.percentile(flat.numpy(), np.clip(percentage, 0, 100), axis=1)
    np.testing.assert_allclose(regularisers.percentile(flat, percentage), expected, rtol=1e-12)


def test_clipping_of_extreme_values(images):
    found = regularisers.clip_extreme(images, 10)
    for image, before in zip(found.numpy(), images.numpy(), strict=True):
        np.testing.assert_allclose(image, np.clip(before, *np.percentile(before, [5, 95])), rtol=1e-12)
        assert not np.array_equal(image, before)


def test_clipping_of_small_pixels(images):
    gradient = images.flip(0) * 0.1
    by_norm = regularisers.clip_small_norm(images, 20).numpy()
    by_contribution = regularisers.clip_small_contribution(images, gradient, 20).numpy()
    for i, before in enumerate(images.numpy()):
        for found, measured in ((by_norm[i], before), (by_contribution[i], before * gradient[i].numpy())):
            norm = np.sqrt((measured**2).sum(0))
            small = norm < np.percentile(norm, 20)
            assert 0.15 < small.mean() < 0.25
            np.testing.assert_array_equal(found, np.where(small, 0, before))
