"""Every events file of the three public datasets, where they are at hand: counts, traps, and what is made of them."""

import functools
import gzip
import os
import re
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from fmri2image.samples.events import initial_rest, read_events, stimulus_blocks
from fmri2image.samples.names import IMAGERY_ORDERS

BESIDE = Path(__file__).parents[4] / "shared" / "data"
PUBLIC = Path(os.environ.get("FMRI2IMAGE_SHARED_DATA", BESIDE)) / "openneuro"
FILES = {"ds001506": 588, "ds001246": 395, "ds001761": 438}
# Runs, trials, and repetitions of every subject, as the papers give them; imagery: 25 images and the fixation spot, or 50
# categories.
PER_SUBJECT = {
    "ds001506": {
        "perceptionNaturalImageTraining": (120, 6000, 600), "perceptionNaturalImageTest": (24, 1200, 120),
        "perceptionArtificialImage": (20, 800, 80), "perceptionLetterImage": (12, 120, 12), "imagery": (20, 520, 0),
    },
    "ds001246": {
        "perceptionTraining": (24, 1200, 120), "perceptionTest": (35, 1750, 175), "imageryTest": (20, 500, 0),
    },
}  # fmt: skip
SUBJECTS = {"ds001506": 3, "ds001246": 5}
# ds001761: runs of faces, localizers, training faces and their repetitions, test faces and theirs, imagery; by subject.
FACES = {
    "sub-01": (107, 10, 8606, 758, 810, 98, 55),
    "sub-02": (100, 8, 7800, 684, 1000, 116, 51),
    "sub-03": (98, 8, 7644, 664, 980, 120, 51),
    "sub-04": (99, 8, 7722, 686, 990, 106, 51),
}
CORRUPT = "sub-01_ses-perceptionLetterImage01_task-perception_run-01_events.tsv"


@functools.cache
def public_events(dataset):
    """Return name and events of every events file of a public dataset; each is read once for all tests."""
    archive = PUBLIC / dataset / "small-files.tar.gz"
    if not archive.is_file():
        pytest.skip(f"the events files of {dataset} are not in {PUBLIC}; set FMRI2IMAGE_SHARED_DATA to their folder")
    found = {}
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive) as files:
        for member in files:
            if member.name.endswith("_events.tsv"):
                name = member.name.split("/")[-1]
                path = Path(folder) / name
                path.write_bytes(files.extractfile(member).read())
                imagined = "ds001506" if (dataset, "_task-imagery_" in name) == ("ds001506", True) else None
                found[name] = read_events(path, imagined)
    return found


def subject(name):
    """Return the subject of a file."""
    return name.split("_")[0]


def session(name):
    """Return the kind of session of a file."""
    return name.split("_ses-")[1].split("_")[0].rstrip("0123456789")


@pytest.mark.parametrize("dataset", PER_SUBJECT)
def test_runs_and_trials_of_every_subject(dataset):
    files = public_events(dataset)
    assert len(files) == FILES[dataset]
    runs, trials, repetitions = Counter(), Counter(), Counter()
    for name, events in files.items():
        key = (subject(name), session(name))
        runs[key] += 1
        trials[key] += len(stimulus_blocks(events))
        repetitions[key] += (events["event"] == "repetition").sum()
        assert initial_rest(events)[0] == 0
        assert (events["event"] == "final_rest").sum() == 1
    found = {key: (runs[key], trials[key], repetitions[key]) for key in runs}
    subjects = [f"sub-{number:02d}" for number in range(1, SUBJECTS[dataset] + 1)]
    assert found == {(name, kind): counts for name in subjects for kind, counts in PER_SUBJECT[dataset].items()}


def test_only_the_corrupt_cell_is_reported():
    found = {name: events.attrs["warnings"] for dataset in FILES for name, events in public_events(dataset).items()}
    odd = {name: sentences for name, sentences in found.items() if sentences}
    assert list(odd) == [CORRUPT]
    assert len(odd[CORRUPT]) == 1
    assert odd[CORRUPT][0].endswith(
        f"{CORRUPT}, line 4: 'on/a' in column 'stimulus_id' is not a number, as it should be."
    )
    assert len(stimulus_blocks(public_events("ds001506")[CORRUPT])) == 10


def test_marked_repetitions_are_those_that_equal_the_stimulus_before():
    """The rule by which repetitions of ds001246 are found, on the files of ds001506, which mark them."""
    for name, events in public_events("ds001506").items():
        shown = events[events["event"].isin(["stimulus", "repetition"])]
        again = shown["stimulus_name"] == shown["stimulus_name"].shift()
        assert (again == (shown["event"] == "repetition")).all(), name


def test_imagined_stimuli_of_ds001506_are_named_as_those_that_were_seen():
    seen, imagined, unanswered = {}, Counter(), Counter()
    for name, events in public_events("ds001506").items():
        if session(name) == "imagery":
            blocks = stimulus_blocks(events)
            imagined.update((subject(name), stimulus) for stimulus in blocks["stimulus_name"])
            unanswered.update(blocks.loc[blocks["response_time"] == "n/a", "stimulus_name"])
        else:
            seen.setdefault(session(name), set()).update(events["stimulus_name"].dropna())
    order = IMAGERY_ORDERS["ds001506"]
    assert {len(names) for names in (seen["perceptionNaturalImageTest"], seen["perceptionArtificialImage"])} == {50, 40}
    shapes, images = [name for name in order if name.startswith("colorExp")], [n for n in order if n.startswith("n0")]
    assert (len(shapes), len(images)) == (15, 10)
    assert set(shapes) <= seen["perceptionArtificialImage"]
    assert set(images) <= seen["perceptionNaturalImageTest"]
    assert set(order) - set(shapes) - set(images) == {"fixation"}
    assert imagined == {(f"sub-0{number}", stimulus): 20 for number in (1, 2, 3) for stimulus in order}
    # Nothing to score: subjects answer least often after the fixation spot.
    assert unanswered.most_common(2)[0] == ("fixation", 24)
    assert unanswered.most_common(2)[1][1] == 13


@pytest.mark.parametrize(("dataset", "expected"), [("ds001506", 226), ("ds001246", 155)])
def test_imagery_without_a_press_has_no_score(dataset, expected):
    blocks = [stimulus_blocks(events) for name, events in public_events(dataset).items() if "imagery" in session(name)]
    blocks = pd.concat(blocks)
    assert blocks["vividness"].isna().sum() == expected
    assert blocks["vividness"].dropna().isin([1, 2, 3, 4, 5]).all()
    left = blocks.loc[blocks["vividness"].isna(), "evaluation"].value_counts()
    # What the files hold there: in ds001246 always the scale's first value, which answers are in 19 of 2345 trials.
    assert left.to_dict() == (
        {"1.0": 155} if dataset == "ds001246" else {"3.0": 73, "4.0": 66, "5.0": 44, "2.0": 29, "1.0": 14}
    )


def test_imagined_categories_of_ds001246_are_those_of_the_test_images():
    files = public_events("ds001246")
    imagined = Counter(
        (subject(name), stimulus)
        for name, events in files.items()
        if session(name) == "imageryTest"
        for stimulus in stimulus_blocks(events)["stimulus_name"]
    )
    tests = [events["stimulus_name"].dropna() for name, events in files.items() if session(name) == "perceptionTest"]
    categories = {name.split("_")[0] for names in tests for name in names}
    assert imagined == {(f"sub-0{number}", name): 10 for number in range(1, 6) for name in categories}
    assert len(categories) == 50


def test_faces_of_every_subject():
    files = public_events("ds001761")
    assert len(files) == FILES["ds001761"]
    counts = {name: Counter() for name in FACES}
    for name, events in files.items():
        task = re.search("_task-([a-z]+)_", name)[1]
        counts[subject(name)][task] += 1
        counts[subject(name)].update(zip(events["stimulus_set"], events["event"], strict=True))
        if task == "faces":
            assert initial_rest(events) is None
            assert len(events) == (128 if (events["event"] == "imagery").any() else 126)
            assert (events["event"] == "imagery").sum() <= 1
            assert (events["event"] != "inter_rest").sum() == 96 + (events["event"] == "imagery").sum()
        else:
            assert stimulus_blocks(events)["stimulus_name"].value_counts().to_dict() == {"face": 2, "object": 2}
            assert initial_rest(events) == (0, 16)
    keys = (
        "faces", "loc", ("train", "stimulus"), ("train", "repetition"), ("test", "stimulus"), ("test", "repetition"),
        ("imagery", "imagery"),
    )  # fmt: skip
    assert {name: tuple(found[key] for key in keys) for name, found in counts.items()} == FACES


def test_a_face_has_one_name_that_no_other_subject_uses():
    files = {name: events for name, events in public_events("ds001761").items() if "_task-faces_" in name}
    with gzip.open(PUBLIC / "ds001761" / "manifest.tsv.gz") as table:
        md5 = pd.read_csv(table, sep="\t").set_index("path")["md5"]
    shown = pd.concat([events.assign(subject=subject(name)) for name, events in files.items()])
    shown = shown[shown["event"].isin(["stimulus", "repetition"])]
    shown = shown.assign(picture=md5.reindex("stimuli/" + shown["stim_file"]).to_numpy())
    assert shown["picture"].notna().all()
    by_name = shown.groupby("stimulus_name")
    assert by_name["picture"].nunique().max() == 1
    assert by_name["subject"].nunique().max() == 1
    assert by_name["stimulus_set"].nunique().max() == 1
    names = shown.drop_duplicates("stimulus_name").groupby(["stimulus_set", "subject"]).size()
    assert names["test"].to_dict() == dict.fromkeys(FACES, 20)
    assert names["train"].to_dict() == {name: counts[2] for name, counts in FACES.items()}
    # The trap the other way round: 14 training faces are, byte for byte, a test face, six of them of the same subject.
    train, test = (shown[shown["stimulus_set"] == part].drop_duplicates("stimulus_name") for part in ("train", "test"))
    same = train.merge(test, on="picture", suffixes=("", "_test"))
    assert same["stimulus_name"].nunique() == 14
    own = same[same["subject"] == same["subject_test"]]
    assert own.groupby("subject")["stimulus_name"].nunique().to_dict() == {"sub-01": 1, "sub-02": 2, "sub-04": 3}
