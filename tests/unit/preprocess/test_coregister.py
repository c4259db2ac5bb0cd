"""Coregistration against simulated poses, with inverted contrast, different grids and a slab."""

import numpy as np
import pytest
import SimpleITK as sitk
from head import acquire, slab_affine
from scipy import ndimage

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.coregister import chain, coregister, epi_from_t1w, to_sitk

SHAPE = (48, 30, 22)


def error_in_slab(estimate, truth, affine, shape=SHAPE):
    """Return the mean distance in mm between the two matrices over the slab."""
    voxels = np.indices(shape)[:, ::4, ::4, ::4].reshape(3, -1)
    points = np.vstack([affine[:3, :3] @ voxels + affine[:3, 3:], np.ones(voxels.shape[1])])
    return np.linalg.norm(((estimate - truth) @ points)[:3], axis=0).mean()


@pytest.fixture(scope="module")
def images(head):
    """EPI slab, in-plane T2 of inverted contrast in a slightly other pose, T1w of the whole head, and the poses."""
    rng = np.random.default_rng(11)
    pose = rigid_matrix(np.array([4, -5, 3, 0.06, -0.04, 0.05]), np.zeros(3))
    later = rigid_matrix(np.array([0.8, 1.0, -1.2, 0.01, 0.015, -0.01]), np.zeros(3)) @ pose
    affine = slab_affine(SHAPE)
    fine, fine_affine = (96, 60, 22), affine @ np.diag([0.5, 0.5, 1, 1])
    volume, head_affine = head
    epi = acquire(volume, head_affine, pose, SHAPE, affine) + rng.normal(0, 8, SHAPE)
    t2 = acquire(volume, head_affine, later, fine, fine_affine)
    # Bright where the EPI is dark, but the air stays dark.
    t2 = t2 * (1300 - t2) / 400 + rng.normal(0, 10, fine)
    bias = ndimage.gaussian_filter(rng.standard_normal(volume.shape), 15)
    t1 = (volume / 900) ** 2 * 600 * (1 + 0.1 * bias / bias.std()) + rng.normal(0, 10, volume.shape)
    return (epi, affine), (t2, fine_affine), (t1, head_affine), pose, later


def test_direct_to_the_whole_head(images):
    epi, _, t1, pose, _ = images
    found = coregister(*t1, *epi)
    assert error_in_slab(np.eye(4), np.linalg.inv(pose), epi[1]) > 4
    assert error_in_slab(found, np.linalg.inv(pose), epi[1]) < 0.5


def test_inverted_contrast(images):
    epi, t2, _, pose, later = images
    found = coregister(*t2, *epi)
    truth = later @ np.linalg.inv(pose)
    assert error_in_slab(np.eye(4), truth, epi[1]) > 1.5
    assert error_in_slab(found, truth, epi[1]) < 0.5


def test_the_chain_ends_in_the_space_of_the_epi(images):
    epi, t2, t1, pose, _ = images
    matrix = epi_from_t1w(epi, t1, [t2])
    assert error_in_slab(np.linalg.inv(matrix), np.linalg.inv(pose), epi[1]) < 0.6


def test_it_is_deterministic(images):
    epi, _, t1, _, _ = images
    np.testing.assert_array_equal(coregister(*t1, *epi), coregister(*t1, *epi))


def test_images_without_overlap_are_refused(images):
    epi, _, t1, _, _ = images
    far = t1[1].copy()
    far[:3, 3] += 1000
    with pytest.raises(DataError, match="hardly overlap"):
        coregister(t1[0], far, *epi)


def test_chain_applies_from_left_to_right():
    a = rigid_matrix(np.array([1, 2, 3, 0.1, 0.2, 0.3]), np.zeros(3))
    b = rigid_matrix(np.array([0, -1, 3, -0.1, 0.4, 0.0]), np.ones(3))
    point = np.array([3.0, 1, 2, 1])
    np.testing.assert_allclose(chain(a, b) @ point, b @ (a @ point))


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
