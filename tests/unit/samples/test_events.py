"""Events in the dialect of ds001506."""

import numpy as np
import pytest

from fmri2image.core.errors import DataError
from fmri2image.samples.events import initial_rest, read_events, stimulus_blocks

HEADER = "onset\tduration\tevent_type\tstimulus_id\tstimulus_name\tcategory_index\timage_index\tresponse_time"
ROWS = [
    "0\t32\t-1\tn/a\tn/a\tn/a\tn/a\tn/a",
    "32\t8\t1\t3079230.008270\tn03079230_8270\t1\t12\tn/a",
    "40\t8\t2\t3079230.008270\tn03079230_8270\t1\t12\t41.2",
    "48\t8\t1\ton/a\tn01677366_18182\t2\t13\tn/a",
    "56\t6\t-2\tn/a\tn/a\tn/a\tn/a\tn/a",
]


def write(path, rows=ROWS, header=HEADER):
    """Write an events file."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_columns_and_types(tmp_path):
    events = read_events(write(tmp_path / "events.tsv"))
    assert list(events["event_type"]) == [-1, 1, 2, 1, -2]
    assert events["onset"].dtype == float
    assert events["stimulus_id"][1] == "3079230.008270"
    assert events["stimulus_name"][0] is None
    assert np.isnan(events["response_time"][0])
    assert events["response_time"][2] == 41.2
    assert initial_rest(events) == (0.0, 32.0)


def test_the_corrupt_stimulus_id_of_ds001506_is_only_text(tmp_path):
    assert read_events(write(tmp_path / "events.tsv"))["stimulus_id"][3] == "on/a"


def test_repetitions_are_left_out_but_counted(tmp_path):
    blocks = stimulus_blocks(read_events(write(tmp_path / "events.tsv")))
    assert list(blocks["stimulus_name"]) == ["n03079230_8270", "n01677366_18182"]
    assert list(blocks["block"]) == [1, 3]


def test_rows_are_ordered_by_onset(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", ROWS[::-1]))
    assert list(events["onset"]) == [0, 32, 40, 48, 56]


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (1, 0, "on/a", r"events\.tsv, line 3: 'on/a' in column 'onset' is not a number"),
        (3, 1, "n/a", r"line 5: 'n/a' in column 'duration' is not a number"),
        (1, 5, "x", r"line 3: 'x' in column 'category_index'"),
        (2, 2, "stimulus", r"line 4: 'stimulus' in column 'event_type'"),
        (2, 2, "7", r"line 4: unknown event_type"),
        (3, 4, "n/a", r"line 5: a stimulus block has no stimulus_name"),
        (3, 1, "0", r"line 5: a stimulus block has no duration"),
        (3, 0, "inf", r"line 5: 'inf' in column 'onset'"),
    ],
)
def test_a_bad_cell_is_named(tmp_path, row, column, text, message):
    rows = list(ROWS)
    cells = rows[row].split("\t")
    cells[column] = text
    rows[row] = "\t".join(cells)
    with pytest.raises(DataError, match=message):
        read_events(write(tmp_path / "events.tsv", rows))


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(DataError, match="lacks the column.*stimulus_name"):
        read_events(write(tmp_path / "events.tsv", header=HEADER.replace("stimulus_name", "trial_type")))


def test_a_missing_or_empty_file_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_events(tmp_path / "events.tsv")
    (tmp_path / "events.tsv").write_text("")
    with pytest.raises(DataError, match="tab-separated"):
        read_events(tmp_path / "events.tsv")
