"""Reslicing against direct sampling and the composed transforms."""

import numpy as np
import pytest
from head import acquire, slab_affine
from scipy import ndimage

from fmri2image.core.errors import ConfigError
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.coregister import epi_from_t1w
from fmri2image.preprocess.realign import estimate_motion
from fmri2image.preprocess.reslice import reslice, reslice_voxels
from fmri2image.preprocess.splines import coefficient_matrix, interpolate_volumes

SHAPE = (48, 30, 22)


def test_undoing_a_known_pose_restores_the_still_head(head):
    affine = slab_affine(SHAPE)
    poses = rigid_matrix(np.array([[2, -1, 1, 0.02, 0.03, -0.02], [0.0] * 6]), grid_centre(SHAPE, affine))
    volumes = np.stack([acquire(*head, pose, SHAPE, affine) for pose in poses])
    target_affine, target_shape = slab_affine((36, 24, 16), oblique=0.0), (36, 24, 16)
    resliced, coverage = reslice(volumes, affine, poses, target_shape, target_affine)
    still = acquire(*head, np.eye(4), target_shape, target_affine)
    assert coverage.mean() > 0.9
    assert resliced.dtype == np.float32
    inner = (slice(3, -3),) * 3
    error = np.abs(resliced - still)[(slice(None), *inner)][:, coverage[inner]]
    assert error.mean() < 0.01 * still.max()


def test_the_identity_changes_nothing():
    volume = np.random.default_rng(0).standard_normal((1, 7, 6, 5))
    affine = slab_affine((7, 6, 5))
    resliced, coverage = reslice(volume, affine, np.eye(4)[None], (7, 6, 5), affine)
    np.testing.assert_allclose(resliced, volume, atol=1e-5)
    assert coverage.all()


@pytest.mark.parametrize("order", [0, 1, 3])
def test_whole_voxel_shifts_match_a_roll(order):
    volume = np.random.default_rng(1).standard_normal((8, 7, 6))
    matrix = np.eye(4)
    matrix[0, 3] = 6.0  # two voxels of 3 mm
    affine = np.diag([3.0, 3, 3, 1])
    resliced, coverage = reslice(volume[None], affine, matrix[None], (8, 7, 6), affine, order=order)
    np.testing.assert_allclose(resliced[0, :6], volume[2:], atol=1e-5)
    assert not coverage[6:].any()
    assert coverage[:6].all()
    assert (resliced[0, 6:] == 0).all()


def test_a_cubic_matches_scipy_with_its_own_prefilter():
    volume = np.random.default_rng(2).standard_normal((9, 8, 7))
    at = np.array([[3.3, 4.1], [2.7, 5.2], [3.9, 1.4]])
    matrix = np.eye(4)
    matrix[:3, 3] = [0.3, -0.3, 0.9]
    resliced, _ = reslice(volume[None], np.eye(4), matrix[None], (9, 8, 7), np.eye(4))
    expected = ndimage.map_coordinates(volume, at, order=3, mode="mirror")
    assert resliced[0, 3, 3, 3] == pytest.approx(expected[0], abs=1e-5)


def test_voxels_out_of_view_in_one_volume_are_zero_in_all():
    volumes = np.ones((2, 5, 5, 5))
    shifted = np.eye(4)
    shifted[2, 3] = 2.0
    resliced, coverage = reslice(volumes, np.eye(4), np.stack([np.eye(4), shifted]), (5, 5, 5), np.eye(4))
    assert not coverage[:, :, 3:].any()
    assert (resliced[:, :, :, 3:] == 0).all()
    np.testing.assert_allclose(resliced[:, :, :, :3], 1, atol=1e-6)


def test_only_the_mask_is_computed():
    volume = np.random.default_rng(3).standard_normal((1, 6, 6, 6))
    mask = np.zeros((6, 6, 6), dtype=bool)
    mask[2:4, 1:3, 2] = True
    everything, _ = reslice(volume, np.eye(4), np.eye(4)[None], (6, 6, 6), np.eye(4))
    masked, coverage = reslice(volume, np.eye(4), np.eye(4)[None], (6, 6, 6), np.eye(4), mask=mask)
    np.testing.assert_array_equal(masked[0][mask], everything[0][mask])
    assert (masked[0][~mask] == 0).all()
    np.testing.assert_array_equal(coverage, mask)


def test_motion_and_coregistration_together_lead_to_brain_space(head):
    affine, target_shape = slab_affine(SHAPE), (36, 24, 16)
    target_affine = slab_affine(target_shape, oblique=0.0)
    centre = grid_centre(SHAPE, affine)
    pose = rigid_matrix(np.array([3, -4, 2, 0.04, -0.03, 0.05]), centre)
    motion = rigid_matrix(np.array([[0.0] * 6, [1, 0.5, -1, 0.02, -0.01, 0.02]]), centre)
    volumes = np.stack([acquire(*head, step @ pose, SHAPE, affine) for step in motion])
    t1w = (head[0] / 900) ** 2 * 600
    to_epi = epi_from_t1w((volumes[0], affine), (t1w, head[1]))
    steps = rigid_matrix(estimate_motion(volumes, affine, volumes[0], affine), centre)
    resliced, coverage = reslice(volumes, affine, steps @ to_epi, target_shape, target_affine)
    truth = acquire(*head, np.eye(4), target_shape, target_affine)
    untouched, _ = reslice(volumes, affine, np.stack([np.eye(4)] * 2), target_shape, target_affine)
    for right, wrong in zip(resliced, untouched, strict=True):
        assert np.corrcoef(right[coverage], truth[coverage])[0, 1] > 0.997
        assert np.corrcoef(wrong[coverage], truth[coverage])[0, 1] < 0.97


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("shape", [(11, 9, 8), (6, 5, 1)])
def test_the_gpu_path_equals_scipy(order, shape):
    rng = np.random.default_rng(4)
    volumes = rng.integers(-300, 900, (3, *shape)).astype(np.int16)
    poses = rigid_matrix(rng.normal(0, [1.5] * 3 + [0.1] * 3, (3, 6)), np.zeros(3))
    affine, target_affine = slab_affine(shape), slab_affine((9, 9, 9), oblique=0.0)
    voxels = np.argwhere(rng.random((9, 9, 9)) < 0.4)
    expected, seen = reslice_voxels(volumes, affine, poses, voxels, target_affine, order)
    to_voxels = (np.linalg.inv(affine) @ poses @ target_affine)[:, :3]
    signal, covered = interpolate_volumes(volumes, to_voxels, voxels, order, "cpu")
    np.testing.assert_array_equal(covered, seen)
    assert seen.any()
    np.testing.assert_allclose(signal, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("size", "order"), [(12, 2), (12, 3), (3, 3), (12, 5), (1, 3)])
def test_spline_coefficients_equal_scipys_filter(size, order):
    values = np.random.default_rng(5).standard_normal((size, 4))
    if size > 1:
        expected = ndimage.spline_filter1d(values, order, axis=0, mode="mirror")
        np.testing.assert_allclose(coefficient_matrix(size, order) @ values, expected, atol=1e-9)
    else:
        np.testing.assert_allclose(coefficient_matrix(size, order), [[1.0]])


def test_threads_types_and_layouts_change_nothing():
    rng = np.random.default_rng(6)
    stored = np.asfortranarray(rng.integers(0, 900, (8, 7, 6, 9)).astype(np.int16))
    volumes = np.moveaxis(stored, -1, 0)
    poses = rigid_matrix(rng.normal(0, [0.5] * 3 + [0.02] * 3, (9, 6)), np.zeros(3))
    alone, coverage = reslice(volumes, np.eye(4), poses, (8, 7, 6), np.eye(4))
    together, same = reslice(
        np.ascontiguousarray(volumes, dtype=float), np.eye(4), poses, (8, 7, 6), np.eye(4), threads=4
    )
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(coverage, same)


def test_an_order_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="reslice_order is 6"):
        reslice(np.zeros((1, 3, 3, 3)), np.eye(4), np.eye(4)[None], (3, 3, 3), np.eye(4), order=6)
