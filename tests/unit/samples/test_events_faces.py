"""Events in the dialect of ds001761: faces, one imagery event per run, and localizers."""

import numpy as np
import pytest

from fmri2image.core.errors import DataError
from fmri2image.samples.events import initial_rest, read_events, stimulated, stimulus_blocks

HEADER = "onset\tduration\ttrial_type\tstim_file\toneback"
ROWS = [
    "5.990000\t12.010000\tImg\tplaceholders/fixation.png\t0",
    "18.000000\t5.990000\tFix\tplaceholders/fixation.png\t0",
    "23.996846\t0.999176\ttrain_face\tsub01/run54/F2366.jpg\t0",
    "26.994400\t0.999176\ttrain_face\tsub01/run54/F2366.jpg\t1",
    "30.008600\t0.999176\ttest_face\tsub01/run54/M2156.jpg\t0",
    "33.006100\t0.999176\tFix\tplaceholders/fixation.png\t0",
    "36.003700\t0.999176\ttest_face\tsub01/run54/M2156.jpg\t0",
]
LOCALIZER_HEADER = "onset\tduration\ttrial_type"
LOCALIZER_ROWS = [
    "0\t16\tfix   ",
    "16\t16\tface  ",
    "32\t16\tobject",
    "48\t16\tfix   ",
    "64\t16\tobject",
    "80\t16\tfix   ",
]


def write(path, rows=ROWS, header=HEADER):
    """Write an events file."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_faces(tmp_path):
    events = read_events(write(tmp_path / "events.tsv"))
    kinds = ["imagery", "inter_rest", "stimulus", "repetition", "stimulus", "inter_rest", "stimulus"]
    assert list(events["event"]) == kinds
    assert events["onset"][2] == 23.996846
    assert events["stim_file"][4] == "sub01/run54/M2156.jpg"
    assert events["stimulus_name"].tolist() == ["imagined_face", None, "F2366", "F2366", "M2156", None, "M2156"]
    assert events["stimulus_set"].tolist() == ["imagery", None, "train", "train", "test", None, "test"]
    assert events.attrs["warnings"] == []
    assert initial_rest(events) is None
    assert len(stimulated(events)) == 5


def test_faces_and_imagery_become_blocks_of_their_own_kind(tmp_path):
    blocks = stimulus_blocks(read_events(write(tmp_path / "events.tsv"), ["M2156"]))
    assert blocks["stimulus_name"].tolist() == ["M2156", "F2366", "M2156", "M2156"]
    assert blocks["kind"].tolist() == ["imagery", "perception", "perception", "perception"]
    # The last two are no repetition: oneback says so, whatever stands between them.
    assert blocks["block"].tolist() == [1, 2, 4, 5]
    assert np.isnan(blocks["vividness"]).all()


def test_localizer(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", LOCALIZER_ROWS, LOCALIZER_HEADER))
    assert events["event"].tolist() == ["initial_rest", "stimulus", "stimulus", "inter_rest", "stimulus", "final_rest"]
    # Blocks of objects follow each other across a rest; localizers have no one-back repetitions.
    assert stimulus_blocks(events)["stimulus_name"].tolist() == ["face", "object", "object"]
    assert set(stimulus_blocks(events)["stimulus_set"]) == {"localizer"}
    assert initial_rest(events) == (0.0, 16.0)
    assert events.attrs["warnings"] == []


def test_a_localizer_that_is_cut_short_is_reported(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", LOCALIZER_ROWS[:-1], LOCALIZER_HEADER))
    assert "line 6: the last event is no final rest" in events.attrs["warnings"][0]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "test_face",
            "probe_face",
            r"line 6: 'probe_face' in column 'trial_type' is unknown; ds001761 knows fix, train_face",
        ),
        ("F2366.jpg\t1", "F2366.jpg\t2", r"line 5: oneback is neither 0 nor 1"),
        ("F2366.jpg\t1", "F2366.jpg\tyes", r"line 5: 'yes' in column 'oneback' is not a number"),
        ("sub01/run54/F2366.jpg\t1", "n/a\t1", r"line 5: a stimulus block has no stimulus_name"),
        ("23.996846", "n/a", r"line 4: 'n/a' in column 'onset'"),
        ("12.010000", "0", r"line 2: a stimulus block has no duration"),
    ],
)
def test_a_bad_cell_is_named(tmp_path, old, new, message):
    with pytest.raises(DataError, match=message):
        read_events(write(tmp_path / "events.tsv", [row.replace(old, new) for row in ROWS]))


@pytest.mark.parametrize("column", ["stim_file", "oneback", "duration"])
def test_a_missing_column_is_named(tmp_path, column):
    with pytest.raises(DataError, match=f"lacks the column.*{column}.*ds001761"):
        read_events(write(tmp_path / "events.tsv", ROWS, HEADER.replace(column, "something")))


def test_the_imagined_face_has_one_name_or_none(tmp_path):
    with pytest.raises(DataError, match="does not say which face is imagined, so .* must name one, not 2"):
        read_events(write(tmp_path / "events.tsv"), ["M2156", "F2366"])
    with pytest.raises(DataError, match="is in the dialect of ds001761, but .* order of ds001506"):
        read_events(write(tmp_path / "events.tsv"), "ds001506")


def test_imagery_has_no_cue(tmp_path):
    with pytest.raises(DataError, match="imagery at 5.99 s has no cue"):
        stimulus_blocks(read_events(write(tmp_path / "events.tsv")), "cue")
