"""The runs of a stimulus set as the parametric model takes them, read one at a time, and the result as samples."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples
from fmri2image.samples.cleaning import choose_confounds, clean_signal, design_regressors
from fmri2image.samples.events import stimulated
from fmri2image.samples.exclude import exclude_trials
from fmri2image.samples.modulators import ModulatorRun, ModulatorSettings, modulator_betas, modulator_samples
from fmri2image.samples.nuisance import task_response
from fmri2image.samples.responses import resting_volumes
from fmri2image.samples.runs import DROPPED, Run, judge_motion, read_run
from fmri2image.samples.settings import GLM, UNITS, SampleSettings
from fmri2image.samples.voxels import CommonVoxels


class ModulatorRuns:
    """Runs of a subject; every iteration reads and cleans them again, so that one run at a time is in memory.

    Runs with too much motion and trials that are left out are those of the samples; such trials are modelled beside the
    others, without modulators.

    Parameters
    ----------
    runs : sequence of Run
    settings : SampleSettings
        Of the samples. Trend, motion and confounds become columns of the design, and slow drifts are those of
        `ModulatorSettings`.
    """

    def __init__(self, runs: Sequence[Run], settings: SampleSettings) -> None:
        self.runs, self.settings = list(runs), replace(settings, responses=GLM, high_pass=None)
        self.common: CommonVoxels | None = None

    def __iter__(self) -> Iterator[ModulatorRun]:
        """Give the runs that keep a trial, with the voxels of the first in the order of the grid."""
        for run in self.runs:
            data = read_run(run, self.settings)
            self.common = self.common or CommonVoxels(data.series, run.series)
            columns = self.common.columns(data.series, run.series)
            status, reason = judge_motion(data.motion, self.settings.motion_limit)
            trials = exclude_trials(data, self.settings, reason if status == DROPPED else "")
            kept = trials[trials["kept"]].reset_index(drop=True)
            if kept.empty:
                continue
            confounds = choose_confounds(data.confounds, self.settings, run.confounds)
            moments = data.times + self.settings.volume_moment * data.series.repetition_time
            shown = stimulated(data.events)
            response = task_response(shown["onset"].to_numpy(), shown["duration"].to_numpy(), moments)
            clean = clean_signal(
                data.series.signal,
                confounds.to_numpy(dtype=float),
                resting_volumes(data, self.settings),
                response,
                data.series.repetition_time,
                self.settings,
            )
            signal = np.where(
                (columns >= 0) & (np.ptp(data.series.signal, axis=0) > 0)[columns], clean[:, columns], np.nan
            )
            regressors = design_regressors(confounds, self.settings).to_numpy(dtype=float)
            yield ModulatorRun(signal, kept, data.events, moments, regressors, str(run.events))


def fit_modulators(
    runs: Sequence[Run],
    values: pd.DataFrame,
    unions: Mapping[str, Sequence[str]],
    subject: str,
    simulated: bool,
    cleaning: SampleSettings,
    settings: ModulatorSettings,
    like: pd.DataFrame | None = None,
) -> Samples:
    """Fit the parametric model to all runs of one stimulus set of a subject.

    Parameters
    ----------
    runs : sequence of Run
        Of one stimulus set.
    values : DataFrame of shape (n_stimuli, K), index stimulus
    unions : mapping of str to sequence of str
        Areas made of others.
    subject : str
    simulated : bool
    cleaning : SampleSettings
    settings : ModulatorSettings
    like : DataFrame, optional
        Voxel table of the subject's samples, where these have an area that no mask tells (`samples.responsive`): only its
        voxels are kept, with its areas.

    Returns
    -------
    samples : Samples
        One row per regressor, see `modulators.modulator_samples`.

    Raises
    ------
    DataError
        If the runs are of several stimulus sets, or none keeps a trial.
    """
    sets = list(dict.fromkeys(run.stimulus_set for run in runs))
    if len(sets) != 1:
        raise DataError(f"Subject {subject}: modulators are fitted to runs of one stimulus set, but there are {sets}.")
    read = ModulatorRuns(runs, cleaning)
    betas = modulator_betas(read, values, settings)
    read.common.seen &= np.isfinite(betas).all(axis=0)
    attributes = {
        "subject": subject,
        "simulated": bool(simulated),
        "responses": "modulators",
        "units": f"{UNITS[read.settings.normalisation]}, rows of modulators: per unit of the modulator",
        "settings": json.dumps({"cleaning": asdict(read.settings), "modulators": asdict(settings)}),
    }
    if like is None:
        return modulator_samples(betas, values, read.common.table(unions, subject), sets[0], attributes)
    kept, voxels = _voxels_of(like, read.common.voxels, subject)
    return modulator_samples(betas[:, kept], values, voxels, sets[0], attributes)


def _voxels_of(like: pd.DataFrame, voxels: np.ndarray, subject: str) -> tuple[np.ndarray, pd.DataFrame]:
    """Return the places of a table's voxels among `voxels` (V, 3), and the table in their order."""
    place = {tuple(voxel): number for number, voxel in enumerate(voxels.tolist())}
    wanted = [tuple(voxel) for voxel in like[["voxel_i", "voxel_j", "voxel_k"]].to_numpy(dtype=int).tolist()]
    lost = [voxel for voxel in wanted if voxel not in place]
    if lost:
        raise DataError(
            f"Subject {subject}: {len(lost)} voxels of the samples, such as {lost[0]}, are not in the runs that modulators are "
            "fitted to; make the samples again."
        )
    return np.array([place[voxel] for voxel in wanted], dtype=int), like.reset_index(drop=True)
