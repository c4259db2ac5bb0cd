"""Responses of one run: means over blocks, or coefficients of a general linear model."""

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.samples.blocks import average_blocks
from fmri2image.samples.cleaning import check_freedom, choose_confounds, clean_signal, design_regressors
from fmri2image.samples.design import TRIAL
from fmri2image.samples.events import initial_rest, stimulated
from fmri2image.samples.glm import block_betas
from fmri2image.samples.nuisance import task_response
from fmri2image.samples.runs import RunData
from fmri2image.samples.settings import GLM, INITIAL_REST, PERCENT, SampleSettings

# The trial table of samples; n_blocks only where trials share a row.
TABLE = (
    "stimulus", "stimulus_set", "session", "run", "block", "onset", "duration", "n_volumes", "kind", "vividness", "n_blocks",
)  # fmt: skip


def run_responses(
    data: RunData, columns: np.ndarray, trials: pd.DataFrame, settings: SampleSettings
) -> tuple[np.ndarray, pd.DataFrame]:
    """Clean a run and take the responses to its kept trials.

    Parameters
    ----------
    data : RunData
    columns : int array of shape (V,)
        Column of each wanted voxel in the run's signal, -1 where it has none.
    trials : DataFrame
        From `exclude.exclude_trials`.
    settings : SampleSettings

    Returns
    -------
    responses : array of shape (B, V), float32
        NaN where the run did not see a voxel: outside the field of view, without any change, or without a level.
    table : DataFrame, B rows
        One row per kept trial or, with ``glm: rows: stimulus``, one per stimulus: block, onset and duration are those of
        its first trial, ``n_volumes`` the sum, ``vividness`` the mean and ``n_blocks`` the number of its trials.

    Raises
    ------
    DataError
        If the confounds cannot be used, the baseline has no rest or the model determines no coefficients.
    """
    run, seconds = data.run, data.series.repetition_time
    signal = data.series.signal
    seen = np.isfinite(signal).all(axis=0) & (np.ptp(signal, axis=0) > 0)
    seen = (columns >= 0) & seen[columns]
    signal = signal[:, columns[seen]]
    confounds = choose_confounds(data.confounds, settings, run.confounds)
    moments = data.times + settings.volume_moment * seconds
    shown = stimulated(data.events)
    response = task_response(shown["onset"].to_numpy(), shown["duration"].to_numpy(), moments)
    regressors = confounds.to_numpy(dtype=float)
    check_freedom(len(signal), list(confounds.columns), settings, seconds, run.confounds)
    clean = clean_signal(signal, regressors, resting_volumes(data, settings), response, seconds, settings)
    kept = trials[trials["kept"]].reset_index(drop=True)
    try:
        if settings.responses == GLM:
            values, table = _betas(clean, kept, data, moments, confounds, settings)
        else:
            values, table = _means(clean, kept, data, settings)
    except DataError as error:
        raise DataError(f"{run.events}: {error}") from error
    responses = np.full((len(values), len(columns)), np.nan, dtype=np.float32)
    responses[:, seen] = values
    table = table.assign(stimulus=table["stimulus_name"].astype(str), session=run.session, run=int(run.run))
    return responses, table[[name for name in TABLE if name in table.columns]]


def _means(
    clean: np.ndarray, kept: pd.DataFrame, data: RunData, settings: SampleSettings
) -> tuple[np.ndarray, pd.DataFrame]:
    seconds = data.series.repetition_time
    starts = kept["averaged_from"].to_numpy() - data.series.n_discarded * seconds
    means, n_volumes = average_blocks(clean, starts, kept["window"].to_numpy(), seconds, settings.shift_seconds)
    return means, kept.assign(n_volumes=n_volumes)


def _betas(
    clean: np.ndarray,
    kept: pd.DataFrame,
    data: RunData,
    moments: np.ndarray,
    confounds: pd.DataFrame,
    settings: SampleSettings,
) -> tuple[np.ndarray, pd.DataFrame]:
    name = f"ses-{data.run.session} run-{int(data.run.run):02}"
    columns = design_regressors(confounds, settings).to_numpy(dtype=float)
    fit = block_betas(clean, kept, data.events, moments, columns, settings.glm, name)
    if settings.glm.rows == TRIAL:
        return fit.betas, kept
    of_row = kept[["n_volumes", "vividness"]].groupby(fit.row_of_block)
    table = kept.iloc[fit.first_blocks].reset_index(drop=True)
    together = of_row.agg({"n_volumes": "sum", "vividness": "mean"})
    return fit.betas, table.assign(**together, n_blocks=fit.n_blocks)


def resting_volumes(data: RunData, settings: SampleSettings) -> np.ndarray | None:
    """Return which kept volumes (T,) lie in the initial rest, or None where nothing needs to know.

    Raises
    ------
    DataError
        If the baseline needs an initial rest and no volume lies in one.
    """
    if settings.normalisation != PERCENT or settings.baseline != INITIAL_REST:
        return None
    rest = initial_rest(data.events)
    resting = np.zeros(len(data.times), dtype=bool)
    if rest is not None:
        resting = (data.times >= rest[0]) & (data.times < rest[1] - 1e-6)
    if not resting.any():
        raise DataError(
            f"{data.run.events}: no kept volume lies in an initial rest, which per cent signal change needs; set samples: "
            "baseline: model, normalise: zscore or none, or drop fewer volumes."
        )
    return resting
