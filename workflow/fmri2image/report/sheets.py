"""Image sheets: what was seen above what was reconstructed, one line per subject."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.images import read_images
from fmri2image.core.splits import stimulus_of
from fmri2image.report.style import CEILING_LABEL, footnote, subject_label

MOST_COLUMNS = 12
TILE = 0.62  # inches


def draw_sheet(
    images: Sequence[str], stimuli: str, output: str, wildcards: Mapping[str, str], settings: Mapping
) -> None:
    """Draw a sheet of all stimuli of a test.

    Parameters
    ----------
    images : sequence of path
        Reconstructions, one file per line of the sheet; single trials show the first of each stimulus.
    stimuli : path
    output : path
        PNG.
    wildcards : mapping
        ``method``, ``roi``, ``test``.
    settings : mapping
        ``title``, ``simulated``.
    """
    seen = read_images(stimuli)
    transductive = any(str(read_attributes(path).get("transductive")) == "True" for path in images)
    lines = [("Seen", dict(zip(seen.rows, seen.values, strict=True)))]
    for path in images:
        source = Path(path).stem.removesuffix(f"_{wildcards['test']}")
        lines.append((_label(source), _first_rows(path)))
    columns = min(MOST_COLUMNS, len(seen.rows))
    blocks = -(-len(seen.rows) // columns)
    n_lines = len(lines)
    width, height = 1.25 + TILE * columns, TILE * (n_lines * blocks) + 0.22 * (blocks - 1) + 0.75
    figure = plt.figure(figsize=(width, height), dpi=200)
    for number, row in enumerate(seen.rows):
        block, column = divmod(number, columns)
        for line, (label, pictures) in enumerate(lines):
            x = 1.2 + TILE * column
            y = height - 0.5 - TILE * (block * n_lines + line + 1) - 0.22 * block
            axes = figure.add_axes((x / width, y / height, 0.96 * TILE / width, 0.96 * TILE / height))
            axes.set_axis_off()
            if row in pictures:
                axes.imshow(_pixels(pictures[row]), interpolation="nearest")
            if column == 0:
                weight = "bold" if line == 0 else "normal"
                figure.text(
                    1.12 / width, (y + TILE / 2) / height, label, ha="right", va="center", size=7, weight=weight
                )
    heading = f"{settings['title']}: {wildcards['method']}, {wildcards['roi']}, {wildcards['test']}"
    figure.text(0.08 / width, 1 - 0.2 / height, heading, size=8.5, weight="bold", va="center")
    figure.text(
        0.08 / width, 0.1 / height, footnote(settings["simulated"], transductive), size=5.5, color="0.35", va="center"
    )
    figure.savefig(output)
    plt.close(figure)


def _label(source: str) -> str:
    return CEILING_LABEL if source == "true-features" else subject_label(source.removeprefix("sub-").split("_roi-")[0])


def _first_rows(path: str) -> dict[str, np.ndarray]:
    array = read_array(path, "images")
    found: dict[str, np.ndarray] = {}
    for row, image in zip(array.rows, array.values, strict=True):
        found.setdefault(stimulus_of(row), image)
    return found


def _pixels(image: np.ndarray) -> np.ndarray:
    return np.clip(image, 0, 1).transpose(1, 2, 0)
