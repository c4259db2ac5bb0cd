"""Parametric modulators against nilearn's design, plain least squares and known weights."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import make_first_level_design_matrix
from scipy.linalg import block_diag
from scipy.signal import lfilter
from small_runs import SECONDS, VOXELS, write_files

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import ConfigError, DataError, LabelMismatchError
from fmri2image.core.samples import read_bdata, write_bdata
from fmri2image.samples.events import stimulus_blocks
from fmri2image.samples.modulators import ModulatorRun, ModulatorSettings, modulator_betas, read_values

N_RUNS, N_BLOCKS, N_MODULATORS, N_VOXELS = 3, 20, 4, 30
NAMES = [f"image_{at:02d}" for at in range(40)]
PLAIN = ModulatorSettings(noise_model="ols")


def make_values(rng, correlated=0.0):
    """Return values (stimuli, modulators) with means other than 0; neighbours are correlated if asked for."""
    mixing = np.eye(N_MODULATORS) + correlated * np.eye(N_MODULATORS, k=1)
    values = rng.standard_normal((len(NAMES), N_MODULATORS)) @ mixing + np.arange(1, N_MODULATORS + 1)
    return pd.DataFrame(values, index=NAMES, columns=[f"z{at}" for at in range(N_MODULATORS)])


def evoke(events, times, amplitudes):
    """Return the signal (T, V) of events with amplitudes (n_events, V), by nilearn."""
    apart = events[["onset", "duration"]].assign(trial_type=[f"e{at:03d}" for at in range(len(events))])
    design = make_first_level_design_matrix(times, apart, "spm", drift_model=None).iloc[:, : len(events)]
    return design.to_numpy() @ amplitudes


def make_runs(rng, values, weights, noise=0.0, rho=0.0, gap=2.0):
    """Return runs in which stimuli respond as `weights` (1 + K, V) say, and repetitions differently."""
    centred = values - values.mean()
    runs = []
    for number in range(N_RUNS):
        shown = list(rng.permutation(NAMES)[:N_BLOCKS])
        shown.insert(8, shown[7])
        onsets = 20 + (8 + gap) * np.arange(len(shown))
        kinds = np.where(np.arange(len(shown)) == 8, "repetition", "stimulus")
        events = pd.DataFrame({"event": kinds, "onset": onsets, "duration": 8.0, "stimulus_name": shown})
        times = np.arange(4, int(onsets[-1] / 2) + 15) * 2.0
        design = np.column_stack([np.ones(len(shown)), centred.loc[shown]])
        amplitudes = design @ weights
        amplitudes[8] = 9.0
        motion = rng.normal(0, 0.1, (len(times), 3)).cumsum(axis=0)
        drift = 2 * np.cos(np.pi * (np.arange(len(times))[:, None] + 0.5) / len(times)) + number
        errors = lfilter([1], [1, -rho], rng.standard_normal((len(times), weights.shape[1])), axis=0)
        signal = 100 + evoke(events, times, amplitudes) + drift + motion.sum(axis=1, keepdims=True) + noise * errors
        runs.append(ModulatorRun(signal, stimulus_blocks(events), events, times, motion, f"run {number + 1}"))
    return runs


def stacked(runs, values):
    """Return nilearn's designs with `modulation`, shared columns stacked and the others block-diagonal, and signals."""
    shown = pd.unique(pd.concat([run.blocks["stimulus_name"] for run in runs]))
    centred = values - values.loc[shown].mean()
    shared, own = [], []
    for run in runs:
        stimuli = run.events[run.events["event"] == "stimulus"]
        parts = [stimuli[["onset", "duration"]].assign(trial_type="image", modulation=1.0)]
        parts += [
            stimuli[["onset", "duration"]].assign(
                trial_type=name, modulation=centred.loc[stimuli["stimulus_name"], name].to_numpy()
            )
            for name in values.columns
        ]
        again = run.events[run.events["event"] == "repetition"]
        parts.append(again[["onset", "duration"]].assign(trial_type="repetition", modulation=1.0))
        design = make_first_level_design_matrix(
            run.times, pd.concat(parts, ignore_index=True), "spm", "cosine", 1 / 128, add_regs=run.confounds
        )
        names = ["image", *values.columns]
        shared.append(design[names].to_numpy())
        own.append(design.drop(columns=names).to_numpy())
    return shared, own, [run.signal for run in runs]


@pytest.fixture(scope="module")
def simulated():
    """Values, true weights and noisy runs."""
    rng = np.random.default_rng(0)
    values, weights = make_values(rng, 0.8), rng.normal(1, 1, (1 + N_MODULATORS, N_VOXELS))
    return values, weights, make_runs(rng, values, weights, noise=0.5, rho=0.5)


def test_betas_are_the_joint_least_squares_solution(simulated):
    values, _, runs = simulated
    shared, own, signals = stacked(runs, values)
    design = np.hstack([np.vstack(shared), block_diag(*own)])
    expected = np.linalg.lstsq(design, np.vstack(signals), rcond=None)[0][: 1 + N_MODULATORS]
    np.testing.assert_allclose(modulator_betas(runs, values, PLAIN), expected, atol=1e-8)


def test_autoregressive_noise_is_whitened_run_by_run_and_voxel_by_voxel(simulated):
    values, _, runs = simulated
    shared, own, signals = stacked(runs, values)
    design, together = np.hstack([np.vstack(shared), block_diag(*own)]), np.vstack(signals)
    left = together - design @ np.linalg.lstsq(design, together, rcond=None)[0]
    ends = np.cumsum([len(signal) for signal in signals])[:-1]
    expected, found = np.empty((1 + N_MODULATORS, N_VOXELS)), []
    for voxel in range(N_VOXELS):
        white_design, white_signal = [], []
        for residuals, rows, signal in zip(*(np.split(x, ends) for x in (left, design, together)), strict=True):
            e = residuals[:, voxel]
            rho = int(100 * (e[1:] @ e[:-1]) / (e @ e)) / 100
            found.append(rho)
            white_design.append(np.vstack([rows[:1], rows[1:] - rho * rows[:-1]]))
            y = signal[:, voxel]
            white_signal.append(np.append(y[:1], y[1:] - rho * y[:-1]))
        fitted = np.linalg.lstsq(np.vstack(white_design), np.concatenate(white_signal), rcond=None)[0]
        expected[:, voxel] = fitted[: 1 + N_MODULATORS]
    assert np.mean(found) > 0.2
    np.testing.assert_allclose(modulator_betas(runs, values), expected, atol=1e-7)


def test_known_weights_come_back_exactly_without_noise_and_repetitions_do_not_disturb_them():
    rng = np.random.default_rng(1)
    values, weights = make_values(rng, 0.8), rng.normal(1, 1, (1 + N_MODULATORS, 5))
    runs = make_runs(rng, values, weights)
    found = modulator_betas(runs, values)
    np.testing.assert_allclose(found[1:], weights[1:], atol=1e-3)
    # The first row answers to the mean of the stimuli that were shown, the simulation's to that of all.
    shown = pd.unique(pd.concat([run.blocks["stimulus_name"] for run in runs]))
    shift = (values.loc[shown].mean() - values.mean()).to_numpy() @ weights[1:]
    np.testing.assert_allclose(found[0], weights[0] + shift, atol=1e-3)
    blind = [replace(run, events=run.events[run.events["event"] == "stimulus"]) for run in runs]
    assert np.abs(modulator_betas(blind, values)[0] - found[0]).max() > 0.1


def test_known_weights_come_back_under_noise_and_better_with_its_model():
    rng = np.random.default_rng(2)
    values, weights = make_values(rng), rng.normal(0, 1, (1 + N_MODULATORS, 300))
    runs = make_runs(rng, values, weights, noise=1.0, rho=0.7)
    error = {
        model: np.sqrt(
            np.square(modulator_betas(runs, values, ModulatorSettings(noise_model=model))[1:] - weights[1:]).mean()
        )
        for model in ("ols", "ar1")
    }
    assert error["ar1"] < 0.5
    assert error["ar1"] < error["ols"]


def test_modulators_are_not_orthogonalised_serially():
    rng = np.random.default_rng(3)
    values, weights = make_values(rng, 2.0), rng.normal(0, 1, (1 + N_MODULATORS, 5))
    runs = make_runs(rng, values, weights)
    found = modulator_betas(runs, values, PLAIN)
    # What SPM does unless told otherwise: every modulator loses what those before it explain.
    shown = pd.unique(pd.concat([run.blocks["stimulus_name"] for run in runs]))
    centred = (values - values.loc[shown].mean()).loc[shown].to_numpy()
    triangle = np.linalg.qr(np.column_stack([np.ones(len(shown)), centred]))[1]
    serial = (triangle / np.diag(triangle)[:, None]) @ found
    assert np.abs(serial[1] - weights[1]).max() > 0.5
    np.testing.assert_allclose(found[1:], weights[1:], atol=1e-3)
    # The order of modulators does not matter.
    turned = modulator_betas(runs, values[values.columns[::-1]], PLAIN)
    np.testing.assert_allclose(turned[:0:-1], found[1:], atol=1e-8)


def test_runs_may_be_read_one_at_a_time_and_further_stimuli_do_no_harm(simulated):
    values, _, runs = simulated
    expected = modulator_betas(runs, values)

    class Reader:
        def __iter__(self):
            yield from runs

    np.testing.assert_array_equal(modulator_betas(Reader(), values), expected)
    np.testing.assert_array_equal(modulator_betas(iter(runs), values), expected)
    more = pd.concat([values + 50, values]).set_axis([*(f"other_{name}" for name in NAMES), *NAMES])
    np.testing.assert_allclose(modulator_betas(runs, more), expected, atol=1e-6)


def test_voxels_that_a_run_did_not_see_are_lost_and_others_are_not(simulated):
    values, _, runs = simulated
    blind = runs[1].signal.copy()
    blind[5, 3] = np.nan
    found = modulator_betas([runs[0], replace(runs[1], signal=blind), runs[2]], values)
    expected = modulator_betas(runs, values)
    assert np.isnan(found[:, 3]).all()
    np.testing.assert_allclose(np.delete(found, 3, axis=1), np.delete(expected, 3, axis=1))


def test_bad_input(simulated):
    values, _, runs = simulated
    with pytest.raises(LabelMismatchError, match="run 1 shows .*, for which the modulators have no values"):
        modulator_betas(runs, values.drop(index=runs[0].blocks["stimulus_name"].iloc[2]))
    with pytest.raises(DataError, match="modulator one is the same for all stimuli"):
        modulator_betas(runs, values.assign(one=0.3))
    with pytest.raises(DataError, match="5 modulators and the mean cannot be told apart"):
        modulator_betas(runs, values.assign(sum=values.sum(axis=1)))
    with pytest.raises(DataError, match="run 2 has 29 voxels, but the runs before have 30"):
        modulator_betas([runs[0], replace(runs[1], signal=runs[1].signal[:, 1:])], values)
    with pytest.raises(DataError, match="There is no run"):
        modulator_betas([], values)
    with pytest.raises(ConfigError, match="hrf is 'spm \\+ derivative'"):
        ModulatorSettings(hrf="spm + derivative")
    with pytest.raises(ConfigError, match="samples: modulators: noise_model is 'white'"):
        ModulatorSettings(noise_model="white")


def test_values_are_read_from_tables_and_features(tmp_path):
    table = tmp_path / "latents.tsv"
    table.write_text("stimulus\tz0\tz1\n07\t1\t2.5\nb\t3\t-4\n", encoding="utf-8")
    read = read_values(table)
    assert read.index.tolist() == ["07", "b"]
    assert read.to_numpy().tolist() == [[1, 2.5], [3, -4]]
    features = tmp_path / "fc.h5"
    write_arrays(features, {"features": LabelledArray(np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2), ["a", "b"])})
    read = read_values(features)
    assert read.shape == (2, 12)
    assert read.columns[[0, -1]].tolist() == ["unit_00", "unit_11"]
    assert read.loc["b", "unit_03"] == 15
    for text, message in (
        ("image\tz0\na\t1\n", "no column 'stimulus'"),
        ("stimulus\tz0\na\t1\na\t2\n", "names the stimulus a twice"),
        ("stimulus\tz0\na\tn/a\n", "missing or not a number"),
    ):
        table.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_values(table)


def test_the_script_writes_betas_as_samples(tmp_path):
    rng = np.random.default_rng(4)
    values = make_values(rng)
    values.rename_axis("stimulus").to_csv(tmp_path / "values.tsv", sep="\t")
    weights = np.vstack([np.full(len(VOXELS), 2.0), rng.normal(0, 1, (N_MODULATORS, len(VOXELS)))])
    files, plans = [], []
    for number in (1, 2):
        shown = NAMES[:20] if number == 1 else NAMES[20:]
        onsets = 32 + 10 * np.arange(20)
        events = pd.DataFrame({"onset": onsets, "duration": 8.0, "event_type": 1, "stimulus_name": shown})
        times = (np.arange(130) + 0.5) * SECONDS
        amplitudes = np.column_stack([np.ones(20), (values - values.mean()).loc[shown]]) @ weights
        signal = 400 * (1 + evoke(events, times, amplitudes) / 100)
        rest = pd.DataFrame({"onset": [0.0], "duration": 32.0, "event_type": -1, "stimulus_name": "n/a"})
        motion = rng.normal(0, 0.01, (130, 6))
        name = f"sub-01_ses-a01_task-perception_run-{number:02d}_x"
        files.append(write_files(tmp_path, name, signal, motion, pd.concat([rest, events])))
        plans.append({"session": "a01", "task": "perception", "run": f"{number:02d}", "stimulus_set": "train"})
    settings = {
        "runs": plans, "unions": {"VC": ["V1", "V2"]}, "simulated": True, "modulators": {},
        "cleaning": {"baseline": "initial_rest", "despike_threshold": None, "high_pass": 128.0},
    }  # fmt: skip
    script = Path(__file__).parents[3] / "workflow" / "scripts" / "fit_modulators.py"
    main = runpy.run_path(str(script), run_name="script")["main"]
    series, confounds, events = zip(*(map(str, paths) for paths in files), strict=True)
    main("01", series, confounds, events, str(tmp_path / "values.tsv"), str(tmp_path / "out.h5"), settings)
    samples = read_bdata(tmp_path / "out.h5")
    assert samples.trials["stimulus"].tolist() == ["image", *values.columns]
    assert set(samples.trials["kind"]) == {"modulator"}
    assert set(samples.trials["stimulus_set"]) == {"train"}
    assert samples.attributes["units"].startswith("per cent signal change")
    assert set(samples.rois) == {"V1", "V2", "VC"}
    np.testing.assert_allclose(samples.data, weights, atol=0.02)
    # With a responsive area, which only the samples know, betas are those of the samples' voxels, by their position.
    like = samples.voxels.iloc[[7, 2, 4]].reset_index(drop=True).drop(columns=["ROI_V1", "ROI_V2", "ROI_VC"])
    like = like.assign(ROI_active=1.0, responsive_t=[9.0, 8.0, 7.0])
    write_bdata(tmp_path / "like.h5", replace(samples, data=samples.data[:, [7, 2, 4]], voxels=like))
    arguments = (str(tmp_path / "values.tsv"), str(tmp_path / "few.h5"), settings, str(tmp_path / "like.h5"))
    main("01", series, confounds, events, *arguments)
    few = read_bdata(tmp_path / "few.h5")
    assert few.rois == ["active"]
    np.testing.assert_array_equal(few.data, samples.data[:, [7, 2, 4]])
    assert few.voxels["responsive_t"].tolist() == [9.0, 8.0, 7.0]
    write_bdata(tmp_path / "like.h5", replace(few, voxels=like.assign(voxel_i=[5, 1, 1])))
    with pytest.raises(DataError, match=r"Subject 01: \d voxels of the samples, such as .* make the samples again"):
        main("01", series, confounds, events, *arguments)
