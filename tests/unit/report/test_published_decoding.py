"""What the first page says of decoded features that others have published: assumed names, and which decoder numbers are of."""

import re

import h5py
import pandas as pd
from small_study import CODE, accuracy, settings, write_study

from fmri2image.core.tables import write_table
from fmri2image.report.assumed_names import assumed_names
from fmri2image.report.decoding_figures import draw_decoding_accuracy
from fmri2image.report.page_figures import HIDDEN_CEILING
from fmri2image.report.summary import write_summary

ORDER = "assumed: the numbers in the stimuli's names, ascending"


def write_decoded(
    folder, layer: str, test: str, names: str = ORDER, compared: tuple[float, float] | None = None
) -> str:
    path = folder / f"decode/paper/vgg19/sub-01_roi-VC/{layer}.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "a") as file:
        file.attrs[f"{test}_names"] = names
        file.attrs[f"{test}_names_assumed"] = str(names.startswith("assumed"))
        if compared:
            file.attrs[f"{test}_names_correlation"], file.attrs[f"{test}_names_p"] = compared
    return str(path)


def test_assumed_names_are_said_with_how_well_they_fit(tmp_path):
    paths = [
        write_decoded(tmp_path, "conv1_1", "test", compared=(0.1, 0.2)),
        write_decoded(tmp_path, "fc8", "test", compared=(0.3, 0.001)),
    ]
    write_decoded(tmp_path, "fc8", "imagery")
    (note,) = assumed_names(paths, ["test", "imagery"])
    assert "The files of decoder paper number their images and do not name them" in note.text
    assert "the numbers in the stimuli's names, ascending" in note.text
    assert "test: r = 0.20, better than names at random in 1 of 2 files" in note.text
    assert "imagery: not to be checked" in note.text


def test_names_that_are_known_need_no_word(tmp_path):
    named = write_decoded(tmp_path, "fc8", "test", "named by the files", (0.3, 0.001))
    table = write_decoded(tmp_path / "other", "fc8", "test", "config/names.tsv")
    assert assumed_names([named, table], ["test"]) == []
    assert assumed_names([], ["test"]) == []
    assumed = write_decoded(tmp_path / "third", "fc8", "shapes")
    assert assumed_names([assumed], ["test"]) == []  # the study does not have that test


def test_the_first_page_says_it_first_and_lists_no_digest_of_large_files(tmp_path):
    inputs = write_study(tmp_path)
    inputs["decoded"] = [write_decoded(tmp_path, "fc8", "test", compared=(0.3, 0.001))]
    write_summary(inputs, str(tmp_path / "summary.html"), settings(), CODE)
    text = re.sub(r"\s+", " ", (tmp_path / "summary.html").read_text(encoding="utf-8"))
    assert text.split('class="caution"')[1].startswith("><ul><li><b>Names assumed.</b>")
    assert "fc8.h5" not in text
    assert "<b>None.</b> Every step taken here towards identification.tsv" in text  # of the others' nothing is known


def test_numbers_of_two_decoders_are_not_averaged(tmp_path):
    inputs = write_study(tmp_path)
    ours = accuracy()
    theirs = ours.assign(decoder="paper", value=ours["value"] + 0.5)
    write_table(inputs["accuracy"][0], pd.concat([theirs, ours]))
    write_summary(inputs, str(tmp_path / "summary.html"), settings(), CODE)
    text = re.sub(r"\s+", " ", (tmp_path / "summary.html").read_text(encoding="utf-8"))
    assert "Decoder ridge; those of paper are on the pages of the subjects." in text
    assert '<td>VC</td><td class="n">0.41 (0.36–0.46)</td>' in text


def test_a_ceiling_that_is_scored_and_not_shown_is_explained(tmp_path):
    inputs = write_study(tmp_path)
    texts = []
    for images in (inputs["images"], [path for path in inputs["images"] if "true-features" not in path]):
        write_summary({**inputs, "images": images}, str(tmp_path / "summary.html"), settings(), CODE)
        texts.append(re.sub(r"\s+", " ", (tmp_path / "summary.html").read_text(encoding="utf-8")))
    assert [text.count(HIDDEN_CEILING) for text in texts] == [0, 1]
    assert ["Last line: the ceiling" in text for text in texts] == [True, False]
    assert all("Black line: the same method on true features." in text for text in texts)


def test_a_primary_decoder_without_true_features_leaves_the_figure_to_the_other(tmp_path):
    draw_decoding_accuracy(accuracy(), [str(tmp_path / "figure.svg")], {"simulated": False, "decoder": "paper"})
    assert "Decoder: ridge" in (tmp_path / "figure.svg").read_text()
