"""Events in the dialects of ds001506 and ds001246, in files written here."""

import logging
import re

import numpy as np
import pytest

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.samples.events import initial_rest, read_events, stimulus_blocks
from fmri2image.samples.names import IMAGERY_ORDERS

HEADER = "onset\tduration\tevent_type\tstimulus_id\tstimulus_name\tcategory_index\timage_index\tresponse_time"
ROWS = [
    "0\t32\t-1\tn/a\tn/a\tn/a\tn/a\tn/a",
    "32\t8\t1\t3079230.008270\tn03079230_8270\t1\t12\tn/a",
    "40\t8\t2\t3079230.008270\tn03079230_8270\t1\t12\t41.2",
    "48\t8\t1\ton/a\tn01677366_18182\t2\t13\tn/a",
    "56\t6\t-2\tn/a\tn/a\tn/a\tn/a\tn/a",
]
WORDS_HEADER = HEADER.replace("event_type", "trial_no\tevent_type")
WORDS_ROWS = [
    "0\t33\t1\trest\tn/a\tn/a\tn/a\tn/a\tn/a",
    "33\t9\t2\tstimulus\t3626115.019498\tn03626115_19498\t35\t35\tn/a",
    "42\t9\t3\tstimulus\t3626115.019498\tn03626115_19498\t35\t35\t43.1",
    "51\t9\t4\trest\tn/a\tn/a\tn/a\tn/a\tn/a",
    "60\t9\t5\tstimulus\t3345837.012501\tn03345837_12501\t28\t28\tn/a",
    "69\t6\t6\trest\tn/a\tn/a\tn/a\tn/a\tn/a",
]
IMAGERY_HEADER = (
    "onset\tduration\ttrial_no\tevent_type\tcategory_id\tcategory_name\tcategory_index\tresponse_time\tevaluation"
)
IMAGERY_ROWS = [
    "0.0\t32.0\t1.0\t-1\tn/a\tn/a\tn/a\tn/a\tn/a",
    "32.0\t4.0\t2.0\t1\t1976957\tn01976957\t2\t44.967050\t4.0",
    "36.0\t8.0\t2.0\t2\t1976957\tn01976957\t2\t44.967050\t4.0",
    "44.0\t3.0\t2.0\t3\t1976957\tn01976957\t2\t44.967050\t4.0",
    "47.0\t1.0\t2.0\t4\t1976957\tn01976957\t2\t44.967050\t4.0",
    "48.0\t4.0\t3.0\t1\t2882301\tn02882301\t1\tn/a\tn/a",
    "52.0\t8.0\t3.0\t2\t2882301\tn02882301\t1\tn/a\tn/a",
    "60.0\t3.0\t3.0\t3\t2882301\tn02882301\t1\tn/a\tn/a",
    "63.0\t1.0\t3.0\t4\t2882301\tn02882301\t1\tn/a\tn/a",
    "64.0\t6.0\t4.0\t-2\tn/a\tn/a\tn/a\tn/a\tn/a",
]
IMAGERY_WORDS = {"-1": "rest", "1": "cue", "2": "imagery", "3": "evaluation", "4": "inter_rest", "-2": "rest"}


def write(path, rows=ROWS, header=HEADER):
    """Write an events file."""
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def cell(rows, row, column, text):
    """Return rows with one cell replaced."""
    rows = [line.split("\t") for line in rows]
    rows[row][column] = text
    return ["\t".join(cells) for cells in rows]


def imagery_in_words():
    """Return the rows of imagery in the dialect of ds001246."""
    rows = [line.split("\t") for line in IMAGERY_ROWS]
    return ["\t".join([*cells[:3], IMAGERY_WORDS[cells[3]], *cells[4:]]) for cells in rows]


def test_numbers_of_ds001506(tmp_path):
    events = read_events(write(tmp_path / "events.tsv"))
    assert list(events["event"]) == ["initial_rest", "stimulus", "repetition", "stimulus", "final_rest"]
    assert events["onset"].dtype == float
    assert events["stimulus_id"][1] == "3079230.008270"
    assert events["stimulus_name"][0] is None
    assert events["vividness"].isna().all()
    assert initial_rest(events) == (0.0, 32.0)


def test_words_of_ds001246_and_the_repetition_that_it_does_not_mark(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", WORDS_ROWS, WORDS_HEADER))
    kinds = ["initial_rest", "stimulus", "repetition", "inter_rest", "stimulus", "final_rest"]
    assert list(events["event"]) == kinds
    blocks = stimulus_blocks(events)
    assert list(blocks["stimulus_name"]) == ["n03626115_19498", "n03345837_12501"]
    assert list(blocks["block"]) == [1, 3]


def test_repetitions_are_left_out_but_counted(tmp_path):
    blocks = stimulus_blocks(read_events(write(tmp_path / "events.tsv")))
    assert list(blocks["stimulus_name"]) == ["n03079230_8270", "n01677366_18182"]
    assert list(blocks["block"]) == [1, 3]
    assert set(blocks["kind"]) == {"perception"}
    assert list(blocks["averaged_from"]) == list(blocks["onset"]) == [32, 48]


def test_rows_are_ordered_by_onset(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", ROWS[::-1]))
    assert list(events["onset"]) == [0, 32, 40, 48, 56]
    words = read_events(write(tmp_path / "events.tsv", WORDS_ROWS[::-1], WORDS_HEADER))
    assert list(words["event"])[::5] == ["initial_rest", "final_rest"]
    assert words["event"][2] == "repetition"


# Imagery -------------------------------------------------------------------------------------------------------------


def test_imagined_stimuli_are_named_by_the_settings(tmp_path):
    path = write(tmp_path / "events.tsv", IMAGERY_ROWS, IMAGERY_HEADER)
    blocks = stimulus_blocks(read_events(path, ["goat", "swan"]))
    assert list(blocks["stimulus_name"]) == ["swan", "goat"]
    assert list(blocks["onset"]) == list(blocks["averaged_from"]) == [36, 52]
    assert list(blocks["block"]) == [1, 2]
    assert list(blocks["duration"]) == [8, 8]
    assert set(blocks["kind"]) == {"imagery"}
    np.testing.assert_equal(blocks["vividness"].to_numpy(), [4, np.nan])
    assert list(stimulus_blocks(read_events(path, ["goat", "swan"]), "cue")["averaged_from"]) == [32, 48]
    with pytest.raises(DataError, match=r"line 4: category_index is 2.*names 1 stimuli"):
        read_events(path, ["goat"])


def test_the_name_of_a_dataset_stands_for_its_order(tmp_path):
    path = write(tmp_path / "events.tsv", IMAGERY_ROWS, IMAGERY_HEADER)
    assert list(stimulus_blocks(read_events(path, "ds001506"))["stimulus_name"]) == [
        "colorExpStim04_red_+", "colorExpStim02_red_smallring",
    ]  # fmt: skip
    assert len(IMAGERY_ORDERS["ds001506"]) == len(set(IMAGERY_ORDERS["ds001506"])) == 26
    with pytest.raises(ConfigError, match="imagery_stimuli is 'ds000255'; give ds001506, or a list"):
        read_events(path, "ds000255")
    with pytest.raises(DataError, match="is in the dialect of ds001246, but.*the order of ds001506"):
        read_events(write(path, imagery_in_words(), IMAGERY_HEADER), "ds001506")


def test_a_score_without_a_press_is_no_answer(tmp_path):
    rows = IMAGERY_ROWS
    for row in range(5, 9):  # of the trial that was not answered
        rows = cell(rows, row, 8, "1.0")
    blocks = stimulus_blocks(read_events(write(tmp_path / "events.tsv", rows, IMAGERY_HEADER), ["goat", "swan"]))
    np.testing.assert_equal(blocks["vividness"].to_numpy(), [4, np.nan])
    without = ["\t".join(cells[:7] + cells[8:]) for cells in (line.split("\t") for line in rows)]
    path = write(tmp_path / "events.tsv", without, IMAGERY_HEADER.replace("\tresponse_time", ""))
    np.testing.assert_equal(stimulus_blocks(read_events(path, ["goat", "swan"]))["vividness"].to_numpy(), [4, 1])


def test_wrong_category_names_are_never_taken_for_stimuli(tmp_path):
    path = write(tmp_path / "events.tsv", IMAGERY_ROWS, IMAGERY_HEADER)
    with pytest.raises(DataError, match="does not say which stimuli are imagined.*samples: imagery_stimuli"):
        read_events(path)
    named = [f"{row}\t{'n/a' if number in (0, 9) else 'lion'}" for number, row in enumerate(IMAGERY_ROWS)]
    blocks = stimulus_blocks(read_events(write(path, named, f"{IMAGERY_HEADER}\tstimulus_name")))
    assert list(blocks["stimulus_name"]) == ["lion", "lion"]


def test_in_ds001246_the_category_is_what_is_imagined(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", imagery_in_words(), IMAGERY_HEADER))
    assert list(stimulus_blocks(events)["stimulus_name"]) == ["n01976957", "n02882301"]
    assert list(events["event"])[::9] == ["initial_rest", "final_rest"]


def test_imagery_without_a_cue_cannot_begin_at_it(tmp_path):
    rows = [row for row in IMAGERY_ROWS if not row.startswith("48.0")]
    events = read_events(write(tmp_path / "events.tsv", rows, IMAGERY_HEADER), ["goat", "swan"])
    with pytest.raises(DataError, match="imagery at 52 s has no cue"):
        stimulus_blocks(events, "cue")


# Bad cells -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (1, 0, "on/a", r"events\.tsv, line 3: 'on/a' in column 'onset' is not a number"),
        (3, 1, "n/a", r"line 5: 'n/a' in column 'duration' is not a number"),
        (2, 2, "stimulus", r"line 4: 'stimulus' in column 'event_type' is unknown; ds001506 knows"),
        (2, 2, "7", r"line 4: '7' in column 'event_type' is unknown"),
        (3, 4, "n/a", r"line 5: a stimulus block has no stimulus_name"),
        (3, 1, "0", r"line 5: a stimulus block has no duration"),
        (3, 0, "inf", r"line 5: 'inf' in column 'onset'"),
    ],
)
def test_a_bad_cell_that_is_needed_is_named(tmp_path, row, column, text, message):
    with pytest.raises(DataError, match=message):
        read_events(write(tmp_path / "events.tsv", cell(ROWS, row, column, text)))


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (1, 3, "stimulsu", r"line 3: 'stimulsu' in column 'event_type' is unknown; ds001246 knows stimulus, rest"),
        (4, 0, "on/a", r"line 6: 'on/a' in column 'onset'"),
        (4, 5, "n/a", r"line 6: a stimulus block has no stimulus_name"),
    ],
)
def test_a_bad_word_is_named(tmp_path, row, column, text, message):
    with pytest.raises(DataError, match=message):
        read_events(write(tmp_path / "events.tsv", cell(WORDS_ROWS, row, column, text), WORDS_HEADER))


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (2, 6, "x", r"line 4: 'x' in column 'category_index'"),
        (2, 6, "1.5", r"line 4: category_index is 1.5"),
        (2, 8, "vivid", r"line 4: 'vivid' in column 'evaluation'"),
        (5, 3, "9", r"line 7: '9' in column 'event_type'"),
    ],
)
def test_a_bad_cell_of_imagery_is_named(tmp_path, row, column, text, message):
    with pytest.raises(DataError, match=message):
        rows = cell(IMAGERY_ROWS, row, column, text)
        read_events(write(tmp_path / "events.tsv", rows, IMAGERY_HEADER), ["goat", "swan"])


@pytest.mark.parametrize(
    ("column", "name"), [(3, "stimulus_id"), (5, "category_index"), (6, "image_index"), (7, "response_time")]
)
def test_a_bad_cell_that_nothing_needs_is_reported_and_stops_nothing(tmp_path, caplog, column, name):
    path = write(tmp_path / "events.tsv", cell(cell(ROWS, 3, 3, "5"), 1, column, "on/a"))
    with caplog.at_level(logging.WARNING):
        events = read_events(path)
    assert list(stimulus_blocks(events)["stimulus_name"]) == ["n03079230_8270", "n01677366_18182"]
    expected = f"{path}, line 3: 'on/a' in column '{name}' is not a number, as it should be."
    assert events.attrs["warnings"] == [expected]
    assert caplog.messages == [expected]


def test_text_in_a_column_of_text_is_not_reported(tmp_path):
    rows = [f"{row}\t{note}" for row, note in zip(ROWS, ["coughed", "n/a", "7", "moved", ""], strict=True)]
    rows[3] = rows[3].replace("on/a", "5")
    events = read_events(write(tmp_path / "events.tsv", rows, f"{HEADER}\tnote"))
    assert events.attrs["warnings"] == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS[:-1], r"events\.tsv, line 5: the last event is no final rest"),
        ([*ROWS[:2], *ROWS[3:]], r"line 4: nothing is listed from 40 to 48 s, where ds001506 has no gaps \(1 in all\)"),
        ([ROWS[0], ROWS[2], ROWS[1], *ROWS[3:]], r"line 4: the onset is earlier than in the line before"),
        (cell(ROWS, 1, 1, "12"), r"line 4: the event at 40 s begins before the one at 32 s ends, at 44 s; 1 event"),
    ],
)
def test_odd_times_are_reported_and_stop_nothing(tmp_path, rows, message):
    rows = [row.replace("on/a", "5") for row in rows]
    events = read_events(write(tmp_path / "events.tsv", rows))
    (sentence,) = events.attrs["warnings"]
    assert re.search(message, sentence)


def test_clocks_need_not_be_exact(tmp_path):
    rows = cell(cell(ROWS, 2, 0, "40.03"), 3, 0, "47.98")
    assert read_events(write(tmp_path / "events.tsv", cell(rows, 3, 3, "5"))).attrs["warnings"] == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS[:3], ROWS[2], *ROWS[3:]], r"events\.tsv, line 5 repeats line 4; drop one"),
        ([*ROWS[:4], "56\t6\t-2"], r"line 6: 3 cell\(s\) where the header has 8 columns; the file may be cut short"),
        ([*ROWS[:4], f"{ROWS[4]}\tn/a"], r"line 6: 9 cell\(s\)"),
        ([f"{row}\t" for row in ROWS], r"line 2: 9 cell\(s\) where the header has 8 columns"),
        ([], r"holds no event"),
    ],
)
def test_a_file_with_bad_rows_is_named(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_events(write(tmp_path / "events.tsv", rows))


def test_a_column_that_stands_twice_is_named(tmp_path):
    with pytest.raises(DataError, match="has the column 'image_index' more than once"):
        read_events(write(tmp_path / "events.tsv", ROWS, HEADER.replace("category_index", "image_index")))


def test_blanks_returns_and_a_mark_of_byte_order_are_no_matter(tmp_path):
    plain = read_events(write(tmp_path / "events.tsv"))
    text = "\r\n".join([HEADER, "", *(row.replace("\t", " \t ") for row in ROWS)])
    (tmp_path / "windows.tsv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_events(tmp_path / "windows.tsv").equals(plain)


@pytest.mark.parametrize(
    ("rows", "header", "column"),
    [
        (ROWS, HEADER, "stimulus_name"),
        (WORDS_ROWS, WORDS_HEADER, "onset"),
        (IMAGERY_ROWS, IMAGERY_HEADER, "evaluation"),
    ],
)
def test_a_missing_column_is_named(tmp_path, rows, header, column):
    with pytest.raises(DataError, match=f"lacks the column.*{column}"):
        read_events(write(tmp_path / "events.tsv", rows, header.replace(column, "something")))


def test_a_missing_or_empty_file_is_named(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_events(tmp_path / "events.tsv")
    (tmp_path / "events.tsv").write_text("")
    with pytest.raises(DataError, match="tab-separated"):
        read_events(tmp_path / "events.tsv")
