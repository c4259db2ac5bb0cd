"""What was simulated, joined by name with what was measured."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray, array_names, open_h5, read_array, row_index
from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples


@dataclass(frozen=True)
class SetTruth:
    """What was simulated for one stimulus set, in the voxels of the samples and their order.

    Parameters
    ----------
    responses : LabelledArray
        Noise-free responses (n_stimuli, n_voxels), rows = stimuli, in SD of the responses to the training images.
    ceiling : array of shape (n_voxels,)
        Correlation expected between noise-free and measured means over a stimulus' blocks, given the simulated noise.
    repeats : float
        Blocks of a stimulus.
    """

    responses: LabelledArray
    ceiling: np.ndarray
    repeats: float


def voxel_names(voxels: pd.DataFrame) -> list[str]:
    """Return the names ``i-j-k`` of voxels on the grid of the masks, which the truth uses."""
    return [
        "-".join(str(int(number)) for number in row) for row in voxels[["voxel_i", "voxel_j", "voxel_k"]].to_numpy()
    ]


def read_truth(path: str | Path, samples: Samples) -> dict[str, SetTruth]:
    """Read what was simulated for every stimulus set of the samples.

    Parameters
    ----------
    path : path
        ``…_truth.h5`` of the simulator.
    samples : Samples

    Raises
    ------
    DataError
        If the truth holds no responses to a stimulus set of the samples.
    LabelMismatchError
        If a voxel of the samples was not simulated.
    """
    names = voxel_names(samples.voxels)
    with open_h5(path) as file:
        held = array_names(file)
    truth = {}
    for name in dict.fromkeys(samples.trials["stimulus_set"].astype(str)):
        if f"response_{name}" not in held:
            raise DataError(f"{path} holds no responses to '{name}', a stimulus set of the samples; simulate it again.")
        values = read_array(path, f"response_{name}", names).values.T
        ceiling = read_array(path, f"noise_ceiling_{name}", names)
        responses = LabelledArray(values, read_array(path, f"stimulus_{name}").rows)
        truth[name] = SetTruth(responses, ceiling.values.astype(float), float(ceiling.attributes["repeats"]))
    return truth


def true_blocks(path: str | Path, samples: Samples) -> np.ndarray:
    """Return the true response to every block of the samples, its deviation from trial to trial included.

    Parameters
    ----------
    path : path
        ``…_truth.h5``, with an array ``trials_ses-…_run-…`` (n_blocks, n_voxels) per run whose rows are ``block-<n>`` and
        whose columns are the rows of ``level``.
    samples : Samples

    Returns
    -------
    responses : array of shape (n_trials, n_voxels)
        Per cent signal change that an endless block would reach.

    Raises
    ------
    LabelMismatchError
        If a block or voxel of the samples was not simulated.
    """
    columns = row_index(read_array(path, "level").rows, voxel_names(samples.voxels), "The samples")
    responses = np.empty(samples.data.shape)
    for (session, run), trials in samples.trials.groupby(["session", "run"], sort=False):
        known = read_array(path, f"trials_ses-{session}_run-{int(run):02d}")
        rows = row_index(
            known.rows, [f"block-{int(block)}" for block in trials["block"]], f"Run {int(run)} of {session}"
        )
        responses[trials.index] = known.values[np.ix_(rows, columns)]
    return responses
