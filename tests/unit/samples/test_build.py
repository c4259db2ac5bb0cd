"""Samples of a subject whose responses are known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.core.samples import read_bdata, write_bdata
from fmri2image.preprocess.images import sidecar_path, write_bold
from fmri2image.samples.build import Run, SampleSettings, build_samples
from fmri2image.samples.rois import RoiMasks

SHAPE, AFFINE = (6, 5, 4), np.diag([3.0, 3, 3, 1])
DISCARDED, SECONDS = 4, 2.0
PLAIN = SampleSettings(linear_trend=False, motion_regression=False, despike_threshold=None)


@pytest.fixture
def masks():
    """Two areas of six voxels each."""
    v1, v2 = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    v1[1:4, 1:3, 1], v2[1:4, 1:3, 2] = True, True
    return RoiMasks({"V1": v1, "V2": v2}, AFFINE)


def write_run(folder, number, names, amplitude, drift=0.0, blind=()):
    """Write a run in which block b raises every voxel by amplitude[name] per cent, four seconds late."""
    rng = np.random.default_rng(number)
    n_total = 16 + 4 * len(names) + 3
    events = [{"onset": 0, "duration": 32, "event_type": -1, "stimulus_name": "n/a"}]
    response = np.zeros(n_total)
    for position, name in enumerate(names):
        again = position > 0 and names[position - 1] == name
        onset = 32 + 8 * position
        events.append({"onset": onset, "duration": 8, "event_type": 2 if again else 1, "stimulus_name": name})
        response[onset // 2 + 2 : onset // 2 + 6] = amplitude[name]
    events.append({"onset": 32 + 8 * len(names), "duration": 6, "event_type": -2, "stimulus_name": "n/a"})
    base = rng.uniform(400, 900, SHAPE)
    motion = np.cumsum(rng.normal(0, [0.05] * 3 + [0.001] * 3, (n_total, 6)), axis=0)
    shape = (n_total, 1, 1, 1)
    volumes = base * (1 + response.reshape(shape) / 100)
    volumes = volumes + drift * (np.linspace(0, 20, n_total).reshape(shape) + 30 * motion[:, :1].reshape(shape))
    for voxel in blind:
        volumes[:, *voxel] = 0
    bold = folder / f"run-{number:02}_space-T1w_desc-preproc_bold.nii.gz"
    write_bold(bold, volumes[DISCARDED:], AFFINE, SECONDS, DISCARDED)
    motion_path, events_path = folder / f"run-{number:02}_motion.tsv", folder / f"run-{number:02}_events.tsv"
    pd.DataFrame(motion[DISCARDED:], columns=list(PARAMETERS)).to_csv(motion_path, sep="\t", index=False)
    pd.DataFrame(events).to_csv(events_path, sep="\t", index=False)
    return Run(bold, motion_path, events_path, "train", "perceptionNaturalImageTraining01", number)


AMPLITUDE = {"n01_1": 1.0, "n02_2": -2.0, "n03_3": 3.0}


def test_known_responses_come_back(tmp_path, masks):
    runs = [
        write_run(tmp_path, 1, ["n01_1", "n01_1", "n02_2", "n03_3"], AMPLITUDE),
        write_run(tmp_path, 2, ["n03_3", "n01_1"], AMPLITUDE),
    ]
    samples = build_samples(runs, masks, "01", simulated=True, settings=PLAIN)
    assert list(samples.trials["stimulus"]) == ["n01_1", "n02_2", "n03_3", "n03_3", "n01_1"]
    assert list(samples.trials["run"]) == [1, 1, 1, 2, 2]
    assert list(samples.trials["block"]) == [1, 3, 4, 1, 2]
    assert list(samples.trials["onset"]) == [32, 48, 56, 32, 40]
    assert (samples.trials["n_volumes"] == 4).all()
    expected = np.array([AMPLITUDE[name] for name in samples.trials["stimulus"]])
    np.testing.assert_allclose(samples.data, np.tile(expected[:, None], 12), atol=1e-3)
    assert samples.rois == ["V1", "V2"]
    assert samples.attributes["units"] == "per cent signal change"
    assert samples.attributes["simulated"] is True
    assert json.loads(samples.attributes["settings"])["shift_seconds"] == 4.0


def write_imagery_run(folder, names, amplitude):
    """Write a run of imagery trials: the cue raises all voxels by one per cent, imagery by amplitude[name]."""
    n_total = 16 + 8 * len(names) + 3
    events = [(0, 32, -1, "n/a", "n/a")]
    response = np.zeros(n_total)
    for position, name in enumerate(names):
        onset = 32 + 16 * position
        for kind, (start, duration) in enumerate([(0, 4), (4, 8), (12, 3), (15, 1)], start=1):
            events.append((onset + start, duration, kind, name, position % 5 + 1))
        response[onset // 2 + 2 : onset // 2 + 4] = 1
        response[onset // 2 + 4 : onset // 2 + 8] = amplitude[name]
    events.append((32 + 16 * len(names), 6, -2, "n/a", "n/a"))
    volumes = 500 * (1 + np.broadcast_to(response[:, None, None, None], (n_total, *SHAPE)) / 100)
    bold, motion, path = folder / "imagery_bold.nii.gz", folder / "imagery_motion.tsv", folder / "imagery_events.tsv"
    write_bold(bold, volumes[DISCARDED:], AFFINE, SECONDS, DISCARDED)
    still = pd.DataFrame(np.zeros((n_total - DISCARDED, 6)), columns=list(PARAMETERS))
    still.to_csv(motion, sep="\t", index=False)
    columns = ["onset", "duration", "event_type", "stimulus_name", "evaluation"]
    pd.DataFrame(events, columns=columns).to_csv(path, sep="\t", index=False)
    return Run(bold, motion, path, "imagery", "imagery01", 1)


def test_imagery_is_averaged_from_its_own_onset_and_keeps_its_vividness(tmp_path, masks):
    run = write_imagery_run(tmp_path, ["n01_1", "n02_2", "n01_1"], AMPLITUDE)
    seen = write_run(tmp_path, 1, ["n01_1", "n03_3"], AMPLITUDE)
    samples = build_samples([run, seen], masks, "01", True, settings=PLAIN)
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


def test_imagery_can_be_averaged_over_the_whole_trial_as_in_the_paper(tmp_path, masks):
    run = write_imagery_run(tmp_path, ["n01_1", "n02_2", "n03_3"], AMPLITUDE)
    whole = replace(PLAIN, imagery_start="cue", imagery_window=16.0)
    samples = build_samples([run], masks, "01", True, settings=whole)
    assert list(samples.trials["n_volumes"]) == [8] * 3
    assert list(samples.trials["onset"]) == [36, 52, 68]
    expected = [(2 * 1 + 4 * AMPLITUDE[name]) / 8 for name in ("n01_1", "n02_2", "n03_3")]
    np.testing.assert_allclose(samples.data[:, 0], expected, atol=1e-3)
    short = replace(PLAIN, imagery_window=4.0)
    assert list(build_samples([run], masks, "01", True, settings=short).trials["n_volumes"]) == [2] * 3


def test_a_window_replaces_the_duration_of_seen_blocks_only(tmp_path, masks):
    runs = [write_run(tmp_path, 1, ["n01_1", "n02_2"], AMPLITUDE), write_imagery_run(tmp_path, ["n01_1"], AMPLITUDE)]
    samples = build_samples(runs, masks, "01", True, settings=replace(PLAIN, window=12.0))
    assert list(samples.trials["n_volumes"]) == [6, 5, 4]  # the run ends within the second block's window


def test_imagined_stimuli_come_from_the_settings_where_the_events_name_none(tmp_path, masks):
    run = write_imagery_run(tmp_path, ["n01_1", "n02_2"], AMPLITUDE)
    events = pd.read_csv(run.events, sep="\t").drop(columns="stimulus_name")
    events["category_index"] = [None, 2, 2, 2, 2, 1, 1, 1, 1, None]
    events.to_csv(run.events, sep="\t", index=False, na_rep="n/a")
    samples = build_samples([run], masks, "01", True, settings=replace(PLAIN, imagery_stimuli=["goat", "swan"]))
    assert list(samples.trials["stimulus"]) == ["swan", "goat"]
    with pytest.raises(DataError, match="imagery_events.tsv does not say which stimuli are imagined"):
        build_samples([run], masks, "01", True, settings=PLAIN)


def test_the_file_is_read_back_equal(tmp_path, masks):
    samples = build_samples([write_run(tmp_path, 1, ["n01_1", "n02_2"], AMPLITUDE)], masks, "01", True)
    write_bdata(tmp_path / "sub-01.h5", samples)
    read = read_bdata(tmp_path / "sub-01.h5")
    np.testing.assert_array_equal(read.data, samples.data)
    assert list(read.trials["stimulus"]) == ["n01_1", "n02_2"]


def test_drift_and_motion_are_taken_out(tmp_path, masks):
    names = list(np.random.default_rng(4).permutation(["n01_1", "n02_2", "n03_3"] * 8))
    still = write_run(tmp_path, 1, names, AMPLITUDE)
    (tmp_path / "moving").mkdir()
    moving = write_run(tmp_path / "moving", 1, names, AMPLITUDE, drift=1.0)
    clean = SampleSettings(despike_threshold=None)
    without = build_samples([moving], masks, "01", True, settings=PLAIN).data
    removed = build_samples([moving], masks, "01", True, settings=clean).data
    truth = build_samples([still], masks, "01", True, settings=clean).data
    assert np.abs(without - truth).max() > 1
    np.testing.assert_allclose(removed, truth, atol=0.05)


def test_spikes_are_clipped_only_when_asked(tmp_path, masks):
    run = write_run(tmp_path, 1, ["n01_1", "n02_2", "n03_3"] * 5, AMPLITUDE | {"n03_3": 60.0})
    free = build_samples([run], masks, "01", True, settings=PLAIN)
    bounded = build_samples([run], masks, "01", True, settings=replace(PLAIN, despike_threshold=1.0))
    assert free.data.max() == pytest.approx(60, abs=1e-3)
    assert 30 < bounded.data.max() < 55


def test_voxels_that_a_run_did_not_see_are_left_out_and_counted(tmp_path, masks):
    runs = [
        write_run(tmp_path, 1, ["n01_1"], AMPLITUDE),
        write_run(tmp_path, 2, ["n02_2"], AMPLITUDE, blind=[(1, 1, 1), (2, 2, 2)]),
    ]
    samples = build_samples(runs, masks, "01", True)
    assert samples.data.shape == (2, 10)
    assert samples.attributes["n_voxels_without_signal"] == 2
    assert (samples.voxels["ROI_V1"].sum(), samples.voxels["ROI_V2"].sum()) == (5, 5)
    assert np.isfinite(samples.data).all()
    blind = list(map(tuple, np.argwhere(masks.masks["V1"])))
    with pytest.raises(DataError, match="no voxel of V1 was inside"):
        build_samples([write_run(tmp_path, 3, ["n01_1"], AMPLITUDE, blind=blind)], masks, "01", True)


def test_files_that_do_not_fit_are_named(tmp_path, masks):
    run = write_run(tmp_path, 1, ["n01_1", "n02_2"], AMPLITUDE)
    moved = RoiMasks(masks.masks, AFFINE + np.eye(4, k=3))
    with pytest.raises(DataError, match="run-01_space.*ROI masks.*different grids"):
        build_samples([run], moved, "01", True)
    table = pd.read_csv(run.motion, sep="\t")
    table.iloc[:-1].to_csv(run.motion, sep="\t", index=False)
    with pytest.raises(DataError, match="run-01_motion.tsv has 22 rows.*23 volumes"):
        build_samples([run], masks, "01", True)
    table.to_csv(run.motion, sep="\t", index=False)
    events = run.events.read_text()
    run.events.write_text(events + "80\t8\t1\tn09_9\n")
    with pytest.raises(DataError, match="ends at 88 s.*ends at 54 s"):
        build_samples([run], masks, "01", True)
    run.events.write_text(events.replace("0\t32\t-1", "0\t6\t-1"))
    with pytest.raises(DataError, match="no kept volume lies in an initial rest"):
        build_samples([run], masks, "01", True)
    run.events.write_text(events)
    sidecar_path(run.bold).write_text(json.dumps({"RepetitionTime": SECONDS}))
    with pytest.raises(DataError, match="does not say NumberOfVolumesDiscardedByUser"):
        build_samples([run], masks, "01", True)
    with pytest.raises(DataError, match="no run"):
        build_samples([], masks, "01", True)
