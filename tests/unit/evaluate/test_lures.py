"""Lures of the same kind, shape or colour: groups, scores counted by brute force, and labels exchanged within groups."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from fmri2image.acquire.phantom.images import COLOURS, SHAPES
from fmri2image.acquire.stimulus_names import kind_of
from fmri2image.acquire.stimulus_table import add_kinds, read_kinds
from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import DataError
from fmri2image.evaluate.identification import permute_labels, relabel, win_matrix
from fmri2image.evaluate.lures import NO_LURE, count_lures, kinds_of, lure_groups, lure_mask
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS, score_images
from fmri2image.report.style import identification_metrics

SHAPE_NAMES = [
    f"colorExpStim{5 * i + j + 1:02d}_{colour}_{shape}"
    for i, colour in enumerate(COLOURS)
    for j, shape in enumerate(SHAPES)
]
KEYS = {
    "dataset": "phantom", "method": "m", "subject": "01", "roi": "VC", "stimulus_set": "shapes", "test": "shapes",
    "transductive": False, "simulated": True,
}  # fmt: skip


def table(names, stimulus_set="shapes"):
    return add_kinds(pd.DataFrame({"stimulus": list(names), "stimulus_set": stimulus_set}))


def test_names_of_ds001506_tell_kind_colour_and_shape():
    assert kind_of("colorExpStim07_green_smallring") == ("shape", "green", "smallring")
    assert kind_of("colorExpStim29_magenta_+") == ("shape", "magenta", "+")
    assert kind_of("letter_black_img011_A") == ("letter", "black", None)
    assert kind_of("n01443537_22563") == ("natural", None, None)
    assert kind_of("my picture") == ("other", None, None)
    assert {kind_of(name)[1:] for name in SHAPE_NAMES} == {(c, s) for c in COLOURS for s in SHAPES}


def test_a_table_of_ones_own_goes_before_sets_and_sets_before_names(tmp_path):
    (tmp_path / "kinds.tsv").write_text("stimulus\tkind\tcolour\tshape\nx\tshape\tred\tcross\ny\tother\tn/a\tn/a\n")
    given = read_kinds(tmp_path / "kinds.tsv")
    rows = pd.DataFrame({"stimulus": ["x", "y", "z", "letter_black_img011_A"], "stimulus_set": ["t", "t", "t", "u"]})
    found = add_kinds(rows, {"t": "natural"}, given)
    assert found["kind"].tolist() == ["shape", "other", "natural", "letter"]
    assert found["shape"].tolist() == ["cross", None, None, None]
    for text, message in (
        ("stimulus\tkind\n", "lacks the column colour, shape"),
        ("stimulus\tkind\tcolour\tshape\nx\tball\tred\tn/a\n", "the kind 'ball' is unknown; give natural, shape"),
        ("stimulus\tkind\tcolour\tshape\nx\tother\tn/a\tn/a\nx\tother\tn/a\tn/a\n", "names x more than once"),
    ):
        (tmp_path / "kinds.tsv").write_text(text)
        with pytest.raises(DataError, match=message):
            read_kinds(tmp_path / "kinds.tsv")


def test_the_paper_s_lures_of_forty_shapes():
    groups = lure_groups(SHAPE_NAMES, table(SHAPE_NAMES), "shapes", aspects=["colour", "shape"])
    assert {suffix: set(count_lures(group)) for suffix, group in groups.items()} == {
        "": {39},
        "_colour": {7},
        "_shape": {4},
    }
    mask = lure_mask(groups["_colour"])
    same_shape = [[a != b and kind_of(a)[2] == kind_of(b)[2] for b in SHAPE_NAMES] for a in SHAPE_NAMES]
    np.testing.assert_array_equal(mask, same_shape)


def test_imagined_images_have_lures_of_their_own_kind():
    natural = ["n01443537_22563", "n01677366_18182", "n02128385_20264"]
    names = [*SHAPE_NAMES[:2], *natural, "letter_black_img011_A"]
    kinds = table(names, "elsewhere")
    groups = lure_groups(names, kinds, "imagery", same="kind", aspects=["shape"])
    assert list(count_lures(groups[""])) == [1, 1, 2, 2, 2, 0]
    assert list(groups["_shape"]) == [0, 0, NO_LURE, NO_LURE, NO_LURE, NO_LURE]
    own = kinds.assign(stimulus_set="imagery", kind="other")
    assert kinds_of(names, pd.concat([kinds, own]), "imagery")["kind"].tolist() == ["other"] * 6
    with pytest.raises(DataError, match="does not name ghost of the set 'imagery'"):
        kinds_of(["ghost"], kinds, "imagery")
    with pytest.raises(DataError, match="No stimulus of the set 'test' has a colour and a shape"):
        lure_groups(natural, kinds, "test", aspects=["colour"])
    with pytest.raises(DataError, match="no column kind, colour, shape; delete stimuli.tsv"):
        kinds_of(natural, kinds[["stimulus", "stimulus_set"]], "test")


def test_wins_within_groups_by_brute_force():
    similarity = np.random.default_rng(0).integers(0, 3, (12, 6)).astype(float)
    similarity[3, 2] = np.nan
    groups = np.array([0, 1, 0, NO_LURE, 1, 0])
    expected = np.full(similarity.shape, np.nan)
    for row, values in enumerate(similarity):
        for s, group in enumerate(groups):
            lures = [i for i in range(6) if i != s and groups[i] == group != NO_LURE]
            scores = [
                0.5 if np.isnan(values[s] - values[i]) else (np.sign(values[s] - values[i]) + 1) / 2 for i in lures
            ]
            if scores:
                expected[row, s] = np.mean(scores)
    np.testing.assert_allclose(win_matrix(similarity, groups), expected)
    np.testing.assert_array_equal(win_matrix(similarity, np.zeros(6, int)), win_matrix(similarity))


def test_labels_are_exchanged_within_groups_only():
    groups = np.array([0, 1, 0, NO_LURE, 1, 0])
    own = np.array([0, 0, 1, 2, 4, 5])
    labels = relabel(own, 6, 400, np.random.default_rng(0), groups)
    assert (groups[labels] == groups[own]).all()
    assert (labels[:, 0] == labels[:, 1]).all()
    assert set(labels[:, 0]) == {0, 2, 5} and set(labels[:, 2]) == {1, 4}
    wins = win_matrix(np.random.default_rng(1).standard_normal((6, 6)), groups)
    test = permute_labels(wins, own, 4000, np.random.default_rng(2), groups)
    assert test.null.mean() == pytest.approx(0.5, abs=0.01)
    assert test.value == np.mean([wins[i, s] for i, s in enumerate(own)])


def test_colour_and_shape_are_scored_apart():
    """Reconstructions that have the right colour and no shape win among lures of the same shape only."""
    rng = np.random.default_rng(0)
    colours = dict(zip(COLOURS, rng.random((8, 3)), strict=True))
    marks = dict(zip(SHAPES, rng.random((5, 12, 12)), strict=True))
    parts = [kind_of(name)[1:] for name in SHAPE_NAMES]
    shown = np.stack([colours[c][:, None, None] + 0.2 * marks[s][None] for c, s in parts]).astype(np.float32)
    made = np.stack([np.broadcast_to(colours[c][:, None, None], (3, 12, 12)) for c, _ in parts]).astype(np.float32)
    stimuli, images = LabelledArray(shown, SHAPE_NAMES), LabelledArray(made, SHAPE_NAMES)
    groups = lure_groups(SHAPE_NAMES, table(SHAPE_NAMES), "shapes", aspects=["colour", "shape"])
    scores, tests = score_images(images, stimuli, ["pixel"], KEYS, 200, 3, groups=groups)
    assert list(scores) == list(SCORE_COLUMNS) and list(tests) == list(PERMUTATION_COLUMNS)
    means = scores.groupby("metric")["value"].mean()
    assert means["pixel_identification_colour"] > 0.9
    assert means["pixel_identification_shape"] == pytest.approx(0.5)  # one image for the five shapes of a colour
    r = np.array([[pearsonr(a.ravel(), b.ravel())[0] for b in shown] for a in made])
    four = [[j for j in range(40) if j != i and parts[j][0] == parts[i][0]] for i in range(40)]
    expected = [np.mean(r[i, i] > r[i, lures]) for i, lures in enumerate(four)]
    mine = scores[scores["metric"] == "pixel_identification_shape"]
    np.testing.assert_allclose(mine["value"], expected)
    assert set(mine["n_comparisons"]) == {4}
    counts = tests.set_index("metric")["n_comparisons"]
    assert counts.to_dict() == {
        "pixel_identification": 39, "pixel_top1": 39, "pixel_identification_colour": 7, "pixel_identification_shape": 4,
    }  # fmt: skip
    assert set(tests["permuted"]) == {"stimulus labels within groups of lures"}
    assert tests.set_index("metric").loc["pixel_identification_colour", "chance"] == pytest.approx(0.5, abs=0.02)


def test_a_row_without_lures_has_no_row_in_that_metric():
    names = [*SHAPE_NAMES[:3], "letter_black_img011_A"]
    stimuli = LabelledArray(np.random.default_rng(0).random((4, 3, 12, 12)).astype(np.float32), names)
    groups = lure_groups(names, table(names), "shapes", same="kind", aspects=["colour", "shape"])
    scores, tests = score_images(stimuli, stimuli, ["pixel"], KEYS, 50, 3, groups=groups)
    assert scores.groupby("metric").size().to_dict() == {
        "pixel_correlation": 4, "pixel_identification": 3, "pixel_top1": 3, "pixel_identification_shape": 3,
    }  # fmt: skip
    assert "pixel_identification_colour" not in set(tests["metric"])
    assert set(tests["n_rows"]) == {3}


def test_figures_of_identification_leave_aspects_out():
    names = ["pixel_identification", "pixel_identification_colour", "feature_identification_other",
             "feature_identification_other_shape"]  # fmt: skip
    assert identification_metrics(names) == ["pixel_identification", "feature_identification_other"]
