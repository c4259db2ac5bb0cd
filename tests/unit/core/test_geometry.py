"""Rigid poses: known turns, and the way back."""

import numpy as np

from fmri2image.core.geometry import grid_centre, rigid_matrix, rigid_parameters


def axis_turn(axis: int, angle: float) -> np.ndarray:
    """Turn about one axis, counter-clockwise seen from its tip."""
    matrix, (i, j) = np.eye(3), [(1, 2), (2, 0), (0, 1)][axis]
    matrix[i, i] = matrix[j, j] = np.cos(angle)
    matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
    return matrix


def test_quarter_turn_about_z_sends_x_to_y():
    matrix = rigid_matrix(np.array([0, 0, 0, 0, 0, np.pi / 2]), np.zeros(3))
    np.testing.assert_allclose(matrix @ [1, 0, 0, 1], [0, 1, 0, 1], atol=1e-12)


def test_matrix_turns_about_the_centre_x_first_then_moves():
    centre, shift, angles = np.array([10.0, -20.0, 5.0]), np.array([1.0, 2.0, 3.0]), (0.3, -0.5, 0.7)
    matrix = rigid_matrix(np.array([*shift, *angles]), centre)
    turn = axis_turn(2, angles[2]) @ axis_turn(1, angles[1]) @ axis_turn(0, angles[0])
    point = np.array([3.0, 4.0, -7.0])
    np.testing.assert_allclose((matrix @ [*point, 1])[:3], turn @ (point - centre) + centre + shift)
    np.testing.assert_allclose((matrix @ [*centre, 1])[:3], centre + shift)


def test_parameters_come_back():
    rng = np.random.default_rng(1)
    parameters = rng.uniform(-1, 1, (2, 5, 6)) * [20, 20, 20, 3, 1.5, 3]
    centre = np.array([5.0, 60.0, -30.0])
    matrices = rigid_matrix(parameters, centre)
    assert matrices.shape == (2, 5, 4, 4)
    np.testing.assert_allclose(np.linalg.det(matrices[..., :3, :3]), 1)
    np.testing.assert_allclose(rigid_parameters(matrices, centre), parameters, atol=1e-9)


def test_grid_centre_is_the_mean_of_all_voxel_centres():
    affine = np.array([[0.0, -3, 0, 7], [2.5, 0, 0.4, -90], [0, 0.3, 3, 11], [0, 0, 0, 1]])
    shape = (4, 5, 6)
    voxels = np.indices(shape).reshape(3, -1)
    expected = (affine[:3, :3] @ voxels).mean(1) + affine[:3, 3]
    np.testing.assert_allclose(grid_centre((*shape, 9), affine), expected)
