"""Trials and runs that are left out, and what is said about them."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from small_runs import write_imagery_run, write_run

from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table, write_table
from fmri2image.preprocess.timeseries import read_timeseries, write_timeseries
from fmri2image.samples.build import build_samples
from fmri2image.samples.exclude import TRIAL_COLUMNS
from fmri2image.samples.runs import RUN_COLUMNS
from fmri2image.samples.settings import SampleSettings

NAMES = ["n01_1", "n02_2", "n02_2", "n03_3"]
# Block b of 4 is averaged over the volumes 18 + 4 b to 21 + 4 b, counted from the start of the scan.
JUMP = 23
STILL = SampleSettings(linear_trend=False, motion_regression=False, despike_threshold=None)
STRICT = replace(STILL, motion_limit={"trials": "drop"})


def build(runs, settings=STILL, tested=()):
    """Return what is built of simulated subject 01."""
    return build_samples(runs, {}, "01", True, settings, tested)


def shorten_scan(run, n_volumes):
    """Cut volumes from the end of a run."""
    series = read_timeseries(run.series)
    write_timeseries(run.series, replace(series, signal=series.signal[:-n_volumes]))
    pd.read_csv(run.confounds, sep="\t").iloc[:-n_volumes].to_csv(run.confounds, sep="\t", index=False)


def change_confounds(run, **columns):
    """Replace columns of a run's confounds; None takes a column away."""
    table = pd.read_csv(run.confounds, sep="\t")
    table = table.drop(columns=[name for name, values in columns.items() if values is None])
    table = table.assign(**{name: values for name, values in columns.items() if values is not None})
    table.to_csv(run.confounds, sep="\t", index=False)


def test_a_trial_with_a_moved_volume_is_dropped_only_when_asked(tmp_path):
    run = write_run(tmp_path, 1, NAMES, jump=JUMP)
    kept = build([run])
    assert list(kept.trials["kept"]) == [1, 1, 0, 1]
    assert kept.trials["largest_displacement"].iloc[1] > 1
    assert kept.trials["largest_displacement"].iloc[[0, 2, 3]].max() < 0.5
    strict = build([run], STRICT)
    assert list(strict.samples.trials["stimulus"]) == ["n01_1", "n03_3"]
    assert list(strict.trials["kept"]) == [1, 0, 0, 1]
    assert strict.trials["reason"].iloc[1].startswith("motion: 1.")
    assert strict.trials["reason"].iloc[1].endswith("mm in its window (at most 0.5 mm)")
    np.testing.assert_array_equal(strict.samples.data, kept.samples.data[[0, 2]])
    row = strict.runs.iloc[0]
    assert (row["n_trials_kept"], row["n_trials_dropped"], row["status"]) == (2, 1, "ok")
    assert row["share_above"] == pytest.approx(1 / 31)
    assert row["largest_displacement"] == strict.trials["largest_displacement"].max()


@pytest.mark.parametrize(("volume", "dropped"), [(21, 0), (22, 1), (25, 1), (26, 2)])
def test_the_window_of_a_trial_decides(tmp_path, volume, dropped):
    run = write_run(tmp_path, 1, ["n01_1", "n02_2", "n03_3"], jump=volume)
    assert list(build([run], STRICT).trials["kept"]) == [int(block != dropped) for block in range(3)]


def test_a_volume_that_did_not_converge_counts_as_moved(tmp_path):
    run = write_run(tmp_path, 1, NAMES)
    converged = np.ones(31, dtype=int)
    converged[32 // 2 + 2 - 4] = 0  # the first volume that is averaged, 4 dropped
    change_confounds(run, converged=converged)
    strict = build([run], STRICT)
    assert list(strict.trials["kept"]) == [0, 1, 0, 1]
    assert strict.trials["reason"].iloc[0] == "motion: the estimate did not converge in its window"
    assert strict.runs["share_above"].iloc[0] == pytest.approx(1 / 31)


def test_a_run_above_the_limit_is_kept_flagged_or_dropped(tmp_path, caplog):
    runs = [write_run(tmp_path, 1, NAMES), write_run(tmp_path, 2, NAMES)]
    change_confounds(runs[0], framewise_displacement=np.where(np.arange(31) % 3 == 1, 0.9, 0.1))
    whole = build(runs)
    assert list(whole.runs["status"]) == ["flagged", "ok"]
    assert whole.runs["reason"].iloc[0] == "motion: 32% of volumes above 0.5 mm (at most 25%)"
    assert whole.runs["share_above"].iloc[0] == pytest.approx(10 / 31)
    assert "run-01 flagged: motion: 32% of volumes" in caplog.text
    assert len(whole.samples.trials) == 6
    kept = build(runs, replace(STILL, motion_limit={"runs": "keep"}))
    assert list(kept.runs["status"]) == ["ok", "ok"]
    more = build(runs, replace(STILL, motion_limit={"share": 0.4}))
    assert list(more.runs["status"]) == ["ok", "ok"]
    dropped = build(runs, replace(STILL, motion_limit={"runs": "drop"}))
    assert list(dropped.runs["status"]) == ["dropped", "ok"]
    assert list(dropped.runs["n_trials_kept"]) == [0, 3]
    assert list(dropped.samples.trials["run"]) == [2, 2, 2]
    assert dropped.trials["reason"].iloc[0] == "run dropped, motion: 32% of volumes above 0.5 mm (at most 25%)"
    np.testing.assert_array_equal(dropped.samples.data, whole.samples.data[3:])
    unjudged = build(runs, replace(STILL, motion_limit=None))
    assert list(unjudged.runs["status"]) == ["ok", "ok"]
    assert unjudged.runs["share_above"].isna().all()


def test_motion_that_is_unknown_drops_nothing_and_cannot_be_asked_to(tmp_path):
    run = write_run(tmp_path, 1, NAMES, jump=JUMP)
    change_confounds(run, framewise_displacement=None, converged=None)
    assert build([run]).trials["largest_displacement"].iloc[1] > 1  # from the six parameters
    change_confounds(run, **dict.fromkeys(["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]), csf=1.0)
    built = build([run])
    assert built.trials["largest_displacement"].isna().all()
    assert built.runs[["mean_displacement", "share_above"]].isna().all(axis=None)
    with pytest.raises(DataError, match="run-01_confounds.tsv tells no motion.*runs and trials to keep"):
        build([run], STRICT)


def test_an_incomplete_trial_stops_or_is_dropped_or_shortened(tmp_path):
    run = write_run(tmp_path, 1, NAMES)
    late = replace(STILL, shift_seconds=8.0)  # the last block is averaged from 64 s to 72 s, the scan ends at 70 s
    with pytest.raises(DataError, match=r"block at 56 s is averaged from 64 s to 72 s.*from 8 s to 70 s.*: drop"):
        build([run], late)
    dropped = build([run], replace(late, incomplete_trials="drop"))
    assert list(dropped.trials["kept"]) == [1, 1, 0, 0]
    assert dropped.trials["reason"].iloc[3] == "incomplete: its window reaches outside the kept volumes"
    assert dropped.trials["n_volumes"].iloc[3] == 3
    assert list(dropped.samples.trials["n_volumes"]) == [4, 4]
    assert list(dropped.runs["status"]) == ["ok"]
    shortened = build([run], replace(late, incomplete_trials="shorten"))
    assert list(shortened.samples.trials["n_volumes"]) == [4, 4, 3]
    with pytest.raises(DataError, match="block at 56 s"):
        build([run], replace(late, incomplete_trials="shorten", shift_seconds=20.0))
    early = replace(STILL, shift_seconds=-26.0)  # the first block from 6 s on, the kept volumes from 8 s
    with pytest.raises(DataError, match="block at 32 s is averaged from 6 s to 14 s"):
        build([run], early)


def test_events_after_the_scan_stop_unless_incomplete_trials_are_dropped(tmp_path):
    runs = [write_run(tmp_path, 1, NAMES), write_run(tmp_path, 2, NAMES)]
    shorten_scan(runs[0], 8)
    for setting in ("stop", "shorten"):
        with pytest.raises(DataError, match=r"run-01_events.tsv ends at 70 s, but .*run-01_timeseries.h5 ends at 54 s"):
            build(runs, replace(STILL, incomplete_trials=setting))
    dropping = replace(STILL, incomplete_trials="drop")
    built = build(runs, dropping)
    assert list(built.runs["n_trials_kept"]) == [2, 3]
    assert built.runs["status"].iloc[0] == "flagged"
    assert "the scan ends at 54 s, the events at 70 s" in built.runs["reason"].iloc[0]
    shorten_scan(runs[0], 16)
    gone = build(runs, dropping)
    assert list(gone.runs["status"]) == ["dropped", "ok"]
    assert gone.runs["reason"].iloc[0].startswith("the scan ends at 22 s, the events at 70 s; no trial is left")
    assert list(gone.samples.trials["run"]) == [2, 2, 2]


def test_losing_a_set_or_a_tested_stimulus_stops(tmp_path):
    train = write_run(tmp_path, 1, ["n01_1", "n02_2"])
    test = write_run(tmp_path, 2, ["n02_2", "n03_3"], stimulus_set="test", jump=JUMP)
    built = build([train, test], STRICT)
    assert list(built.samples.trials["stimulus"]) == ["n01_1", "n02_2", "n02_2"]
    with pytest.raises(DataError, match=r"all trials of n03_3, which 'test' tests, were left out \(motion: 1"):
        build([train, test], STRICT, tested=["test"])
    change_confounds(test, converged=0)
    with pytest.raises(DataError, match=r"all 2 trials of 'test' were left out \(motion: the estimate.*motion_limit"):
        build([train, test], STRICT)
    with pytest.raises(DataError, match=r"all 2 trials of 'test' were left out \(run dropped"):
        build([train, test], replace(STILL, motion_limit={"runs": "drop"}))


def test_a_run_shorter_than_its_siblings_is_flagged_and_logged(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    runs = [write_run(tmp_path, number, NAMES) for number in (1, 2, 3)]
    runs.append(write_run(tmp_path, 4, NAMES[:2], stimulus_set="letters"))
    runs.append(write_imagery_run(tmp_path, ["n01_1"]))
    shorten_scan(runs[1], 1)
    table = build(runs).runs
    assert list(table["status"]) == ["ok", "flagged", "ok", "ok", "ok"]
    assert table["reason"].iloc[1] == "34 volumes scanned, 35 in other runs of train"
    assert caplog.text.count("volumes scanned") == 1


def test_tables_are_written_with_their_columns_described(tmp_path):
    built = build([write_run(tmp_path, 1, NAMES, jump=JUMP)], STRICT)
    for name, table, columns in (("trials", built.trials, TRIAL_COLUMNS), ("runs", built.runs, RUN_COLUMNS)):
        write_table(tmp_path / f"{name}.tsv", table, columns)
        assert list(table) == list(columns)
        pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.tsv"), table, check_dtype=False)


def test_stimuli_that_are_not_wanted_are_left_out_and_listed(tmp_path):
    run = write_run(tmp_path, 1, NAMES)
    built = build([run], replace(STILL, leave_out=["n03_3"]), tested=["train"])
    assert list(built.samples.trials["stimulus"]) == ["n01_1", "n02_2"]
    left = built.trials[built.trials["stimulus"] == "n03_3"]
    assert list(left["kept"]) == [0]
    assert list(left["reason"]) == ["left out by name: samples: leave_out"]


def test_what_is_odd_in_an_events_file_is_noted(tmp_path):
    run = write_run(tmp_path, 1, NAMES)
    table = pd.read_csv(run.events, sep="\t").assign(stimulus_id=["n/a", "1.5", "on/a", "2.5", "2.5", "n/a"])
    table.to_csv(run.events, sep="\t", index=False)
    built = build([run])
    assert "'on/a'" in built.runs["notes"].iloc[0]
    assert len(built.samples.data) == 3
