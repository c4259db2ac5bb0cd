"""The pictures of the first page: numbers, captions, and what they were made from."""

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from PIL import Image

from fmri2image.report.pages import SHEET_WIDTH, embed
from fmri2image.report.stimuli import joined_notes, shown_note, stimulus_rows
from fmri2image.report.style import CEILING, MM, PAGE_WIDTH, PRINT_DPI, subject_label

HIDDEN_CEILING = (
    "Images from true features (the ceiling) look almost like the pictures; where these may not be shown they are scored, "
    "not shown."
)
SHEET_NAME = re.compile(r"images_(?P<method>.+)_roi-(?P<roi>[A-Za-z0-9]+)_(?P<test>[a-z]+)$")


def page_figures(
    inputs: Mapping[str, Sequence[str]], settings: Mapping, numbers: itertools.count, table: pd.DataFrame
) -> dict:
    """Return the pictures of the first page with their captions, numbered in the order of the page.

    Parameters
    ----------
    inputs, settings : mapping
        As for `summary.write_summary`.
    numbers : iterator of int
    table : DataFrame
        ``identification.tsv``; where it is empty the figures of scores are left out, because all they hold is a sentence.

    Returns
    -------
    figures : dict
        ``examples`` (one), and lists: ``score_figures``, ``decoding_figures``, ``norm_figures``, ``quality_figures``,
        ``sheets`` (of the primary setting), ``other_sheets``.
    """
    primary = settings["primary"]
    setting = f"{primary['method']} on {primary['roi']}"

    def figure(path: str, alt: str, caption: str, width: int | None = None, **more: object) -> dict:
        number = next(numbers)
        return {
            "id": f"figure-{number}",
            "label": f"Figure {number}",
            "data": embed(path, width),
            "alt": alt,
            "caption": caption,
            "source": f"File: {Path(path).name}.",
            "half": False,
            "share": _share(path),
            "key": [],
            **more,
        }

    scored = not table.empty
    mine = table[(table["roi"] == CEILING) & (table["method"] == primary["method"])]
    ceiling = any(Path(path).stem.startswith(CEILING) for path in inputs["images"])
    hidden = {f"{CEILING}_{test}" for test in mine["test"]} - {Path(path).stem for path in inputs["images"]}
    chance = "Grey: 1st to 99th percentile of each subject's permutation distribution." + (
        " Black line: the same method on true features." * (not mine.empty)
    )
    last = " Last line: the ceiling, the same method on the true features of the images." * ceiling
    if hidden:
        last += f" {HIDDEN_CEILING}"
    tests = (settings["config"]["tests"][test] for test in settings["stimulus_sets"])
    trials = " Of single trials the first of each stimulus is shown." * any(test["rows"] == "trial" for test in tests)
    notes = {Path(path).stem: note for path in inputs["stimuli"] if (note := shown_note(path))}
    found = {
        "examples": figure(
            inputs["examples"][0],
            f"{'Names or pictures of seen images' if notes else 'Seen images'} above the reconstructions of every subject, "
            f"{setting}",
            f"Seen images (first line) and reconstructions of every subject, {setting}.{last} Images are spaced evenly in "
            f"alphabetical order of their names; quality played no part.{trials} Raw pixel values, not stretched. All images "
            f"are shown below.{f' {joined_notes(notes.values())}' if notes else ''}",
            SHEET_WIDTH,
        ),
    }
    found["score_figures"] = [
        figure(
            path,
            "Pairwise identification by similarity, test and area, beside chance and ceiling",
            f"Pairwise identification of method {primary['method']} by area. Rows: similarity; columns: test, with n "
            f"reconstructions. {chance}",
        )
        for path in inputs["identification_figure"] * scored
    ]
    found["score_figures"] += [
        figure(
            path,
            "Pairwise identification by similarity, test and method, beside chance and ceiling",
            f"Pairwise identification of all methods on area {primary['roi']}. {chance}",
        )
        for path in inputs["methods_figure"] * scored
    ]
    found["decoding_figures"] = [
        figure(
            path,
            "Correlation of decoded with true features by layer and area",
            "Correlation of decoded with true features over stimuli, mean over the units of a layer. Lines: the primary area, "
            "one per subject, and their mean; dashed: the mean over the noise ceiling, where it is known. Grey: 1st to 99th "
            "percentile of permutations, widest of subjects. Map, where several areas were decoded: mean of subjects; a dot "
            "marks what is not above the 99th percentile in every subject.",
        )
        for path in inputs["decoding_figure"]
    ]
    found["decoding_figures"] += [
        figure(
            path,
            "How often decoders of each layer choose voxels of each area, over chance",
            "How often the decoders of each layer choose voxels of each area, over chance, which is the area's share of the "
            "voxels to choose from (per cent beside its name). A ring marks the area that a layer favours most.",
        )
        for path in inputs["selection_figure"]
    ]
    found["decoding_figures"] += [
        figure(
            path,
            "Accuracy of decoding raw and absolute features, by filter",
            "Accuracy of decoding features as they are and their absolute values (Shen et al. 2019, Fig. 5): mean over all "
            "units (A), and over the units of each filter in ascending order of raw accuracy (B).",
        )
        for path in inputs["raw_absolute_figure"]
    ]
    found["norm_figures"] = [
        figure(
            path,
            "Effect of each norm correction on images and scores",
            f"What norm correction does to images and scores, area {primary['roi']}.",
        )
        for path in inputs["norm_figure"]
    ]
    found["quality_figures"] = [
        figure(
            path,
            f"Head motion over all runs, {Path(path).stem.split('_')[0]}",
            f"Head motion of {subject_label(Path(path).stem.split('_')[0].removeprefix('sub-')).lower()}.",
            half=True,
        )
        for path in inputs["quality"]
    ]
    found["sheets"], found["other_sheets"] = [], []
    names = {Path(path).stem: sorted(stimulus_rows(path)) for path in inputs["stimuli"]}
    ordered = sorted(inputs["sheets"], key=lambda path: not _is_primary(path, primary))
    for path in ordered:
        parts = SHEET_NAME.match(Path(path).stem).groupdict()
        words = f"{parts['method']}, {parts['roi']}, {parts['test']}"
        target = found["sheets"] if _is_primary(path, primary) else found["other_sheets"]
        stimulus_set = settings["stimulus_sets"].get(parts["test"])
        key, note = names.get(stimulus_set, []), notes.get(stimulus_set, "")
        alt = f"All images: {words}{'; names stand for stimuli' if note else ''}"
        caption = f"All images: {words}. {note}".rstrip()
        target.append(figure(path, alt, caption, SHEET_WIDTH, short=words, key=key))
    return found


def _share(path: str) -> int:
    """Return the width of a figure as per cent of the page: what is 180 mm wide in print fills it."""
    with Image.open(path) as image:
        return min(100, round(100 * image.width / (PAGE_WIDTH * MM * PRINT_DPI)))


def _is_primary(path: str, primary: Mapping[str, str]) -> bool:
    parts = SHEET_NAME.match(Path(path).stem)
    return (parts["method"], parts["roi"]) == (primary["method"], primary["roi"])
