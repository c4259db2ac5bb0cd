"""Examples of the stimuli of every set."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from fmri2image.report.phantom.files import save_figure
from fmri2image.report.sheets import Canvas, spread
from fmri2image.report.stimuli import shown_images
from fmri2image.report.style import MM, PAGE_WIDTH, footnote

COLUMNS, ROWS_OF_CATEGORIES, OF_CATEGORY = 15, 2, 3
LABEL, GAP, TOP = 24.0, 4.0, 2.0  # mm
# What the subjects do with the images of a set.
USES = {"natural": "nobody is shown"}


def draw_stimuli(
    stimuli: Sequence[str], table: pd.DataFrame, outputs: Sequence[str], settings: Mapping
) -> dict[str, list[str]]:
    """Draw rows of examples of each set; of a set with several images per category, three of some categories.

    Parameters
    ----------
    stimuli : sequence of path
        One file per set, named after it.
    table : DataFrame
        ``stimulus``, ``category``, one row per image.
    outputs : sequence of path
    settings : mapping
        ``uses`` (from set to what is done with it, in the order of the rows).

    Returns
    -------
    shown : dict from set to the names of the images shown
    """
    of_set = {Path(path).stem: path for path in stimuli}
    category = table.drop_duplicates("stimulus").set_index("stimulus")["category"]
    sets = {name: shown_images(of_set[name]) for name in settings["uses"]}
    shown = {name: choose(images.rows, category) for name, images in sets.items()}
    tile = (PAGE_WIDTH - LABEL) / COLUMNS
    lines = {name: -(-len(names) // COLUMNS) for name, names in shown.items()}
    height = TOP + sum(lines.values()) * tile + len(sets) * GAP + 3.0
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, height * MM))
    canvas, top = Canvas(figure, PAGE_WIDTH, height), TOP
    for name, images in sets.items():
        canvas.text(1.0, top + 2.0, name, size=8, weight="bold")
        share = f"{len(images.rows)} images"
        if len(shown[name]) < len(images.rows):
            share = f"{len(shown[name])} of {share}"
        n_categories = category[images.rows].nunique()
        if n_categories < len(images.rows):
            share += f"\n{n_categories} categories"
        canvas.text(1.0, top + 4.0, f"{share}\n{settings['uses'][name]}", size=6, va="top", linespacing=1.3)
        for number, image in enumerate(images.take(shown[name], name).values):
            x, y = LABEL + number % COLUMNS * tile, top + number // COLUMNS * tile
            canvas.picture(x, y, 0.95 * tile, image.transpose(1, 2, 0))
        top += lines[name] * tile + GAP
    canvas.note(footnote(True, False, "Images chosen evenly by name, not by look."))
    save_figure(figure, outputs, palette=None)
    return shown


def choose(names: Sequence[str], category: pd.Series) -> list[str]:
    """Choose the images that are shown: evenly by name, or the first three of evenly chosen categories."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(str(category[name]), []).append(name)
    n_categories = ROWS_OF_CATEGORIES * COLUMNS // OF_CATEGORY
    if len(names) / len(groups) >= OF_CATEGORY and len(groups) >= n_categories:
        chosen = spread(list(groups), n_categories)
        return [name for key in chosen for name in groups[key][:OF_CATEGORY]]
    most = COLUMNS * (2 if len(names) <= 2 * COLUMNS else 1)
    return list(spread(list(names), min(most, len(names))))
