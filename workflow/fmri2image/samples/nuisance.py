"""Cleaning of voxel time courses within one run, after Shen et al. 2019 (PLOS Comput. Biol. 15:e1006633).

The order is that of its "MRI data preprocessing": `regress_out`, `percent_signal_change`, `clip_outliers`. All take
signals (T, V).
"""

import numpy as np


def nuisance_regressors(n_volumes: int, motion: np.ndarray | None = None, linear_trend: bool = True) -> np.ndarray:
    """Return regressors (T, K) of a run: a linear trend and the motion parameters (T, 6), each if asked for."""
    columns = [np.linspace(-1, 1, n_volumes)[:, None]] if linear_trend else []
    if motion is not None:
        columns.append(np.asarray(motion, dtype=float))
    return np.hstack(columns) if columns else np.empty((n_volumes, 0))


def regress_out(signal: np.ndarray, regressors: np.ndarray) -> np.ndarray:
    """Remove from each voxel what the regressors explain by least squares, and keep its mean.

    Parameters
    ----------
    signal : array of shape (T, V)
    regressors : array of shape (T, K)
        An intercept is fitted beside them. Constant or dependent columns do no harm.

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
    basis, values, _ = np.linalg.svd(centred, full_matrices=False)
    basis = basis[:, values > 1e-8 * values[0]]
    return signal - basis @ (basis.T @ signal)


def percent_signal_change(signal: np.ndarray, baseline: np.ndarray) -> np.ndarray:
    """Express each voxel in per cent of its mean over the baseline volumes, as a change from it.

    Parameters
    ----------
    signal : array of shape (T, V)
    baseline : bool array of shape (T,)
        Volumes of the initial rest.

    Returns
    -------
    change : array of shape (T, V), float64
        NaN in voxels without signal (baseline mean not above 0), e.g. outside the field of view.
    """
    signal = np.asarray(signal, dtype=float)
    mean = signal[np.asarray(baseline, dtype=bool)].mean(axis=0)
    mean = np.where(mean > 0, mean, np.nan)
    return 100 * (signal - mean) / mean


def clip_outliers(signal: np.ndarray, threshold: float = 3.0) -> np.ndarray:
    """Bound each voxel to its mean ± `threshold` standard deviations over the run; signal and result (T, V)."""
    mean, spread = signal.mean(axis=0), signal.std(axis=0)
    return np.clip(signal, mean - threshold * spread, mean + threshold * spread)
