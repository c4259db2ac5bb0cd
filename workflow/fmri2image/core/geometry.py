"""Rigid poses in world millimetres, shared by the simulator and the motion correction."""

import numpy as np
from scipy.spatial.transform import Rotation

PARAMETERS = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def rigid_matrix(parameters: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Turn six parameters into 4×4 matrices that move world points.

    Parameters
    ----------
    parameters : array of shape (..., 6)
        Translations x, y, z in mm, then rotations about x, y, z in radians (extrinsic, x first), as in `PARAMETERS`.
    centre : array of shape (3,)
        World point in mm about which the rotation turns.

    Returns
    -------
    matrices : array of shape (..., 4, 4)
        ``y = matrix @ x`` with ``y = R (x - centre) + centre + translation``.
    """
    parameters = np.asarray(parameters, dtype=float)
    shape = parameters.shape[:-1]
    flat = parameters.reshape(-1, 6)
    rotation = Rotation.from_euler("xyz", flat[:, 3:]).as_matrix()
    matrices = np.tile(np.eye(4), (len(flat), 1, 1))
    matrices[:, :3, :3] = rotation
    matrices[:, :3, 3] = flat[:, :3] + centre - rotation @ np.asarray(centre, dtype=float)
    return matrices.reshape(*shape, 4, 4)


def rigid_parameters(matrices: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Turn rigid 4×4 matrices (..., 4, 4) back into six parameters (..., 6); the inverse of `rigid_matrix`."""
    matrices = np.asarray(matrices, dtype=float)
    shape = matrices.shape[:-2]
    flat = matrices.reshape(-1, 4, 4)
    centre = np.asarray(centre, dtype=float)
    rotation = flat[:, :3, :3]
    translation = flat[:, :3, 3] - centre + rotation @ centre
    angles = Rotation.from_matrix(rotation).as_euler("xyz")
    return np.concatenate([translation, angles], axis=1).reshape(*shape, 6)


def grid_centre(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Return the world point (3,) in mm at the middle of a voxel grid."""
    middle = (np.asarray(shape[:3]) - 1) / 2
    return affine[:3, :3] @ middle + affine[:3, 3]
