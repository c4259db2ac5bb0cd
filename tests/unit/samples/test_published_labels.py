"""Names of stimuli in published samples: spelled by numbers, by tables, and never guessed."""

import csv
from pathlib import Path

import numpy as np
import pytest
from published_files import TRAIN, identifier, spm_file, write_file

from fmri2image.core.errors import DataError
from fmri2image.samples.published import read_published
from fmri2image.samples.published_labels import NUMBERED, name_of_id, read_label_table

EVENTS = Path(__file__).parents[4] / "shared" / "data" / "openneuro" / "ds001506" / "small-files.tar.gz"


def index_file(path: Path, numbers: list[float], key: str = "image_index") -> Path:
    """Write a file that holds nothing but small numbers as labels."""
    return write_file(path, np.ones((len(numbers), 2)), {"ROI_VC": np.ones(2)}, {key: np.array(numbers)})


@pytest.mark.parametrize(
    "name", ["n03079230_8270", "n01518878_5958", "n01518878_10042", "n13111881_9170", "n00007846_100000", "n12345678_1"]
)
def test_numbers_spell_names(name):
    if name == "n00007846_100000":  # a synset of fewer digits than numbers of synsets have
        with pytest.raises(ValueError, match="7846"):
            name_of_id(identifier(name))
        return
    assert name_of_id(identifier(name)) == name
    assert name_of_id(float(f"{identifier(name):.6f}")) == name
    with pytest.raises(ValueError, match=r"\d"):
        name_of_id(identifier(name) + 4e-7)


def test_every_published_name_is_spelled_and_ordered(tmp_path):
    """All names in the real events of ds001506: spelling, uniqueness, and image_index as the rank of the name."""
    if not EVENTS.is_file():
        pytest.skip("shared/data/openneuro is absent")
    import tarfile

    found: dict[str, dict[int, tuple[str, str]]] = {"train": {}, "test": {}, "shapes": {}, "letters": {}}
    sets = {
        "NaturalImageTraining": "train",
        "NaturalImageTest": "test",
        "ArtificialImage": "shapes",
        "LetterImage": "letters",
    }
    with tarfile.open(EVENTS) as archive:
        for member in archive:
            kind = next((value for key, value in sets.items() if f"ses-perception{key}" in member.name), None)
            if kind is None or not member.name.endswith("_events.tsv") or "sub-01" not in member.name:
                continue
            lines = archive.extractfile(member).read().decode().splitlines()
            for row in csv.DictReader(lines, delimiter="\t"):
                if row["stimulus_name"] != "n/a":
                    found[kind][int(row["image_index"])] = row["stimulus_name"], row["stimulus_id"]
    assert {kind: len(entries) for kind, entries in found.items()} == {
        "train": 1200,
        "test": 50,
        "shapes": 40,
        "letters": 10,
    }
    for kind in ("train", "test"):
        names = [found[kind][number][0] for number in sorted(found[kind])]
        assert [name_of_id(float(found[kind][number][1])) for number in sorted(found[kind])] == names
        assert names == sorted(names)
    for kind in ("shapes", "letters"):
        assert tuple(found[kind][number][0] for number in sorted(found[kind])) == NUMBERED[kind]


@pytest.mark.parametrize(
    "lines",
    [
        [f"{name}\t{number}" for number, name in enumerate(TRAIN, start=1)],
        [f"{name}.JPEG\t{identifier(name):.6f}\t{1 + number // 2}\t{1 + number}" for number, name in enumerate(TRAIN)],
        ["image_index\tstimulus_name", *(f"{number}\t{name}" for number, name in enumerate(TRAIN, start=1))],
        ["category\tnumber\tpicture", *(f"{name[:9]}\t{number}\t{name}" for number, name in enumerate(TRAIN, start=1))],
    ],
)
def test_tables_are_read_by_content(tmp_path, lines):
    table = tmp_path / "stimulus.tsv"
    table.write_text("\n".join([*lines, ""]))
    assert read_label_table(table).names == TRAIN
    path = index_file(tmp_path / "a.h5", [3, 1, 2, 4, 1])
    read = read_published(path, "train", labels=table)
    assert list(read.trials["stimulus"]) == [TRAIN[2], TRAIN[0], TRAIN[1], TRAIN[3], TRAIN[0]]
    assert "stimulus.tsv" in read.attributes["names"]


def test_a_table_must_name_all_labels(tmp_path):
    table = tmp_path / "stimulus.tsv"
    table.write_text("".join(f"{name}\t{number}\n" for number, name in enumerate(TRAIN, start=1)))
    with pytest.raises(DataError, match=r"names no stimulus for 'image_index' = 7, 9 \(2 of 3 labels\); its column"):
        read_published(index_file(tmp_path / "a.h5", [7, 1, 9]), "train", labels=table)


def test_the_table_of_another_set_is_refused(tmp_path):
    """Small numbers would fit any table; numbers that spell names do not, and they decide."""
    table = tmp_path / "stimulus.tsv"
    table.write_text("".join(f"n0000000{number}_{number}\t{number}\n" for number in range(1, 9)))
    path = spm_file(tmp_path / "a.h5", TRAIN, np.ones((4, 2)))
    with pytest.raises(DataError, match="names no stimulus for 'stimulus_id' = 1518878.010042"):
        read_published(path, "train", labels=table)


@pytest.mark.parametrize("content, message", [
    ("1\t2\n3\t4\n", "no column of names that are all different"),
    ("a\tx\nb\ty\n", "no column of numbers that are all different"),
    ("", "cannot be read as a tab-separated table"),
])  # fmt: skip
def test_tables_that_name_nothing(tmp_path, content, message):
    table = tmp_path / "stimulus.tsv"
    table.write_text(content)
    with pytest.raises(DataError, match=message):
        read_label_table(table)


def test_numbers_that_lost_digits_are_refused(tmp_path):
    ids = np.array([identifier(name) for name in TRAIN]).astype(np.float32).astype(float)
    path = write_file(tmp_path / "a.h5", np.ones((4, 2)), {"ROI_VC": np.ones(2)}, {"stimulus_id": ids})
    with pytest.raises(DataError, match="the numbers lost digits"):
        read_published(path, "train")


def test_texts_and_numbers_must_agree(tmp_path):
    design = {"stimulus_name": np.array([1.0, 2]), "stimulus_id": np.array([identifier(name) for name in TRAIN[1::-1]])}
    texts = {"stimulus_name": {1: TRAIN[0], 2: TRAIN[1]}}
    path = write_file(tmp_path / "a.h5", np.ones((2, 2)), {"ROI_VC": np.ones(2)}, design, texts)
    with pytest.raises(DataError, match="'stimulus_name' and 'stimulus_id' name different stimuli in 2 rows"):
        read_published(path, "train")


def test_texts_must_be_complete(tmp_path):
    path = write_file(
        tmp_path / "a.h5", np.ones((2, 2)), {"ROI_VC": np.ones(2)}, {"stimulus_name": np.array([1.0, 7])},
        {"stimulus_name": {1: "owl.JPEG"}},
    )  # fmt: skip
    with pytest.raises(DataError, match="the value map of 'stimulus_name' has no text for 7"):
        read_published(path, "train")


def test_numbers_alone_name_no_natural_image(tmp_path):
    with pytest.raises(DataError, match="tells no stimulus names for the set 'train' .labels: image_index"):
        read_published(index_file(tmp_path / "a.h5", [1, 2]), "train")
    with pytest.raises(DataError, match="'image_index' goes up to 41, but this set of ds001506 has 40 stimuli"):
        read_published(index_file(tmp_path / "b.h5", [1, 41]), "shapes")
    with pytest.raises(DataError, match="'category_index' goes up to 25, but this set of ds001506 has 26 stimuli"):
        read_published(index_file(tmp_path / "c.h5", [1, 25], "category_index"), "imagery")
