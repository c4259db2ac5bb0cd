"""The recovery table for people: one line per measure and area, subjects side by side."""

from collections.abc import Mapping, Sequence

import pandas as pd

from fmri2image.evaluate.recovery.table import MEASURES
from fmri2image.report.facts import percent, significant

KEYS = ["stage", "roi", "stimulus_set", "test", "measure", "unit"]


def recovery_lines(table: pd.DataFrame, subjects: Sequence[str], roi: str) -> dict:
    """Lay out the recovery table.

    Parameters
    ----------
    table : DataFrame
        ``recovery.tsv``.
    subjects : sequence of str
        Order of the columns.
    roi : str
        Area whose lines are shown; lines without an area are too, all others are folded.

    Returns
    -------
    lines : {"shown": list, "folded": list, "definitions": list of (words, definition)}
    """
    stages = {stage: i for i, stage in enumerate(dict.fromkeys(measure.stage for measure in MEASURES.values()))}
    shown, folded = [], []
    keys = [key for key in KEYS if key in table]
    for values, rows in table.assign(**{key: table[key].astype(object).fillna("") for key in keys}).groupby(
        keys, sort=False
    ):
        line = _line(dict(zip(keys, values, strict=True)), rows.set_index("subject"), subjects)
        line["order"] = stages.get(line["stage"], len(stages))
        (shown if line["roi"] in ("", roi) else folded).append(line)
    present = [name for name in MEASURES if name in set(table["measure"])]
    definitions = [(words(name), MEASURES[name].definition) for name in present]
    return {"shown": shown, "folded": folded, "definitions": definitions}


def words(name: str) -> str:
    """Return the name of a measure in words."""
    return name.replace("roi_", "ROI_").replace("_", " ")


def _line(key: Mapping[str, str], rows: pd.DataFrame, subjects: Sequence[str]) -> dict:
    share = rows["share_of_ceiling"].mean()
    return {
        "stage": key["stage"],
        "measure": words(key["measure"]),
        "roi": key["roi"],
        "set": key.get("test") or key["stimulus_set"],
        "unit": "" if key["unit"] in ("correlation", "fraction", "ratio") else key["unit"],
        "subject_values": [significant(rows["value"].get(subject)) for subject in subjects],
        "ceiling": significant(rows["ceiling"].mean()),
        "share": "" if pd.isna(share) else percent(share),
    }
