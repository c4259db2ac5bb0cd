"""The main figure: some images of every test of the primary setting, chosen by name alone, for every subject."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from fmri2image.core.errors import DataError
from fmri2image.report.sheets import LABEL, Canvas, Sheet, read_sheet, spread
from fmri2image.report.stimuli import joined_notes
from fmri2image.report.style import MM, PAGE_WIDTH, footnote, save

GAP = 4.0  # mm between panels side by side
HEADING, PANEL_GAP = 6.0, 5.0
WHOLE = 12  # images over the whole width
MOST_PANELS = 3  # side by side


def draw_examples(
    images: Sequence[str], stimuli: Sequence[str], outputs: Sequence[str], settings: Mapping
) -> dict[str, list[str]]:
    """Draw the main figure: the first test over the whole width, the others side by side.

    Parameters
    ----------
    images : sequence of path
        Reconstructions of all subjects and of the ceiling, for all tests.
    stimuli : sequence of path
        One file per stimulus set, named after it.
    outputs : sequence of path
    settings : mapping
        ``simulated``, ``stimulus_sets`` (test to set, in the order of the panels).

    Returns
    -------
    shown : dict from test to the names of the images shown
    """
    of_set = {Path(path).stem: path for path in stimuli}
    panels: list[tuple[str, Sheet]] = []
    for test, stimulus_set in settings["stimulus_sets"].items():
        files = [path for path in images if Path(path).stem.endswith(f"_{test}")]
        if not files or stimulus_set not in of_set:
            raise DataError(f"The main figure has no images of the test '{test}' (stimulus set '{stimulus_set}').")
        sheet = read_sheet(files, of_set[stimulus_set], test)
        panels.append((test, sheet))
    others = panels[1:]
    rows = [panels[:1], *[others[i : i + MOST_PANELS] for i in range(0, len(others), MOST_PANELS)]]
    tile = (PAGE_WIDTH - LABEL - (MOST_PANELS - 1) * GAP) / WHOLE
    heights = [HEADING + max(len(sheet.lines) for _, sheet in row) * tile + PANEL_GAP for row in rows]
    height = sum(heights) + 3.0
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, height * MM))
    canvas, top, letters, shown = Canvas(figure, PAGE_WIDTH, height), 0.0, iter("abcdefghijklmnopqrstuvwxyz"), {}
    for row, panel_height in zip(rows, heights, strict=True):
        columns = WHOLE // len(row)
        for side, (test, sheet) in enumerate(row):
            names = shown[test] = spread(sheet.stimuli, columns)
            left = side * (columns * tile + GAP)
            share = "all" if len(names) == len(sheet.stimuli) else f"{len(names)} of"
            kind = "images" if sheet.lines[0].label == "Seen" else "(imagined)"
            heading = f"{test}: {share} {len(sheet.stimuli)} {kind}"
            canvas.text(left + (LABEL if side else 1.0), top + 2.5, next(letters, ""), size=9, weight="bold")
            canvas.text(left + LABEL + (4 if side else 0), top + 2.5, heading, size=7, weight="bold")
            canvas.images(sheet, names, (left, top + HEADING), tile, labels=not side)
        top += panel_height
    transductive = any(sheet.transductive for _, sheet in panels)
    note = joined_notes(sheet.note for _, sheet in panels)
    more = f"Images chosen evenly by name, not by quality. {note}".rstrip()
    canvas.note(footnote(settings["simulated"], transductive, more))
    save(figure, outputs)
    return shown
