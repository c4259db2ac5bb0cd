"""Events of ds000255, whose stimuli are patterns, and of a lab's own files in the generic dialect."""

import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmri2image.acquire.patterns import FIGURES
from fmri2image.core.errors import DataError
from fmri2image.core.samples import Samples, write_bdata
from fmri2image.samples.events import initial_rest, read_events, stimulus_blocks
from fmri2image.samples.stimuli import check_stimuli, stimuli_of_events, stimuli_of_samples

ARCHIVE = Path(__file__).resolve().parents[4] / "shared" / "data" / "openneuro" / "ds000255" / "small-files.tar.gz"
NAMED = {name: pattern for pattern, (name, _) in FIGURES.items()}
CHECKER = "10" * 72
FIGURE_RUN = [
    "onset\tduration\ttrial_type\tstimulus_pattern",
    "0\t28\trest\tnull",
    f"28\t12\tstimulus_shape\t{NAMED['plus']}",
    "40\t12\trest\tnull",
    f"52\t12\tstimulus_alphabet\t{NAMED['n_thin']}",
    "64\t12\trest\tnull",
    f"76\t12\tstimulus_random\t{CHECKER}",
    "88\t12\trest\tnull",
]
OWN_RUN = [
    "onset\tduration\ttrial_type\tstim_file\tone_back",
    "0\t10\tbaseline\tn/a\t0",
    "10\t4\tface\tfaces/Anna.png\t0",
    "14\t4\tface\tfaces/Anna.png\t1",
    "18\t2\tITI\tn/a\tn/a",
    "20\t4\thouse\thouses/barn.v2.jpg\t0",
    "24\t8\trest\tn/a\tn/a",
]


def write(path: Path, lines: list[str]) -> Path:
    """Write an events file."""
    path.write_text("\n".join(lines) + "\n")
    return path


def with_cell(lines: list[str], line: int, column: str, text: str) -> list[str]:
    """Return the lines of a file with one cell replaced; lines count from 1."""
    rows = [cells.split("\t") for cells in lines]
    rows[line - 1][rows[0].index(column)] = text
    return ["\t".join(cells) for cells in rows]


# ds000255 -------------------------------------------------------------------------------------------------------------


def test_patterns_become_names_and_sets(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", FIGURE_RUN))
    assert list(events["event"]) == [
        "initial_rest", "stimulus", "inter_rest", "stimulus", "inter_rest", "stimulus", "final_rest",
    ]  # fmt: skip
    assert initial_rest(events) == (0.0, 28.0)
    blocks = stimulus_blocks(events)
    assert list(blocks["stimulus_name"]) == ["plus", "n_thin", "random_8163fe34ba"]
    assert list(blocks["stimulus_set"]) == ["shapes", "lettersthin", "random"]
    assert events.loc[events["event"] != "stimulus", "stimulus_name"].isna().all()
    assert events.attrs["warnings"] == []


def test_the_name_of_a_random_pattern_is_its_own(tmp_path):
    lines = with_cell(FIGURE_RUN, 3, "trial_type", "stimulus_random")
    lines = with_cell(lines, 5, "stimulus_pattern", "0" + CHECKER[1:])
    names = read_events(write(tmp_path / "events.tsv", lines))["stimulus_name"].dropna()
    assert names.str.startswith("random_").sum() == 2
    assert names.iloc[1].startswith("letter_")  # an unknown letter is named by its type and digits
    assert names.nunique() == 3


@pytest.mark.parametrize(
    ("line", "column", "text", "sentence"),
    [
        (3, "stimulus_pattern", "null", "line 3: stimulus_pattern is no pattern of 144 digits"),
        (3, "stimulus_pattern", CHECKER[:-1], "line 3: stimulus_pattern is no pattern of 144 digits"),
        (3, "stimulus_pattern", CHECKER[:-1] + "2", "line 3: stimulus_pattern is no pattern of 144 digits"),
        (4, "stimulus_pattern", CHECKER, "line 4: a rest has a stimulus_pattern"),
        (
            5,
            "trial_type",
            "stimulus_word",
            r"line 5: 'stimulus_word' in column 'trial_type' is unknown; ds000255 knows",
        ),
    ],
)
def test_bad_cells_of_patterns(tmp_path, line, column, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_events(write(tmp_path / "events.tsv", with_cell(FIGURE_RUN, line, column, text)))


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """All events of the real dataset by file name."""
    if not ARCHIVE.exists():
        pytest.skip("the small files of ds000255 are not here")
    folder = tmp_path_factory.mktemp("ds000255")
    with tarfile.open(ARCHIVE) as archive:
        members = [member for member in archive.getmembers() if member.name.endswith("_events.tsv")]
        archive.extractall(folder, members, filter="data")
    return {path.name: read_events(path) for path in sorted(folder.rglob("*_events.tsv"))}


def test_all_real_files_read_as_their_readme_says(real):
    blocks = {name: stimulus_blocks(events) for name, events in real.items()}
    assert Counter(len(table) for table in blocks.values()) == {22: 40, 10: 22}
    assert all(not events.attrs["warnings"] for events in real.values())
    assert {initial_rest(events) for events in real.values()} == {(0.0, 28.0)}
    assert {float((events["onset"] + events["duration"]).iloc[-1]) for events in real.values()} == {298.0, 268.0}
    found = {}
    for subject in ("sub-01", "sub-02"):
        table = pd.concat(part for name, part in blocks.items() if name.startswith(subject))
        found[subject] = table.groupby("stimulus_set")["stimulus_name"].agg(["size", "nunique"])
    counts = {subject: {name: tuple(row) for name, row in table.iterrows()} for subject, table in found.items()}
    assert counts["sub-01"] == {
        "letters": (20, 5), "letterslong": (20, 5), "lettersthin": (40, 5), "random": (440, 440), "shapes": (40, 5),
    }  # fmt: skip
    assert counts["sub-02"] == {"letters": (30, 5), "lettersthin": (30, 5), "random": (440, 440), "shapes": (40, 5)}


def test_every_real_figure_has_a_name_and_all_names_occur(real):
    shown = pd.concat(stimulus_blocks(events) for events in real.values())
    figures = shown[shown["stimulus_set"] != "random"]
    assert set(figures["stimulus_name"]) == set(NAMED)
    assert dict(zip(figures["stimulus_name"], figures["stimulus_pattern"], strict=True)) == NAMED
    inner = [np.array(list(pattern)).reshape(12, 12)[2:-2, 2:-2] for pattern in NAMED.values()]
    assert all(
        "".join(part.ravel()).count("1") == pattern.count("1") for part, pattern in zip(inner, FIGURES, strict=True)
    )


# Own files ------------------------------------------------------------------------------------------------------------


def test_own_files_with_stim_file(tmp_path):
    events = read_events(write(tmp_path / "events.tsv", OWN_RUN))
    assert list(events["event"]) == ["initial_rest", "stimulus", "repetition", "inter_rest", "stimulus", "final_rest"]
    assert list(stimulus_blocks(events)["stimulus_name"]) == ["Anna", "barn.v2"]
    assert events["stimulus_set"].isna().all()
    assert events.attrs["warnings"] == []


def test_own_files_with_names_sets_cues_and_imagery(tmp_path):
    lines = [
        "onset\tduration\ttrial_type\tstimulus_name\tstimulus_set",
        "0\t4\tn/a\tcat\ttrain",
        "4\t2\tcue\tdog\tn/a",
        "6\t8\timagery\tdog\timagery",
        "14\t3\tevaluation\tn/a\tn/a",
        "17\t4\tfixation\tn/a\tn/a",
    ]
    events = read_events(write(tmp_path / "events.tsv", lines))
    assert list(events["event"]) == ["stimulus", "cue", "imagery", "evaluation", "final_rest"]
    assert list(stimulus_blocks(events, "cue")["averaged_from"]) == [0, 4]
    assert list(events["stimulus_set"]) == ["train", None, "imagery", None, None]
    with pytest.raises(DataError, match="line 2: stimulus_set has other than lower-case letters"):
        read_events(write(tmp_path / "events.tsv", with_cell(lines, 2, "stimulus_set", "Train-1")))


@pytest.mark.parametrize(
    ("line", "column", "text", "sentence"),
    [
        (
            5,
            "trial_type",
            "button",
            "line 5: 'button' in column 'trial_type' names no stimulus and is no rest; name its",
        ),
        (3, "trial_type", "rest", "line 3: a rest names a stimulus"),
        (3, "one_back", "maybe", "line 3: one_back is neither 0 nor 1"),
        (3, "duration", "0", "line 3: a stimulus block has no duration"),
        (1, "stim_file", "picture", "lacks a column that names stimuli; it has .*; add stimulus_name, or stim_file"),
        (
            1,
            "trial_type",
            "condition",
            r"lacks the column\(s\) event_type, stimulus_name.*trial_type and stimulus_name",
        ),
    ],
)
def test_bad_cells_of_own_files(tmp_path, line, column, text, sentence):
    with pytest.raises(DataError, match=sentence):
        read_events(write(tmp_path / "events.tsv", with_cell(OWN_RUN, line, column, text)))


# Which stimuli there are ----------------------------------------------------------------------------------------------


def test_stimuli_of_events_keep_their_own_set_or_take_that_of_the_run(tmp_path):
    own, figures = write(tmp_path / "own.tsv", OWN_RUN), write(tmp_path / "figures.tsv", FIGURE_RUN)
    wanted = stimuli_of_events({own: "test", figures: "figures"})
    assert wanted.to_dict("records")[:3] == [
        {"stimulus": "Anna", "stimulus_set": "test", "file": "faces/Anna.png", "pattern": None, "imagined": False},
        {
            "stimulus": "barn.v2",
            "stimulus_set": "test",
            "file": "houses/barn.v2.jpg",
            "pattern": None,
            "imagined": False,
        },
        {"stimulus": "plus", "stimulus_set": "shapes", "file": None, "pattern": NAMED["plus"], "imagined": False},
    ]
    assert len(wanted) == 5


def test_stimuli_of_samples_are_read_without_the_responses(tmp_path):
    trials = pd.DataFrame({"stimulus": ["b", "a", "b"], "stimulus_set": ["test", "train", "test"], "run": [1, 1, 2]})
    voxels = pd.DataFrame({"ROI_VC": [1, 1]})
    write_bdata(tmp_path / "sub-01.h5", Samples(np.zeros((3, 2), np.float32), trials, voxels))
    wanted = stimuli_of_samples([tmp_path / "sub-01.h5"])
    assert list(zip(wanted["stimulus"], wanted["stimulus_set"], strict=True)) == [("b", "test"), ("a", "train")]
    write_bdata(tmp_path / "other.h5", Samples(np.zeros((3, 2), np.float32), trials.drop(columns="stimulus"), voxels))
    with pytest.raises(DataError, match="other.h5 has no trial column 'stimulus'"):
        stimuli_of_samples([tmp_path / "other.h5"])


def test_a_set_without_pictures_passes_but_a_missing_picture_among_others_does_not(tmp_path):
    trials = pd.DataFrame({"stimulus": ["a", "b"], "stimulus_set": "test", "session": "01", "run": 1})
    events = {("01", 1): "events.tsv"}
    table = pd.DataFrame({"stimulus": ["a", "b"], "stimulus_set": "test", "picture": "missing"})
    check_stimuli(trials, events, table, "stimuli.tsv")
    table.loc[0, "picture"] = "yes"
    with pytest.raises(DataError, match="names the stimulus b, but image set 'test' .*samples: leave_out"):
        check_stimuli(trials, events, table, "stimuli.tsv")
    with pytest.raises(DataError, match="names the stimulus c"):
        check_stimuli(trials.assign(stimulus="c"), events, table.assign(picture="missing"), "stimuli.tsv")
