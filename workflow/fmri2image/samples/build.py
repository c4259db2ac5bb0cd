"""Assembly of one subject's samples from preprocessed runs, one run in memory at a time."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples
from fmri2image.samples.exclude import check_what_is_left, exclude_trials, trial_rows
from fmri2image.samples.responses import run_responses
from fmri2image.samples.responsive import add_responsive
from fmri2image.samples.runs import DROPPED, Run, describe_run, judge_motion, read_run, run_table
from fmri2image.samples.settings import UNITS, ResponsiveSettings, SampleSettings
from fmri2image.samples.voxels import CommonVoxels

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """Samples of a subject and what became of its trials and runs.

    Parameters
    ----------
    samples : Samples
        Voxels that some run did not see are left out; their number is the attribute ``n_voxels_without_signal``.
    trials : DataFrame
        `exclude.TRIAL_COLUMNS`.
    runs : DataFrame
        `runs.RUN_COLUMNS`.
    """

    samples: Samples
    trials: pd.DataFrame
    runs: pd.DataFrame


def build_samples(
    runs: Sequence[Run],
    unions: Mapping[str, Sequence[str]],
    subject: str,
    simulated: bool,
    settings: SampleSettings | None = None,
    tested: Sequence[str] = (),
    responsive: ResponsiveSettings | None = None,
) -> Built:
    """Turn the runs of one subject into samples, one row per trial.

    Parameters
    ----------
    runs : sequence of Run
    unions : mapping of str to sequence of str
        Areas made of others, see `rois.unite`.
    subject : str
    simulated : bool
        Goes into the header of the samples.
    settings : SampleSettings, optional
    tested : sequence of str
        Stimulus sets of which no stimulus may lose all its trials.
    responsive : ResponsiveSettings, optional
        An area of the voxels that respond most in the runs of a training set.

    Returns
    -------
    built : Built

    Raises
    ------
    DataError
        If files of a run, or two runs, do not fit each other; an area loses all its voxels; or a stimulus set, or a tested
        stimulus, loses all its trials.
    """
    settings = settings or SampleSettings()
    if not runs:
        raise DataError(f"Subject {subject} has no run to make samples from.")
    common = None
    if responsive:
        common = add_responsive(runs, unions, responsive, settings)
        if not responsive.keep_brain:
            common.leave_out_brain(unions)
    parts, tables, listed, described = [], [], [], []
    for run in runs:
        data = read_run(run, settings)
        common = common or CommonVoxels(data.series, run.series)
        columns = common.columns(data.series, run.series)[common.wanted]
        status, reason = judge_motion(data.motion, settings.motion_limit)
        trials = exclude_trials(data, settings, f"run dropped, {reason}" if status == DROPPED else "")
        listed.append(trial_rows(data, trials))
        described.append(describe_run(data, trials, status, reason, settings.motion_limit))
        if not trials["kept"].any():
            continue
        responses, table = run_responses(data, columns, trials, settings)
        common.seen[common.wanted] &= np.isfinite(responses).all(axis=0)
        parts.append(responses)
        tables.append(table)
    all_trials = pd.concat(listed, ignore_index=True)
    run_rows = run_table(described)
    check_what_is_left(all_trials, tuple(tested), subject)
    log.info("%d of %d runs used; %d voxels not seen in every run", len(parts), len(runs), common.n_unseen)
    voxels = common.table(unions, subject)
    attributes = {
        "subject": subject,
        "simulated": bool(simulated),
        "responses": settings.responses,
        "units": UNITS[settings.normalisation],
        "settings": json.dumps(asdict(settings)),
        "n_voxels_without_signal": common.n_unseen,
    }
    if responsive:
        attributes["responsive"] = json.dumps(asdict(responsive))
    samples = Samples(
        _stack(parts, common.seen[common.wanted]),
        pd.concat(tables, ignore_index=True),
        voxels[common.kept].reset_index(drop=True),
        attributes,
    )
    return Built(samples, all_trials, run_rows)


def _stack(parts: list[np.ndarray], seen: np.ndarray) -> np.ndarray:
    """Join responses (B, V) of all runs, voxels seen only; `parts` is emptied, so that nothing lies in memory twice."""
    joined = np.empty((sum(map(len, parts)), int(seen.sum())), dtype=np.float32)
    end = len(joined)
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = part[:, seen]
        end -= len(part)
    return joined
