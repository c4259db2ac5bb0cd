"""The table of all stimuli of a real dataset, from the files of its sets."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fmri2image.acquire.stimulus_names import SYNSET
from fmri2image.core.arrays import array_names, open_h5, read_attributes
from fmri2image.core.tables import write_table

TABLE_COLUMNS = {
    "stimulus": "Name of the stimulus, as in the events",
    "stimulus_set": "Set of stimuli",
    "category": "Synset of an image of ImageNet, else the stimulus itself",
    "picture": "yes; hidden: there is one, but it must not be shown; missing: there is none",
}


def list_stimuli(paths: Sequence[str | Path], output: str | Path) -> pd.DataFrame:
    """Write ``stimuli.tsv``, the table of all stimuli of a study, from the files of its sets.

    Parameters
    ----------
    paths : sequence of path
        One per set, named after it.
    output : path

    Returns
    -------
    table : DataFrame
        `TABLE_COLUMNS`.
    """
    rows = []
    for path in paths:
        hidden = read_attributes(path).get("show") == "no"
        with open_h5(path) as file:
            arrays = array_names(file)
            names = {
                array: [name.decode() for name in file[f"{array}_rows"][:]]
                for array in ("images", "names")
                if array in arrays
            }
        for array, found in names.items():
            picture = "missing" if array == "names" else "hidden" if hidden else "yes"
            rows += [(name, Path(path).stem, _category(name), picture) for name in found]
    table = pd.DataFrame(rows, columns=list(TABLE_COLUMNS))
    write_table(output, table, TABLE_COLUMNS)
    return table


def _category(name: str) -> str:
    match = SYNSET.fullmatch(name)
    return match[1] if match else name
