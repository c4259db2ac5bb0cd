"""Stimuli that form a set of their own, such as the fixation spot in imagery runs."""

import pandas as pd
import pytest

from fmri2image.samples.events import read_events, set_apart
from fmri2image.samples.stimuli import stimuli_of_events

ORDER = ["goat", "fixation", "swan"]


@pytest.fixture
def imagery_events(tmp_path):
    """Write an imagery run of ds001506's form: three trials, the second of which is fixation."""
    rows, onset = [[0.0, 32.0, 1, -1, "n/a", "n/a", "n/a", "n/a", "n/a"]], 32.0
    for trial, index in enumerate((1, 2, 3), start=2):
        for kind, seconds in ((1, 4.0), (2, 8.0), (3, 3.0), (4, 1.0)):
            rows.append([onset, seconds, trial, kind, "n1", "wrong label", index, onset + 13, 4.0])
            onset += seconds
    rows.append([onset, 6.0, 5, -2, "n/a", "n/a", "n/a", "n/a", "n/a"])
    columns = ["onset", "duration", "trial_no", "event_type", "category_id", "category_name", "category_index"]
    path = tmp_path / "sub-01_ses-imagery01_task-imagery_run-01_events.tsv"
    pd.DataFrame(rows, columns=[*columns, "response_time", "evaluation"]).to_csv(path, sep="\t", index=False)
    return path


def test_named_stimuli_get_a_set_of_their_own(imagery_events):
    events = read_events(imagery_events, ORDER)
    told = set_apart(events, {"fixation": ["fixation"]})
    assert set(told.loc[told["stimulus_name"] == "fixation", "stimulus_set"]) == {"fixation"}
    others = told["stimulus_name"] != "fixation"
    assert told.loc[others, "stimulus_set"].isna().all() and others.any()
    pd.testing.assert_frame_equal(told.drop(columns="stimulus_set"), events.drop(columns="stimulus_set"))
    assert events["stimulus_set"].isna().all()  # the table that was given is as it was


def test_nothing_is_set_apart_unasked(imagery_events):
    events = read_events(imagery_events, ORDER)
    pd.testing.assert_frame_equal(set_apart(events, None), events)


def test_the_stimuli_of_a_study_follow(imagery_events):
    wanted = stimuli_of_events({imagery_events: "imagery"}, ORDER, {"fixation": ["fixation"]})
    found = dict(zip(wanted["stimulus"], wanted["stimulus_set"], strict=True))
    assert found == {"goat": "imagery", "fixation": "fixation", "swan": "imagery"}
