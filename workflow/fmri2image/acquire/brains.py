"""Reader of BRAINS (Schoenmakers et al. 2013, Donders Repository): handwritten letters, responses of V1 and V2.

The counts of people and images differ between the paper that used it (Seeliger et al. 2018: 290 and 70) and later
descriptions (288 and 72), so the split is read from the dataset's own file and nothing about it is assumed.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.acquire.restricted import (
    Imported,
    Restricted,
    drop_voxels_without_signal,
    grey_images,
    unplaced_voxels,
)
from fmri2image.acquire.stimulus_table import add_kinds
from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import DataError
from fmri2image.core.matlab import read_mat
from fmri2image.core.samples import Samples

log = logging.getLogger(__name__)

BRAINS = Restricted(
    "BRAINS",
    "the Donders Repository, collection di.dcc.DSC_2018.00114_120 "
    "(https://hdl.handle.net/11633/di.dcc.DSC_2018.00114_120, data use agreement)",
)
CITATION = "Schoenmakers et al. 2013, NeuroImage 83:951; data: Donders Repository, di.dcc.DSC_2018.00114_120"
SIDE = 56
VARIABLES = {"V1": "X", "V2": "X_V2"}


def load(folder: str | Path, subjects: Sequence[str]) -> Imported:
    """Read the dataset.

    Parameters
    ----------
    folder : path
        Holds ``Y_brains.mat``, ``labels.mat``, ``train_testset.mat`` and ``sub-01/XS01_V1.mat``, … (or the latter without
        their folder).
    subjects : sequence of str
        For example "01".

    Returns
    -------
    imported : Imported
        Stimuli are called ``char001``… in the order of ``Y_brains.mat``, with the class of their letter in the table; one
        trial each, the mean of two repetitions. Areas V1, V2 and both as VC.

    Raises
    ------
    DataError
        If files are missing or do not fit each other.
    """
    wanted = {"images": ("Y_brains.mat",), "labels": ("labels.mat",), "split": ("train_testset.mat",)}
    for subject in subjects:
        for area in VARIABLES:
            name = f"XS{subject}_{area}.mat"
            wanted[f"{subject} {area}"] = (f"sub-{subject}/{name}", name)
    paths = BRAINS.find(folder, wanted)
    stack, rule = _stimuli(paths["images"])
    names = [f"char{number + 1:03d}" for number in range(len(stack))]
    classes = np.asarray(read_mat(paths["labels"], "L")).ravel()
    if len(classes) != len(names):
        raise DataError(f"{paths['labels']} has {len(classes)} labels, but {paths['images']} {len(names)} images.")
    split = _split(paths["split"], len(names))
    samples = {
        subject: _samples({area: paths[f"{subject} {area}"] for area in VARIABLES}, subject, names, split)
        for subject in subjects
    }
    about = {"source": "BRAINS, Y_brains.mat", "scale": rule, "citation": CITATION}
    everything = LabelledArray(stack, names, about)
    images = {name: everything.take([names[row] for row in rows]) for name, rows in split.items()}
    of_row = {int(row): name for name, rows in split.items() for row in rows}
    kept = [row for row in range(len(names)) if row in of_row]
    table = pd.DataFrame(
        {
            "stimulus": [names[row] for row in kept],
            "stimulus_set": [of_row[row] for row in kept],
            "category": [f"class{int(classes[row])}" for row in kept],
            "category_index": [int(classes[row]) for row in kept],
            "image_index": [row + 1 for row in kept],
        }
    )
    return Imported(samples, images, add_kinds(table, dict.fromkeys(split, "letter")))


def _stimuli(path: Path) -> tuple[np.ndarray, str]:
    values = np.asarray(read_mat(path, "Y"))
    if values.ndim != 2 or values.shape[1] != SIDE * SIDE:
        raise DataError(f"{path}: Y has the shape {values.shape}, but rows of {SIDE} × {SIDE} pixels were expected.")
    # A row runs down the columns of its picture, as MATLAB counts.
    return grey_images(values.reshape(-1, SIDE, SIDE).transpose(0, 2, 1), path)


def _split(path: Path, n_images: int) -> dict[str, np.ndarray]:
    """Return the rows (from 0) of the sets train and test."""
    split = {}
    for name, key in (("train", "trainidx"), ("test", "testidx")):
        numbers = np.asarray(read_mat(path, key)).ravel().astype(float)
        whole = len(numbers) > 0 and np.all(numbers == np.round(numbers))
        if not whole or numbers.min() < 1 or numbers.max() > n_images or len(np.unique(numbers)) != len(numbers):
            raise DataError(f"{path}: {key} must hold different whole numbers from 1 to {n_images}; fetch it again.")
        split[name] = numbers.astype(int) - 1
    both = np.intersect1d(split["train"], split["test"])
    if len(both):
        raise DataError(f"{path}: {len(both)} images are in trainidx and testidx, first {both[0] + 1}; fetch it again.")
    log.info("%s: %d train, %d test, of %d images", path, len(split["train"]), len(split["test"]), n_images)
    return split


def _samples(paths: dict[str, Path], subject: str, names: list[str], split: dict[str, np.ndarray]) -> Samples:
    parts = {}
    for area, path in paths.items():
        values = np.asarray(read_mat(path, VARIABLES[area]))
        if values.ndim != 2 or len(values) != len(names):
            raise DataError(
                f"{path}: {VARIABLES[area]} has the shape {values.shape}, but {len(names)} rows were expected, one per image."
            )
        parts[area] = values.astype(np.float32)
    order = np.sort(np.concatenate(list(split.values())))
    in_test = np.isin(order, split["test"])
    trials = pd.DataFrame(
        {
            "stimulus": [names[row] for row in order],
            "stimulus_set": np.where(in_test, "test", "train").astype(str),
            "session": "unknown",
            "run": 1,
            "block": order + 1,
        }
    )
    counts = {area: part.shape[1] for area, part in parts.items()}
    is_v1 = np.repeat([True, False], [counts["V1"], counts["V2"]])
    areas = {"V1": is_v1, "V2": ~is_v1, "VC": np.ones(len(is_v1), dtype=bool)}
    attributes = {
        "subject": subject,
        "simulated": False,
        "responses": "published",
        "units": "as published, mean of two repetitions",
        "source": "BRAINS, " + ", ".join(path.name for path in paths.values()),
        "citation": CITATION,
    }
    data = np.hstack([parts["V1"], parts["V2"]])[order]
    return drop_voxels_without_signal(Samples(data, trials, unplaced_voxels(areas), attributes))
