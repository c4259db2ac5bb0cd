"""Estimated against simulated positions: head motion over all runs, and where coregistration puts a voxel."""

from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import read_array
from fmri2image.core.samples import Samples
from fmri2image.evaluate.recovery.table import recovery_row


def motion_rows(motion: pd.DataFrame) -> list[dict]:
    """Join the motion errors of all runs.

    Parameters
    ----------
    motion : DataFrame
        One row per run, from `fmri2image.evaluate.motion.score_runs`.
    """
    n = motion["n_volumes"].to_numpy()

    def joined(column: str) -> float:
        return float(np.sqrt((n * motion[column].to_numpy() ** 2).sum() / n.sum()))

    return [
        recovery_row("translation_error", joined("rms_translation"), int(n.sum())),
        recovery_row("rotation_error", joined("rms_rotation"), int(n.sum())),
    ]


def reference_pose(motion: pd.DataFrame, truth: str | Path) -> np.ndarray:
    """Return the true pose (4, 4) of the reference volume: the first kept volume of the first run.

    Parameters
    ----------
    motion : DataFrame
        One row per run with ``session``, ``run`` and ``n_volumes`` (kept); the first row is the first run.
    truth : path
    """
    first = motion.iloc[0]
    poses = read_array(truth, f"pose_ses-{first['session']}_run-{first['run']}").values
    return poses[len(poses) - int(first["n_volumes"])]


def coregistration_rows(samples: Samples, transform: np.ndarray, pose: np.ndarray, roi: str = "VC") -> list[dict]:
    """Measure how far apart the estimated transform and the true pose put the voxels of an area.

    Parameters
    ----------
    samples : Samples
        Voxel table with ``voxel_x/y/z``, T1w world mm.
    transform, pose : arrays of shape (4, 4)
        Estimated and true, from T1w world mm to world mm of the reference volume.
    roi : str
    """
    inside = samples.select(roi=roi).voxels
    points = inside[["voxel_x", "voxel_y", "voxel_z"]].to_numpy()
    difference = transform - pose
    distance = np.linalg.norm(points @ difference[:3, :3].T + difference[:3, 3], axis=1)
    return [
        recovery_row("mean_distance", float(distance.mean()), len(distance), roi=roi),
        recovery_row("largest_distance", float(distance.max()), len(distance), roi=roi),
    ]
