"""Samples that the Kamitani Lab has published, in every dialect of its files, as the samples this workflow makes itself."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.bdata import BDataFile, open_bdata
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples
from fmri2image.samples.published_areas import areas_of, voxel_table
from fmri2image.samples.published_labels import NONE, read_label_table, stimulus_names

log = logging.getLogger(__name__)

OWN = "own"
DIALECTS = ("deeprecon-spm", "deeprecon-fmriprep", "god-spm", "god-fmriprep", OWN)
# Column DataType of the files of Generic Object Decoding, which hold all sets.
DATA_TYPES = {"train": 1, "test": 2, "imagery": 3}
# Trials per subject, one-back repetitions left out (events of ds001506 and ds001246).
TRIALS = {
    "deeprecon": {"train": 6000, "test": 1200, "shapes": 800, "letters": 120, "imagery": 520},
    "god": {"train": 1200, "test": 1750, "imagery": 500},
}
CATEGORIES_IMAGINED = 26  # in ds001506; ds001246 has 50
# Repetitions of a stimulus: 1 and 35 in ds001246, 5 and 24 in ds001506.
REPETITIONS_OF_GOD = {"train": (0, 2.5), "test": (30, np.inf)}
VIVIDNESS_KEYS = ("evaluation", "vividness", "Evaluation", "Vividness")
UNITS = "as published: the lab's own preprocessing, one row per stimulus block"


def recognise(file: BDataFile, stimulus_set: str) -> str:
    """Return the dialect of a file, by its content.

    fMRIPrep files name stimuli in a value map, say hV4 or hold motion; the lab's SPM files do none of these. Files of
    Generic Object Decoding hold ``DataType``, or fewer (train) or more (test) repetitions, or 50 imagined categories.
    """
    if {"stimulus", "stimulus_set"} <= set(file.maps):
        return OWN
    design = file.design()
    fmriprep = (
        "stimulus_name" in file.maps
        or any(name.endswith("hV4") for name in areas_of(file.of_voxels()))
        or any(key.startswith("MotionParameter") for key in design)
    )
    return f"{'god' if _is_god(file, design, stimulus_set) else 'deeprecon'}-{'fmriprep' if fmriprep else 'spm'}"


def _is_god(file: BDataFile, design: dict[str, np.ndarray], stimulus_set: str) -> bool:
    if "DataType" in design:
        return True
    if stimulus_set == "imagery":
        if "category_index" not in design:
            return False
        numbers = file.column(design["category_index"][0])
        return bool(np.isfinite(numbers).any()) and np.nanmax(numbers) > CATEGORIES_IMAGINED
    key = next((key for key in ("stimulus_name", "stimulus_id", "image_index", "Label") if key in design), None)
    if key is None or stimulus_set not in REPETITIONS_OF_GOD:
        return False
    values = file.column(design[key][0])
    values = values[np.isfinite(values)]
    least, most = REPETITIONS_OF_GOD[stimulus_set]
    return len(values) > 0 and least < np.median(np.unique(values, return_counts=True)[1]) < most


def read_published(
    path: str | Path,
    stimulus_set: str,
    dialect: str = "auto",
    *,
    labels: str | Path | None = None,
    unions: Mapping[str, Sequence[str]] | None = None,
    rois: Sequence[str] | None = None,
) -> Samples:
    """Read the trials of one stimulus set from a published file.

    Parameters
    ----------
    path : path
    stimulus_set : str
        Which trials, where a file holds several sets; the name they get.
    dialect : str
        One of `DIALECTS`, or ``auto``.
    labels : path, optional
        Table that names the stimulus of every number; needed where the file holds neither texts nor numbers that spell
        names, and the numbers are not those of ds001506.
    unions : mapping of str to sequence of str, optional
        Areas made of others; those that the file has itself are left alone.
    rois : sequence of str, optional
        Areas whose voxels are needed; only these are kept in memory.

    Returns
    -------
    samples : Samples, data float32
        Trials with ``stimulus`` (natural images as n03079230_8270), ``stimulus_set``, ``session`` (two digits, or
        "unknown"), ``run``, ``block`` and, where the file has it, ``vividness``. Voxels with ``voxel_i/j/k/x/y/z`` (NaN where
        not published) and ``ROI_<area>``. One-back repetitions, rest and other rows without a stimulus are left out.

    Raises
    ------
    DataError
        If the file is no BData file, is in another dialect than `dialect`, lacks an area or the stimulus set, or its
        labels cannot be named.
    """
    if dialect not in (*DIALECTS, "auto"):
        raise ConfigError(f"samples: published: dialect is '{dialect}'; give auto or one of {', '.join(DIALECTS)}.")
    table = read_label_table(labels) if labels is not None else None
    with open_bdata(path) as file:
        found = recognise(file, stimulus_set)
        if dialect != "auto" and found.split("-")[-1] != dialect.split("-")[-1]:
            raise DataError(
                f"{path} looks like dialect '{found}', but samples: published: dialect is '{dialect}'; its keys are "
                f"{shorten(list(file.metadata), 12)}."
            )
        dialect = found if dialect == "auto" else dialect
        design = file.design()
        rows = _rows_of_set(file, design, stimulus_set, dialect)
        names, joined = stimulus_names(file, rows, stimulus_set, dialect.startswith("deeprecon"), table)
        rows = rows & (names != NONE) & _stimulus_rows(file, design, stimulus_set)
        if not rows.any():
            raise DataError(f"{path} holds no trial of the set '{stimulus_set}' that shows a stimulus.")
        log.info("%s: %s, %d of %d rows, names from %s", path, dialect, rows.sum(), file.n_rows, joined)
        is_voxel = file.is_voxel
        if not is_voxel.any():
            raise DataError(f"{path} marks no voxels: neither VoxelData nor a key that begins with ROI_.")
        voxels, wanted = voxel_table(file.of_voxels(), int(is_voxel.sum()), unions or {}, rois, path)
        columns = np.zeros(file.n_columns, dtype=bool)
        columns[np.flatnonzero(is_voxel)[wanted]] = True
        trials = _trials(file, design, rows, names, stimulus_set)
        attributes = {"responses": "published", "units": UNITS, "simulated": False, "dialect": dialect, "names": joined}
        if dialect == OWN:
            attributes |= {key: value for key, value in file.header.items() if key != "dialect"}
        attributes |= check_counts(trials, stimulus_set, dialect, path)
        return Samples(file.read(columns, rows), trials, voxels, attributes)


def check_counts(trials: pd.DataFrame, stimulus_set: str, dialect: str, path: str | Path) -> dict[str, str]:
    """Return an attribute and log a warning if a set has another number of trials than published, else nothing."""
    expected = TRIALS.get(dialect.split("-")[0], {}).get(stimulus_set)
    if expected is None or expected == len(trials):
        return {}
    sentence = f"{len(trials)} trials of the set '{stimulus_set}', not the published {expected}"
    log.warning("%s holds %s", path, sentence)
    return {"unexpected_count": sentence}


def _rows_of_set(file: BDataFile, design: Mapping, stimulus_set: str, dialect: str) -> np.ndarray:
    rows = np.ones(file.n_rows, dtype=bool)
    if dialect == OWN:
        sets = file.labels("stimulus_set", design["stimulus_set"][0]) or []
        rows = np.array([name == stimulus_set for name in sets], dtype=bool)
        held = sorted(set(sets))
    elif "DataType" in design:
        types = file.column(design["DataType"][0])
        if stimulus_set not in DATA_TYPES:
            raise DataError(f"{file.path} holds the sets {', '.join(DATA_TYPES)} (DataType), not '{stimulus_set}'.")
        rows = types == DATA_TYPES[stimulus_set]
        held = [f"DataType {value:g}" for value in np.unique(types)]
    if not rows.any():
        raise DataError(f"{file.path} holds no trial of the set '{stimulus_set}'; it holds {shorten(held)}.")
    return rows


def _stimulus_rows(file: BDataFile, design: Mapping, stimulus_set: str) -> np.ndarray:
    """Return which rows are stimuli, or imagery, by ``event_type``; one-back repetitions are not. All without that key."""
    everything = np.ones(file.n_rows, dtype=bool)
    if "event_type" not in design:
        return everything
    number, word = (2, "imagery") if stimulus_set == "imagery" else (1, "stimulus")
    words = file.labels("event_type", design["event_type"][0])
    if words is not None:
        found = np.array([text in (word, str(number)) for text in words])
    else:
        found = file.column(design["event_type"][0]) == number
    if not found.any():
        log.warning("%s: event_type marks no row as %s, so it is not used", file.path, word)
        return everything
    log.info("%s: %d rows are no %s by event_type", file.path, len(found) - found.sum(), word)
    return found


def _trials(file: BDataFile, design: Mapping, rows: np.ndarray, names: np.ndarray, stimulus_set: str) -> pd.DataFrame:
    def whole(*keys: str) -> np.ndarray | None:
        key = next((key for key in keys if key in design), None)
        values = None if key is None else file.column(design[key][0])[rows]
        return values.astype(int) if values is not None and np.isfinite(values).all() else None

    session_key = next((key for key in ("Session", "session") if key in design), None)
    texts = None if session_key is None else file.labels(session_key, design[session_key][0])
    sessions, runs, blocks = whole("Session", "session"), whole("Run", "run"), whole("Block", "block")
    trials = pd.DataFrame({"stimulus": names[rows].astype(str), "stimulus_set": stimulus_set})
    if texts is not None:
        trials["session"] = np.array(texts, dtype=object)[rows]
    else:
        trials["session"] = "unknown" if sessions is None else [f"{number:02d}" for number in sessions]
    if runs is None:
        log.warning("%s tells no runs: all rows are run 1, so nothing can be left out by run", file.path)
    trials["run"] = 1 if runs is None else runs
    trials["block"] = trials.groupby(["session", "run"]).cumcount() + 1 if blocks is None else blocks
    score = next((key for key in VIVIDNESS_KEYS if key in design), None)
    if score is not None:
        trials["vividness"] = file.column(design[score][0])[rows]
    return trials
