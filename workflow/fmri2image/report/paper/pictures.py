"""What the image figures of Shen et al. 2019 show: pictures read by name, and the table of what is where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import read_attributes
from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table, write_table
from fmri2image.report.paper.choice import RANKED_BY, choose, rank
from fmri2image.report.paper.grid import Grid, Unit, draw_grid
from fmri2image.report.sheets import first_images
from fmri2image.report.stimuli import joined_notes, seen_label, shown_images, shown_note
from fmri2image.report.style import CEILING, CEILING_LABEL, footnote, subject_label

PICTURE_COLUMNS = {
    "unit": "Number of the unit in reading order; a unit is one stimulus with its reconstructions",
    "row": "Line of the picture within the unit, from 1",
    "column": "Column of the picture within the unit, from 1",
    "shows": "presented (black frame) or reconstructed (grey frame)",
    "stimulus": "Name of the stimulus",
    "label": "Words beside the line or above the column",
    "test": "Test",
    "method": "Method of reconstruction",
    "subject": "Subject; n/a for what was presented and for true features",
    "roi": "Area; n/a for what was presented and for true features",
    "file": "File of the picture",
    "picture": "yes; hidden or missing: a card with the name of the stimulus stands for its picture",
    "score": f"{RANKED_BY} of the reconstruction, where the figure chooses by it",
}
DISPLAY = "Pixel values as reconstructed, not stretched."


@dataclass(frozen=True)
class Line:
    """A reconstruction of every stimulus of a test: where it belongs in a unit, and its images by stimulus."""

    row: int
    column: int
    about: Mapping[str, str]
    images: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """What a figure takes from one test."""

    test: str
    stimuli: str
    seen: Mapping[str, np.ndarray]
    cards: Mapping[str, str]
    lines: list[Line]

    @property
    def names(self) -> list[str]:
        """Stimuli that can be shown: those of which there is a reconstruction."""
        return sorted({name for line in self.lines for name in line.images} & set(self.seen))


def draw_pictures(inputs: Mapping[str, Sequence[str]], outputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Draw an image figure and write the table behind it.

    Parameters
    ----------
    inputs : mapping
        Paths: ``images``, ``stimuli`` and, where the figure chooses by them, ``table`` (``stimuli.tsv``) and ``scores``.
    outputs : mapping
        ``svg``, ``png``, ``table``; the description of the table is written beside it.
    settings : mapping
        ``figure``, ``heading``, ``caption``, ``placing``, ``parts`` (``test``, ``set``, ``rows``, ``columns``),
        ``choice``, ``simulated``.

    Returns
    -------
    table : DataFrame
        One row per picture, `PICTURE_COLUMNS`.
    """
    parts = [_read_part(inputs, part) for part in settings["parts"]]
    first = settings["parts"][0]
    allowed = _of_kind(inputs, parts[0], settings["choice"])
    if settings["choice"]["how"] in ("best", "worst"):
        units, rows, sentence = _ranked_units(inputs, parts[0], allowed, settings["choice"])
        row_words = ["Reconstructed"]
        column_words = [""]
    else:
        chosen, sentence = choose(allowed, settings["choice"])
        units, rows = [], []
        for part, names in [(parts[0], chosen), *((part, part.names) for part in parts[1:])]:
            for name in names:
                units.append(_unit(part, name, len(first["rows"]), len(first["columns"])))
                rows += _unit_rows(part, name, len(units), settings["placing"])
        row_words, column_words = ([words_of(entry) for entry in first[key]] for key in ("rows", "columns"))
    grid = Grid(units, settings["placing"], seen_label(parts[0].stimuli), row_words, column_words)
    transductive = any(str(read_attributes(path).get("transductive")) == "True" for path in inputs["images"])
    notes = joined_notes(shown_note(part.stimuli) for part in parts)
    note = footnote(settings["simulated"], transductive, f"{sentence} {DISPLAY} {notes}".rstrip())
    draw_grid(grid, settings["heading"], note, [outputs["svg"], outputs["png"]])
    table = pd.DataFrame(rows, columns=list(PICTURE_COLUMNS))
    about = {"figure": settings["figure"], "caption": settings["caption"], "simulated": settings["simulated"]}
    write_table(outputs["table"], table, PICTURE_COLUMNS, **about, note=note)
    return table


def words_of(entry: Mapping) -> str:
    """Return the words of a line or column: its own, those of its subject, or none."""
    if "label" in entry:
        return entry["label"].replace("-", "\u2013") if entry["label"].startswith("DNN") else entry["label"]
    return subject_label(entry["subject"]) if entry.get("subject") else ""


def _read_part(inputs: Mapping, settings: Mapping) -> Part:
    test = settings["test"]
    of_set = {Path(path).stem: path for path in inputs["stimuli"]}
    files = {(Path(path).parent.name, Path(path).stem): path for path in inputs["images"]}
    read: dict[str, dict] = {}
    lines = []
    for i, row in enumerate(settings["rows"]):
        for j, column in enumerate(settings["columns"]):
            cell = {**row, **column}
            source = f"sub-{cell['subject']}_roi-{cell['roi']}" if cell["subject"] else CEILING
            path = files.get((cell["method"], f"{source}_{test}"))
            if path is None:
                raise DataError(f"The figure needs {cell['method']}/{source}_{test}.h5, which is not among its inputs.")
            if path not in read:
                read[path] = first_images(path)
            label = ", ".join(filter(None, (words_of(row), words_of(column)))) or (
                subject_label(cell["subject"]) if cell["subject"] else CEILING_LABEL
            )
            about = {key: cell[key] or None for key in ("method", "subject", "roi")} | {"file": path, "label": label}
            lines.append(Line(i, j, about, read[path]))
    stimuli = of_set[settings["set"]]
    names = {name for images in read.values() for name in images}
    shown = shown_images(stimuli)
    seen = {
        name: value.clip(0, 1).transpose(1, 2, 0)
        for name, value in zip(shown.rows, shown.values, strict=True)
        if name in names
    }
    return Part(test, stimuli, seen, shown.attributes["cards"], lines)


def _of_kind(inputs: Mapping, part: Part, choice: Mapping) -> list[str]:
    """Return the stimuli of a part that are of the kind that a figure is about."""
    if "kind" not in choice:
        return part.names
    table = read_table(inputs["table"][0], stimulus=str, kind=str)
    kind = dict(zip(table["stimulus"], table["kind"], strict=True))
    return [name for name in part.names if kind.get(name) == choice["kind"]]


def _unit(part: Part, name: str, n_rows: int, n_columns: int) -> Unit:
    cells: list[list[np.ndarray | None]] = [[None] * n_columns for _ in range(n_rows)]
    for line in part.lines:
        cells[line.row][line.column] = line.images.get(name)
    return Unit(part.seen[name], cells)


def _unit_rows(part: Part, name: str, unit: int, placing: str) -> list[dict]:
    """Return the rows of the table for one unit; the presented picture takes the first column, or the first line."""
    right, below = (1, 0) if placing == "across" else (0, 1)
    rows = [_presented_row(part, name, unit)]
    for line in part.lines:
        if name in line.images:
            place = {"row": line.row + below + 1, "column": line.column + right + 1}
            rows.append(_row(part, name, unit, "reconstructed", **place, **line.about, picture="yes"))
    return rows


def _presented_row(part: Part, name: str, unit: int) -> dict:
    about = {"label": seen_label(part.stimuli), "file": part.stimuli, "picture": part.cards.get(name, "yes")}
    return _row(part, name, unit, "presented", row=1, column=1, **about)


def _row(part: Part, name: str, unit: int, shows: str, **about: object) -> dict:
    empty = dict.fromkeys(("method", "subject", "roi", "score"))
    return {**empty, "unit": unit, "shows": shows, "stimulus": name, "test": part.test, **about}


def _ranked_units(
    inputs: Mapping, part: Part, allowed: Sequence[str], choice: Mapping
) -> tuple[list[Unit], list[dict], str]:
    """Return the units of reconstructions chosen by score, each with its subject and score below."""
    scores = pd.concat([read_table(path, subject=str) for path in inputs["scores"]], ignore_index=True)
    chosen, sentence = rank(scores, allowed, choice)
    of_subject = {line.about["subject"]: line for line in part.lines}
    units, rows = [], []
    for number, one in enumerate(chosen, start=1):
        line = of_subject[one.subject]
        caption = f"{subject_label(one.subject)}\n{100 * one.score:.0f} %"
        units.append(Unit(part.seen[one.stimulus], [[line.images[one.stimulus]]], caption))
        rows.append(_presented_row(part, one.stimulus, number))
        place = {"row": 2, "column": 1, "score": one.score}
        rows.append(_row(part, one.stimulus, number, "reconstructed", **place, **line.about, picture="yes"))
    return units, rows, sentence
