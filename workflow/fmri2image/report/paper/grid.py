"""A grid of images at print size: what was seen in a black frame, what was reconstructed of it in grey ones.

The grid is a row of units, as many to a line as make the images largest on a page. A unit is one stimulus and a small
table of its reconstructions, right of it or below it.
"""

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.textpath import TextPath

from fmri2image.core.images import resize
from fmri2image.report.sheets import HEADING_LETTER, NOTE_LETTER, TALLEST, Canvas
from fmri2image.report.style import INK, MM, PAGE_WIDTH, save

PRESENTED, RECONSTRUCTED = "#000000", "#9a9a9a"  # colours of the frames
FRAME = 0.045  # of a cell on each side
GAP = 0.03  # of a cell on each side
LARGEST_CELL = 16.0  # mm
LABEL_COLUMN = 19.0  # mm left of the units
NARROWEST = 110.0  # mm: room for a heading
EQUAL = 0.97  # times the size of the largest
UNIT_GAP = 3.0  # mm between units with a line of reconstructions
CAPTION = 5.2  # mm below a unit
COLUMN_WORDS = 6.2  # mm above the first units
WORDS_OF_CELL = 0.9  # of a cell's width, so that neighbours do not touch
PRINTED = 11.8  # pixels per mm at 300 dpi
MOST_PIXELS = 3.0e6  # of all pictures together, so that an SVG stays below about 12 MB


@dataclass(frozen=True)
class Unit:
    """One stimulus with its reconstructions.

    Parameters
    ----------
    presented : float array (height, width, 3) in [0, 1]
    cells : list of lists of such arrays
        Lines of reconstructions; None leaves a place empty.
    caption : str
    """

    presented: np.ndarray
    cells: list[list[np.ndarray | None]]
    caption: str = ""


@dataclass(frozen=True)
class Grid:
    """Units of one shape and the words around them.

    Parameters
    ----------
    units : list of Unit
    placing : {"across", "down"}
        Where reconstructions are: right of what was seen, or below it.
    presented : str
        Word for what was seen.
    rows, columns : list of str
        Words of the lines and columns of a unit.
    """

    units: list[Unit]
    placing: str
    presented: str
    rows: list[str]
    columns: list[str]

    @property
    def across(self) -> bool:
        """Whether reconstructions are right of what was seen."""
        return self.placing == "across"

    @property
    def shape(self) -> tuple[int, int]:
        """Lines and columns of a unit in cells, with what was seen."""
        rows, columns = len(self.rows), len(self.columns)
        return (rows, columns + 1) if self.across else (rows + 1, columns)


@dataclass(frozen=True)
class Layout:
    """Places of the units of a grid, in mm from the upper left corner of the first."""

    per_line: int
    cell: float
    left: float
    step: tuple[float, float]

    def corner(self, number: int) -> tuple[float, float]:
        """Return the upper left corner (x, y) of a unit."""
        line, place = divmod(number, self.per_line)
        return self.left + place * self.step[0], line * self.step[1]


def arrange(grid: Grid, width: float = PAGE_WIDTH, height: float = TALLEST) -> Layout:
    """Return the layout with the largest images; of nearly equal ones that with the fewest lines.

    Parameters
    ----------
    grid : Grid
    width, height : float
        Of the page in mm.
    """
    rows, columns = grid.shape
    left = LABEL_COLUMN if not grid.across or rows > 1 else 1.0
    gap_x = UNIT_GAP if columns > 1 else 0.0
    gap_y = (0.8 if rows == 1 else UNIT_GAP) + (CAPTION if any(unit.caption for unit in grid.units) else 0.0)
    count, found = max(len(grid.units), 1), []
    for per_line in range(1, count + 1):
        lines = math.ceil(count / per_line)
        cell = min(
            LARGEST_CELL,
            (width - left - (per_line - 1) * gap_x) / (per_line * columns),
            (height - lines * gap_y) / (lines * rows),
        )
        balanced = math.ceil(count / lines)  # lines of equal length, the last one aside
        found.append(Layout(balanced, cell, left, (columns * cell + gap_x, rows * cell + gap_y)))
    largest = max(layout.cell for layout in found)
    return [layout for layout in found if layout.cell > EQUAL * largest][-1]


def draw_grid(grid: Grid, heading: str, note: str, outputs: Sequence[str]) -> Layout:
    """Draw a grid as SVG, with the pixels of the images as they are, and PNG at 300 dpi.

    Parameters
    ----------
    grid : Grid
        Without units the figure says that there is no such image.
    heading, note : str
    outputs : sequence of path
    """
    layout = arrange(grid)
    rows, columns = grid.shape
    lines = math.ceil(len(grid.units) / layout.per_line)
    used = layout.corner(min(layout.per_line, max(len(grid.units), 1)) - 1)[0] + columns * layout.cell
    width = min(max(used, NARROWEST), PAGE_WIDTH)
    headings = textwrap.wrap(heading, int(width / HEADING_LETTER))
    notes = textwrap.wrap(note, int(width / NOTE_LETTER))
    top = 2.0 + 4.0 * len(headings) + (COLUMN_WORDS if grid.across else 1.0)
    height = top + (lines * layout.step[1] if grid.units else 8.0) + 2.0 + 3.0 * len(notes)
    figure = plt.figure(figsize=(width * MM, height * MM))
    canvas = Canvas(figure, width, height)
    for number, line in enumerate(headings):
        canvas.text(1.0, 3.0 + 4.0 * number, line, size=8, weight="bold")
    if not grid.units:
        canvas.text(1.0, top + 3.0, "There is no such image among the stimuli of the test.", size=7)
    n_pictures = len(grid.units) * (len(grid.rows) * len(grid.columns) + 1)
    finest = min(PRINTED, math.sqrt(MOST_PIXELS / max(n_pictures, 1)) / max(layout.cell, 1.0))
    most = max(int(layout.cell * finest * (1 - 2 * (FRAME + GAP))), 16)
    for number, unit in enumerate(grid.units):
        x, y = layout.corner(number)
        y += top
        if grid.across and number < layout.per_line:
            _column_words(canvas, grid, layout, x, y)
        if layout.left > 1.0 and number % layout.per_line == 0:
            _row_words(canvas, grid, layout, y)
        _draw_unit(canvas, grid, unit, (x, y), layout.cell, most)
    canvas.note("\n".join(notes))
    for output in outputs:
        _interpolate(figure, "none" if Path(output).suffix == ".svg" else "auto")
        save(figure, [output])
    return layout


def _interpolate(figure: plt.Figure, how: str) -> None:
    """Set how the pictures of a figure are drawn: ``none`` embeds their own pixels in a vector file."""
    for axes in figure.axes:
        for image in axes.images:
            image.set_interpolation(how)


def _draw_unit(canvas: Canvas, grid: Grid, unit: Unit, corner: tuple[float, float], cell: float, most: int) -> None:
    x, y = corner
    middle = (grid.shape[0] - 1) * cell / 2 if grid.across else 0.0
    _framed(canvas, x, y + middle, cell, unit.presented, PRESENTED, most)
    right, below = (1, 0) if grid.across else (0, 1)
    for row, line in enumerate(unit.cells):
        for column, picture in enumerate(line):
            if picture is not None:
                place = (x + (column + right) * cell, y + (row + below) * cell)
                _framed(canvas, *place, cell, picture, RECONSTRUCTED, most)
    if unit.caption:
        middle, foot = x + cell / 2, y + grid.shape[0] * cell
        canvas.text(middle, foot + 0.4, unit.caption, size=6, ha="center", va="top", linespacing=1.05, color=INK)


def _framed(canvas: Canvas, x: float, y: float, cell: float, picture: np.ndarray, colour: str, most: int) -> None:
    """Draw a picture, made smaller where it has more pixels than can be printed, upon a square that is its frame."""
    gap, frame = GAP * cell, FRAME * cell
    side = cell - 2 * gap
    place = ((x + gap) / canvas.width, 1 - (y + gap + side) / canvas.height)
    size = (side / canvas.width, side / canvas.height)
    canvas.figure.add_artist(
        plt.Rectangle(place, *size, color=colour, lw=0, zorder=-1)
    )  # below the axes of the picture
    if picture.shape[0] > most:
        picture = resize(picture.transpose(2, 0, 1)[None], most)[0].transpose(1, 2, 0)
    canvas.picture(x + gap + frame, y + gap + frame, side - 2 * frame, picture)


def _column_words(canvas: Canvas, grid: Grid, layout: Layout, x: float, y: float) -> None:
    size = 6.5 if layout.cell > 11.0 else 6
    texts = column_texts([grid.presented, *grid.columns], layout.cell, size)
    for number, text in enumerate(texts):
        place = x + (number + 0.5) * layout.cell
        weight = "normal" if number else "bold"
        canvas.text(place, y - 0.6, text, size=size, ha="center", va="bottom", weight=weight, linespacing=1.0)


def column_texts(words: Sequence[str], cell: float, size: float) -> list[str]:
    """Break the words above columns into lines; where one would touch its neighbour, all before their numbers too.

    Parameters
    ----------
    words : sequence of str
    cell : float
        Width of a column in mm.
    size : float
        Of the letters in points.
    """
    letters = max(int(cell / 1.25), 3)
    texts = ["\n".join(textwrap.wrap(one, letters, break_long_words=False)) for one in words]
    lines = [line for text in texts for line in text.split("\n") if line.strip()]
    widest = max((TextPath((0, 0), line, size=size).get_extents().width * 25.4 / 72 for line in lines), default=0.0)
    if widest <= WORDS_OF_CELL * cell:
        return texts
    return [re.sub(r"(?<=[A-Za-z])(?=\d)", "\n", text) for text in texts]


def _row_words(canvas: Canvas, grid: Grid, layout: Layout, y: float) -> None:
    words = grid.rows if grid.across else [grid.presented, *grid.rows]
    for number, line in enumerate(words):
        text = "\n".join(textwrap.wrap(line, 13, break_long_words=False))
        weight = "bold" if not grid.across and number == 0 else "normal"
        middle = y + (number + 0.5) * layout.cell
        canvas.text(layout.left - 1.2, middle, text, size=6.5, ha="right", weight=weight, color=INK, linespacing=1.05)
