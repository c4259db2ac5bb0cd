"""What is known of a simulated subject: the arrays of ``truth/sub-<subject>_truth.h5``, against which stages are scored.

Poses are added by `bids.simulate_subject`. Settings used: ``repetition_time``, ``stimulus_sets`` (``repeats``),
``slice_timing``, ``imagery_amplitude``, ``noise`` and ``response: trial_deviation``.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pandas as pd

from fmri2image.acquire.phantom import paradigm
from fmri2image.acquire.phantom.encoding import SURROUND, SURROUNDED
from fmri2image.acquire.phantom.events import (
    CUE,
    IMAGERY,
    MEAN_VIVIDNESS,
    REPETITION,
    STIMULUS,
    VIVIDNESS,
    block_weights,
)
from fmri2image.acquire.phantom.noise import block_noise, noise_levels
from fmri2image.acquire.phantom.scanner import mid_volume
from fmri2image.acquire.phantom.signal import HRF_STEP, block_design
from fmri2image.core.arrays import LabelledArray

NOISE_COLUMNS = (
    "response_mean", "response_deviation", "trial_deviation", "volume_thermal", "volume_physiological", "block_noise",
)  # fmt: skip
# Blocks before and after one that still reach into its window; the response lasts about half a minute.
NEIGHBOURS = 6
LONGEST_DELAY = 8.0
# Seconds after which SPM's response to an endless block no longer changes.
LONGEST_RESPONSE = 32.0
MEANING = {
    "pose": "4 x 4, brain-space (T1w) mm to scanner mm at mid-volume, halfway between its first and last shot",
    "inplane": "4 x 4, brain-space (T1w) mm to scanner mm of the in-plane image",
    "trials": "true response of every analysed block, its deviation from trial to trial included, that an endless block "
    "would reach; rows count the blocks of the run from 1; one-back repetitions are counted but left out, cues are neither",
    "noise_ceiling": "expected correlation over the images of the set between the noise-free responses and the measured "
    "block responses averaged over their repeats, in the window of the block's length and the delay given; "
    "scanner noise, deviation from trial to trial and what neighbouring blocks leave count as noise, "
    "drift, motion and preprocessing (which mixes neighbouring voxels) do not",
    "receptive_field": "Gaussian that pools what the voxel's own tissue sees: centre to the right of the middle of the "
    "image, centre above it, standard deviation; the response spreads over neighbours afterwards. In the groups of maps "
    "named by surrounded, a field so many times wider as surround says is subtracted",
    "block_response": "signal of an endless block of response 1 that begins at 0 s; a block that ends after d seconds "
    "subtracts the same, d seconds later",
}


class Cortex(Protocol):
    """The responding voxels: names, area labels and response statistics (per cent), all of length n_voxels."""

    names: list[str]
    area: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray


def truth_arrays(
    cortex: Cortex, known: Mapping[str, pd.DataFrame], runs: pd.DataFrame, settings: Mapping
) -> dict[str, LabelledArray]:
    """Collect responses, noise levels, noise ceilings and areas, rows = voxels.

    Parameters
    ----------
    cortex : Cortex
    known : dict from stimulus set to DataFrame of shape (stimuli, n_voxels)
        Noise-free responses in standard deviations over the training images, rows named by stimulus.
    runs : DataFrame
        The subject's `paradigm.run_table`.
    settings : mapping
    """
    names, trial = cortex.names, settings["response"]["trial_deviation"] * cortex.deviation
    plans = {run["stimulus_set"]: run for run in runs.to_dict("records")}
    arrays = {}
    for stimulus_set, table in known.items():
        units = {"units": "SD of the responses to the training images", "columns": f"rows of stimulus_{stimulus_set}"}
        arrays[f"response_{stimulus_set}"] = LabelledArray(table.to_numpy().T.astype(np.float32), names, units)
        arrays[f"stimulus_{stimulus_set}"] = LabelledArray(np.arange(len(table)), list(table.index))
        plan, repeats = plans[stimulus_set], settings["stimulus_sets"][stimulus_set]["repeats"]
        weight, vividness = block_amplitude(cortex, plan["task"], settings)
        spread = cortex.deviation * table.to_numpy().std(axis=0)
        # A factor with variance v on the whole response makes the mean response vary from trial to trial, too.
        varying = np.sqrt(trial**2 * (1 + vividness) + vividness * (cortex.mean**2 + spread**2))
        ceiling, delay = noise_ceiling(weight * spread, weight * varying, plan, repeats, settings)
        explained = {"meaning": MEANING["noise_ceiling"], "repeats": repeats, "delay_seconds": delay}
        arrays[f"noise_ceiling_{stimulus_set}"] = LabelledArray(ceiling.astype(np.float32), names, explained)
    n_averaged = _block_volumes(plans["train"], settings)
    volume, block = 100 * np.array(noise_levels(settings)), 100 * np.array(block_noise(settings, n_averaged))
    levels = [cortex.mean, cortex.deviation, trial, *np.broadcast_to(volume[:, None], (2, len(names)))]
    levels.append(np.sqrt((block**2).sum() + trial**2))
    units = {"columns": " ".join(NOISE_COLUMNS), "units": "per cent of the mean", "volumes_per_block": n_averaged}
    arrays["level"] = LabelledArray(np.stack(levels, axis=1), names, units)
    arrays["area"] = LabelledArray(np.array([paradigm.AREAS.index(a) for a in cortex.area]), names)
    arrays["area"].attributes["areas"] = " ".join(paradigm.AREAS)
    return arrays


def block_amplitude(cortex: Cortex, task: str, settings: Mapping) -> tuple[np.ndarray | float, float]:
    """Return how strongly the blocks of a task drive each voxel, and the variance of the factor from block to block."""
    if task != paradigm.IMAGERY:
        return 1.0, 0.0
    weight = block_weights(pd.DataFrame({"kind": [task]}), cortex.area, settings)[0]
    square = sum(score**2 * share for score, share in enumerate(VIVIDNESS, start=1))
    return weight, square / MEAN_VIVIDNESS**2 - 1


def noise_ceiling(
    signal: np.ndarray, trial: np.ndarray, plan: Mapping, repeats: int, settings: Mapping
) -> tuple[np.ndarray, float]:
    """Return how well measured block responses can agree with noise-free ones.

    A measured block response is the mean of the volumes in a window of the block's length. Of a response s of the block
    itself it shows ``g0 s``, of the j-th block before or after ``gj s`` (`window_gains`). With the variance of the
    responses over images S, from trial to trial T, and of scanner noise in the window B (`block_noise`), the mean over n
    repeats, each among other neighbours, correlates with the noise-free response by ::

        ceiling = sqrt(g0² S / (g0² S + (g0² T + Σj≠0 gj² (S + T) + B) / n))

    Drift, motion, preprocessing, one-back repetitions and cues are left out. Of these the mixing of neighbouring voxels,
    when volumes are resampled to undo motion, lowers measured correlations most.

    Parameters
    ----------
    signal, trial : arrays of shape (n_voxels,)
        Standard deviations √S and √T in per cent that an endless block would reach.
    plan : mapping
        A row of `paradigm.run_table`: ``cue``, ``block``, ``evaluation``, ``rest`` (s).
    repeats : int
        Presentations of each image.
    settings : mapping

    Returns
    -------
    ceiling : array of shape (n_voxels,)
        0 where there is no signal.
    delay : float
        Delay of the window in seconds: the one that shows most of the block itself.
    """
    gains, delay = window_gains(plan, settings)
    own, others = gains[NEIGHBOURS] ** 2, (np.delete(gains, NEIGHBOURS) ** 2).sum()
    scanner = 1e4 * np.square(block_noise(settings, _block_volumes(plan, settings))).sum()
    noise = (own * trial**2 + others * (signal**2 + trial**2) + scanner) / repeats
    return np.sqrt(own * signal**2 / (own * signal**2 + noise)), delay


def window_gains(plan: Mapping, settings: Mapping) -> tuple[np.ndarray, float]:
    """Return how much a block's window shows of its neighbours and itself, and the delay of the window in seconds.

    Gains have the shape (2 * NEIGHBOURS + 1,), the block itself in the middle, earlier blocks first; an endless block
    has gain 1. The delay, a whole number of volumes, is the one with the largest gain of the block itself.
    """
    step = settings["repetition_time"]
    onsets = np.arange(-NEIGHBOURS, NEIGHBOURS + 1) * sum(plan[key] for key in ("cue", "block", "evaluation", "rest"))
    volumes = np.arange(_block_volumes(plan, settings)) * step + mid_volume(settings)
    delays = np.arange(0, LONGEST_DELAY + step / 2, step)
    durations = np.full(len(onsets), float(plan["block"]))
    gains = block_design(onsets, durations, delays[:, None] + volumes).mean(axis=1)
    best = int(np.argmax(gains[:, NEIGHBOURS]))
    return gains[best], float(delays[best])


def field_array(names: list[str], field: np.ndarray) -> LabelledArray:
    """Label the receptive fields of voxels, (n_voxels, 3): centre right, centre up and width in half image widths."""
    about = {"columns": "centre_right centre_up width", "units": "half image widths", "surround": SURROUND}
    about |= {"surrounded": " ".join(SURROUNDED), "meaning": MEANING["receptive_field"]}
    return LabelledArray(field.astype(np.float32), names, about)


def response_array() -> LabelledArray:
    """Return the signal of an endless block at steps of `signal.HRF_STEP`, until it no longer changes."""
    times = np.arange(round(LONGEST_RESPONSE / HRF_STEP) + 1) * HRF_STEP
    signal = block_design(np.zeros(1), np.full(1, 2 * LONGEST_RESPONSE), times)[:, 0]
    rows = [f"{time:.1f}" for time in times]
    return LabelledArray(
        signal.astype(np.float32), rows, {"rows": "seconds", "step": HRF_STEP, "meaning": MEANING["block_response"]}
    )


def trial_array(events: pd.DataFrame, trials: np.ndarray) -> LabelledArray:
    """Label the true responses of a run's analysed blocks: all shown or imagined ones but one-back repetitions.

    Parameters
    ----------
    events : DataFrame
        Events of the run, from `events.run_events`.
    trials : array of shape (n_blocks, n_voxels)
        Per cent, from `signal.block_signal`; rows as in `events.response_blocks`.

    Returns
    -------
    responses : LabelledArray
        float16, rows ``block-<number>``.
    """
    shown = events.loc[events["event"].isin([STIMULUS, REPETITION, IMAGERY, CUE]), "event"].to_numpy()
    analysed = (shown != CUE) & (shown != REPETITION)
    rows = [f"block-{number}" for number in np.cumsum(shown != CUE)[analysed]]
    attributes = {"meaning": MEANING["trials"], "units": "per cent of the mean", "columns": "voxels, rows of level"}
    return LabelledArray(trials[analysed].astype(np.float16), rows, attributes)


def _block_volumes(plan: Mapping, settings: Mapping) -> int:
    return max(1, round(plan["block"] / settings["repetition_time"]))
