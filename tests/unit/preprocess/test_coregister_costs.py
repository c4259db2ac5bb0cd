"""Mutual information against plain numpy, scikit-learn and known poses."""

import numpy as np
import pytest
import SimpleITK as sitk
from head import acquire, slab_affine
from scipy import ndimage

from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.itk import to_sitk
from fmri2image.preprocess.mattes import MattesSettings, register_mattes
from fmri2image.preprocess.normalised import (
    JointHistogram,
    NormalisedSettings,
    minimise_rigid,
    normalised_mutual_information,
    register_normalised,
)
from fmri2image.preprocess.points import lattice

SHAPE = (48, 30, 22)


def error_in_slab(estimate, truth, affine, shape=SHAPE):
    """Return the mean distance in mm between the two matrices over the slab."""
    voxels = np.indices(shape)[:, ::4, ::4, ::4].reshape(3, -1)
    points = np.vstack([affine[:3, :3] @ voxels + affine[:3, 3:], np.ones(voxels.shape[1])])
    return np.linalg.norm(((estimate - truth) @ points)[:3], axis=0).mean()


@pytest.fixture(scope="module")
def images(head):
    """EPI slab, in-plane T2 of inverted contrast in another pose, both with their affines, and the matrix between."""
    rng = np.random.default_rng(11)
    pose = rigid_matrix(np.array([4, -5, 3, 0.06, -0.04, 0.05]), np.zeros(3))
    later = rigid_matrix(np.array([0.8, 1.0, -1.2, 0.01, 0.015, -0.01]), np.zeros(3)) @ pose
    affine = slab_affine(SHAPE)
    fine, fine_affine = (96, 60, 22), affine @ np.diag([0.5, 0.5, 1, 1])
    epi = acquire(*head, pose, SHAPE, affine) + rng.normal(0, 8, SHAPE)
    t2 = acquire(*head, later, fine, fine_affine)
    # Bright where the EPI is dark, but the air stays dark.
    t2 = t2 * (1300 - t2) / 400 + rng.normal(0, 10, fine)
    return (epi, affine), (t2, fine_affine), later @ np.linalg.inv(pose)


@pytest.mark.parametrize("register", [register_mattes, register_normalised])
def test_inverted_contrast(images, register):
    epi, t2, truth = images
    found = register(t2, epi)
    assert error_in_slab(np.eye(4), truth, epi[1]) > 1.5
    assert error_in_slab(found, truth, epi[1]) < 0.35
    np.testing.assert_allclose(found[:3, :3] @ found[:3, :3].T, np.eye(3), atol=1e-9)  # rigid


FIRST_LEVEL = [
    (register_mattes, MattesSettings(smoothing=(4.0,), n_points=(8000,))),
    (register_normalised, NormalisedSettings(separation=(8.0,))),
]


@pytest.mark.parametrize(("register", "settings"), FIRST_LEVEL)
def test_a_second_search_finds_the_same(images, register, settings):
    epi, t2, _ = images
    np.testing.assert_array_equal(register(t2, epi, settings=settings), register(t2, epi, settings=settings))


@pytest.mark.parametrize(
    ("register", "settings"),
    [(register_mattes, MattesSettings()), (register_normalised, NormalisedSettings(separation=(4.0,), reach=0.0))],
)
def test_a_start_is_used(images, register, settings):
    epi, t2, truth = images
    away = np.eye(4)
    away[:3, 3] = [300, -200, 100]
    found = register((t2[0], away @ t2[1]), epi, start=away, settings=settings)
    assert error_in_slab(np.linalg.inv(away) @ found, truth, epi[1]) < 0.35


def test_normalised_mutual_information_is_studholmes():
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 8, 5000), rng.integers(0, 8, 5000)
    b[:3000] = 7 - a[:3000]
    counts = np.zeros((8, 8))
    np.add.at(counts, (a, b), 1)

    def entropy(*columns):
        _, n = np.unique(np.stack(columns), axis=1, return_counts=True)
        return -sum(share * np.log(share) for share in n / n.sum())

    expected = (entropy(a) + entropy(b)) / entropy(a, b)
    assert normalised_mutual_information(counts) == pytest.approx(expected, rel=1e-12)
    assert normalised_mutual_information(np.diag(np.arange(1.0, 9))) == pytest.approx(2.0)
    assert normalised_mutual_information(np.ones((8, 8))) == pytest.approx(1.0)
    assert normalised_mutual_information(np.zeros((8, 8))) == 0.0


def test_the_joint_histogram_counts_what_it_should():
    """Without smoothing, every point is shared linearly between two bins of the moving image."""
    rng = np.random.default_rng(4)
    fixed, moving = rng.uniform(100, 200, (2, 12, 11, 10))
    fixed, moving = (ndimage.gaussian_filter(image, 1) for image in (fixed, moving))
    affine = np.diag([2.0, 2, 2, 1])
    settings = NormalisedSettings(histogram_fwhm=0.0, n_bins=16)
    joint = JointHistogram((moving, affine), (fixed, affine), 2.0, settings)
    matrix = rigid_matrix(np.array([0.7, -0.4, 0.9, 0, 0, 0.05]), np.full(3, 10.0))
    counts = joint.counts(matrix)
    expected = np.zeros((16, 16))
    low, high = np.percentile(moving, [0.05, 99.95])
    for point, row in zip(joint.points, joint.row // 16, strict=True):
        at = (matrix @ [*point, 1])[:3] / 2
        if np.all(at >= 0) and np.all(at <= np.array(moving.shape) - 1):
            corner = np.minimum(at.astype(int), np.array(moving.shape) - 2)
            value = 0.0
            for offset in np.ndindex(2, 2, 2):
                weight = np.prod(np.where(offset, at - corner, 1 - at + corner))
                value += weight * np.clip((moving[tuple(corner + offset)] - low) / (high - low), 0, 1) * 15
            column = min(int(value), 14)
            expected[row, column] += 1 - (value - column)
            expected[row, column + 1] += value - column
    np.testing.assert_allclose(counts, expected, atol=1e-3)
    assert counts.sum() > 500


def test_points_that_leave_the_image_score_nothing(images):
    epi, t2, _ = images
    joint = JointHistogram(t2, epi, 6.0, NormalisedSettings())
    away = np.eye(4)
    away[:3, 3] = 200
    assert joint.score(away) == 0.0


def test_powell_finds_the_rigid_minimum():
    truth = rigid_matrix(np.array([2, -1, 3, 0.05, -0.1, 0.02]), np.array([5.0, 5, 5]))
    points = np.random.default_rng(0).normal(0, 40, (30, 3))
    points = np.hstack([points, np.ones((30, 1))])
    cost = lambda matrix: (((matrix - truth) @ points.T) ** 2).mean()  # noqa: E731
    found = minimise_rigid(cost, np.eye(4), np.array([5.0, 5, 5]), 1e-3, 50)
    np.testing.assert_allclose(found, truth, atol=5e-3)


def test_the_lattice_covers_the_image_at_its_distance():
    affine = np.diag([2.0, 3.0, 4.0, 1])
    points = lattice((40, 30, 20), affine, 4.0, seed=1)
    assert len(points) == pytest.approx(40 * 30 * 20 * 24 / 64, rel=0.1)
    assert np.all(points >= 0) and np.all(points <= [39, 29, 19])
    np.testing.assert_array_equal(points, lattice((40, 30, 20), affine, 4.0, seed=1))


def test_world_points_survive_the_change_to_lps():
    affine = slab_affine((5, 6, 7))
    image = to_sitk(np.arange(210.0).reshape(5, 6, 7), affine)
    world = affine @ np.array([1, 2, 3, 1])
    assert image.TransformPhysicalPointToIndex([-world[0], -world[1], world[2]]) == (1, 2, 3)
    assert image.GetPixel(1, 2, 3) == np.arange(210.0).reshape(5, 6, 7)[1, 2, 3]
    assert sitk.GetArrayFromImage(image).shape == (7, 6, 5)
    assert np.allclose(image.GetSpacing(), 3)
    middle = grid_centre((5, 6, 7), affine)
    np.testing.assert_allclose(image.TransformContinuousIndexToPhysicalPoint([2, 2.5, 3]), middle * [-1, -1, 1])
