"""From blocks to the signal change of every responding voxel at any time.

Settings used: ``repetition_time`` (s) and ``response: trial_deviation`` (standard deviation of the response from trial
to trial, in units of the deviation over training images).
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pandas as pd
from nilearn.glm.first_level import spm_hrf
from scipy.sparse import csr_array

HRF_STEP = 0.1


class Cortex(Protocol):
    """What is needed of responding voxels: statistics of the response (n_voxels,), per cent, and its spread."""

    mean: np.ndarray
    deviation: np.ndarray
    spread: csr_array


def block_design(onsets: np.ndarray, durations: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the haemodynamic response to every block at `times`, (*times.shape, n_blocks).

    SPM's canonical function with unit area, so that an endless block would reach 1. All times are seconds from the
    start of the run.
    """
    hrf = spm_hrf(HRF_STEP, oversampling=1)
    # Step response: what a block that never ends has reached after each step.
    step = np.concatenate([[0.0], np.cumsum(hrf)]) / hrf.sum()
    steps = np.arange(len(step)) * HRF_STEP
    since = np.asarray(times, dtype=float)[..., None] - np.asarray(onsets, dtype=float)
    return np.interp(since, steps, step) - np.interp(since - np.asarray(durations, dtype=float), steps, step)


def trial_deviations(n_trials: int, cortex: Cortex, settings: Mapping, rng: np.random.Generator) -> np.ndarray:
    """Draw how the response of each trial differs from the mean response to its stimulus.

    Returns
    -------
    deviations : array of shape (n_trials, n_voxels)
        In units of ``cortex.deviation``; independent between trials, alike in neighbouring voxels.
    """
    drawn = rng.standard_normal((len(cortex.mean), n_trials))
    return settings["response"]["trial_deviation"] * (cortex.spread @ drawn).T


def block_signal(
    blocks: pd.DataFrame,
    known: pd.DataFrame,
    cortex: Cortex,
    times: np.ndarray,
    settings: Mapping,
    rng: np.random.Generator,
    weights: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the blocks of a run into signal changes.

    Parameters
    ----------
    blocks : DataFrame
        ``onset``, ``duration`` (s), ``stimulus_name`` and, if the blocks differ in it, ``amplitude``: a factor on the
        whole response of the block, its deviation from trial to trial included; 1 without that column.
    known : DataFrame of shape (stimuli, n_voxels)
        Noise-free responses in standard deviations over the training images, rows named by stimulus.
    cortex : Cortex
    times : array of any shape
        Seconds from the start of the run.
    settings : mapping
    rng : Generator
    weights : array that broadcasts to (n_blocks, n_voxels)
        A further factor on the response of each voxel.

    Returns
    -------
    signal : float32 array of shape (*times.shape, n_voxels)
        Fraction of the static signal.
    trials : float32 array of shape (n_blocks, n_voxels)
        Response of each block in per cent, that an endless block would reach.
    """
    selective = known.loc[blocks["stimulus_name"]].to_numpy()
    selective = selective + trial_deviations(len(blocks), cortex, settings, rng)
    amplitude = blocks["amplitude"].to_numpy(dtype=float)[:, None] if "amplitude" in blocks else 1.0
    trials = (amplitude * weights * (cortex.mean + cortex.deviation * selective)).astype(np.float32)
    design = block_design(blocks["onset"].to_numpy(), blocks["duration"].to_numpy(), times).astype(np.float32)
    return np.tensordot(design, trials / 100, axes=1), trials
