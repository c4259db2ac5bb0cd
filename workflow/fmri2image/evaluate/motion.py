"""Estimated head motion of simulated subjects against the motion that was simulated."""

import numpy as np

from fmri2image.core.geometry import rigid_matrix, rigid_parameters


def motion_error(
    estimated: np.ndarray, poses: np.ndarray, reference_pose: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Return what is left of the motion after the estimate is undone.

    Parameters
    ----------
    estimated : array of shape (n_volumes, 6)
        Motion of each volume relative to the reference, mm and radians, about `centre`.
    poses : array of shape (n_volumes, 4, 4)
        True poses (brain to scanner).
    reference_pose : array of shape (4, 4)
        True pose of the reference volume.
    centre : array of shape (3,)
        mm.

    Returns
    -------
    error : array of shape (n_volumes, 6)
        Translations in mm at `centre` and rotations in degrees.
    """
    true = poses @ np.linalg.inv(reference_pose)
    left = rigid_matrix(estimated, centre) @ np.linalg.inv(true)
    error = rigid_parameters(left, centre)
    error[:, 3:] = np.degrees(error[:, 3:])
    return error


def rms(error: np.ndarray) -> tuple[float, float]:
    """Return the root mean square over volumes and axes of the translations (mm) and rotations (degrees)."""
    return float(np.sqrt((error[:, :3] ** 2).mean())), float(np.sqrt((error[:, 3:] ** 2).mean()))
