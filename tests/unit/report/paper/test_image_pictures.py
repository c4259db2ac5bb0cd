"""What image figures show: pictures joined by name, choices, cards for hidden pictures, and the table behind."""

import json

import numpy as np
import pandas as pd
import pytest
from image_files import NAMES, colour, settings, write_images, write_kinds, write_scores, write_stimuli

from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table
from fmri2image.report.paper import pictures
from fmri2image.report.paper.choice import choose, rank
from fmri2image.report.paper.pictures import PICTURE_COLUMNS, draw_pictures, words_of

SOURCES = ("sub-01_roi-VC", "sub-02_roi-VC")


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """Draw a figure and return its table, the grid and the words that were drawn, and the description of the table."""
    drawn = []
    monkeypatch.setattr(pictures, "draw_grid", lambda grid, *words: drawn.append((grid, *words)))

    def draw(inputs, wanted):
        outputs = {name: str(tmp_path / f"figure.{suffix}") for name, suffix in
                   (("svg", "svg"), ("png", "png"), ("table", "tsv"))}  # fmt: skip
        draw_pictures(inputs, outputs, wanted)
        table = read_table(outputs["table"], subject=str)
        return table, *drawn[-1][:3], json.loads((tmp_path / "figure.json").read_text())

    return draw


def files(tmp_path, **stimuli) -> dict:
    return {
        "images": [write_images(tmp_path, "icnn", source) for source in SOURCES],
        "stimuli": [write_stimuli(tmp_path, **stimuli)],
    }


def shade(image: np.ndarray) -> np.ndarray:
    """Return the colour of an image of one colour."""
    assert np.ptp(image.reshape(-1, 3), axis=0).max() < 1e-6
    return image[0, 0]


def test_pictures_are_joined_by_name_and_ordered_by_name(tmp_path, figure):
    table, grid, heading, note, about = figure(files(tmp_path), settings())
    assert heading == "Fig. 2 · Images"
    assert note.startswith("Simulated data") and "All 4 images, in alphabetical order" in note
    assert (grid.presented, grid.rows, grid.columns) == ("Seen", [""], ["Subject 01", "Subject 02"])
    for unit, name in zip(grid.units, sorted(NAMES), strict=True):
        np.testing.assert_allclose(shade(unit.presented), colour(name, "seen"), atol=1e-6)
        for image, source in zip(unit.cells[0], SOURCES, strict=True):
            np.testing.assert_allclose(shade(image), colour(name, f"icnn/{source}"), atol=1e-6)
    assert list(table) == list(PICTURE_COLUMNS) == list(about["columns"])
    assert about["caption"] == "Fig. 2 of the paper." and about["simulated"] is True and about["note"] == note
    assert len(table) == 3 * len(NAMES)
    assert table["stimulus"].tolist() == [name for name in sorted(NAMES) for _ in range(3)]
    first = table[table["unit"] == 1]
    assert first["shows"].tolist() == ["presented", "reconstructed", "reconstructed"]
    assert list(zip(first["row"], first["column"], strict=True)) == [(1, 1), (1, 2), (1, 3)]
    assert first["subject"].tolist()[1:] == ["01", "02"] and first["subject"].isna().tolist()[0]
    assert first["file"].str.rsplit("/", n=1).str[1].tolist() == [
        "test.h5", "sub-01_roi-VC_test.h5", "sub-02_roi-VC_test.h5"
    ]  # fmt: skip
    assert set(table["picture"]) == {"yes"} and table["score"].isna().all()


def test_lines_below_each_other_have_their_places(tmp_path, figure):
    table, grid, *_ = figure(files(tmp_path), settings("down"))
    assert (grid.rows, grid.columns) == (["Subject 01", "Subject 02"], [""])
    assert [len(line) for line in grid.units[0].cells] == [1, 1]
    first = table[table["unit"] == 1]
    assert list(zip(first["row"], first["column"], strict=True)) == [(1, 1), (2, 1), (3, 1)]


def test_a_hidden_picture_is_a_card_with_its_name(tmp_path, figure):
    table, grid, _, note, _ = figure(files(tmp_path, show="no"), settings())
    seen = table["shows"] == "presented"
    assert set(table.loc[seen, "picture"]) == {"hidden"} and set(table.loc[~seen, "picture"]) == {"yes"}
    assert "Names stand for pictures whose terms forbid showing them." in note
    for unit, name in zip(grid.units, sorted(NAMES), strict=True):
        assert np.ptp(unit.presented.reshape(-1, 3), axis=0).max() > 0.3  # letters on a card
        assert not (np.abs(unit.presented - colour(name, "seen")).max(axis=-1) < 0.01).any()


def test_a_stimulus_that_nobody_reconstructed_is_left_out(tmp_path, figure):
    inputs = files(tmp_path, stimuli=[*NAMES, "e-owl"])
    table, *_ = figure(inputs, settings())
    assert set(table["stimulus"]) == set(NAMES)


def test_one_that_a_subject_lacks_leaves_its_place_empty(tmp_path, figure):
    inputs = files(tmp_path)
    write_images(tmp_path, "icnn", SOURCES[1], stimuli=[name for name in NAMES if name != "b-bird"])
    table, grid, *_ = figure(inputs, settings())
    assert [unit.cells[0][1] is None for unit in grid.units] == [False, True, False, False]
    assert table[table["stimulus"] == "b-bird"]["subject"].dropna().tolist() == ["01"]


def test_true_features_have_neither_subject_nor_area(tmp_path, figure):
    inputs = {
        "images": [write_images(tmp_path, "icnn", source) for source in ("true-features", SOURCES[0])],
        "stimuli": [write_stimuli(tmp_path)],
    }
    lines = [{"label": "True features", "subject": "", "roi": ""}, {"label": "Decoded", "subject": "01", "roi": "VC"}]
    part = {"test": "test", "set": "test", "rows": lines, "columns": [{"label": "DNN1-8", "method": "icnn"}]}
    table, grid, *_ = figure(inputs, settings(parts=[part]))
    assert (grid.rows, grid.columns) == (["True features", "Decoded"], ["DNN1–8"])
    np.testing.assert_allclose(shade(grid.units[0].cells[0][0]), colour("a-dog", "icnn/true-features"), atol=1e-6)
    made = table[table["shows"] == "reconstructed"].groupby("label", sort=False)["subject"].first()
    assert made.index.tolist() == ["True features, DNN1–8", "Decoded, DNN1–8"]
    assert pd.isna(made.iloc[0]) and made.iloc[1] == "01"


def test_the_images_of_a_second_test_come_last(tmp_path, figure):
    inputs = files(tmp_path)
    inputs["images"] += [write_images(tmp_path, "icnn", source, "fixation", ["fixation"]) for source in SOURCES]
    inputs["stimuli"].append(write_stimuli(tmp_path, "rest", ["fixation"], imagined="yes"))
    one = settings("down")["parts"][0]
    wanted = settings("down", parts=[one, {**one, "test": "fixation", "set": "rest"}])
    table, grid, *_ = figure(inputs, wanted)
    assert len(grid.units) == 5
    last = table[table["unit"] == 5]
    assert set(last["stimulus"]) == {"fixation"} and set(last["test"]) == {"fixation"}
    np.testing.assert_allclose(shade(grid.units[4].cells[1][0]), colour("fixation", f"icnn/{SOURCES[1]}"), atol=1e-6)


def test_transductive_images_say_so(tmp_path, figure):
    inputs = files(tmp_path)
    write_images(tmp_path, "icnn", SOURCES[1], transductive=True)
    assert "Transductive" in figure(inputs, settings())[3]


def test_a_file_that_is_no_input_is_one_sentence(tmp_path, figure):
    inputs = files(tmp_path)
    inputs["images"].pop()
    with pytest.raises(DataError, match="needs icnn/sub-02_roi-VC_test.h5"):
        figure(inputs, settings())


# Choices --------------------------------------------------------------------------------------------------------------


def test_images_are_spread_over_the_names():
    names = [f"{number:02d}" for number in range(20, 0, -1)]
    chosen, sentence = choose(names, {"how": "spread", "most": 3})
    assert chosen == ["01", "11", "20"]
    assert sentence == "3 of 20 images, evenly spaced in alphabetical order of their names, not by quality."
    assert choose(names, {"how": "spread", "most": 40})[0] == sorted(names)


def test_named_images_keep_their_order():
    assert choose(NAMES, {"how": "named", "names": ["d-fish", "a-dog"]})[0] == ["d-fish", "a-dog"]
    with pytest.raises(DataError, match="e-owl"):
        choose(NAMES, {"how": "named", "names": ["a-dog", "e-owl"]})


def test_letters_spell_the_word_of_the_paper():
    letters = [f"letter_black_img0{number:02d}_{letter}" for number, letter in enumerate("ACEINORSTU")]
    chosen, sentence = choose(letters, {"how": "word", "word": "NEURON"})
    assert "".join(name[-1] for name in chosen) == "NEURON" and "NEURON" in sentence
    without = [name for name in letters if not name.endswith("R")]
    assert choose(without, {"how": "word", "word": "NEURON"})[0] == without


def score_table(values: dict[tuple[str, str], float]) -> pd.DataFrame:
    rows = [(*pair, "pixel_identification", value) for pair, value in values.items()]
    return pd.DataFrame(rows, columns=["subject", "stimulus", "metric", "value"])


def test_the_best_and_the_worst_share_no_image():
    values = {(subject, name): 0.1 * number + 0.05 * (subject == "02")
              for subject in ("01", "02") for number, name in enumerate(["x", "y", "z"])}  # fmt: skip
    best, words = rank(score_table(values), ["x", "y", "z"], {"how": "best", "most": 10})
    worst, _ = rank(score_table(values), ["x", "y", "z"], {"how": "worst", "most": 10})
    assert [(one.subject, one.stimulus) for one in best] == [("02", "z"), ("01", "z"), ("02", "y")]
    assert [(one.subject, one.stimulus) for one in worst] == [("01", "y"), ("02", "x"), ("01", "x")]
    assert [one.score for one in worst] == pytest.approx([0.1, 0.05, 0.0])
    assert "3 of 6 pairs" in words and "highest" in words
    assert len(rank(score_table(values), ["x", "y", "z"], {"how": "best", "most": 2})[0]) == 2


def test_equal_scores_are_ranked_by_correlation():
    identified = score_table({("01", "x"): 1.0, ("01", "y"): 1.0, ("02", "x"): 1.0, ("02", "y"): 0.0})
    like = score_table({("01", "x"): 0.2, ("01", "y"): 0.3, ("02", "x"): 0.4, ("02", "y"): 0.9})
    like["metric"] = "pixel_correlation"
    best, _ = rank(pd.concat([identified, like]), ["x", "y"], {"how": "best", "most": 2})
    assert [(one.subject, one.stimulus, one.score) for one in best] == [("02", "x", 1.0), ("01", "y", 1.0)]


def test_single_trials_count_by_their_mean():
    table = pd.concat([score_table({("01", "x"): 1.0, ("01", "y"): 0.6}), score_table({("01", "x"): 0.0})])
    best, _ = rank(table, ["x", "y"], {"how": "best", "most": 1})
    assert (best[0].stimulus, best[0].score) == ("y", 0.6)


def test_a_figure_by_score_shows_each_pair_with_its_subject(tmp_path, figure):
    inputs = files(tmp_path)
    scores = ({"a-dog": 0.9, "b-bird": 0.2, "c-cat": 0.4, "d-fish": 1.0}, {"a-dog": 0.8, "b-bird": 0.1, "c-cat": 0.3})
    inputs["scores"] = [write_scores(tmp_path, "icnn", *pair) for pair in zip(SOURCES, scores, strict=True)]
    kinds = {"a-dog": "shape", "b-bird": "shape", "c-cat": "natural", "d-fish": "natural"}
    inputs["table"] = [write_kinds(tmp_path, kinds)]
    wanted = settings("down", {"how": "best", "most": 10, "kind": "shape"})
    table, grid, _, note, _ = figure(inputs, wanted)
    assert [unit.caption for unit in grid.units] == ["Subject 01\n90 %", "Subject 02\n80 %"]
    assert grid.rows == ["Reconstructed"]
    np.testing.assert_allclose(shade(grid.units[1].cells[0][0]), colour("a-dog", f"icnn/{SOURCES[1]}"), atol=1e-6)
    assert table["score"].dropna().tolist() == [0.9, 0.8]
    assert table["subject"].dropna().tolist() == ["01", "02"]
    assert "2 of 4 pairs" in note


def test_a_figure_of_a_kind_shows_no_other(tmp_path, figure):
    inputs = files(tmp_path)
    inputs["table"] = [write_kinds(tmp_path, dict.fromkeys(NAMES, "shape") | {"c-cat": "natural"})]
    table, *_ = figure(inputs, settings(how={"how": "spread", "most": 5, "kind": "natural"}))
    assert set(table["stimulus"]) == {"c-cat"}
    table, grid, *_ = figure(inputs, settings(how={"how": "all", "kind": "letter"}))
    assert table.empty and not grid.units


def test_words_of_lines_and_columns():
    assert words_of({"label": "DNN1-3"}) == "DNN1–3"
    assert words_of({"label": "V1-like", "roi": "V1"}) == "V1-like"
    assert words_of({"subject": "03"}) == "Subject 03"
    assert words_of({"method": "icnn"}) == ""


def test_all_files_are_written(tmp_path):
    outputs = {"svg": str(tmp_path / "f.svg"), "png": str(tmp_path / "f.png"), "table": str(tmp_path / "f.tsv")}
    draw_pictures(files(tmp_path), outputs, settings())
    assert (tmp_path / "f.svg").read_text().count("<image ") == 12
    assert (tmp_path / "f.png").stat().st_size > 5000
    assert (tmp_path / "f.json").is_file()
