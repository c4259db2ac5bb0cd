"""Movies of the optimisation (Shen et al. 2019, PLOS CB, S1–S3 Movies): GIFs that play in any browser."""

import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from fmri2image.core.arrays import LabelledArray, read_array, read_attributes
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.core.images import to_bytes
from fmri2image.core.splits import stimulus_of
from fmri2image.core.tables import write_table
from fmri2image.report.paper.choice import choose
from fmri2image.report.stimuli import FONT, seen_label, shown_images, shown_note
from fmri2image.report.style import footnote

MOVIE_COLUMNS = {
    "unit": "Number of the pair in reading order",
    "stimulus": "Name of the stimulus",
    "test": "Test",
    "method": "Method of reconstruction",
    "subject": "Subject",
    "roi": "Area",
    "file": "File of the images along the way",
    "picture": "yes; hidden or missing: a card with the name of the stimulus stands for its picture",
}
SIDE, FRAME, GAP, MARGIN = 96, 4, 14, 12  # pixels: picture, its frame, between pairs, around everything
PAIRS = 4  # to a line
TEXT, SMALL = 15, 11  # pixels of letters
PLAYED, FASTEST, SLOWEST = 6000, 60, 400  # ms: all images along the way, and one of them at least and at most
PAUSE = 3000  # ms at the end
BLACK, GREY, WHITE, FAINT = (0, 0, 0), (154, 154, 154), (255, 255, 255), (107, 107, 107)


def make_movie(images: str, stimuli: str, outputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Make a movie of some images: left what was shown, right its reconstruction after more and more iterations.

    Parameters
    ----------
    images : path
        Reconstructions with the array ``snapshots`` (n_rows, n_snapshots, 3, height, width), 8-bit, whose attribute
        ``snapshot_iterations`` is the JSON list of their iterations. Of single trials the first of each stimulus is taken.
    stimuli : path
    outputs : mapping
        ``movie``, ``table``; the description of the table is written beside it.
    settings : mapping
        ``figure``, ``heading``, ``caption``, ``test``, ``method``, ``subject``, ``roi``, ``choice``, ``simulated``.

    Returns
    -------
    table : DataFrame
        One row per pair, `MOVIE_COLUMNS`.

    Raises
    ------
    DataError
        If there are no images along the way, or not one for every iteration named.
    """
    snapshots = read_array(images, "snapshots")
    iterations = json.loads(snapshots.attributes.get("snapshot_iterations", "[]"))
    if not iterations or len(iterations) != snapshots.values.shape[1]:
        raise DataError(
            f"{images}: {snapshots.values.shape[1]} images along the way, but {len(iterations)} iterations named; delete "
            "the file and run the workflow again."
        )
    row_of: dict[str, int] = {}
    for number, row in enumerate(snapshots.rows):
        row_of.setdefault(stimulus_of(row), number)
    seen = shown_images(stimuli)
    chosen, sentence = choose(sorted(set(row_of) & set(seen.rows)), settings["choice"])
    presented = seen.take(chosen)
    transductive = str(read_attributes(images).get("transductive")) == "True"
    note = footnote(settings["simulated"], transductive, f"{sentence} {shown_note(stimuli)}".rstrip())
    frames = movie_frames(
        presented, snapshots.values[[row_of[name] for name in chosen]], iterations,
        [settings["heading"], f"Left: {seen_label(stimuli).lower()}. Right: reconstructed."], note,
    )  # fmt: skip
    write_gif(outputs["movie"], frames)
    cards = seen.attributes["cards"]
    table = pd.DataFrame(
        [
            {
                "unit": number, "stimulus": name, **{key: settings[key] for key in ("test", "method", "subject", "roi")},
                "file": images, "picture": cards.get(name, "yes"),
            }
            for number, name in enumerate(chosen, start=1)
        ],
        columns=list(MOVIE_COLUMNS),
    )  # fmt: skip
    about = {"figure": settings["figure"], "caption": settings["caption"], "simulated": settings["simulated"]}
    write_table(outputs["table"], table, MOVIE_COLUMNS, **about, iterations=iterations, note=note)
    return table


def movie_frames(
    presented: LabelledArray, snapshots: np.ndarray, iterations: Sequence[int], heading: Sequence[str], note: str
) -> list[Image.Image]:
    """Return one frame per image along the way.

    Parameters
    ----------
    presented : LabelledArray (n, 3, height, width)
        Float RGB in [0, 1].
    snapshots : 8-bit array (n, n_snapshots, 3, height, width)
    iterations : sequence of int, length n_snapshots
    heading, note : words above and below

    Returns
    -------
    frames : list of RGB images
    """
    n_pairs = len(snapshots)
    per_line = min(PAIRS, max(n_pairs, 1))
    box = SIDE + 2 * FRAME
    width = max(2 * MARGIN + per_line * 2 * box + (per_line - 1) * GAP, 4 * box + GAP + 2 * MARGIN)
    lines = math.ceil(n_pairs / per_line)
    text, small = (ImageFont.truetype(str(FONT), size) for size in (TEXT, SMALL))
    words = [*_wrapped(heading[0], text, width - 2 * MARGIN), heading[1]]
    notes = _wrapped(note, small, width - 2 * MARGIN)
    top = MARGIN + (TEXT + 6) * (len(words) + 1) + 6
    height = top + lines * (box + GAP) + len(notes) * (SMALL + 4) + MARGIN
    base = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(base)
    for number, line in enumerate(words):
        draw.text((MARGIN, MARGIN + number * (TEXT + 6)), line, BLACK, text)
    for number, line in enumerate(notes):
        draw.text((MARGIN, height - MARGIN - (len(notes) - number) * (SMALL + 4)), line, FAINT, small)
    corners = [
        (MARGIN + (number % per_line) * (2 * box + GAP), top + (number // per_line) * (box + GAP))
        for number in range(n_pairs)
    ]
    for (x, y), picture in zip(corners, to_bytes(presented.values), strict=True):
        _paste(base, draw, x, y, picture, BLACK)
    frames = []
    for step, iteration in enumerate(iterations):
        frame = base.copy()
        draw = ImageDraw.Draw(frame)
        draw.text((MARGIN, MARGIN + len(words) * (TEXT + 6)), f"Iteration {iteration}", BLACK, text)
        for (x, y), picture in zip(corners, snapshots[:, step].transpose(0, 2, 3, 1), strict=True):
            _paste(frame, draw, x + box, y, picture, GREY)
        frames.append(frame)
    return frames


def write_gif(path: str, frames: Sequence[Image.Image]) -> None:
    """Write frames as an endless GIF with a pause at the end; equal frames make equal bytes.

    All frames share one palette, made of the first, the middle and the last, so that what does not move does not flicker.
    """
    some = [frames[0], frames[len(frames) // 2], frames[-1]]
    width, height = frames[0].size
    montage = Image.new("RGB", (width, height * len(some)))
    for number, frame in enumerate(some):
        montage.paste(frame, (0, number * height))
    palette = montage.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    each = int(np.clip(PLAYED / len(frames), FASTEST, SLOWEST)) // 10 * 10
    with replacing(path) as partial:
        flat[0].save(
            partial, format="GIF", save_all=True, append_images=flat[1:], loop=0, optimize=False,
            duration=[each] * (len(frames) - 1) + [PAUSE],
        )  # fmt: skip


def _paste(
    target: Image.Image, draw: ImageDraw.ImageDraw, x: int, y: int, picture: np.ndarray, colour: tuple[int, int, int]
) -> None:
    box = SIDE + 2 * FRAME
    draw.rectangle((x, y, x + box - 1, y + box - 1), fill=colour)
    resized = Image.fromarray(np.ascontiguousarray(picture)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    target.paste(resized, (x + FRAME, y + FRAME))


def _wrapped(words: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    lines: list[str] = []
    for word in words.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
