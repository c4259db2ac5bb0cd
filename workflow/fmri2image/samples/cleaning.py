"""Cleaning of a run's signals: the steps of `nuisance`, in the order that the settings give."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.samples.nuisance import (
    clip_outliers,
    nuisance_regressors,
    percent_signal_change,
    regress_out,
    rest_level,
    z_score,
)
from fmri2image.samples.settings import GLM, MODEL, NORMALISE, PERCENT, REGRESS, RUN_MEAN, ZSCORE, SampleSettings


def choose_confounds(table: pd.DataFrame, settings: SampleSettings, path: str | Path) -> pd.DataFrame:
    """Return the columns of a confounds table that are regressed out.

    The first row of a column may be missing, as it is in fMRIPrep's derivatives, framewise displacement and DVARS, which
    compare a volume with the one before; it becomes 0, the usual remedy.

    Parameters
    ----------
    table : DataFrame, one row per volume
    settings : SampleSettings
        `motion_regression` and `confounds` choose the columns, if `order` regresses at all.
    path : path
        Where the table comes from, for messages.

    Returns
    -------
    chosen : DataFrame
        The six motion parameters first, each column once.

    Raises
    ------
    DataError
        If motion is asked for and the table has none, a name or pattern fits no column, or a value is missing.
    """
    if REGRESS not in settings.order:
        return table[[]]
    names: list[str] = []
    if settings.motion_regression:
        absent = [name for name in PARAMETERS if name not in table.columns]
        if absent:
            raise DataError(
                f"{path} has no motion parameters (it lacks {shorten(absent, 6)}), which motion regression needs; set "
                "samples: motion_regression: false."
            )
        names += PARAMETERS
    for pattern in settings.confounds:
        fitting = [name for name in table.columns if fnmatchcase(name, pattern)]
        if not fitting:
            raise DataError(
                f"{path} has no column '{pattern}', which samples: confounds asks for; it has "
                f"{shorten(list(table.columns), 20)}."
            )
        names += fitting
    chosen = table[list(dict.fromkeys(names))].copy()
    for name in chosen.columns:
        if not pd.api.types.is_numeric_dtype(chosen[name]):
            raise DataError(
                f"{path} holds text in column '{name}', which cannot be regressed out; take it from samples: confounds."
            )
    if len(chosen):
        chosen.iloc[0] = chosen.iloc[0].fillna(0)
    wrong = ~np.isfinite(chosen.to_numpy(dtype=float))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}, line {row + 2}: a value is missing in column '{chosen.columns[column]}'; only the first volume may "
            "lack it; correct the table or take the column from samples: confounds."
        )
    return chosen


def clean_signal(
    signal: np.ndarray,
    confounds: np.ndarray,
    rest: np.ndarray | None,
    response: np.ndarray,
    seconds: float,
    settings: SampleSettings,
) -> np.ndarray:
    """Take the cleaning steps that `settings` asks for, in its order.

    Nothing is regressed out where the responses come from a general linear model, see `SampleSettings`.

    Parameters
    ----------
    signal : array of shape (T, V)
    confounds : array of shape (T, K)
        From `choose_confounds`.
    rest : bool array of shape (T,), or None where it gives no baseline
        Volumes of the initial rest.
    response : array of shape (T,)
        The task's response, see `nuisance.task_response`.
    seconds : float
        Repetition time.
    settings : SampleSettings

    Returns
    -------
    clean : array of shape (T, V)
        NaN in voxels that cannot be normalised.
    """
    for step in settings.order:
        if step == REGRESS:
            if settings.responses != GLM:
                signal = _regress(signal, confounds, response, seconds, settings)
        elif step == NORMALISE:
            signal = _normalise(signal, rest, response, settings)
        elif settings.despike_threshold is not None:
            signal = clip_outliers(signal, settings.despike_threshold)
    return signal


def design_regressors(confounds: pd.DataFrame, settings: SampleSettings) -> pd.DataFrame:
    """Return what stands beside the stimuli in a general linear model: confounds and, if asked for, the linear trend."""
    if REGRESS in settings.order and settings.linear_trend:
        return confounds.assign(linear_trend=np.linspace(-1, 1, len(confounds)))
    return confounds


def check_freedom(
    n_volumes: int, confounds: Sequence[str], settings: SampleSettings, seconds: float, path: str | Path
) -> None:
    """Check that regressing out leaves some of the signal.

    Raises
    ------
    DataError
        If there are as many regressors as volumes.
    """
    n = len(confounds) + (REGRESS in settings.order and settings.linear_trend) + 1
    if REGRESS in settings.order and settings.high_pass is not None:
        n += int(2 * n_volumes * seconds / settings.high_pass)
    if n >= n_volumes:
        raise DataError(
            f"{path}: {n} regressors for {n_volumes} volumes leave nothing of the signal; name fewer columns in "
            "samples: confounds."
        )


def _regress(
    signal: np.ndarray, confounds: np.ndarray, response: np.ndarray, seconds: float, settings: SampleSettings
) -> np.ndarray:
    period = None if settings.high_pass is None else settings.high_pass / seconds
    regressors = nuisance_regressors(len(signal), confounds, settings.linear_trend, period)
    return regress_out(signal, regressors, None if period is None else response)


def _normalise(
    signal: np.ndarray, rest: np.ndarray | None, response: np.ndarray, settings: SampleSettings
) -> np.ndarray:
    if settings.normalise == ZSCORE:
        return z_score(signal)
    if settings.normalise != PERCENT:
        return signal
    if settings.baseline == MODEL:
        return percent_signal_change(signal, rest_level(signal, response))
    if settings.baseline == RUN_MEAN:
        return percent_signal_change(signal, np.mean(signal, axis=0, dtype=float))
    return percent_signal_change(signal, signal[rest].mean(axis=0, dtype=float))
