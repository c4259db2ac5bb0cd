"""The figure of norm corrections: right images at the right lines, every subject's scores, and what to distrust."""

import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.decode.norm import KINDS
from fmri2image.report.norm import VERSIONS, draw_norm_correction
from fmri2image.report.style import SIMULATED, TRANSDUCTIVE

METHODS = {"icnn": "norm", "icnn-sd": "channel_sd", "raw": "none"}
COLOURS = {"raw": (1, 1, 0), "icnn": (0, 0, 1), "icnn-sd": (0, 1, 1)}
SETTINGS = {
    "versions": METHODS,
    "primary": {"method": "icnn", "roi": "VC"},
    "test": "test",
    "subject": "01",
    "simulated": True,
}


@pytest.fixture
def files(tmp_path):
    """Stimuli in red, a version in a colour of its own, true features in green."""
    seen = np.zeros((2, 8, 8, 3), np.uint8)
    seen[..., 0] = 255
    write_arrays(tmp_path / "stimuli.h5", {"images": LabelledArray(seen, ["a", "b"])})
    paths = [tmp_path / method / "sub-01_roi-VC_test.h5" for method in METHODS]
    paths.append(tmp_path / "icnn" / "true-features_test.h5")
    colours = [*[COLOURS[method] for method in METHODS], (0, 1, 0)]
    for path, colour in zip(paths, colours, strict=True):
        path.parent.mkdir(exist_ok=True)
        image = np.broadcast_to(np.array(colour, "f4")[:, None, None], (3, 8, 8))
        write_arrays(path, {"images": LabelledArray(np.stack([image] * 2), ["b", "a"])}, {"transductive": "False"})
    return [str(path) for path in paths], tmp_path / "stimuli.h5"


def table(transductive=False):
    rows = [
        (method, subject, "VC", metric, 0.5 + 0.1 * i + 0.1 * (subject == "02"))
        for i, method in enumerate(METHODS)
        for subject in ("01", "02")
        for metric in ("pixel_identification", "ssim_identification", "pixel_top1")
    ]
    rows.append(("icnn", None, "true-features", "pixel_identification", 0.97))
    rows.append(("icnn", "01", "V1", "pixel_identification", 0.33))
    found = pd.DataFrame(rows, columns=["method", "subject", "roi", "metric", "value"])
    return found.assign(test="test", chance_p01=0.4, chance_p99=0.6, transductive=transductive)


def test_lines_are_in_the_order_of_the_versions(files, tmp_path):
    output = tmp_path / "norm.png"
    draw_norm_correction(*files, table(), [str(output)], SETTINGS)
    with Image.open(output) as image:
        pixels = np.asarray(image.convert("RGB")) / 255
    expected = [(1, 0, 0), COLOURS["raw"], COLOURS["icnn"], COLOURS["icnn-sd"], (0, 1, 0)]
    heights = [np.argwhere((np.abs(pixels - colour) < 0.01).all(axis=-1))[:, 0].mean() for colour in expected]
    assert heights == sorted(heights)
    assert np.diff(heights).std() < 2  # pixels: all lines are equally high


def test_scores_and_warnings_are_written(files, tmp_path):
    output = tmp_path / "norm.svg"
    draw_norm_correction(*files, table(), [str(output)], SETTINGS)
    svg = output.read_text()
    written = re.findall(r">([^<>]+)</text>", svg)
    for part in (*[VERSIONS[kind][0] for kind in METHODS.values()], "Subject 02", "True features"):
        assert part in written
    # Means over both subjects, and the ceiling; the other area counts for nothing.
    assert [number for number in written if number in ("55", "65", "75", "97", "33")] == ["75", "55", "65", "97"] + [
        "75", "55", "65"
    ]  # fmt: skip
    assert SIMULATED in svg
    assert TRANSDUCTIVE not in svg
    draw_norm_correction(*files, table(transductive=True), [str(output)], {**SETTINGS, "simulated": False})
    svg = output.read_text()
    assert SIMULATED not in svg
    assert TRANSDUCTIVE in svg


def test_every_version_has_its_words():
    assert list(VERSIONS) == list(KINDS)
