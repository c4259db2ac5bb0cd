"""Grids of images: frames, places, sizes and what is embedded."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from fmri2image.report.paper.grid import LARGEST_CELL, Grid, Unit, arrange, column_texts, draw_grid
from fmri2image.report.sheets import TALLEST
from fmri2image.report.style import PAGE_WIDTH, PRINT_DPI

RED, GREEN, BLUE = np.eye(3)


def picture(colour: np.ndarray, side: int = 8) -> np.ndarray:
    return np.broadcast_to(colour, (side, side, 3)).astype(np.float32)


def grid(n: int, placing: str = "across", rows: int = 1, columns: int = 2, caption: str = "", side: int = 8) -> Grid:
    cells = [[picture(GREEN, side)] * columns for _ in range(rows)]
    units = [Unit(picture(RED, side), cells, caption) for _ in range(n)]
    return Grid(units, placing, "Seen", [f"row {i}" for i in range(rows)], [f"column {i}" for i in range(columns)])


def box(pixels: np.ndarray, colour: np.ndarray) -> tuple[int, int, int, int]:
    """Return the first and last line and column of a pure colour."""
    lines, columns = np.nonzero((np.abs(pixels / 255 - colour) < 0.02).all(axis=-1))
    return lines.min(), lines.max(), columns.min(), columns.max()


def frame_colours(pixels: np.ndarray, colour: np.ndarray) -> set[int]:
    """Return the grey values a few pixels outside the four edges of the only picture of a colour."""
    top, bottom, left, right = box(pixels, colour)
    x, y, out = (left + right) // 2, (top + bottom) // 2, 4
    places = [(top - out, x), (bottom + out, x), (y, left - out), (y, right + out)]
    found = {tuple(int(value) for value in pixels[place]) for place in places}
    assert all(len(set(value)) == 1 for value in found)
    return {value[0] for value in found}


@pytest.mark.parametrize("placing", ["across", "down"])
def test_black_frames_what_was_seen_and_grey_what_was_reconstructed(tmp_path, placing):
    output = tmp_path / "figure.png"
    draw_grid(grid(1, placing, columns=1), "Heading", "Note", [str(output)])
    pixels = np.asarray(Image.open(output).convert("RGB")).astype(int)
    assert frame_colours(pixels, RED) == {0}
    assert frame_colours(pixels, GREEN) == {0x9A}
    seen, made = box(pixels, RED), box(pixels, GREEN)
    right, below = made[2] > seen[3], made[0] > seen[1]
    assert (right, below) == ((True, False) if placing == "across" else (False, True))


def test_an_empty_place_stays_white(tmp_path):
    output = tmp_path / "figure.png"
    unit = Unit(picture(RED), [[None, picture(GREEN)]])
    draw_grid(Grid([unit], "across", "Seen", ["row"], ["a", "b"]), "Heading", "Note", [str(output)])
    pixels = np.asarray(Image.open(output).convert("RGB")).astype(int)
    top, bottom, _, seen_right = box(pixels, RED)
    left = box(pixels, GREEN)[2]
    middle = pixels[(top + bottom) // 2, (seen_right + left) // 2]
    assert (middle == 255).all()


@pytest.mark.parametrize(
    ("n", "placing", "rows", "columns"),
    [(1, "across", 1, 3), (18, "across", 1, 3), (50, "across", 1, 8), (50, "across", 1, 5), (40, "across", 1, 6),
     (40, "down", 3, 1), (10, "down", 5, 1), (5, "across", 2, 9), (26, "down", 3, 1)],
)  # fmt: skip
def test_every_figure_fits_a_page_and_its_words_can_be_read(tmp_path, n, placing, rows, columns):
    wanted = grid(n, placing, rows, columns)
    layout = arrange(wanted)
    lines, units = wanted.shape
    x, y = layout.corner(n - 1)
    right = max(layout.corner(number)[0] for number in range(n)) + units * layout.cell
    assert right <= PAGE_WIDTH + 1e-9
    assert y + lines * layout.cell <= TALLEST + 1e-9
    assert 7.5 <= layout.cell <= LARGEST_CELL  # mm: room for a heading of 6 pt
    corners = [layout.corner(number) for number in range(n)]
    assert len(set(corners)) == n
    assert corners == sorted(corners, key=lambda corner: (corner[1], corner[0]))  # reading order


def test_lines_are_of_equal_length():
    layout = arrange(grid(16, "down", rows=1, columns=1))
    assert layout.per_line == 8  # not ten and six


def test_a_figure_is_as_wide_as_a_page_at_most(tmp_path):
    output = tmp_path / "figure.png"
    draw_grid(grid(12, columns=3), "A heading " * 30, "A note " * 60, [str(output)])
    with Image.open(output) as image:
        assert image.width / PRINT_DPI * 25.4 <= PAGE_WIDTH + 0.2
        assert image.info["dpi"][0] == pytest.approx(PRINT_DPI, abs=0.1)


def embedded(svg: str) -> list[Image.Image]:
    found = re.findall(r'xlink:href="data:image/png;base64,([^"]+)"', svg)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_an_svg_embeds_the_pixels_of_small_images_as_they_are(tmp_path):
    output = tmp_path / "figure.svg"
    unit = Unit(picture(RED), [[np.random.default_rng(1).integers(0, 256, (8, 8, 3)) / 255]])
    draw_grid(Grid([unit], "across", "Seen", ["row"], ["column"]), "Heading", "Note", [str(output)])
    images = embedded(output.read_text())
    assert [image.size for image in images] == [(8, 8), (8, 8)]
    made = [np.asarray(image.convert("RGB")) for image in images]
    whole = np.rint(255 * unit.cells[0][0]).astype(int)
    assert min(np.abs(one.astype(int) - whole).max() for one in made) <= 1


def test_large_images_are_made_as_small_as_they_are_printed(tmp_path):
    output = tmp_path / "figure.svg"
    layout = draw_grid(grid(2, side=400), "Heading", "Note", [str(output)])
    sides = {image.size for image in embedded(output.read_text())}
    printed = layout.cell / 25.4 * PRINT_DPI
    assert all(0.7 * printed < width == height < printed for width, height in sides)


def test_equal_figures_are_equal_files(tmp_path):
    for number in (1, 2):
        outputs = [str(tmp_path / f"{number}.svg"), str(tmp_path / f"{number}.png")]
        draw_grid(grid(3, caption="Subject 01\n90 %"), "Heading", "Note", outputs)
    for suffix in ("svg", "png"):
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes()


def test_words_stand_in_the_svg_and_none_is_smaller_than_six_points(tmp_path):
    output = tmp_path / "figure.svg"
    draw_grid(grid(2, "down", rows=2, columns=1, caption="Subject 01"), "Heading", "Note", [str(output)])
    text = output.read_text()
    for words in ("Heading", "Note", "Seen", "row 0", "row 1", "Subject 01"):
        assert f">{words}<" in text
    sizes = [float(size) for size in re.findall(r"font(?:-size)?: *(?:\w+ )?([\d.]+)px", text)]
    assert sizes and min(sizes) >= 6


def test_a_figure_without_images_says_so(tmp_path):
    output = tmp_path / "figure.svg"
    draw_grid(Grid([], "down", "Seen", ["row"], ["column"]), "Heading", "Note", [str(output)])
    assert "There is no such image" in output.read_text()


def test_words_above_narrow_columns_are_broken_before_their_numbers():
    words = ["Seen", "DNN1", "DNN1–2"]
    assert column_texts(words, 12.0, 6.5) == words
    assert column_texts(words, 8.0, 6) == ["Seen", "DNN\n1", "DNN\n1–2"]
