"""Samples of a subject whose responses are known."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_runs import AFFINE, AMPLITUDE, AREAS, SHAPE, VOXELS, series_of, write_imagery_run, write_run

from fmri2image.core.errors import DataError
from fmri2image.core.samples import read_bdata, write_bdata
from fmri2image.core.tables import read_table
from fmri2image.preprocess.timeseries import TimeSeries, read_timeseries, write_timeseries
from fmri2image.samples.build import build_samples
from fmri2image.samples.settings import SampleSettings

PLAIN = SampleSettings(linear_trend=False, motion_regression=False, despike_threshold=None)
NO_UNIONS: dict[str, list[str]] = {}


def samples_of(runs, settings=None, unions=NO_UNIONS):
    """Return the samples of simulated subject 01."""
    return build_samples(runs, unions, "01", simulated=True, settings=settings).samples


def rewrite(run, change):
    """Replace a run's series by `change` of it."""
    write_timeseries(run.series, change(read_timeseries(run.series)))


def test_known_responses_come_back(tmp_path):
    runs = [
        write_run(tmp_path, 1, ["n01_1", "n01_1", "n02_2", "n03_3"]),
        write_run(tmp_path, 2, ["n03_3", "n01_1"]),
    ]
    samples = samples_of(runs, PLAIN, {"VC": ["V1", "V2"]})
    assert list(samples.trials["stimulus"]) == ["n01_1", "n02_2", "n03_3", "n03_3", "n01_1"]
    assert list(samples.trials["run"]) == [1, 1, 1, 2, 2]
    assert list(samples.trials["block"]) == [1, 3, 4, 1, 2]
    assert list(samples.trials["onset"]) == [32, 48, 56, 32, 40]
    assert (samples.trials["n_volumes"] == 4).all()
    expected = np.array([AMPLITUDE[name] for name in samples.trials["stimulus"]])
    np.testing.assert_allclose(samples.data, np.tile(expected[:, None], 12), atol=1e-3)
    assert samples.data.dtype == np.float32
    assert samples.rois == ["V1", "V2", "VC"]
    assert samples.voxels["ROI_VC"].all()
    np.testing.assert_array_equal(samples.voxels[["voxel_i", "voxel_j", "voxel_k"]], VOXELS)
    np.testing.assert_allclose(samples.voxels[["voxel_x", "voxel_y", "voxel_z"]], 3 * VOXELS)
    assert samples.attributes["units"] == "per cent signal change"
    assert samples.attributes["simulated"] is True
    saved = json.loads(samples.attributes["settings"])
    assert (saved["shift_seconds"], saved["order"]) == (4.0, ["regress", "normalise", "despike"])
    assert saved["motion_limit"]["displacement"] == 0.5


def test_imagery_is_averaged_from_its_own_onset_and_keeps_its_vividness(tmp_path):
    run = write_imagery_run(tmp_path, ["n01_1", "n02_2", "n01_1"])
    samples = samples_of([run, write_run(tmp_path, 1, ["n01_1", "n03_3"])], PLAIN)
    trials = samples.trials
    assert list(trials["kind"]) == ["imagery"] * 3 + ["perception"] * 2
    np.testing.assert_equal(trials["vividness"].to_numpy(), [1, 2, 3, np.nan, np.nan])
    assert list(trials["onset"]) == [36, 52, 68, 32, 40]
    assert list(trials["n_volumes"]) == [4] * 5
    np.testing.assert_allclose(samples.data[:, 0], [1, -2, 1, 1, 3], atol=1e-3)
    write_bdata(tmp_path / "sub-01.h5", samples)
    read = read_bdata(tmp_path / "sub-01.h5")
    assert list(read.trials["kind"]) == list(trials["kind"])
    np.testing.assert_equal(read.trials["vividness"].to_numpy(), trials["vividness"].to_numpy())
    averaged = read.select(trials=read.trials["kind"] == "imagery").average().trials
    assert dict(zip(averaged["stimulus"], averaged["vividness"], strict=True)) == {"n01_1": 2, "n02_2": 2}


def test_imagery_can_be_averaged_over_the_whole_trial_as_in_the_paper(tmp_path):
    run = write_imagery_run(tmp_path, ["n01_1", "n02_2", "n03_3"])
    samples = samples_of([run], replace(PLAIN, imagery_start="cue", imagery_window=16.0))
    assert list(samples.trials["n_volumes"]) == [8] * 3
    assert list(samples.trials["onset"]) == [36, 52, 68]
    expected = [(2 * 1 + 4 * AMPLITUDE[name]) / 8 for name in ("n01_1", "n02_2", "n03_3")]
    np.testing.assert_allclose(samples.data[:, 0], expected, atol=1e-3)
    assert list(samples_of([run], replace(PLAIN, imagery_window=4.0)).trials["n_volumes"]) == [2] * 3


def test_a_window_replaces_the_duration_of_seen_blocks_only(tmp_path):
    runs = [write_run(tmp_path, 1, ["n01_1", "n02_2"]), write_imagery_run(tmp_path, ["n01_1"])]
    shortened = samples_of(runs, replace(PLAIN, window=12.0, incomplete_trials="shorten"))
    assert list(shortened.trials["n_volumes"]) == [6, 5, 4]  # the run ends within the second block's window
    np.testing.assert_allclose(shortened.data[1, 0], -2 * 4 / 5, atol=1e-3)


def test_imagined_stimuli_come_from_the_settings_where_the_events_name_none(tmp_path):
    run = write_imagery_run(tmp_path, ["n01_1", "n02_2"])
    events = pd.read_csv(run.events, sep="\t").drop(columns="stimulus_name")
    events["category_index"] = [None, 2, 2, 2, 2, 1, 1, 1, 1, None]
    events.to_csv(run.events, sep="\t", index=False, na_rep="n/a")
    samples = samples_of([run], replace(PLAIN, imagery_stimuli=["goat", "swan"]))
    assert list(samples.trials["stimulus"]) == ["swan", "goat"]
    with pytest.raises(DataError, match="imagery_events.tsv does not say which stimuli are imagined"):
        samples_of([run], PLAIN)


def test_the_file_is_read_back_equal(tmp_path):
    samples = samples_of([write_run(tmp_path, 1, ["n01_1", "n02_2"])])
    write_bdata(tmp_path / "sub-01.h5", samples)
    read = read_bdata(tmp_path / "sub-01.h5")
    np.testing.assert_array_equal(read.data, samples.data)
    assert list(read.trials["stimulus"]) == ["n01_1", "n02_2"]


def test_drift_and_motion_are_taken_out(tmp_path):
    names = list(np.random.default_rng(4).permutation(["n01_1", "n02_2", "n03_3"] * 8))
    still = write_run(tmp_path, 1, names)
    (tmp_path / "moving").mkdir()
    moving = write_run(tmp_path / "moving", 1, names, drift=1.0)
    clean = SampleSettings(despike_threshold=None)
    without, removed, truth = samples_of([moving], PLAIN), samples_of([moving], clean), samples_of([still], clean)
    assert np.abs(without.data - truth.data).max() > 1
    np.testing.assert_allclose(removed.data, truth.data, atol=0.05)


def test_spikes_are_clipped_only_when_asked(tmp_path):
    run = write_run(tmp_path, 1, ["n01_1", "n02_2", "n03_3"] * 5, AMPLITUDE | {"n03_3": 60.0})
    free = samples_of([run], PLAIN)
    bounded = samples_of([run], replace(PLAIN, despike_threshold=1.0))
    assert free.data.max() == pytest.approx(60, abs=1e-3)
    assert 30 < bounded.data.max() < 55


def test_z_scores_need_no_rest(tmp_path):
    names = ["n01_1", "n02_2", "n03_3", "n01_1"]
    run = write_run(tmp_path, 1, names)
    run.events.write_text(run.events.read_text().replace("0\t32\t-1", "0\t6\t-1"))
    samples = samples_of([run], replace(PLAIN, normalise="zscore"))
    signal = read_timeseries(run.series).signal.astype(float)
    scores = (signal - signal.mean(axis=0)) / signal.std(axis=0)
    expected = [scores[14 + 4 * block : 18 + 4 * block].mean(axis=0) for block in range(4)]  # (32 + 4) / 2 - 4 = 14
    np.testing.assert_allclose(samples.data, expected, atol=1e-4)
    assert samples.attributes["units"] == "standard deviations of the run"


def blind(*voxels):
    """Return a change that takes voxels out of the field of view."""

    def change(series):
        signal = series.signal.copy()
        signal[:, [list(map(tuple, series.voxels)).index(voxel) for voxel in voxels]] = np.nan
        return replace(series, signal=signal)

    return change


def test_voxels_that_a_run_did_not_see_are_left_out_and_counted(tmp_path):
    runs = [write_run(tmp_path, number, [name]) for number, name in enumerate(["n01_1", "n02_2"], start=1)]
    rewrite(runs[1], blind((1, 1, 1), (2, 2, 2)))
    samples = samples_of(runs)
    assert samples.data.shape == (2, 10)
    assert samples.attributes["n_voxels_without_signal"] == 2
    assert (samples.voxels["ROI_V1"].sum(), samples.voxels["ROI_V2"].sum()) == (5, 5)
    assert np.isfinite(samples.data).all()
    rewrite(runs[0], blind(*map(tuple, VOXELS[AREAS["V1"]])))
    with pytest.raises(DataError, match="no voxel of V1 was inside"):
        samples_of(runs)


def test_voxels_are_joined_by_their_place_on_the_grid(tmp_path):
    runs = [write_run(tmp_path, number, ["n01_1", "n02_2", "n03_3"]) for number in (1, 2)]
    factor = np.arange(1, 13)

    def scaled(series):
        rest = series.signal[:10].mean(axis=0)
        return replace(series, signal=rest + (series.signal - rest) * factor)

    for run in runs:
        rewrite(run, scaled)
    whole = samples_of(runs, PLAIN)
    np.testing.assert_allclose(whole.data[:3], np.outer([1, -2, 3], factor), rtol=1e-2)
    order = np.random.default_rng(0).permutation(12)[:11]  # one voxel is missing, the others are in disorder

    def shuffled(series):
        return series_of(series.signal[:, order], series.voxels[order])

    for changed in (0, 1):
        rewrite(runs[changed], shuffled)
        samples = samples_of(runs, PLAIN)
        held = np.isin(np.arange(12), order)
        np.testing.assert_array_equal(samples.voxels[["voxel_i", "voxel_j", "voxel_k"]], VOXELS[held])
        np.testing.assert_array_equal(samples.data, whole.data[:, held])
        assert samples.attributes["n_voxels_without_signal"] == (1 if changed == 0 else 0)


def test_runs_on_other_grids_or_areas_are_named_both(tmp_path):
    runs = [write_run(tmp_path, number, ["n01_1", "n02_2"]) for number in (1, 2)]
    good = read_timeseries(runs[1].series)
    moved = replace(good, affine=AFFINE + np.eye(4, k=3))
    with pytest.raises(DataError, match="run-02_time.* lies on another grid than .*run-01_time"):
        rewrite(runs[1], lambda _: moved)
        samples_of(runs)
    larger = TimeSeries(good.signal, VOXELS, AREAS, (SHAPE[0] + 1, *SHAPE[1:]), AFFINE, 2.0, 4)
    with pytest.raises(DataError, match=r"run-02_time.*\(7, 5, 4\).*run-01_time.*\(6, 5, 4\)"):
        rewrite(runs[1], lambda _: larger)
        samples_of(runs)
    with pytest.raises(DataError, match="run-02_time.* has the areas V1, V3, but .*run-01_time.* has V1, V2"):
        rewrite(runs[1], lambda _: replace(good, areas={"V1": AREAS["V1"], "V3": AREAS["V2"]}))
        samples_of(runs)
    with pytest.raises(DataError, match="area V1 covers other voxels in .*run-02_time.* than in .*run-01_time"):
        rewrite(runs[1], lambda _: replace(good, areas={"V1": AREAS["V2"], "V2": AREAS["V2"]}))
        samples_of(runs)


def test_every_trial_and_run_is_listed(tmp_path):
    runs = [write_run(tmp_path, 1, ["n01_1", "n01_1", "n02_2"]), write_imagery_run(tmp_path, ["n01_1"])]
    built = build_samples(runs, {}, "01", True, PLAIN)
    trials = built.trials
    assert list(trials["stimulus"]) == ["n01_1", "n01_1", "n02_2", "n01_1"]
    assert list(trials["kind"]) == ["perception"] * 3 + ["imagery"]
    assert list(trials["kept"]) == [1, 0, 1, 1]
    assert list(trials["reason"]) == ["", "one-back repetition", "", ""]
    assert list(trials["n_volumes"]) == [4] * 4
    kept = trials[trials["kept"] == 1].reset_index(drop=True)
    shared = ["stimulus", "stimulus_set", "session", "run", "block", "onset", "duration", "n_volumes", "kind"]
    pd.testing.assert_frame_equal(kept[shared], built.samples.trials[shared], check_dtype=False)
    table = built.runs
    assert list(table["n_volumes"]) == [16 + 12 + 3 - 4, 16 + 8 + 3 - 4]
    assert list(table["seconds"]) == [62, 54]
    assert list(table["seconds_needed"]) == [62, 54]
    assert list(table["n_trials_kept"]) == [2, 1]
    assert list(table["n_trials_dropped"]) == [0, 0]
    assert list(table["status"]) == ["ok", "ok"]


def test_bad_input_is_named(tmp_path):
    run = write_run(tmp_path, 1, ["n01_1", "n02_2"])
    table = pd.read_csv(run.confounds, sep="\t")
    table.iloc[:-1].to_csv(run.confounds, sep="\t", index=False)
    with pytest.raises(DataError, match="run-01_confounds.tsv has 22 rows.*23 volumes"):
        samples_of([run])
    table.drop(columns="rot_x").to_csv(run.confounds, sep="\t", index=False)
    with pytest.raises(DataError, match="run-01_confounds.tsv has no motion.*lacks rot_x.*motion_regression: false"):
        samples_of([run])
    table.to_csv(run.confounds, sep="\t", index=False)
    with pytest.raises(DataError, match="run-01_confounds.tsv has no column 'a_comp_cor_\\*'.*it has trans_x"):
        samples_of([run], replace(PLAIN, confounds=["a_comp_cor_*"]))
    events = run.events.read_text()
    run.events.write_text(events + "80\t8\t1\tn09_9\n")
    with pytest.raises(DataError, match="ends at 88 s.*ends at 54 s.*incomplete_trials: drop"):
        samples_of([run])
    run.events.write_text(events.replace("0\t32\t-1", "0\t6\t-1"))
    with pytest.raises(DataError, match="no kept volume lies in an initial rest.*baseline: model"):
        samples_of([run])
    run.events.write_text("\n".join(line for line in events.splitlines() if "n0" not in line) + "\n")
    with pytest.raises(DataError, match="holds no stimulus block and no imagery"):
        samples_of([run])
    with pytest.raises(DataError, match="no run"):
        samples_of([])


def test_the_script_writes_samples_and_both_tables(tmp_path):
    script = Path(__file__).parents[3] / "workflow/scripts/build_samples.py"
    main = runpy.run_path(str(script), run_name="script")["main"]
    plan, files = [], {"series": [], "confounds": [], "events": []}
    for number in (2, 1):
        run = write_run(tmp_path, number, ["n01_1", "n02_2", "n02_2"])
        plan.append({"session": "A01", "task": "perception", "run": f"{number:02}", "stimulus_set": "train"})
        for kind, paths in files.items():
            path = tmp_path / f"sub-01_ses-A01_task-perception_run-{number:02}_{getattr(run, kind).name}"
            getattr(run, kind).rename(path)
            paths.insert(0, str(path))  # in another order than the plan: joined by name
    images = pd.DataFrame({"stimulus": ["n01_1", "n02_2"], "stimulus_set": "train"})
    images.to_csv(tmp_path / "stimuli.tsv", sep="\t", index=False)
    out = {"output": "sub-01.h5", "trials": "sub-01_trials.tsv", "runs": "sub-01_runs.tsv"}
    settings = {
        "cleaning": {"normalise": "zscore", "glm": {"rows": "trial"}, "motion_limit": {"share": 0.5}},
        "unions": {"VC": ["V1", "V2"]},
        "runs": plan,
        "simulated": True,
        "tested": ["train"],
    }
    written = {name: str(tmp_path / file) for name, file in out.items()}
    main("01", **files, stimuli=str(tmp_path / "stimuli.tsv"), **written, settings=settings)
    samples = read_bdata(written["output"])
    assert list(samples.trials["run"]) == [2, 2, 1, 1]
    assert samples.attributes["units"] == "standard deviations of the run"
    assert list(read_table(written["trials"])["kept"]) == [1, 1, 0] * 2
    assert list(read_table(written["runs"])["run"]) == [2, 1]
    for name in ("sub-01_trials.json", "sub-01_runs.json"):
        assert json.loads((tmp_path / name).read_text())["simulated"] is True
    with pytest.raises(DataError, match="holds no image of that name"):
        images.iloc[:1].to_csv(tmp_path / "stimuli.tsv", sep="\t", index=False)
        main("01", **files, stimuli=str(tmp_path / "stimuli.tsv"), **written, settings=settings)
