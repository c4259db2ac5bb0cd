"""Headline, figures, sheets and the first page, from a small table."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.tables import write_table
from fmri2image.report.figures import draw_decoding_accuracy, draw_identification
from fmri2image.report.headline import headline
from fmri2image.report.sheets import draw_sheet
from fmri2image.report.style import SIMULATED, TRANSDUCTIVE
from fmri2image.report.summary import motion_errors, write_summary

COMMON = {
    "method": "icnn", "chance": 0.503, "chance_p01": 0.41, "chance_p95": 0.58, "chance_p99": 0.614, "p_value": 0.0123
}  # fmt: skip
SETTINGS = {"title": "A phantom <study>", "simulated": True, "primary": {"method": "icnn", "roi": "VC"}}


def identification(transductive=False, simulated=True):
    rows = [
        ("01", "VC", "shapes", "ssim_identification", 0.6111),
        ("01", "VC", "shapes", "pixel_identification", 0.8121),
        ("02", "VC", "shapes", "pixel_identification", 0.7345),
        ("01", "V1", "shapes", "pixel_identification", 0.9999),
        (None, "true-features", "shapes", "pixel_identification", 0.9777),
    ]
    table = pd.DataFrame(rows, columns=["subject", "roi", "test", "metric", "value"])
    return table.assign(**COMMON, transductive=transductive, simulated=simulated)


def accuracy(transductive=False):
    rows = [
        (subject, roi, layer, "shapes", "unit_correlation", value)
        for subject, shift in (("01", 0.0), ("02", 0.1))
        for roi, base in (("VC", 0.31), ("V1", 0.2))
        for layer, value in (("conv1_1", base + shift), ("fc6", base + shift + 0.1))
    ]
    return pd.DataFrame(rows, columns=["subject", "roi", "layer", "test", "metric", "value"]).assign(
        chance_p01=-0.1, chance_p99=0.1, transductive=transductive
    )


def motion():
    rows = [("01", 10, 0.1, 0.2), ("01", 30, 0.3, 0.4), ("02", 10, 0.05, 0.06)]
    return pd.DataFrame(rows, columns=["subject", "n_volumes", "rms_translation", "rms_rotation"])


def test_headline_averages_the_primary_setting(tmp_path):
    write_table(tmp_path / "identification.tsv", identification())
    lines = headline(tmp_path / "identification.tsv", "icnn", "VC")
    assert len(lines) == 2
    for part in ("pixel correlation, shapes: 77.3 % (subjects 73.5 to 81.2)", "chance 50.3 %", "61.4 %", "simulated"):
        assert part in lines[0]
    assert "SSIM, shapes: 61.1 %;" in lines[1]
    write_table(tmp_path / "real.tsv", identification(simulated=False))
    assert "simulated" not in "".join(headline(tmp_path / "real.tsv", "icnn", "VC"))
    assert "99.99" not in "".join(lines)


def test_figures_are_drawn_and_say_what_to_distrust(tmp_path):
    for name, draw, table in (
        ("identification", draw_identification, identification),
        ("accuracy", draw_decoding_accuracy, accuracy),
    ):
        outputs = [str(tmp_path / f"{name}.{suffix}") for suffix in ("png", "svg")]
        draw(table(), outputs, SETTINGS)
        with Image.open(outputs[0]) as image:
            assert np.asarray(image.convert("L")).std() > 5
        svg = (tmp_path / f"{name}.svg").read_text()
        assert SIMULATED in svg
        assert TRANSDUCTIVE not in svg
        draw(table(transductive=True), [outputs[1]], {**SETTINGS, "simulated": False})
        svg = (tmp_path / f"{name}.svg").read_text()
        assert SIMULATED not in svg
        assert TRANSDUCTIVE in svg


def test_sheet_shows_seen_and_reconstructed_colours(tmp_path):
    seen = np.zeros((2, 8, 8, 3), np.uint8)
    seen[0, ..., 0] = seen[1, ..., 1] = 255
    write_arrays(tmp_path / "stimuli.h5", {"images": LabelledArray(seen, ["a", "b"])})
    made = np.zeros((3, 3, 8, 8), np.float32)
    made[0, 2] = 1.4  # first trial of b: blue beyond the range
    made[1] = [[[1.0]], [[0.0]], [[1.0]]]  # second trial of b: not shown
    made[2, :2] = 1.0  # a: yellow
    path = tmp_path / "sub-01_roi-VC_shapes.h5"
    write_arrays(path, {"images": LabelledArray(made, ["b|1", "b|2", "a|1"])}, {"transductive": "False"})
    output = tmp_path / "sheet.png"
    wildcards = {"method": "icnn", "roi": "VC", "test": "shapes"}
    draw_sheet([str(path)], tmp_path / "stimuli.h5", str(output), wildcards, SETTINGS)
    with Image.open(output) as image:
        colours = {tuple(int(c) for c in pixel) for pixel in np.asarray(image.convert("RGB")).reshape(-1, 3)}
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)} <= colours
    assert (255, 0, 255) not in colours


def test_motion_errors_weigh_runs_by_their_volumes():
    errors = motion_errors(motion())
    assert errors.loc["01", "translation"] == pytest.approx(((10 * 0.01 + 30 * 0.09) / 40) ** 0.5)
    assert errors.loc["01", "rotation"] == pytest.approx(((10 * 0.04 + 30 * 0.16) / 40) ** 0.5)
    assert errors.loc["02"].tolist() == pytest.approx([0.05, 0.06])


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("simulated", [True, False])
def test_first_page_holds_the_numbers_and_what_to_distrust(tmp_path, transductive, simulated):
    write_table(tmp_path / "identification.tsv", identification(transductive, simulated))
    write_table(tmp_path / "accuracy.tsv", accuracy())
    write_table(tmp_path / "motion.tsv", motion())
    Image.new("RGB", (4, 4)).save(tmp_path / "images_shapes.png")
    output = tmp_path / "summary.html"
    write_summary(
        tmp_path / "identification.tsv",
        [tmp_path / "motion.tsv"],
        [tmp_path / "accuracy.tsv"],
        [tmp_path / "images_shapes.png"],
        output,
        {**SETTINGS, "simulated": simulated},
    )
    page = output.read_text(encoding="utf-8")
    for part in ("81.2 %", "73.5 %", "50.3 %", "61.4 %", "0.0123", "97.8 %", ".41", "subject 02: 0.050 mm, 0.060°"):
        assert part in page
    assert "A phantom &lt;study&gt;" in page
    assert page.count('<tr class="primary">') == 3
    assert page.count("<td>01</td>") == 3
    assert "data:image/png;base64,iVBOR" in page
    assert (TRANSDUCTIVE in page) == transductive
    assert (SIMULATED in page) == simulated
