"""Image sheets and the main figure: right images at the right places, chosen and ordered by name."""

import numpy as np
import pytest
from PIL import Image

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import DataError
from fmri2image.report.examples import draw_examples
from fmri2image.report.sheets import LABEL, TALLEST, draw_sheet, layout, spread
from fmri2image.report.style import PAGE_WIDTH, PRINT_DPI

SETTINGS = {"title": "A study", "simulated": True, "stimulus_sets": {"shapes": "shapes"}}
WILDCARDS = {"method": "icnn", "roi": "VC", "test": "shapes"}


def colours(path) -> dict[tuple[int, ...], tuple[int, int]]:
    """Return every colour of an image with the place (row, column) where it first occurs."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    flat, first = np.unique(pixels.reshape(-1, 3), axis=0, return_index=True)
    return {tuple(map(int, c)): divmod(int(i), pixels.shape[1]) for c, i in zip(flat, first, strict=True)}


def made_of(*colour: float) -> np.ndarray:
    """Return two images of one colour."""
    return np.broadcast_to(np.array(colour, np.float32)[:, None, None], (2, 3, 8, 8))


@pytest.fixture
def shapes(tmp_path):
    """Stimuli in the order b (green), a (red); reconstructions in another order, b twice."""
    seen = np.zeros((2, 8, 8, 3), np.uint8)
    seen[0, ..., 1] = seen[1, ..., 0] = 255
    write_arrays(tmp_path / "shapes.h5", {"images": LabelledArray(seen, ["b", "a"])})
    made = np.zeros((3, 3, 8, 8), np.float32)
    made[0, 2] = 1.4  # first trial of b: blue beyond the range
    made[1] = [[[1.0]], [[0.0]], [[1.0]]]  # second trial of b: not shown
    made[2, :2] = 1.0  # a: yellow
    path = tmp_path / "sub-01_roi-VC_shapes.h5"
    write_arrays(path, {"images": LabelledArray(made, ["b|1", "b|2", "a|1"])}, {"transductive": "False"})
    return str(path), str(tmp_path / "shapes.h5")


def test_sheet_shows_each_image_below_its_stimulus_in_the_order_of_names(tmp_path, shapes):
    made, stimuli = shapes
    outputs = [str(tmp_path / f"sheet.{suffix}") for suffix in ("png", "pdf")]
    draw_sheet([made], stimuli, outputs, WILDCARDS, SETTINGS)
    found = colours(outputs[0])
    red, green, blue, yellow = (found[c] for c in ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)))
    assert (255, 0, 255) not in found
    assert red[0] == green[0] < yellow[0] == blue[0]
    assert red[1] == yellow[1] < green[1] == blue[1]
    assert (tmp_path / "sheet.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(("n_stimuli", "n_lines"), [(10, 5), (24, 5), (40, 5), (50, 5), (6, 3), (1, 2), (400, 8)])
def test_layout_fits_a_page_and_leaves_no_column_empty(n_stimuli, n_lines):
    columns, tile = layout(n_stimuli, n_lines)
    assert LABEL + columns * tile <= PAGE_WIDTH + 0.01
    assert tile >= 8.9
    assert 1 <= columns <= n_stimuli
    if n_stimuli <= 50:
        assert -(-n_stimuli // columns) * n_lines * tile <= TALLEST


def test_spread_looks_at_names_only():
    names = [f"{i:02d}" for i in range(24)]
    assert spread(names[::-1], 4) == ["00", "08", "15", "23"]
    assert spread(names, 1) == ["00"]
    assert spread(["b", "a"], 6) == ["a", "b"]


def test_main_figure_shows_every_test(tmp_path, shapes):
    made, stimuli = shapes
    imagined = np.full((2, 8, 8, 3), 255, np.uint8)
    imagined[..., 2] = 0
    imagined[..., 1] = 128
    write_arrays(tmp_path / "imagery.h5", {"images": LabelledArray(imagined, ["y", "x"])})
    path = tmp_path / "sub-01_roi-VC_imagery.h5"
    write_arrays(path, {"images": LabelledArray(made_of(0.2, 0.6, 0.4), ["x", "y"])})
    settings = {"simulated": True, "stimulus_sets": {"shapes": "shapes", "imagery": "imagery"}}
    output = str(tmp_path / "examples.png")
    shown = draw_examples([made, str(path)], [stimuli, str(tmp_path / "imagery.h5")], [output], settings)
    assert shown == {"shapes": ["a", "b"], "imagery": ["x", "y"]}
    found = colours(output)
    assert {(255, 0, 0), (0, 0, 255), (255, 128, 0), (51, 153, 102)} <= set(found)
    assert found[(255, 0, 0)][0] < found[(0, 0, 255)][0] < found[(255, 128, 0)][0] < found[(51, 153, 102)][0]
    with Image.open(output) as image:
        assert image.width == pytest.approx(PAGE_WIDTH / 25.4 * PRINT_DPI, abs=2)
    with pytest.raises(DataError, match="imagery"):
        draw_examples([made], [stimuli], [output], settings)
