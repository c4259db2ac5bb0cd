"""What the plots of a paper share: sizes, marks of subjects, legends, and the frame around a grid of panels."""

from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from fmri2image.report.style import COLOURS, FAINT, INK, LINE, MARKERS, MM, note_lines, write_below

ONE_COLUMN = 86.0  # mm: one column of a journal
SMALL = 6.5  # pt
LEGEND_LINE = 3.6  # mm
LEGEND_CHARACTER, LEGEND_MARK = 1.2, 9.5  # mm: an average character of the legend, and a mark with its gaps
POOLED = "pooled"  # subject of tables: all of them
CHANCE = "chance (1st to 99th percentile)"

Entry = tuple[Artist | tuple[Artist, ...], str]


def subject_mark(number: int, line: bool = False) -> Artist:
    """Return the mark of a subject by its number, for a legend."""
    return plt.Line2D(
        [], [], marker=MARKERS[number % len(MARKERS)], color=INK, ls="-" if line else "", lw=0.6, ms=3.2,
        mfc="white" if not line else None, mew=0.7,
    )  # fmt: skip


def patch(colour: str) -> Artist:
    """Return a coloured rectangle for a legend."""
    return plt.Rectangle((0, 0), 1, 1, color=colour, lw=0)


def colour_of(number: int) -> str:
    """Return the colour of a series by its number."""
    return COLOURS[number % len(COLOURS)]


def draw_subjects(
    axes: Axes,
    x: np.ndarray,
    subjects: Iterable[str],
    values: Iterable[float],
    order: Sequence[str],
    width: float,
    size: float = 2.6,
) -> None:
    """Draw the values of subjects on bars at `x`, those of a bar beside each other within `width`, marks by `order`."""
    subjects, values = np.asarray(list(subjects)), np.asarray(list(values), dtype=float)
    shown = [name for name in order if (subjects == name).any()]
    offsets = (np.arange(len(shown)) - (len(shown) - 1) / 2) * width / len(shown) if shown else []
    for offset, name in zip(offsets, shown, strict=True):
        mine = subjects == name
        axes.plot(
            x[mine] + offset, values[mine], MARKERS[order.index(name) % len(MARKERS)], ms=size, mfc="white", mec=INK,
            mew=0.2 * size, zorder=4, clip_on=False,
        )  # fmt: skip


def finish(figure: plt.Figure, entries: Sequence[Entry], sentences: Sequence[str]) -> plt.Figure:
    """Place the legend above and the sentences below the panels of a figure, and the panels between.

    Parameters
    ----------
    figure : Figure
        With all panels drawn; it grows by the height of the legend and of the sentences.
    entries : sequence of (mark, words)
    sentences : sequence of str
    """
    width, height = (size / MM for size in figure.get_size_inches())
    columns = _legend_columns([words for _, words in entries], width)
    top = 1.5 + LEGEND_LINE * -(-len(entries) // columns) if entries else 1.0
    bottom = 2.0 + LINE * len(note_lines(width, sentences))
    height += top + bottom
    figure.set_size_inches(width * MM, height * MM)
    if entries:
        figure.legend(
            [mark for mark, _ in entries], [words for _, words in entries], loc="upper left", ncols=columns,
            fontsize=SMALL, bbox_to_anchor=(0.0, 1.0), columnspacing=1.2, handletextpad=0.5, borderaxespad=0.2,
            borderpad=0.2, labelspacing=0.35,
        )  # fmt: skip
    write_below(figure, sentences)
    figure.set_layout_engine(
        "constrained", rect=(0, bottom / height, 1, 1 - (top + bottom) / height), h_pad=0.8 * MM, w_pad=0.8 * MM
    )
    return figure


def _legend_columns(words: Sequence[str], width: float) -> int:
    """Return the most columns in which a legend, filled column by column, fits a width in mm; 1 where nothing does."""
    for columns in range(len(words), 1, -1):
        lines, longer = divmod(len(words), columns)
        sizes = [lines + 1] * longer + [lines] * (columns - longer)
        starts = [sum(sizes[:i]) for i in range(columns)]
        longest = [max(map(len, words[start : start + size])) for start, size in zip(starts, sizes, strict=True)]
        if sum(longest) * LEGEND_CHARACTER + columns * LEGEND_MARK <= width:
            return columns
    return 1


def words_only(words: str) -> plt.Figure:
    """Return a figure that says why there is nothing to draw."""
    figure = plt.figure(figsize=(ONE_COLUMN * MM, 14.0 * MM))
    lines = note_lines(0.85 * ONE_COLUMN, [words])
    figure.text(0.02, 0.5, "\n".join(lines), size=7, va="center", color=FAINT)
    return figure


def p_words(p: float) -> str:
    """Return a p value in the words of a figure; empty where there is none."""
    if not np.isfinite(p):
        return ""
    if p < 0.001:
        return "p < .001"
    return f"p = {p:.3f}".replace("0.", ".") if p < 0.1 else f"p = {p:.2f}".replace("0.", ".")
