"""Responses by a general linear model, from files to samples, against a design made by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix
from small_runs import DISCARDED, SECONDS, TRAINING, VOXELS, write_files

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.timeseries import read_timeseries
from fmri2image.samples.build import build_samples
from fmri2image.samples.runs import Run
from fmri2image.samples.settings import SampleSettings

# Event-related: 4 s of stimulus every 16 s.
NAMES = ["goat", "swan", "swan", "leopard", "goat", "iguana", "swan", "goat"]
REPEATED = 2  # the second swan
N_VOLUMES = (16 + 8 * len(NAMES)) + 8
AMPLITUDE = {"goat": 4.0, "swan": -3.0, "leopard": 2.0, "iguana": 1.0}
MODEL = SampleSettings(
    responses="glm", glm={"noise_model": "ols"}, normalise="percent_signal", baseline="run", despike_threshold=None
)


@pytest.fixture
def run(tmp_path):
    """Write a run whose stimuli evoke haemodynamic responses, with noise, motion artefacts and a jump in one trial."""
    rng = np.random.default_rng(3)
    onsets = 32 + 16 * np.arange(len(NAMES))
    rows = [(0, 32, -1, "n/a")]
    rows += [
        (onset, 4, 2 if at == REPEATED else 1, name) for at, (onset, name) in enumerate(zip(onsets, NAMES, strict=True))
    ]
    rows.append((onsets[-1] + 16, 6, -2, "n/a"))
    events = pd.DataFrame(rows, columns=["onset", "duration", "event_type", "stimulus_name"])
    moments = (np.arange(N_VOLUMES) + 0.5) * SECONDS
    shown = pd.DataFrame({"onset": onsets, "duration": 4.0, "trial_type": [f"t{at}" for at in range(len(NAMES))]})
    design = make_first_level_design_matrix(moments, shown, hrf_model="spm", drift_model=None).iloc[:, : len(NAMES)]
    response = design.to_numpy() @ np.array([AMPLITUDE[name] for name in NAMES])
    motion = np.cumsum(rng.normal(0, [0.01] * 3 + [0.0002] * 3, (N_VOLUMES, 6)), axis=0)
    motion[(onsets[3] + 6) // 2 :, 1] += 2.0  # the head moves while the leopard is seen
    artefact = motion @ rng.normal(0, 5, (6, len(VOXELS))) + np.linspace(0, 9, N_VOLUMES)[:, None]
    signal = 500 * (1 + response[:, None] / 100) + artefact + rng.normal(0, 0.2, (N_VOLUMES, len(VOXELS)))
    return Run(*write_files(tmp_path, "run-01", signal, motion, events), "train", TRAINING, 1)


def by_hand(run, groups, high_pass=1 / 128):
    """Return betas by least squares; `groups` names the column of each presentation."""
    signal = read_timeseries(run.series).signal.astype(float)
    signal = 100 * (signal / signal.mean(axis=0) - 1)
    moments = (DISCARDED + np.arange(len(signal)) + 0.5) * SECONDS
    events = pd.read_csv(run.events, sep="\t", keep_default_na=False)
    shown = events[events["event_type"].isin([1, 2])].assign(trial_type=groups)[["onset", "duration", "trial_type"]]
    motion = pd.read_csv(run.confounds, sep="\t")[list(PARAMETERS)].to_numpy()
    beside = np.column_stack([motion, np.arange(len(signal))])
    design = make_first_level_design_matrix(moments, shown, "spm", "cosine", high_pass, add_regs=beside)
    columns = design.to_numpy() / np.abs(design.to_numpy()).max(axis=0)
    betas = np.linalg.lstsq(columns, signal, rcond=None)[0] / np.abs(design.to_numpy()).max(axis=0)[:, None]
    return dict(zip(design.columns, betas, strict=True))


def test_one_row_per_trial_is_least_squares_with_confounds_in_the_design(run):
    built = build_samples([run], {"VC": ["V1", "V2"]}, "01", True, MODEL)
    samples, trials = built.samples, built.samples.trials
    expected = by_hand(run, [f"t{at}" for at in range(len(NAMES))])
    kept = [at for at in range(len(NAMES)) if at != REPEATED]
    assert list(trials["stimulus"]) == [NAMES[at] for at in kept]
    np.testing.assert_allclose(samples.data, [expected[f"t{at}"] for at in kept], atol=2e-4)
    truth = np.array([AMPLITUDE[NAMES[at]] for at in kept])
    assert np.abs(samples.data.mean(axis=1) - truth).max() < 0.25
    assert samples.attributes["responses"] == "glm"
    assert list(built.trials["reason"]) == ["one-back repetition" if at == REPEATED else "" for at in range(len(NAMES))]


def test_one_row_per_stimulus_holds_all_its_trials(run):
    built = build_samples([run], {}, "01", True, replace(MODEL, glm={"rows": "stimulus", "noise_model": "ols"}))
    trials = built.samples.trials
    groups = ["again" if at == REPEATED else name for at, name in enumerate(NAMES)]
    expected = by_hand(run, groups)
    assert list(trials["stimulus"]) == ["goat", "swan", "leopard", "iguana"]
    np.testing.assert_allclose(built.samples.data, [expected[name] for name in trials["stimulus"]], atol=2e-4)
    assert list(trials["n_blocks"]) == [3, 2, 1, 1]
    assert list(trials["block"]) == [1, 2, 4, 6]
    assert list(trials["onset"]) == [32, 48, 80, 112]
    assert list(trials["n_volumes"]) == [6, 4, 2, 2]
    assert built.trials["kept"].sum() == 7


def test_a_dropped_trial_stays_in_the_design(run):
    strict = replace(MODEL, motion_limit={"trials": "drop"}, glm={"rows": "stimulus", "noise_model": "ols"})
    built = build_samples([run], {}, "01", True, strict)
    trials = built.samples.trials
    assert list(trials["stimulus"]) == ["goat", "swan", "iguana"]
    groups = ["again" if at == REPEATED else "left out" if name == "leopard" else name for at, name in enumerate(NAMES)]
    expected = by_hand(run, groups)
    np.testing.assert_allclose(built.samples.data, [expected[name] for name in trials["stimulus"]], atol=2e-4)
    assert built.trials["reason"].iloc[3].startswith("motion: 2.")


def test_without_the_step_regress_only_drifts_stand_beside_the_stimuli(run):
    with_motion = build_samples([run], {}, "01", True, MODEL).samples
    without = build_samples([run], {}, "01", True, replace(MODEL, order=["normalise"])).samples
    truth = np.array([AMPLITUDE[name] for name in with_motion.trials["stimulus"]])[:, None]
    assert np.abs(without.data - truth).max() > 2 * np.abs(with_motion.data - truth).max()


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_a_model_that_determines_nothing_is_refused(run):
    table = pd.read_csv(run.confounds, sep="\t")
    noise = np.random.default_rng(0).normal(size=(len(table), 80))
    table = pd.concat([table, pd.DataFrame(noise, columns=[f"a_comp_cor_{number:02}" for number in range(80)])], axis=1)
    table.to_csv(run.confounds, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(DataError, match="run-01_confounds.tsv: 88 regressors for 84 volumes"):
        build_samples([run], {}, "01", True, replace(MODEL, confounds=["a_comp_cor_*"]))
    events = pd.read_csv(run.events, sep="\t", keep_default_na=False)
    events.loc[4, "onset"] = events.loc[2, "onset"]  # two stimuli at once cannot be told apart
    events.to_csv(run.events, sep="\t", index=False)
    with pytest.raises(DataError, match="run-01_events.tsv: The general linear model has 7 betas"):
        build_samples([run], {}, "01", True, replace(MODEL, motion_regression=False))
