"""What reports show of stimuli: pictures, or names where there is none or the terms forbid it; and tests without scores."""

import base64
import io
import re
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import CODE, STIMULI, identification, samples, scores, settings, write_study

from fmri2image.acquire.stimuli import StimulusSettings, import_set
from fmri2image.core.arrays import LabelledArray, read_array, read_attributes, write_arrays
from fmri2image.core.errors import DataError, LabelMismatchError
from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.reliability import RESPONSE_COLUMNS, describe_responses
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS
from fmri2image.report.decoding_figures import draw_decoding_accuracy
from fmri2image.report.examples import draw_examples
from fmri2image.report.figures import draw_identification, draw_methods
from fmri2image.report.headline import headline
from fmri2image.report.norm import draw_norm_correction
from fmri2image.report.sheets import draw_sheet
from fmri2image.report.stimuli import (
    LABELS,
    NOTES,
    card,
    has_pictures,
    joined_notes,
    seen_label,
    shown_images,
    shown_note,
    stimulus_rows,
)
from fmri2image.report.style import NOT_SCORED, PRIMARY_NOT_SCORED
from fmri2image.report.subject_page import write_subject_page
from fmri2image.report.summary import image_detail, skipped_parts, write_summary
from fmri2image.report.tables import gather

MARKER = (255, 0, 160)  # of every hidden picture; nothing else in a report has it


def write_stimuli(path, kind: str) -> str:
    """Write the stimuli of the small study: ``open``, ``hidden``, ``missing`` or ``partial`` (only the first has one)."""
    pictures = LabelledArray(np.full((3, 8, 8, 3), MARKER, np.uint8), STIMULI)
    arrays = {"images": pictures}
    if kind in ("missing", "partial"):
        known = STIMULI[:1] if kind == "partial" else []
        rest = [name for name in STIMULI if name not in known]
        arrays = {"names": LabelledArray(np.zeros((len(rest), 1), np.uint8), rest)}
        arrays |= {"images": pictures.take(known)} if known else {}
    write_arrays(path, arrays, {"show": "no" if kind == "hidden" else "yes"})
    return str(path)


def write_hidden(folder: Path, kind: str, sets=("test", "imagery")) -> dict[str, list[str]]:
    """Write the small study with other stimuli, and reconstructions that are all of one other colour."""
    inputs = write_study(folder)
    for path in inputs["images"]:
        made = read_array(path, "images")
        made.values[:] = np.array([0.1, 0.6, 0.3], np.float32)[:, None, None]
        write_arrays(path, {"images": made}, read_attributes(path))
    for name in sets:
        write_stimuli(folder / "stimuli" / f"{name}.h5", kind)
    return inputs


def has_marker(pixels: np.ndarray) -> bool:
    """Tell whether an image has the colour of hidden pictures, JPEG's changes allowed for."""
    return bool((np.abs(pixels.astype(int) - MARKER).max(axis=-1) < 24).any())


def marked(path) -> bool:
    """Tell whether hidden pixels are in a file: PNG, PDF, or a page with all its embedded pictures."""
    path = Path(path)
    if path.suffix == ".pdf":
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", path.read_bytes(), re.DOTALL)
        content = []
        for stream in streams:
            try:
                content.append(zlib.decompress(stream))
            except zlib.error:
                content.append(stream)
        # Pictures of few colours are stored as numbers of a palette.
        return any(bytes(MARKER) in part for part in (*content, path.read_bytes()))
    if path.suffix == ".html":
        found = re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", path.read_text(encoding="utf-8"))
        assert found
        pictures = [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]
    else:
        pictures = [Image.open(path)]
    return any(has_marker(np.asarray(picture.convert("RGB"))) for picture in pictures)


def no_scores(inputs: dict, keep=()) -> None:
    """Leave only some tests in the tables of scores, as in a study whose other tests have no pictures."""
    for name, table in (("identification", identification()), ("scores", scores())):
        write_table(inputs[name][0], table[table["test"].isin(keep)])


def subject_page(folder: Path, inputs: dict) -> Path:
    """Write the page of subject 01 and return it."""
    mine = {name: inputs[name] for name in ("identification", "scores", "accuracy", "motion", "stimuli")}
    mine["images"] = [path for path in inputs["images"] if Path(path).stem.startswith("sub-01")]
    mine["quality"] = []
    responses = describe_responses(samples(), "small", True)
    write_table(folder / "sub-01_responses.tsv", responses, RESPONSE_COLUMNS)
    outputs = {"page": str(folder / "sub-01.html"), "responses": str(folder / "sub-01_responses.tsv")}
    write_subject_page(mine, responses, outputs, "01", settings())
    return folder / "sub-01.html"


def summary(folder: Path, inputs: dict, **more) -> str:
    """Write the first page and return its text."""
    write_summary(inputs, str(folder / "summary.html"), {**settings(), **more}, CODE)
    return re.sub(r"\s+", " ", (folder / "summary.html").read_text(encoding="utf-8"))


# Cards ----------------------------------------------------------------------------------------------------------------


def test_pictures_are_shown_and_names_stand_for_the_others(tmp_path):
    path = write_stimuli(tmp_path / "open.h5", "open")
    shown = shown_images(path, STIMULI[::-1])
    assert shown.rows == STIMULI[::-1]
    assert shown.values.shape == (3, 3, 8, 8)
    assert np.allclose(shown.values.transpose(0, 2, 3, 1), np.array(MARKER) / 255)
    assert (shown.attributes["cards"], shown_note(path), has_pictures(path)) == ({}, "", True)

    path = write_stimuli(tmp_path / "hidden.h5", "hidden")
    shown = shown_images(path)
    assert shown.attributes["cards"] == dict.fromkeys(STIMULI, "hidden")
    assert np.allclose(shown.values[1], card(STIMULI[1], "hidden"))
    assert (shown_note(path), has_pictures(path)) == (NOTES["hidden"], True)

    path = write_stimuli(tmp_path / "missing.h5", "missing")
    assert shown_images(path, ["a-dog"]).attributes["cards"] == {"a-dog": "missing"}
    assert (shown_note(path), has_pictures(path), stimulus_rows(path)) == (NOTES["missing"], False, STIMULI)
    with pytest.raises(LabelMismatchError, match=r"missing\.h5 names e-fox"):
        shown_images(path, ["e-fox"])

    path = write_stimuli(tmp_path / "partial.h5", "partial")
    shown = shown_images(path)
    assert shown.values.shape == (3, 3, 8, 8)
    assert shown.attributes["cards"] == dict.fromkeys(STIMULI[1:], "missing")
    assert np.allclose(shown.values[0].transpose(1, 2, 0), np.array(MARKER) / 255)
    assert (shown_note(path), has_pictures(path)) == (NOTES["missing"], False)
    assert joined_notes(["", NOTES["missing"], NOTES["missing"]]) == NOTES["missing"]
    assert "must not be shown or are not there" in joined_notes(NOTES.values())


@pytest.mark.parametrize(
    "name", ["X", "n03079230_8270", "colorExpStim04_red_smallring", "a" * 70, "with blanks and-more_1"]
)
@pytest.mark.parametrize("kind", LABELS)
def test_cards_are_grey_and_hold_large_dark_letters_inside_their_border(name, kind):
    image = card(name, kind)
    assert image.shape == (3, 224, 224)
    assert np.ptp(image, axis=0).max() == 0
    dark = np.argwhere(image[0] < 0.3)
    assert len(dark) > 60
    assert dark.min() >= 4
    assert dark.max() <= 219
    assert not np.array_equal(image, card(name[:-1] + "#", kind))
    assert card(name, kind, 106).shape == (3, 106, 106)


# Nothing that must not be shown is shown ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["open", "hidden"])
def test_no_hidden_pixel_reaches_a_figure(tmp_path, kind):
    inputs = write_hidden(tmp_path, kind)
    of_test = [path for path in inputs["images"] if path.endswith("_test.h5")]
    outputs = [str(tmp_path / f"sheet.{suffix}") for suffix in ("png", "pdf")]
    draw_sheet(of_test, inputs["stimuli"][0], outputs, {"method": "icnn", "roi": "VC", "test": "test"}, settings())
    outputs += [str(tmp_path / "examples.png")]
    draw_examples(inputs["images"], inputs["stimuli"], outputs[2:], settings())
    versions = {**settings(), "versions": {"icnn": "norm"}, "test": "test", "subject": "01"}
    one = [path for path in of_test if "sub-01" in path]
    outputs += [str(tmp_path / "norm.png")]
    draw_norm_correction(one, inputs["stimuli"][0], identification(), outputs[3:], versions)
    assert [marked(path) for path in outputs] == [kind == "open"] * 4


@pytest.mark.parametrize("kind", ["open", "hidden"])
def test_no_hidden_pixel_reaches_a_page_and_pages_say_so(tmp_path, kind):
    inputs = write_hidden(tmp_path, kind)
    draw_examples(inputs["images"], inputs["stimuli"], inputs["examples"], settings())
    text, page = summary(tmp_path, inputs), subject_page(tmp_path, inputs)
    assert marked(tmp_path / "summary.html") == marked(page) == (kind == "open")
    for content in (text, page.read_text()):
        assert (NOTES["hidden"] in content) == (kind == "hidden")
        assert NOTES["missing"] not in content
    assert ('alt="Seen (not shown (terms)): a-dog"' in page.read_text()) == (kind == "hidden")


# What was imagined ----------------------------------------------------------------------------------------------------


def test_what_was_imagined_is_told_by_the_events_whatever_the_set_is_called(tmp_path):
    inputs = write_study(tmp_path)
    text, page = summary(tmp_path, inputs), subject_page(tmp_path, inputs).read_text()
    assert "What was seen and imagined" in text
    assert "<b>Imagery.</b> Nothing was on the screen" in text
    assert page.count('alt="Imagined: ') == page.count('alt="Seen: ')  # best and worst of both tests, and all of them
    for name, imagined, label in (("test", "no", "Seen"), ("mind", "yes", "Imagined"), ("imagery", "no", "Imagined")):
        path = tmp_path / f"{name}.h5"
        write_arrays(
            path, {"images": read_array(write_stimuli(tmp_path / "any.h5", "open"), "images")}, {"imagined": imagined}
        )
        assert seen_label(path) == label
    seen = next(path for path in inputs["stimuli"] if path.endswith("/test.h5"))
    write_arrays(seen, {"images": read_array(seen, "images")}, {"imagined": "yes"})
    assert subject_page(tmp_path, inputs).read_text().count('alt="Seen: ') == 0
    text = summary(tmp_path, inputs)
    assert text.count("Nothing was on the screen") == 1


@pytest.mark.parametrize(
    ("imagined", "label"), [([True, True], "Imagined"), ([True, False], "Seen"), ([None, None], "Seen")]
)
def test_a_set_was_imagined_if_all_its_events_say_so(tmp_path, imagined, label):
    wanted = pd.DataFrame({"stimulus": STIMULI[:2], "file": None, "pattern": None, "imagined": imagined}, dtype=object)
    import_set("mind", wanted, StimulusSettings("missing", reason="they are lost"), 8, tmp_path / "mind.h5")
    assert seen_label(tmp_path / "mind.h5") == label


# Tests that were not scored -------------------------------------------------------------------------------------------


def test_pages_of_a_study_with_a_test_that_was_not_scored(tmp_path):
    inputs = write_hidden(tmp_path, "missing", ["imagery"])
    no_scores(inputs, ["test"])
    assert set(image_detail(inputs, settings())) == {"test"}
    text = summary(tmp_path, inputs)
    assert NOT_SCORED not in text
    assert PRIMARY_NOT_SCORED not in text
    assert 'id="identification"' in text
    page = subject_page(tmp_path, inputs).read_text()
    assert NOTES["missing"] in text
    assert NOTES["missing"] in page
    assert "icnn, VC, imagery: 3 images" in page
    assert page.count("r = – · id. –<") == 3
    assert page.count("<b>Best</b>") == page.count("<b>Worst</b>") == 1


def test_pages_of_a_study_whose_primary_setting_alone_was_not_scored(tmp_path):
    inputs = write_study(tmp_path)
    table = read_table(inputs["identification"][0], subject=str)
    write_table(inputs["identification"][0], table[table["method"] == "pixels"])
    text = summary(tmp_path, inputs)
    assert text.count(PRIMARY_NOT_SCORED) == 2
    assert NOT_SCORED not in text
    assert "How good the reconstructions of the primary setting are" in text
    assert PRIMARY_NOT_SCORED in subject_page(tmp_path, inputs).read_text()


def test_an_image_without_a_score_in_a_scored_test_stops(tmp_path):
    inputs = write_hidden(tmp_path, "open")
    table = scores()
    write_table(inputs["scores"][0], table[(table["test"] != "test") | (table["stimulus"] != "a-dog")])
    with pytest.raises(DataError, match="the image of 'a-dog' has no score"):
        subject_page(tmp_path, inputs)


def test_a_study_without_any_score(tmp_path):
    inputs = write_hidden(tmp_path, "missing")
    tables = [str(tmp_path / "identification.tsv"), str(tmp_path / "decoding_accuracy.tsv")]
    gather([], [], [], [], str(tmp_path / "scores.tsv"), tables, {"simulated": False})
    assert list(read_table(tables[0]).columns) == list(PERMUTATION_COLUMNS)
    assert list(read_table(tmp_path / "scores.tsv").columns) == list(SCORE_COLUMNS)
    empty = read_table(tables[0], subject=str)
    figure = {
        **settings(),
        "methods": ["icnn"],
        "decoder": "ridge",
        "versions": {"icnn": "norm"},
        "test": "test",
        "subject": "01",
    }
    for draw, table in (
        (draw_identification, empty),
        (draw_methods, empty),
        (draw_decoding_accuracy, read_table(tables[1])),
    ):
        draw(table, [str(tmp_path / "figure.svg")], figure)
        assert "compare" in (tmp_path / "figure.svg").read_text()
    one = [path for path in inputs["images"] if path.endswith("sub-01_roi-VC_test.h5")]
    draw_norm_correction(one, inputs["stimuli"][0], empty, [str(tmp_path / "norm.svg")], figure)
    assert NOT_SCORED in (tmp_path / "norm.svg").read_text()
    assert headline(tables[0], "icnn", "VC") == [f"  {NOT_SCORED}"]
    text = summary(tmp_path, inputs)
    assert text.count(NOT_SCORED) == 2  # at the top, and in place of the table
    assert "<b>Not scored.</b> How good the reconstructions" in text
    assert 'id="identification"' not in text  # the figures of scores would only say it again
    assert "(0 rows)" not in text
    assert "No reconstruction was compared with a picture" in text
    assert "subjects/sub-02.html" in text
    assert NOT_SCORED in subject_page(tmp_path, inputs).read_text()


# What is left out -----------------------------------------------------------------------------------------------------


def test_the_first_page_lists_what_was_left_out_and_why(tmp_path):
    inputs = write_study(tmp_path)
    assert "What was left out" not in summary(tmp_path, inputs)
    assert "What was left out" not in summary(tmp_path, inputs, skipped=[])
    part = {"what": "method end2end <all>", "reason": "the pictures of train are not public; ask for them"}
    text = summary(tmp_path, inputs, skipped=[part, part, {"what": "judge", "reason": "No pictures."}])
    assert '<a href="#skipped">What was left out</a>' in text
    assert "<td>method end2end &lt;all&gt;</td><td>The pictures of train are not public; ask for them.</td>" in text
    assert text.count("end2end &lt;all&gt;") == 1
    assert "<td>judge</td><td>No pictures.</td>" in text
    assert skipped_parts({}) == skipped_parts({"skipped": None}) == []


def test_a_missing_picture_in_a_scored_set_has_no_score(tmp_path):
    inputs = write_hidden(tmp_path, "partial", ["test"])
    table = scores()
    write_table(
        inputs["scores"][0], pd.concat([table[table["test"] != "test"], table[table["stimulus"] == STIMULI[0]]])
    )
    page = subject_page(tmp_path, inputs).read_text()
    assert page.count('alt="Seen (no picture): ') == 2
