"""Figures of feature decoding: layer by layer, raw against absolute, and where selected voxels lie; for any size of study."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from PIL import Image
from scipy import stats

from fmri2image.evaluate.filters import FILTER_COLUMNS
from fmri2image.report.decoding_figures import draw_decoding_accuracy
from fmri2image.report.raw_absolute import confidence_interval, draw_raw_absolute
from fmri2image.report.selection_figure import draw_voxel_selection
from fmri2image.report.style import PRINT_DPI, SIMULATED, TRANSDUCTIVE

SETTINGS = {"simulated": True, "decoder": "ridge", "primary": {"roi": "VC"}}
VGG19 = [f"conv{block}_{n}" for block, count in enumerate((2, 2, 4, 4, 4), 1) for n in range(1, count + 1)]
VGG19 += ["fc6", "fc7", "fc8"]
AREAS = ["VC", "V1", "V2", "V3", "V4", "LOC", "FFA", "PPA", "LVC", "HVC"]


def accuracy(subjects=1, areas=1, tests=1, layers=3, transductive=False):
    rng = np.random.default_rng(0)
    rows = [
        (f"0{subject + 1}", area, f"test{test}", layer, rng.uniform(-0.05, 0.5))
        for subject in range(subjects)
        for area in AREAS[:areas]
        for test in range(tests)
        for layer in VGG19[:layers]
    ]
    table = pd.DataFrame(rows, columns=["subject", "roi", "test", "layer", "value"])
    return table.assign(
        decoder="ridge", metric="unit_correlation", normalised=table["value"] / 0.8, chance_p01=-0.1, chance_p99=0.1,
        n_rows=24, transductive=transductive,
    )  # fmt: skip


def drawn(draw, table, folder, settings=SETTINGS):
    """Draw, check what every figure must have, and return the text of the drawing."""
    outputs = [str(folder / "figure.svg"), str(folder / "figure.png")]
    draw(table, outputs, settings)
    svg = (folder / "figure.svg").read_text()
    assert min(float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)) >= 6
    with Image.open(outputs[1]) as image:
        pixels = np.asarray(image.convert("L"))
        assert image.width <= 180 / 25.4 * PRINT_DPI + 1
        assert pixels.std() > 5
        # Nothing runs out of the page: its outermost pixels are paper.
        edges = np.concatenate([pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel(), pixels[:, -2:].ravel()])
        assert edges.min() == 255
    return svg


@pytest.mark.parametrize(
    ("subjects", "areas", "tests", "layers"), [(1, 1, 1, 3), (3, 10, 5, 19), (3, 1, 2, 19), (1, 10, 1, 1)]
)
def test_accuracy_layer_by_layer(tmp_path, subjects, areas, tests, layers):
    svg = drawn(draw_decoding_accuracy, accuracy(subjects, areas, tests, layers), tmp_path)
    for part in (
        SIMULATED,
        "Decoder: ridge.",
        "mean over noise ceiling",
        f"test{tests - 1} (n = 24)",
        VGG19[layers - 1],
    ):
        assert part in svg
    assert (">mean<" in svg) == (subjects > 1)
    assert svg.count(">VC<") == (0 if areas == 1 else -(-tests // 3))
    assert ("not above chance in every subject" in svg) == (areas > 1)


def test_accuracy_says_what_to_distrust_and_needs_no_ceiling(tmp_path):
    table = accuracy(2, 2, transductive=True).drop(columns="normalised")
    svg = drawn(draw_decoding_accuracy, table, tmp_path, {**SETTINGS, "simulated": False, "primary": {"roi": "V1"}})
    assert TRANSDUCTIVE in svg
    assert SIMULATED not in svg
    assert "noise ceiling" not in svg
    assert "V1: mean r over units" in svg
    some = accuracy(2).assign(decoder="slr")
    some.loc[0, "normalised"] = np.nan  # a layer lacks one subject's ceiling; the others are drawn
    draw_decoding_accuracy(some, [str(tmp_path / "some.svg")], {**SETTINGS, "decoder": None})
    svg = (tmp_path / "some.svg").read_text()
    assert "noise ceiling" in svg
    assert "Decoder: slr" in svg


def test_no_accuracy_is_said_in_words(tmp_path):
    draw_decoding_accuracy(accuracy().iloc[:0], [str(tmp_path / "a.svg")], SETTINGS)
    assert "No test has true features" in (tmp_path / "a.svg").read_text()


def filters(subjects, n):
    rng = np.random.default_rng(0)
    rows = [
        (f"0{subject + 1}", name, *rng.uniform(0, 0.5, 2))
        for subject in range(subjects)
        for name in ("all", *map(str, range(n)))
    ]
    table = pd.DataFrame(rows, columns=["subject", "filter", "raw", "absolute"]).assign(
        dataset="phantom", roi="VC", layer="conv1_1", test="test", stimulus_set="test", raw_decoder="ridge",
        absolute_decoder="ridge-absolute", n_units=9, n_rows=24, transductive=False, simulated=True,
    )  # fmt: skip
    return table[list(FILTER_COLUMNS)]


@pytest.mark.parametrize(("subjects", "n"), [(1, 12), (3, 64)])
def test_raw_against_absolute(tmp_path, subjects, n):
    svg = drawn(draw_raw_absolute, filters(subjects, n), tmp_path)
    assert f"(n = {n})" in svg
    assert ("One subject: no confidence interval." in svg) == (subjects == 1)
    assert ("95 % across 3 subjects" in svg) == (subjects == 3)


def test_equal_tables_give_equal_files(tmp_path):
    for draw, table in ((draw_decoding_accuracy, accuracy(2, 2, 1, 2)), (draw_voxel_selection, selection())):
        outputs = [str(tmp_path / name) for name in ("first.svg", "second.svg")]
        for output in outputs:
            draw(table, [output], SETTINGS)
        assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_filters_stand_in_ascending_order_of_raw_accuracy(tmp_path):
    table = filters(2, 5)
    table["raw"] = [0.5, 0.4, 0.1, np.nan, 0.3, 0.2] * 2  # filter 2 has no unit to count
    draw_raw_absolute(table, [str(tmp_path / "a.svg")], SETTINGS)
    svg = (tmp_path / "a.svg").read_text()
    ticks = svg.split('id="matplotlib.axis_3"')[1].split('id="matplotlib.axis_4"')[0]  # abscissa of the second panel
    names = re.findall(r">(\d)</text>", ticks)
    assert names == ["1", "4", "3", "0"]


def test_confidence_interval_is_scipys():
    values = np.random.default_rng(0).standard_normal((4, 6))
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(confidence_interval(values), (interval.high - interval.low) / 2)
    assert np.isnan(confidence_interval(values[:1])).all()
    values[1:, 0] = np.nan
    assert np.isnan(confidence_interval(values)).tolist() == [True] + [False] * 5


def selection(subjects=1, areas=4, layers=3):
    rng = np.random.default_rng(0)
    shares = {f"0{s + 1}": rng.dirichlet(np.full(areas, 9.0)) for s in range(subjects)}
    rows = [
        (subject, layer, area, rng.uniform(0, 0.5), share)
        for subject, voxels in shares.items()
        for layer in VGG19[:layers]
        for area, share in zip(AREAS[1 : areas + 1], voxels, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["subject", "layer", "area", "chosen_share", "voxel_share"])
    return table.assign(
        dataset="phantom", decoder="ridge", roi="VC", training="train", kept_share=table["chosen_share"]
    )


@pytest.mark.parametrize(("subjects", "areas", "layers"), [(1, 4, 3), (5, 9, 19)])
def test_areas_of_selected_voxels(tmp_path, subjects, areas, layers):
    table = selection(subjects, areas, layers)
    table.loc[table["area"] == "V2", "kept_share"] = 0.0  # never selected
    svg = drawn(draw_voxel_selection, table, tmp_path)
    share = table.loc[(table["area"] == "V1") & (table["subject"] == "01"), "voxel_share"].iloc[0]
    for part in (SIMULATED, "Decoder: ridge, VC.", f"V1  {100 * share:.0f} %", f"Subject 0{subjects}"):
        assert part in svg
    draw_voxel_selection(table.iloc[:0], [str(tmp_path / "none.svg")], SETTINGS)
    assert "nothing to compare" in (tmp_path / "none.svg").read_text()


def ratios(table, folder, monkeypatch, **settings):
    """Return the colours that are drawn, powers of two of the ratio, and the names of the areas."""
    seen, original = [], Axes.pcolormesh

    def spy(axes, *arguments, **more):
        seen.append(arguments[-1])
        return original(axes, *arguments, **more)

    monkeypatch.setattr(Axes, "pcolormesh", spy)
    draw_voxel_selection(table, [str(folder / "a.svg")], {**SETTINGS, **settings})
    monkeypatch.undo()
    svg = (folder / "a.svg").read_text()
    return 2.0 ** np.asarray(seen[0]), [area for area in AREAS if f">{area}  " in svg]


def test_selection_is_told_over_chance_by_weights_where_they_are_known(tmp_path, monkeypatch):
    table = selection(areas=3, layers=2)
    whole = table[table["area"] == "V1"].assign(area="VC", voxel_share=1.0, chosen_share=1.0, kept_share=1.0)
    other = table.assign(training="elsewhere", kept_share=0.0)
    table["kept_share"] = table["chosen_share"] / 2
    found, areas = ratios(pd.concat([table, whole, other]), tmp_path, monkeypatch)
    expected = table["kept_share"] / table["voxel_share"]
    np.testing.assert_allclose(found, expected.to_numpy().reshape(2, 3).T)
    assert areas == ["V1", "V2", "V3"]
    found, areas = ratios(table.assign(kept_share=np.nan), tmp_path, monkeypatch, areas=["V3", "V1", "V4"])
    np.testing.assert_allclose(found, 2 * expected.to_numpy().reshape(2, 3).T[[2, 0]])
    assert areas == ["V1", "V3"]
    draw_voxel_selection(whole, [str(tmp_path / "one.svg")], SETTINGS)
    assert "one area only" in (tmp_path / "one.svg").read_text()
