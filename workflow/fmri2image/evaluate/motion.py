"""Estimated head motion of simulated subjects against the motion that was simulated.

The head moves while a volume is taken, slice by slice. The estimate, one pose per volume, is held against the true pose
at mid-volume, relative to that of the reference volume.
"""

import re
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

from fmri2image.core.arrays import read_array
from fmri2image.core.geometry import PARAMETERS, grid_centre, rigid_matrix, rigid_parameters
from fmri2image.preprocess.tables import framewise_displacement, read_motion


def motion_error(
    estimated: np.ndarray, poses: np.ndarray, reference_pose: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Return what is left of the motion after the estimate is undone.

    Parameters
    ----------
    estimated : array of shape (n_volumes, 6)
        Motion of each volume relative to the reference, mm and radians, about `centre`.
    poses : array of shape (n_volumes, 4, 4)
        True poses (brain to scanner) at mid-volume.
    reference_pose : array of shape (4, 4)
        True pose of the reference volume at its mid-volume.
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


def framewise_error(estimated: np.ndarray, poses: np.ndarray, reference_pose: np.ndarray, centre: np.ndarray) -> float:
    """Return the root mean square error of framewise displacement (mm) over the volumes after the first.

    Parameters as for `motion_error`. Framewise displacement is that of `preprocess.tables` (Power et al. 2012), for the
    estimate and for the true motion about the same centre.
    """
    true = rigid_parameters(poses @ np.linalg.inv(reference_pose), centre)
    error = framewise_displacement(estimated)[1:] - framewise_displacement(true)[1:]
    return float(np.sqrt((error**2).mean())) if len(error) else 0.0


def score_runs(subject: str, motion: list[str], reference: str, truth: str) -> pd.DataFrame:
    """Compare the motion tables of a subject with the simulated poses.

    Parameters
    ----------
    subject : str
    motion : list of path
        Motion tables of all runs; the first run's first kept volume is the reference of all.
    reference : path
        The reference volume, about whose centre the parameters turn.
    truth : path
        Simulated poses at mid-volume, array ``pose_ses-…_run-…`` (n_volumes, 4, 4) per run; motion tables lack the
        volumes dropped at the start of a run.

    Returns
    -------
    table : DataFrame
        One row per run: ``rms_translation`` (mm), ``rms_rotation`` (degrees), ``rms_framewise`` (mm, of framewise
        displacement), then simulated: ``largest_translation`` (mm), ``largest_rotation`` (degrees).
    """
    image = nibabel.load(reference)
    centre = grid_centre(image.shape, image.affine)
    reference_pose, rows = None, []
    for path in motion:
        session, run = re.search(r"_ses-([A-Za-z0-9]+)_.*run-(\d+)_", Path(path).name).groups()
        poses = read_array(truth, f"pose_ses-{session}_run-{run}")
        estimated = read_motion(path)[list(PARAMETERS)].to_numpy()
        kept = poses.values[len(poses.values) - len(estimated) :]
        if reference_pose is None:
            reference_pose = kept[0]
        translation, rotation = rms(motion_error(estimated, kept, reference_pose, centre))
        moved = rigid_parameters(kept @ np.linalg.inv(reference_pose), centre)
        rows.append(
            {
                "subject": subject,
                "session": session,
                "run": run,
                "n_volumes": len(estimated),
                "rms_translation": translation,
                "rms_rotation": rotation,
                "rms_framewise": framewise_error(estimated, kept, reference_pose, centre),
                "largest_translation": float(np.abs(moved[:, :3]).max()),
                "largest_rotation": float(np.degrees(np.abs(moved[:, 3:]).max())),
            }
        )
    return pd.DataFrame(rows)
