"""Headline and figures of scores, from a small table."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_study import accuracy, identification

from fmri2image.core.tables import write_table
from fmri2image.report.decoding_figures import draw_decoding_accuracy
from fmri2image.report.figures import draw_identification, draw_methods
from fmri2image.report.headline import headline
from fmri2image.report.style import (
    PRINT_DPI,
    SIMULATED,
    TRANSDUCTIVE,
    identification_metrics,
    metric_label,
)

SETTINGS = {
    "simulated": True,
    "primary": {"method": "icnn", "roi": "VC"},
    "decoder": "ridge",
    "methods": ["icnn", "pixels"],
}
FIGURES = {
    "identification": (draw_identification, identification),
    "methods": (draw_methods, identification),
    "accuracy": (draw_decoding_accuracy, accuracy),
}


def test_headline_averages_the_primary_setting(tmp_path):
    write_table(tmp_path / "identification.tsv", identification())
    lines = headline(tmp_path / "identification.tsv", "icnn", "VC")
    assert len(lines) == 3
    for part in ("pixel correlation, test: 78.7 % (subjects 76.2 to 81.2)", "chance 50.3 %", "61.4 %", "simulated"):
        assert part in lines[0]
    assert "pixel correlation, imagery: 58.7 %" in lines[1]
    write_table(tmp_path / "real.tsv", identification(simulated=False))
    assert "simulated" not in "".join(headline(tmp_path / "real.tsv", "icnn", "VC"))
    assert "77.8" not in "".join(lines)


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_at_print_size_and_say_what_to_distrust(tmp_path, name):
    draw, table = FIGURES[name]
    outputs = [str(tmp_path / f"{name}.{suffix}") for suffix in ("png", "svg")]
    draw(table(), outputs, SETTINGS)
    with Image.open(outputs[0]) as image:
        assert np.asarray(image.convert("L")).std() > 5
        assert image.info["dpi"] == pytest.approx((PRINT_DPI, PRINT_DPI), abs=0.1)
        assert image.width <= 180 / 25.4 * PRINT_DPI + 1
    svg = (tmp_path / f"{name}.svg").read_text()
    assert SIMULATED in svg
    assert TRANSDUCTIVE not in svg
    sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
    assert sizes
    assert min(sizes) >= 6
    draw(table(transductive=True), [outputs[1]], {**SETTINGS, "simulated": False})
    svg = (tmp_path / f"{name}.svg").read_text()
    assert SIMULATED not in svg
    assert TRANSDUCTIVE in svg


def test_identification_shows_areas_of_the_primary_method_and_every_similarity(tmp_path):
    draw_identification(identification(), [str(tmp_path / "a.svg")], SETTINGS)
    svg = (tmp_path / "a.svg").read_text()
    for part in (
        ">VC<",
        ">V1<",
        ">Pixel correlation<",
        ">SSIM<",
        ">SqueezeNet<",
        "test (n = 3)",
        "imagery (n = 3)",
        "ceiling",
    ):
        assert part in svg
    assert "pixels" not in svg
    without = identification().query("roi != 'true-features'")
    draw_identification(without, [str(tmp_path / "b.svg")], SETTINGS)
    assert "ceiling" not in (tmp_path / "b.svg").read_text()


def test_methods_are_compared_on_the_primary_area_and_only_those_asked_for(tmp_path):
    draw_methods(identification(), [str(tmp_path / "a.svg")], SETTINGS)
    svg = (tmp_path / "a.svg").read_text()
    assert ">pixels<" in svg
    assert ">V1<" not in svg
    draw_methods(identification(), [str(tmp_path / "b.svg")], {**SETTINGS, "methods": ["icnn"]})
    assert "pixels" not in (tmp_path / "b.svg").read_text()


def test_equal_figures_are_equal_files(tmp_path):
    for name in ("a", "b"):
        draw_identification(
            identification(), [str(tmp_path / f"{name}.{suffix}") for suffix in ("svg", "pdf", "png")], SETTINGS
        )
    for suffix in ("svg", "pdf", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_words_for_metrics_and_sets():
    assert identification_metrics(
        ["pixel_top1", "feature_identification_vgg", "ssim_identification", "pixel_identification"]
    ) == [
        "pixel_identification",
        "ssim_identification",
        "feature_identification_vgg",
    ]
    assert metric_label("feature_identification_efficientnet-lite0") == "EfficientNet-Lite0 features"
    assert metric_label("feature_identification_vgg") == "vgg features"


def test_names_of_many_methods_stand_upright_and_apart(tmp_path):
    table = identification()
    copies = [table.assign(method=table["method"] + f"-variant-{i}") for i in range(12)]
    methods = sorted({name for copy in copies for name in copy["method"]})
    draw_methods(pd.concat(copies), [str(tmp_path / "many.svg")], {**SETTINGS, "methods": methods})
    texts = (tmp_path / "many.svg").read_text(encoding="utf-8")
    upright = re.findall(r'<text style="[^"]*" transform="[^"]*rotate\(-90\)">([^<]*)</text>', texts)
    assert set(methods) <= set(upright)
