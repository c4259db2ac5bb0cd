"""Image sheets at print size: what was seen above what was reconstructed, one line per subject, stimuli by name."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.splits import stimulus_of
from fmri2image.report.stimuli import seen_label, shown_images, shown_note
from fmri2image.report.style import (
    CEILING,
    CEILING_LABEL,
    FAINT,
    INK,
    MM,
    PAGE_WIDTH,
    footnote,
    save,
    subject_label,
)

LABEL = 20.0  # mm left of the images
LARGEST_TILE, SMALLEST_TILE = 16.0, 9.0  # mm
TALLEST = 235.0  # mm of images: a page of a journal
BLOCK_GAP = 6.0  # mm between blocks of lines
# Mean width in mm of a letter of the heading (8 pt, bold) and of the footnote (6 pt).
HEADING_LETTER, NOTE_LETTER = 1.65, 1.1


@dataclass(frozen=True)
class Line:
    """One line of a sheet: a label and an image (height, width, 3) in [0, 1] per stimulus."""

    label: str
    pictures: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Sheet:
    """Lines of images of the same stimuli, in the order of their names; `note` says where names stand for pictures."""

    stimuli: list[str]
    lines: list[Line]
    transductive: bool
    note: str = ""


def read_sheet(images: Sequence[str], stimuli: str, test: str) -> Sheet:
    """Read stimuli, names where they cannot be shown, and reconstructions of one test.

    Parameters
    ----------
    images : sequence of path
        Reconstructions, one file per line: ``sub-<subject>_roi-<roi>_<test>.h5`` or ``true-features_<test>.h5``. Of
        single trials the first of each stimulus is taken.
    stimuli : path
    test : str
    """
    seen = shown_images(stimuli)
    lines = [Line(seen_label(stimuli), {row: _pixels(v) for row, v in zip(seen.rows, seen.values, strict=True)})]
    for path in images:
        lines.append(Line(source_label(Path(path).stem.removesuffix(f"_{test}")), first_images(path)))
    transductive = any(str(read_attributes(path).get("transductive")) == "True" for path in images)
    return Sheet(sorted(seen.rows), lines, transductive, shown_note(stimuli))


def source_label(source: str) -> str:
    """Return the words for a source of reconstructions, ``sub-…_roi-…`` or ``true-features``."""
    return CEILING_LABEL if source == CEILING else subject_label(source.removeprefix("sub-").split("_roi-")[0])


def first_images(path: str | Path) -> dict[str, np.ndarray]:
    """Return the image (height, width, 3) in [0, 1] of every stimulus of a file; of several trials the first."""
    array = read_array(path, "images")
    found: dict[str, np.ndarray] = {}
    for row, image in zip(array.rows, array.values, strict=True):
        found.setdefault(stimulus_of(row), _pixels(image))
    return found


def spread(names: Sequence[str], most: int) -> list[str]:
    """Choose at most `most` names, evenly spaced in alphabetical order, so that quality plays no part."""
    names = sorted(names)
    if len(names) <= most:
        return names
    return [names[round(i * (len(names) - 1) / (most - 1))] for i in range(most)] if most > 1 else names[:1]


def layout(n_stimuli: int, n_lines: int) -> tuple[int, float]:
    """Return the columns of a sheet and the side of an image in mm: the largest that fits a page, balanced blocks."""
    best = None
    for blocks in range(1, n_stimuli + 1):
        columns = math.ceil(n_stimuli / blocks)
        tile = min(LARGEST_TILE, (PAGE_WIDTH - LABEL) / columns)
        height = math.ceil(n_stimuli / columns) * (n_lines * tile + BLOCK_GAP)
        if height <= TALLEST and (best is None or tile > best[1] + 0.1):
            best = (columns, tile)
    if best is None or best[1] < SMALLEST_TILE:
        columns = min(n_stimuli, int((PAGE_WIDTH - LABEL) // SMALLEST_TILE))
        best = (columns, min(LARGEST_TILE, (PAGE_WIDTH - LABEL) / columns))
    return best


def draw_sheet(
    images: Sequence[str], stimuli: str, outputs: Sequence[str], wildcards: Mapping[str, str], settings: Mapping
) -> None:
    """Draw all stimuli of a test, in the order of their names, numbered.

    Parameters
    ----------
    images : sequence of path
        Reconstructions, one file per line of the sheet.
    stimuli : path
    outputs : sequence of path
        PNG at 300 dpi, PDF.
    wildcards : mapping
        ``method``, ``roi``, ``test``.
    settings : mapping
        ``title``, ``simulated``, ``stimulus_sets`` (test to set).
    """
    test = wildcards["test"]
    sheet = read_sheet(images, stimuli, test)
    columns, tile = layout(len(sheet.stimuli), len(sheet.lines))
    blocks = math.ceil(len(sheet.stimuli) / columns)
    width = max(LABEL + columns * tile, 110.0)
    heading = f"{settings['title']} · {wildcards['method']}, {wildcards['roi']}, {test}"
    heading = textwrap.wrap(heading, int(width / HEADING_LETTER))
    more = f"Images in alphabetical order of their names. {sheet.note}".rstrip()
    note = footnote(settings["simulated"], sheet.transductive, more)
    note = [line for part in note.split("\n") for line in textwrap.wrap(part, int(width / NOTE_LETTER))]
    top = 4.0 + 4.0 * len(heading)
    height = top + blocks * (len(sheet.lines) * tile + BLOCK_GAP) + 4.0 + 3.0 * len(note)
    figure = plt.figure(figsize=(width * MM, height * MM))
    canvas = Canvas(figure, width, height)
    for number, line in enumerate(heading):
        canvas.text(1.0, 3.0 + 4.0 * number, line, size=8, weight="bold")
    for block in range(blocks):
        names = sheet.stimuli[block * columns : (block + 1) * columns]
        canvas.images(sheet, names, (0.0, top + 3.0), tile, numbers=block * columns + 1)
        top += len(sheet.lines) * tile + BLOCK_GAP
    canvas.note("\n".join(note))
    save(figure, outputs)


class Canvas:
    """A figure on which things are placed in mm from the upper left corner.

    Parameters
    ----------
    figure : Figure
    width, height : float
        Of the figure in mm.
    """

    def __init__(self, figure: plt.Figure, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height

    def text(self, x: float, y: float, text: str, **style: object) -> None:
        """Write text, by default vertically centred at y."""
        self.figure.text(x / self.width, 1 - y / self.height, text, **{"va": "center", **style})

    def note(self, text: str) -> None:
        """Write the footnote."""
        self.text(1.0, self.height - 1.0, text, size=6, color=FAINT, va="bottom")

    def images(
        self,
        sheet: Sheet,
        names: Sequence[str],
        corner: tuple[float, float],
        tile: float,
        numbers: int | None = None,
        labels: bool = True,
    ) -> None:
        """Draw the lines of a sheet for some stimuli; `corner` (x, y) is that of the label column."""
        left, top = corner
        for row, line in enumerate(sheet.lines):
            y = top + row * tile
            if labels:
                weight = "bold" if row == 0 else "normal"
                self.text(left + LABEL - 1.5, y + tile / 2, line.label, ha="right", size=7, weight=weight, color=INK)
            for column, name in enumerate(names):
                x = left + LABEL + column * tile
                if row == 0 and numbers is not None:
                    self.text(x + 0.48 * tile, top - 1.4, str(numbers + column), ha="center", size=6, color=FAINT)
                if name in line.pictures:
                    self.picture(x, y, 0.96 * tile, line.pictures[name])

    def picture(self, x: float, y: float, side: float, image: np.ndarray) -> None:
        """Draw one image, pixel by pixel."""
        place = (x / self.width, 1 - (y + side) / self.height, side / self.width, side / self.height)
        axes = self.figure.add_axes(place)
        axes.set_axis_off()
        axes.imshow(image, interpolation="nearest")


def _pixels(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 1).transpose(1, 2, 0)
