"""An area for subjects without masks of visual areas: the voxels that respond most to stimulation against rest.

The papers choose voxels by retinotopy and localisers (Miyawaki et al. 2008: V1 to V4; Shen et al. 2019: seven areas more).
Where a dataset does not come with such masks, this choice is ours. It tells whether a voxel responds to pictures, not to which
area it belongs, and it knows nothing of what the pictures were. Only stimuli of one set are looked at, which must be a
training set: the responses of a tested set may not decide which voxels are tested. Where the events tell the set of every
stimulus, as in ds001761, whose training and test faces share their runs, other stimuli and those that are left out have a
regressor of their own beside the response.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
from nilearn.glm.contrasts import Contrast, compute_contrast
from nilearn.glm.first_level import run_glm

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.samples.cleaning import choose_confounds, design_regressors
from fmri2image.samples.design import AUTOREGRESSIVE, BINS, drifts, orthonormal, residual
from fmri2image.samples.events import stimulated
from fmri2image.samples.exclude import exclude_trials
from fmri2image.samples.nuisance import task_response
from fmri2image.samples.rois import available
from fmri2image.samples.runs import DROPPED, Run, RunData, judge_motion, read_run
from fmri2image.samples.settings import ResponsiveSettings, SampleSettings
from fmri2image.samples.voxels import CommonVoxels

log = logging.getLogger(__name__)

COLUMN = "responsive_t"  # of the voxel table
# Share of the task's response that drifts and confounds must leave, else stimulation and drift can hardly be told apart.
FEWEST_LEFT, NOTHING_LEFT = 0.5, 1e-3


def add_responsive(
    runs: Sequence[Run], unions: Mapping[str, Sequence[str]], settings: ResponsiveSettings, cleaning: SampleSettings
) -> CommonVoxels:
    """Find responsive voxels, and return the voxels that the runs share with the new area among theirs.

    Every run is read once and one is in memory at a time. Runs of other stimulus sets only say which voxels they saw, as they
    do for all samples; so do not the runs that are dropped.

    Parameters
    ----------
    runs : sequence of Run
        All runs of a subject.
    unions : mapping of str to sequence of str
        Areas made of others; `settings` may name one in ``from``.
    settings : ResponsiveSettings
    cleaning : SampleSettings
        Says which runs are dropped, and which confounds and trends stand beside the response.

    Returns
    -------
    common : CommonVoxels
        With the area ``settings.name`` and the values `COLUMN`, t of fixed effects over runs, NaN where a run lacks a voxel.

    Raises
    ------
    ConfigError
        If the area to choose from does not exist, or the new one has the name of another.
    DataError
        If no run of the stimulus set is left, no voxel is above the threshold, or a run cannot tell stimulation from rest.
    """
    common, total, left, shown_sets = None, None, [], []
    for run in runs:
        data = read_run(run, cleaning)
        common = common or CommonVoxels(data.series, run.series)
        columns = common.columns(data.series, run.series)
        status, _ = judge_motion(data.motion, cleaning.motion_limit)
        if status == DROPPED or not exclude_trials(data, cleaning)["kept"].any():
            continue
        shown_sets += _sets(data)
        signal = data.series.signal
        usable = np.isfinite(signal).all(axis=0) & (np.ptp(signal, axis=0) > 0) & (signal.mean(axis=0) > 0)
        common.seen &= (columns >= 0) & usable[columns]
        if _chosen(data, settings, cleaning).any():
            contrast, share = stimulation_contrast(data, np.where(usable, signal, 1.0)[:, columns], settings, cleaning)
            total = contrast if total is None else total + contrast
            left.append(share)
    if total is None:
        there = shorten(list(dict.fromkeys(shown_sets)))
        raise DataError(
            f"samples.responsive: no run of the stimulus set '{settings.stimulus_set}' is left to look for responsive voxels "
            f"in; the runs show {there}."
        )
    t = np.where(common.seen, np.ravel(total.stat()), np.nan)
    if np.mean(left) < FEWEST_LEFT:
        log.warning(
            "%s: %.0f%% of the response to stimulation look like drift or confounds, because the runs of %s have few rests; the "
            "voxels are chosen less surely", settings.name, 100 * (1 - np.mean(left)), settings.stimulus_set,
        )  # fmt: skip
    areas = available(common.areas, unions)
    if settings.source not in areas:
        raise ConfigError(
            f"samples.responsive: from is '{settings.source}', which is no area; there are {shorten(list(areas), 30)}."
        )
    chosen = strongest(t, areas[settings.source], settings)
    log.info(
        "%s: %d of %d voxels of %s respond most, t from %.2f to %.2f over %d runs of %s", settings.name, chosen.sum(),
        areas[settings.source].sum(), settings.source, t[chosen].min(), t[chosen].max(), len(left), settings.stimulus_set,
    )  # fmt: skip
    common.add_area(settings.name, chosen)
    common.values[COLUMN] = t
    return common


def strongest(t: np.ndarray, inside: np.ndarray, settings: ResponsiveSettings) -> np.ndarray:
    """Return which voxels (V,), bool, have the largest t (V,) inside an area; of equal ones the first on the grid.

    Raises
    ------
    DataError
        If none is above the threshold.
    """
    lowest = -np.inf if settings.threshold is None else settings.threshold
    with np.errstate(invalid="ignore"):
        candidates = np.flatnonzero(inside & (t >= lowest))
    if not len(candidates):
        most = np.nanmax(np.where(inside, t, np.nan), initial=-np.inf)
        raise DataError(
            f"samples.responsive: no voxel of {settings.source} has a t of at least {lowest:g} (the largest is {most:.2f}); "
            "lower samples: responsive: threshold."
        )
    order = candidates[np.argsort(-t[candidates], kind="stable")][: settings.n_voxels]
    if settings.n_voxels is not None and len(order) < settings.n_voxels:
        log.warning("%s: only %d voxels, %d were asked for", settings.name, len(order), settings.n_voxels)
    chosen = np.zeros(len(t), dtype=bool)
    chosen[order] = True
    return chosen


def stimulation_contrast(
    data: RunData, signal: np.ndarray, settings: ResponsiveSettings, cleaning: SampleSettings
) -> tuple[Contrast, float]:
    """Compare stimulation with rest in a run, in per cent of each voxel's mean.

    All stimuli of the set, repetitions, cues and imagery share one regressor, with SPM's haemodynamic response. Beside it
    stand one of all other stimuli of the run, cosines of ``settings.high_pass`` seconds and longer and what `cleaning`
    regresses out. The noise is autoregressive
    of order 1 (nilearn).

    Parameters
    ----------
    data : RunData
    signal : array of shape (T, V)
        Finite, with means above 0.
    settings : ResponsiveSettings
    cleaning : SampleSettings

    Returns
    -------
    contrast : Contrast
        nilearn's: effect and variance, (V,) each.
    left : float
        Share of the response's variance that drifts and confounds leave.

    Raises
    ------
    DataError
        If the design does not tell stimulation from rest.
    """
    run = data.run
    moments = data.times + cleaning.volume_moment * data.series.repetition_time
    shown, chosen = stimulated(data.events), _chosen(data, settings, cleaning)
    onsets, durations = shown["onset"].to_numpy(), shown["duration"].to_numpy()
    response = task_response(onsets[chosen], durations[chosen], moments)[:, None]
    confounds = design_regressors(choose_confounds(data.confounds, cleaning, run.confounds), cleaning)
    columns = [drifts(moments, settings.high_pass), confounds.to_numpy(dtype=float)]
    if not chosen.all():
        columns.append(task_response(onsets[~chosen], durations[~chosen], moments)[:, None])
    beside = orthonormal(np.hstack(columns))
    left = np.square(residual(response, beside)).sum() / np.square(response - response.mean()).sum()
    if not left > NOTHING_LEFT or beside.shape[1] + 1 >= len(signal):
        raise DataError(
            f"{run.events}: stimulation cannot be told from rest in this run; samples: responsive needs runs with rests and "
            "more volumes than regressors."
        )
    percent = 100 * signal / signal.mean(axis=0, dtype=float)
    labels, fits = run_glm(percent, np.hstack([response, beside]), AUTOREGRESSIVE, bins=BINS)
    return compute_contrast(labels, fits, np.eye(1, 1 + beside.shape[1])[0]), float(left)


def _sets(data: RunData) -> list[str]:
    """Return the stimulus set of every stimulus of a run: that of the run, unless the events tell it."""
    shown = stimulated(data.events)
    if "stimulus_set" not in shown.columns:
        return [data.run.stimulus_set] * len(shown)
    return shown["stimulus_set"].where(shown["stimulus_set"].notna(), data.run.stimulus_set).tolist()


def _chosen(data: RunData, settings: ResponsiveSettings, cleaning: SampleSettings) -> np.ndarray:
    """Return which stimuli of a run, bool, choose voxels: those of the set that are not left out by name."""
    left_out = stimulated(data.events)["stimulus_name"].isin(list(cleaning.leave_out)).to_numpy()
    return np.array([name == settings.stimulus_set for name in _sets(data)], dtype=bool) & ~left_out
