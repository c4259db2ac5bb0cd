"""Splits: what trains never is what is tested, and the names stay with the trials."""

import numpy as np
import pandas as pd
import pytest

from fmri2image.core import splits
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples


@pytest.fixture
def samples():
    """Four training trials, then six test trials of three stimuli in two runs."""
    trials = pd.DataFrame(
        {
            "stimulus": ["t1", "t2", "t3", "t1", "a", "b", "c", "b", "c", "a"],
            "stimulus_set": ["train"] * 4 + ["shapes"] * 6,
            "session": ["one"] * 4 + ["two"] * 6,
            "run": [1, 1, 2, 2, 1, 1, 1, 2, 2, 2],
            "block": [1, 2, 1, 2, 1, 2, 3, 1, 2, 3],
        }
    )
    data = np.arange(20, dtype=np.float32).reshape(10, 2)
    return Samples(data, trials, pd.DataFrame({"voxel_i": [0, 1]}))


def test_held_out_trains_on_one_set_and_tests_another(samples):
    (fold,) = splits.folds(samples.trials, {"training": "train", "stimuli": "shapes"})
    assert fold.name == "held-out"
    assert np.flatnonzero(fold.train).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(fold.test).tolist() == [4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("run", {"run=1": [4, 5, 6], "run=2": [7, 8, 9]}),
        ("stimulus", {"stimulus=a": [4, 9], "stimulus=b": [5, 7], "stimulus=c": [6, 8]}),
    ],
)
def test_leave_one_group_out(samples, column, expected):
    found = splits.folds(samples.trials, {"stimuli": "shapes", "leave_out": column})
    assert {fold.name: np.flatnonzero(fold.test).tolist() for fold in found} == expected
    for fold in found:
        assert not (fold.train & fold.test).any()
        assert np.flatnonzero(fold.train | fold.test).tolist() == [4, 5, 6, 7, 8, 9]
        groups = samples.trials[column]
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_training_on_what_is_tested_is_refused(samples):
    with pytest.raises(ConfigError, match="'shapes' cannot be trained on and tested"):
        splits.folds(samples.trials, {"training": "shapes", "stimuli": "shapes"})


def test_absent_sets_and_columns_are_named(samples):
    with pytest.raises(DataError, match="no trial of stimulus set 'letters'; they hold shapes, train"):
        splits.folds(samples.trials, {"training": "train", "stimuli": "letters"})
    with pytest.raises(DataError, match="training set 'letters'"):
        splits.folds(samples.trials, {"training": "letters", "stimuli": "shapes"})
    with pytest.raises(ConfigError, match="no column 'fold'"):
        splits.folds(samples.trials, {"stimuli": "shapes", "leave_out": "fold"})


def test_training_names():
    tests = {
        "natural": {"training": "train", "stimuli": "test"},
        "shapes": {"training": "train", "stimuli": "shapes"},
        "cv": {"leave_out": "run", "stimuli": "shapes"},
    }
    assert [splits.training_name(tests, test) for test in tests] == ["train", "train", "cv"]


def test_rows_of_averaged_and_single_trials(samples):
    shapes = samples.select(trials=samples.trials["stimulus_set"] == "shapes")
    values, names, n_trials = splits.test_rows(shapes, "stimulus")
    by_name = dict(zip(names, values, strict=True))
    assert sorted(by_name) == ["a", "b", "c"]
    np.testing.assert_array_equal(by_name["a"], (samples.data[4] + samples.data[9]) / 2)
    np.testing.assert_array_equal(by_name["c"], (samples.data[6] + samples.data[8]) / 2)
    assert dict(zip(names, n_trials.tolist(), strict=True)) == {"a": 2, "b": 2, "c": 2}
    values, names, n_trials = splits.test_rows(shapes, "trial")
    assert n_trials.tolist() == [1] * 6
    assert names[0] == "a|ses-two_run-01_block-01"
    assert names[5] == "a|ses-two_run-02_block-03"
    assert len(set(names)) == 6
    assert [splits.stimulus_of(name) for name in names] == shapes.trials["stimulus"].tolist()
    assert splits.stimulus_of("a") == "a"
    np.testing.assert_array_equal(values, samples.data[4:])


def test_permuted_responses_stay_in_their_set_and_table(samples):
    before, table = samples.data.copy(), samples.trials.copy()
    permuted = splits.permute_responses(samples, "shapes", np.random.default_rng(0))
    pd.testing.assert_frame_equal(permuted.trials, table)
    np.testing.assert_array_equal(samples.data, before)
    np.testing.assert_array_equal(permuted.data[:4], before[:4])
    assert not np.array_equal(permuted.data[4:], before[4:])
    np.testing.assert_array_equal(np.sort(permuted.data[4:, 0]), before[4:, 0])
    np.testing.assert_array_equal(permuted.data[:, 1] - permuted.data[:, 0], 1)
