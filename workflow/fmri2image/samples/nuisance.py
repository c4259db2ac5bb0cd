"""Cleaning of voxel time courses within one run, after Shen et al. 2019 (PLOS Comput. Biol. 15:e1006633).

Its "MRI data preprocessing" takes `regress_out`, `percent_signal_change`, `clip_outliers`, in this order; `z_score` is
another way to normalise. All take signals (T, V); `cleaning` puts them in the order of the settings.
"""

import numpy as np
from nilearn.glm.first_level import compute_regressor


def nuisance_regressors(
    n_volumes: int,
    confounds: np.ndarray | None = None,
    linear_trend: bool = True,
    shortest_period: float | None = None,
) -> np.ndarray:
    """Return regressors of a run, each if asked for: a linear trend, slow cosines and measured confounds.

    Parameters
    ----------
    n_volumes : int
    confounds : array of shape (n_volumes, n_confounds), optional
        For example the six motion parameters.
    linear_trend : bool
    shortest_period : float, optional
        Cosines of this and longer periods, in volumes (the discrete cosine set that SPM filters with).

    Returns
    -------
    regressors : array of shape (n_volumes, n_regressors)
    """
    columns = [np.linspace(-1, 1, n_volumes)[:, None]] if linear_trend else []
    if shortest_period is not None:
        order = np.arange(1, int(2 * n_volumes / shortest_period) + 1)
        columns.append(np.cos(np.pi * (np.arange(n_volumes)[:, None] + 0.5) / n_volumes * order))
    if confounds is not None:
        columns.append(np.asarray(confounds, dtype=float))
    return np.hstack(columns) if columns else np.empty((n_volumes, 0))


def task_response(onsets: np.ndarray, durations: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the response that all blocks of a run have in common, SPM's haemodynamic function, (T,).

    Parameters
    ----------
    onsets, durations, times : arrays
        Seconds from the start of the scan.
    """
    blocks = np.stack([onsets, durations, np.ones(len(onsets))])
    return compute_regressor(blocks, "spm", np.asarray(times, dtype=float))[0][:, 0]


def regress_out(signal: np.ndarray, regressors: np.ndarray, response: np.ndarray | None = None) -> np.ndarray:
    """Remove from each voxel what the regressors explain by least squares, and keep its mean.

    Parameters
    ----------
    signal : array of shape (T, V)
    regressors : array of shape (T, K)
        An intercept is fitted beside them. Constant or dependent columns do no harm.
    response : array of shape (T,), optional
        The task's response: it is fitted beside the regressors and stays in the signal, so that slow regressors do not
        take the step from rest to stimulation with them.

    Returns
    -------
    residual : array of shape (T, V), float64
    """
    signal = np.asarray(signal, dtype=float)
    centred = np.asarray(regressors, dtype=float) - np.mean(regressors, axis=0)
    scale = centred.std(axis=0)
    # Millimetres, radians and the trend on one scale, so that the rank is judged fairly.
    centred = centred[:, scale > 1e-12] / scale[scale > 1e-12]
    if centred.shape[1] == 0:
        return signal.copy()
    beside = np.zeros((len(signal), 0))
    if response is not None and np.std(response) > 1e-12:
        beside = (response - np.mean(response))[:, None] / np.std(response)
    weights = np.linalg.pinv(np.hstack([centred, beside]), rcond=1e-8) @ (signal - signal.mean(axis=0))
    return signal - centred @ weights[: centred.shape[1]]


def rest_level(signal: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Return what each voxel shows at rest (V,): the intercept beside the task's response, least squares over the run.

    All volumes count, so that it is steadier than the mean over a short rest at the start.

    Parameters
    ----------
    signal : array of shape (T, V)
    response : array of shape (T,)
    """
    model = np.stack([np.ones(len(response)), response], axis=1)
    return (np.linalg.pinv(model) @ np.asarray(signal, dtype=float))[0]


def percent_signal_change(signal: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Express each voxel in per cent of its level at rest, as a change from it.

    Parameters
    ----------
    signal : array of shape (T, V)
    level : array of shape (V,)
        Mean over the volumes of the initial rest (the paper), `rest_level`, or the mean of the run.

    Returns
    -------
    change : array of shape (T, V), float64
        NaN in voxels without signal (level not above 0), e.g. outside the field of view.
    """
    level = np.where(level > 0, level, np.nan)
    return 100 * (np.asarray(signal, dtype=float) - level) / level


def z_score(signal: np.ndarray) -> np.ndarray:
    """Return each voxel's distance from its mean over the run, in standard deviations over the run (divisor T).

    As `normalize_sample` of bdpy in its mode Zscore without a baseline, but a voxel that never changes becomes NaN, not 0.

    Parameters
    ----------
    signal : array of shape (T, V)

    Returns
    -------
    scores : array of shape (T, V), float64
    """
    signal = np.asarray(signal, dtype=float)
    spread = signal.std(axis=0)
    return (signal - signal.mean(axis=0)) / np.where(spread > 0, spread, np.nan)


def clip_outliers(signal: np.ndarray, threshold: float = 3.0) -> np.ndarray:
    """Bound each voxel to its mean ± `threshold` standard deviations over the run; signal and result (T, V)."""
    mean, spread = signal.mean(axis=0), signal.std(axis=0)
    return np.clip(signal, mean - threshold * spread, mean + threshold * spread)
