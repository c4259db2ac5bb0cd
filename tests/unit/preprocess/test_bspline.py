"""B-splines on tensors against those of scipy, and their gradients against differences."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from fmri2image.preprocess.bspline import prefilter_matrix, sample
from fmri2image.preprocess.smooth import apply_matrices, smoothing_matrices

SHAPE = (9, 12, 10)


@pytest.fixture
def volumes():
    return np.random.default_rng(0).standard_normal((2, *SHAPE))


@pytest.mark.parametrize("degree", [1, 2, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_values_and_gradients_are_those_of_scipy(volumes, degree, order):
    points = np.random.default_rng(1).uniform(1, 7, (2, 3, 40))
    coefficients = apply_matrices(
        [torch.as_tensor(prefilter_matrix(size, degree)) for size in SHAPE], torch.as_tensor(volumes)
    )
    if order == "F":
        coefficients = coefficients.permute(0, 3, 2, 1).contiguous().permute(0, 3, 2, 1)
    which = torch.tensor([1, 0])
    read = sample(coefficients, which, torch.as_tensor(points), degree, gradient=True).numpy()
    np.testing.assert_allclose(
        sample(coefficients, which, torch.as_tensor(points), degree).numpy(), read[0], atol=1e-12
    )
    for a, volume in enumerate(volumes[[1, 0]]):
        expected = ndimage.map_coordinates(volume, points[a], order=degree, mode="mirror")
        np.testing.assert_allclose(read[0, a], expected, atol=1e-12)
        for axis in range(3):
            ends = [
                ndimage.map_coordinates(
                    volume, points[a] + step * np.eye(3)[axis][:, None], order=degree, mode="mirror"
                )
                for step in (-1e-5, 1e-5)
            ]
            np.testing.assert_allclose(read[1 + axis, a], (ends[1] - ends[0]) / 2e-5, atol=1e-5)


def test_smoothing_is_that_of_scipy_away_from_the_border():
    volume = np.zeros((1, 31, 31, 31))
    volume[0, 15, 15, 15] = 1
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    matrices = [torch.as_tensor(matrix) for matrix in smoothing_matrices(volume.shape[1:], affine, 8.0, 1)]
    found = apply_matrices(matrices, torch.as_tensor(volume))[0].numpy()
    sigma = 8.0 / np.sqrt(8 * np.log(2)) / np.array([2, 2, 4])
    np.testing.assert_allclose(found, ndimage.gaussian_filter(volume[0], sigma, truncate=6), atol=1e-7)
