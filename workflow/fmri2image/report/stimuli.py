"""What reports show of a stimulus: its picture, or a card with its name where there is none or the terms forbid it.

Pictures of a file with ``show="no"`` are never read here, so none of their pixels can reach a figure or a page.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from fmri2image.core.arrays import LabelledArray, array_names, open_h5, read_array, read_attributes, row_index
from fmri2image.core.images import to_float

SIDE = 224  # pixels of a card where no picture of the set sets the size
HIDDEN, MISSING = "hidden", "missing"
LABELS = {HIDDEN: "not shown (terms)", MISSING: "no picture"}
NOTES = {
    HIDDEN: "Names stand for pictures whose terms forbid showing them.",
    MISSING: "Names stand for pictures that this study does not have.",
}
EITHER = "Names stand for pictures that must not be shown or are not there."
PAPER, INK, FAINT = (224, 224, 224), (34, 34, 34), (90, 90, 90)
FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
LARGEST = 38  # pixels of letters on a card of `SIDE` pixels
MOST_LINES = 6
WORTH_A_CUT = 1.3  # times larger


def shown_images(path: str | Path, rows: list[str] | None = None) -> LabelledArray:
    """Return what a report may show of the stimuli of a file.

    Parameters
    ----------
    path : path
        Stimulus file (`acquire.stimuli`).
    rows : list of str, optional
        Stimuli; all by default.

    Returns
    -------
    shown : LabelledArray
        Float RGB (n, 3, height, width) in [0, 1]. The attribute ``cards`` is a mapping from every stimulus that is shown
        as a card to ``hidden`` or ``missing``.

    Raises
    ------
    LabelMismatchError
        If the file does not know a name of `rows`.
    """
    pictured, unpictured = _names(path)
    names = [*pictured, *unpictured]
    rows = names if rows is None else list(rows)
    row_index(names, rows, f"A join with {path}")
    cards = dict.fromkeys(unpictured, MISSING)
    if read_attributes(path).get("show") == "no":
        cards |= dict.fromkeys(pictured, HIDDEN)
    cards = {name: cards[name] for name in rows if name in cards}
    open_rows = [name for name in rows if name not in cards]
    side, known = SIDE, {}
    if open_rows:
        array = read_array(path, "images", open_rows)
        values = to_float(array.values) if array.values.dtype == np.uint8 else array.values.astype(np.float32)
        known, side = dict(zip(open_rows, values, strict=True)), values.shape[-1]
    images = np.empty((len(rows), 3, side, side), dtype=np.float32)
    for number, name in enumerate(rows):
        images[number] = card(name, cards[name], side) if name in cards else known[name]
    return LabelledArray(images, rows, {"cards": cards})


def shown_note(path: str | Path) -> str:
    """Return the sentence that a figure with the stimuli of a file needs, empty where all pictures are shown."""
    pictured, unpictured = _names(path)
    hidden = bool(pictured) and read_attributes(path).get("show") == "no"
    return joined_notes([NOTES[HIDDEN]] * hidden + [NOTES[MISSING]] * bool(unpictured))


def was_imagined(path: str | Path) -> bool:
    """Tell whether the stimuli of a file were imagined: their events say so, or the set is called imagery."""
    return Path(path).stem == "imagery" or read_attributes(path).get("imagined") == "yes"


def seen_label(path: str | Path) -> str:
    """Return what subjects did with the stimuli of a file."""
    return "Imagined" if was_imagined(path) else "Seen"


def joined_notes(notes: Iterable[str]) -> str:
    """Return one sentence for a figure with several sets, from `shown_note` of each."""
    different = list(dict.fromkeys(note for note in notes if note))
    return EITHER if len(different) > 1 else "".join(different)


def has_pictures(path: str | Path) -> bool:
    """Tell whether a stimulus file holds the pictures of all its stimuli, shown or not."""
    pictured, unpictured = _names(path)
    return bool(pictured) and not unpictured


def stimulus_rows(path: str | Path) -> list[str]:
    """Return the names of all stimuli of a file, with and without pictures."""
    pictured, unpictured = _names(path)
    return [*pictured, *unpictured]


def card(name: str, kind: str, side: int = SIDE) -> np.ndarray:
    """Return a grey card with a stimulus' name, as large as it fits, and why its picture is not there.

    Parameters
    ----------
    name : str
    kind : {"hidden", "missing"}
    side : int
        Pixels.

    Returns
    -------
    image : float array (3, side, side) in [0, 1]
    """
    image = Image.new("RGB", (SIDE, SIDE), PAPER)
    draw = ImageDraw.Draw(image)
    foot = LABELS[kind].replace(" (", "\n(")
    low = SIDE - 16 - _size(draw, foot, 26)[1]
    draw.multiline_text((SIDE / 2, low), foot, FAINT, _font(26), anchor="ma", align="center")
    text, points = _fitted(draw, name, SIDE - 12, low - 16)
    draw.multiline_text((SIDE / 2, low / 2), text, INK, _font(points), anchor="mm", align="center")
    draw.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=(160, 160, 160), width=2)
    if side != SIDE:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    return to_float(np.asarray(image)[None])[0]


def _fitted(draw: ImageDraw.ImageDraw, name: str, width: float, height: float) -> tuple[str, int]:
    """Return the name in the lines, and at the size, at which its letters are largest; words are cut if that helps much."""
    longest = max(len(part) for part in _parts(name))
    whole, cut = (name, 1), (name, 1)
    for most in range(len(name), 0, -1):
        text = _wrapped(name, most)
        if text.count("\n") >= MOST_LINES:
            break
        best = whole if most >= longest else cut
        wide, high = _size(draw, text, LARGEST)
        points = min(LARGEST, int(LARGEST * min(width / wide, height / high)))
        while points > best[1] and not _fits(_size(draw, text, points), width, height):
            points -= 1
        if points > best[1]:
            whole, cut = ((text, points), cut) if most >= longest else (whole, (text, points))
    return cut if cut[1] > WORTH_A_CUT * whole[1] else whole


def _parts(name: str) -> list[str]:
    """Return a name cut behind ``_``, ``-``, ``.`` and blanks."""
    return [part for part in re.findall(r"[^_\-. ]*[_\-. ]?", name) if part] or [""]


def _wrapped(name: str, most: int) -> str:
    """Return a name in lines of at most `most` letters, broken behind ``_``, ``-``, ``.`` or blanks where possible."""
    lines = [""]
    for part in _parts(name):
        for piece in [part[i : i + most] for i in range(0, len(part), most)]:
            if len(lines[-1]) + len(piece) > most and lines[-1]:
                lines.append("")
            lines[-1] += piece
    return "\n".join(lines)


def _size(draw: ImageDraw.ImageDraw, text: str, points: int) -> tuple[float, float]:
    left, top, right, bottom = draw.multiline_textbbox((0, 0), text, _font(points), align="center")
    return right - left, bottom - top


def _fits(size: tuple[float, float], width: float, height: float) -> bool:
    return size[0] <= width and size[1] <= height


@cache
def _font(points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(FONT), points)


def _names(path: str | Path) -> tuple[list[str], list[str]]:
    """Return the stimuli of a file with and without a picture, without reading any pixel."""
    with open_h5(path) as file:
        arrays = array_names(file)
        return tuple(
            [str(name.decode() if isinstance(name, bytes) else name) for name in file[f"{array}_rows"][:]]
            if array in arrays
            else []
            for array in ("images", "names")
        )
