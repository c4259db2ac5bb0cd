"""Which stimuli are lures of which: all others of the set, those of the same kind, or those that share colour or shape.

Shen et al. (2019, PLOS CB, "Evaluation of reconstruction quality") compare an imagined image with others of its own type
only, natural or artificial. Fig. 7 and 8 score the two aspects of an artificial shape apart: colour against lures of the
same shape, shape against lures of the same colour. Every one of these rules cuts the stimuli of a set into groups, and a
stimulus' lures are the others of its group, so that labels can be exchanged within groups.

For the data-set size Shen et al. (2019, Front. Comput. Neurosci.) take few of these comparisons, 10 per image, the same for all
models: `draw_lures` draws them for every stimulus of a test, once for all methods and subjects.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.seeds import generator_for

# What the stimuli of a group share, by what is scored.
ASPECTS = {"colour": ("kind", "shape"), "shape": ("kind", "colour")}
SUFFIXES = {aspect: f"_{aspect}" for aspect in ASPECTS}
NO_LURE = -1


def kinds_of(stimuli: Sequence[str], table: pd.DataFrame, stimulus_set: str) -> pd.DataFrame:
    """Return what the table of stimuli says of some of them.

    Parameters
    ----------
    stimuli : sequence of str
    table : DataFrame
        ``stimulus``, ``stimulus_set``, ``kind``, ``colour`` and ``shape`` (``stimuli.tsv``).
    stimulus_set : str
        Its own rows go first; a set without rows of its own, such as imagery, takes those of the others.

    Returns
    -------
    kinds : DataFrame of shape (n_stimuli, 3)
        ``kind``, ``colour``, ``shape`` in the order of `stimuli`, with their names as index.

    Raises
    ------
    DataError
        If a column is missing or a stimulus is not in the table.
    """
    columns = ["kind", "colour", "shape"]
    missing = [name for name in columns if name not in table]
    if missing:
        raise DataError(f"The table of stimuli has no column {', '.join(missing)}; delete stimuli.tsv and run again.")
    own_first = table.assign(other=table["stimulus_set"] != stimulus_set).sort_values("other", kind="stable")
    known = own_first.drop_duplicates("stimulus").set_index("stimulus")[columns]
    unknown = [name for name in dict.fromkeys(stimuli) if name not in known.index]
    if unknown:
        raise DataError(
            f"The table of stimuli does not name {shorten(unknown)} of the set '{stimulus_set}'; delete stimuli.tsv and run "
            "again."
        )
    return known.loc[list(stimuli)]


def lure_groups(
    stimuli: Sequence[str],
    table: pd.DataFrame | None,
    stimulus_set: str,
    same: str | None = None,
    aspects: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Return the groups of stimuli that are each other's lures, by the ending of the metrics' names.

    Parameters
    ----------
    stimuli : sequence of str
        Stimuli of the image set.
    table : DataFrame, optional
        For `kinds_of`; not needed where all stimuli are each other's lures.
    stimulus_set : str
    same : str, optional
        Column that lures share with the stimulus.
    aspects : sequence of {"colour", "shape"}

    Returns
    -------
    groups : dict from "", "_colour", "_shape" to integer array of shape (n_stimuli,)
        Number of the group; `NO_LURE` where a stimulus is alone in its group or lacks what the group shares.

    Raises
    ------
    DataError
        If aspects are asked for and no stimulus has a colour and a shape.
    """
    if table is None:
        return {"": np.zeros(len(stimuli), dtype=int)}
    kinds = kinds_of(stimuli, table, stimulus_set)
    groups = {"": _groups(kinds, [same]) if same else np.zeros(len(stimuli), dtype=int)}
    if len(aspects) and kinds[["colour", "shape"]].isna().any(axis=1).all():
        raise DataError(
            f"No stimulus of the set '{stimulus_set}' has a colour and a shape, so its test cannot have aspects; leave them "
            "out, or give acquire: stimulus_kinds."
        )
    whole = kinds["colour"].notna() & kinds["shape"].notna()
    for aspect in aspects:
        groups[SUFFIXES[aspect]] = _groups(kinds.where(whole), list(ASPECTS[aspect]))
    return groups


def lure_mask(groups: np.ndarray) -> np.ndarray:
    """Return which stimuli are lures of which.

    Parameters
    ----------
    groups : integer array of shape (n_stimuli,)

    Returns
    -------
    mask : boolean array of shape (n_stimuli, n_stimuli)
        Row s marks the lures of stimulus s.
    """
    mask = (groups[:, None] == groups[None, :]) & (groups != NO_LURE)
    np.fill_diagonal(mask, False)
    return mask


def draw_lures(
    stimuli: Sequence[str], groups: Mapping[str, np.ndarray], comparisons: int, seed: int, test: str
) -> dict[str, np.ndarray]:
    """Return the lures that are drawn for every stimulus, by the ending of the metrics' names.

    Parameters
    ----------
    stimuli : sequence of str
        Stimuli of the image set; their order changes nothing.
    groups : mapping from ending to integer array of shape (n_stimuli,)
        From `lure_groups`.
    comparisons : int
        Lures per stimulus, drawn without repetition; all of them where a stimulus has no more.
    seed : int
        Of the study.
    test : str
        Name of the test: nothing else but the seed and the ending decides, so that all methods and subjects share the lures.

    Returns
    -------
    masks : dict from ending to boolean array of shape (n_stimuli, n_stimuli)
        Row s marks the lures of stimulus s, all of its group.
    """
    order = np.argsort(np.asarray(stimuli, dtype=str), kind="stable")
    masks = {}
    for suffix, group in groups.items():
        allowed, generator = lure_mask(group), generator_for(seed, "draw lures", test, suffix)
        masks[suffix] = np.zeros_like(allowed)
        for stimulus in order:
            others = order[allowed[stimulus, order]]
            masks[suffix][stimulus, generator.permutation(others)[:comparisons]] = True
    return masks


def lures_of_test(
    stimuli: Sequence[str], table: pd.DataFrame | None, stimulus_set: str, test: str, settings: Mapping
) -> tuple[dict[str, np.ndarray] | None, dict[str, np.ndarray] | None]:
    """Return the groups and the drawn lures of a test as its settings choose them.

    Parameters
    ----------
    stimuli, table, stimulus_set
        As for `lure_groups`.
    test : str
        As for `draw_lures`.
    settings : mapping
        ``seed``, and where chosen ``same``, ``aspects`` and ``comparisons``.

    Returns
    -------
    groups : dict or None
        From `lure_groups`; None where all other stimuli are lures and the test chooses nothing.
    drawn : dict or None
        From `draw_lures`; None where all lures of a group count.
    """
    chosen = {key: settings[key] for key in ("same", "aspects") if key in settings}
    comparisons = settings.get("comparisons")
    if not chosen and comparisons is None:
        return None, None
    groups = lure_groups(stimuli, table, stimulus_set, **chosen)
    return groups, None if comparisons is None else draw_lures(stimuli, groups, comparisons, settings["seed"], test)


def count_lures(groups: np.ndarray) -> np.ndarray:
    """Return the number of lures (n_stimuli,) of each stimulus; `groups` as in `lure_mask`."""
    return lure_mask(groups).sum(axis=1)


def _groups(kinds: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Return the number of the group of each row; rows that are equal in some columns are a group."""
    keys = [None if any(pd.isna(part) for part in row) else row for row in kinds[columns].itertuples(index=False)]
    sizes = Counter(keys)
    numbers: dict[tuple, int] = {}
    return np.array(
        [NO_LURE if key is None or sizes[key] == 1 else numbers.setdefault(key, len(numbers)) for key in keys],
        dtype=int,
    )
