"""Which images a figure shows: all, some by name alone, a word in letters, or by score where the figure is about that."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.report.sheets import spread

RANKED_BY, OF_EQUALS = "pixel_identification", "pixel_correlation"


@dataclass(frozen=True)
class Ranked:
    """A reconstruction chosen by its score: of one stimulus and subject, with the share of lures it beats."""

    stimulus: str
    subject: str
    score: float


def choose(names: Sequence[str], choice: Mapping) -> tuple[list[str], str]:
    """Choose stimuli without looking at their reconstructions.

    Parameters
    ----------
    names : sequence of str
        Stimuli there are.
    choice : mapping
        ``how``: ``all``, ``spread`` (``most``), ``named`` (``names``) or ``word`` (``word``).

    Returns
    -------
    chosen : list of str
        In alphabetical order, named ones and letters in the order given; the letters of a word may repeat.
    sentence : str
        How they were chosen, for the footnote.

    Raises
    ------
    DataError
        If a named stimulus is not there.
    """
    names = sorted(names)
    if choice["how"] == "named":
        unknown = [name for name in choice["names"] if name not in names]
        if unknown:
            raise DataError(
                f"report.paper.images names {shorten(unknown)}, of which there is no reconstruction to show; there are "
                f"{shorten(names)}."
            )
        return list(choice["names"]), "Images named in the configuration."
    if choice["how"] == "word":
        of_letter = {match[1]: name for name in names if (match := re.search(r"_([A-Z])$", name))}
        if set(choice["word"]) <= set(of_letter):
            return [of_letter[letter] for letter in choice["word"]], f"Letters of {choice['word']}, as in the paper."
    most = choice.get("most") or len(names)
    if len(names) <= most:
        return names, f"All {len(names)} images, in alphabetical order of their names."
    sentence = f"{most} of {len(names)} images, evenly spaced in alphabetical order of their names, not by quality."
    return spread(names, most), sentence


def rank(scores: pd.DataFrame, stimuli: Sequence[str], choice: Mapping) -> tuple[list[Ranked], str]:
    """Choose reconstructions by pixel identification.

    Parameters
    ----------
    scores : DataFrame
        Rows of ``…_scores.tsv`` of some subjects; of single trials the mean of each stimulus counts.
    stimuli : sequence of str
        Those that take part.
    choice : mapping
        ``how``: ``best`` or ``worst``; ``most``. At most half of all are taken, so that no image is in both figures.

    Returns
    -------
    chosen : list of Ranked
        From the highest score to the lowest; of equal scores by pixel correlation, then in the order of subjects and stimuli.
    sentence : str
    """
    mine = scores[scores["metric"].isin([RANKED_BY, OF_EQUALS]) & scores["stimulus"].isin(list(stimuli))]
    means = mine.pivot_table(index=["subject", "stimulus"], columns="metric", values="value").reset_index()
    means = means.reindex(columns=["subject", "stimulus", RANKED_BY, OF_EQUALS]).dropna(subset=[RANKED_BY])
    down = {RANKED_BY: False, OF_EQUALS: False, "subject": True, "stimulus": True}
    order = means.sort_values(list(down), ascending=list(down.values()), kind="stable")
    pairs = [
        Ranked(str(stimulus), str(subject), float(value))
        for stimulus, subject, value in zip(order["stimulus"], order["subject"], order[RANKED_BY], strict=True)
    ]
    most = min(choice["most"], len(pairs) // 2)
    which = "highest" if choice["how"] == "best" else "lowest"
    chosen = pairs[:most] if choice["how"] == "best" else pairs[len(pairs) - most :]
    sentence = (
        f"Chosen by score: the {most} of {len(pairs)} pairs of image and subject with the {which} pixel identification "
        "(percentages; of equal ones by pixel correlation)."
    )
    return chosen, sentence
