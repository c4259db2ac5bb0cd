"""What the figures of data quality share: page width, fonts, colours, the note on simulated data."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fmri2image.core.files import replacing

WIDTH = 180 / 25.4  # inches: a printed page, and the width of the HTML page
DPI = 250
LINE_LENGTH = 112  # letters of 8 points across the page
LINE, TITLE_HEIGHT = 0.145, 0.3  # inches
SIMULATED = "Simulated data: a phantom, not evidence about brains."
# Okabe and Ito's palette, readable with any colour vision. Outlines take the colours that stand out from grey.
BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"
OUTLINES = ("#F0E442", "#56B4E9", "#E69F00", "#CC79A7", "#00C896", "#FF6A13")
INK, FAINT, BAND = "#222222", "#8a8a8a", "#f1f1f1"
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.6,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
}


def styled() -> rc_context:
    """Return a context in which new figures have the style of the report."""
    return rc_context(STYLE)


def new_figure(height: float, **options: object) -> Figure:
    """Return a figure as wide as the page and `height` inches high, drawn without a display."""
    figure = Figure(figsize=(WIDTH, height), **options)
    FigureCanvasAgg(figure)
    return figure


def inches(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a place in inches, so that images keep one scale in millimetres."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def title(figure: Figure, words: str) -> None:
    """Write a headline at the upper left; it needs `TITLE_HEIGHT` inches."""
    figure.text(0.005, 1 - 0.05 / figure.get_figheight(), words, fontsize=10, fontweight="bold", va="top")


def note_lines(words: Sequence[str], simulated: bool) -> list[str]:
    """Return what must be known to read a figure rightly, as lines that fit the page."""
    return textwrap.wrap(" ".join([*words, *([SIMULATED] if simulated else [])]), LINE_LENGTH)


def note_height(lines: Sequence[str]) -> float:
    """Return the inches that lines need below a figure."""
    return LINE * len(lines) + 0.06


def note(figure: Figure, lines: Sequence[str]) -> None:
    """Write lines below a figure."""
    figure.text(0.005, 0.04 / figure.get_figheight(), "\n".join(lines), fontsize=8, va="bottom", linespacing=1.25)


def save(figure: Figure, path: str | Path) -> None:
    """Save a figure; equal figures are equal files."""
    with replacing(path) as partial:
        figure.savefig(partial, dpi=DPI, facecolor="white", metadata={"Software": None})
