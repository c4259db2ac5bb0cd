"""Reader of vim-1 (Kay et al. 2008, Naselaris et al. 2009; crcns.org): grey photographs, one response per image and voxel.

Only two of the three people of Seeliger et al. 2018 are public, and in another preprocessing than the paper's.
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
from fmri2image.core.arrays import LabelledArray, shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.matlab import read_mat
from fmri2image.core.samples import Samples

log = logging.getLogger(__name__)

VIM1 = Restricted("vim-1", "https://crcns.org/data-sets/vc/vim-1 (free account)")
FILES = {"responses": ("EstimatedResponses.mat",), "stimuli": ("Stimuli.mat",)}
CITATION = "Kay et al. 2008, Nature 452:352; Naselaris et al. 2009, Neuron 63:902; data: crcns.org vim-1"
N_TRAINING, N_VALIDATION, SIDE = 1750, 120, 128
# Codes of roiS1 and roiS2; 0 is any other voxel.
AREAS = {1: "V1", 2: "V2", 3: "V3", 4: "V3A", 5: "V3B", 6: "V4", 7: "LatOcc"}
SEELIGER_TEST = 50
SPLITS = ("seeliger2018", "original")


def load(folder: str | Path, subjects: Sequence[str], split: str = "seeliger2018") -> Imported:
    """Read the dataset.

    Parameters
    ----------
    folder : path
        Holds ``EstimatedResponses.mat`` and ``Stimuli.mat``.
    subjects : sequence of str
        "01" and "02", which the files call S1 and S2.
    split : {"seeliger2018", "original"}
        Either the first 50 validation images are tested and the last 70 train too (Seeliger et al. 2018, section 2.1.2),
        or all 120 are tested.

    Returns
    -------
    imported : Imported
        Stimuli are called ``train0001``…, ``val001``… in the order of the files; one trial each, which the dataset has
        estimated from 2 (training) or 13 (validation) repetitions. Areas by the file's codes, ``VC`` is all of them.

    Raises
    ------
    DataError
        If files are missing or do not hold what they should.
    """
    if split not in SPLITS:
        raise ConfigError(f"acquire: split is '{split}'; give {' or '.join(SPLITS)}.")
    unknown = [subject for subject in subjects if subject not in ("01", "02")]
    if unknown:
        raise ConfigError(f"vim-1 has the subjects 01 and 02 (the third is not public), not {', '.join(unknown)}.")
    paths = VIM1.find(folder, FILES)
    training = [f"train{number + 1:04d}" for number in range(N_TRAINING)]
    validation = [f"val{number + 1:03d}" for number in range(N_VALIDATION)]
    n_tested = SEELIGER_TEST if split == "seeliger2018" else N_VALIDATION
    names = training + validation
    sets = ["train"] * N_TRAINING + ["test"] * n_tested + ["train"] * (N_VALIDATION - n_tested)
    samples = {subject: _samples(paths["responses"], subject, names, sets, split) for subject in subjects}
    stack, rule = _stimuli(paths["stimuli"])
    about = {"source": "vim-1, Stimuli.mat", "scale": rule, "citation": CITATION, "split": split}
    everything = LabelledArray(stack, names, about)
    images = {
        stimulus_set: everything.take([name for name, own in zip(names, sets, strict=True) if own == stimulus_set])
        for stimulus_set in ("train", "test")
    }
    number = [*range(1, N_TRAINING + 1), *range(1, N_VALIDATION + 1)]
    table = pd.DataFrame({"stimulus": names, "stimulus_set": sets, "image_index": number})
    table = add_kinds(table, dict.fromkeys(sets, "natural"))
    return Imported(samples, images, table)


def _samples(path: Path, subject: str, names: list[str], sets: list[str], split: str) -> Samples:
    person = f"S{int(subject)}"
    codes = np.asarray(read_mat(path, f"roi{person}")).ravel()
    parts = [
        _by_image(
            np.asarray(read_mat(path, f"data{part}{person}")), n_images, len(codes), f"{path}, data{part}{person}"
        )
        for part, n_images in (("Trn", N_TRAINING), ("Val", N_VALIDATION))
    ]
    strange = [f"{code:g}" for code in np.unique(codes) if code not in (0, *AREAS)]
    if strange:
        raise DataError(
            f"{path}: roi{person} holds the codes {shorten(strange)}; known are 0 to {max(AREAS)}; fetch it again."
        )
    areas = {name: codes == code for code, name in AREAS.items()}
    areas |= {"VC": np.isin(codes, list(AREAS)), "all": np.ones(len(codes), dtype=bool)}
    trials = pd.DataFrame(
        {
            "stimulus": names,
            "stimulus_set": sets,
            "session": "unknown",
            "run": 1,
            "block": np.arange(len(names)) + 1,
        }
    )
    attributes = {
        "subject": subject,
        "simulated": False,
        "responses": "published",
        "units": "as published: response amplitudes that the dataset estimated, one per image",
        "source": "vim-1, EstimatedResponses.mat",
        "split": split,
        "citation": CITATION,
    }
    samples = drop_voxels_without_signal(Samples(np.vstack(parts), trials, unplaced_voxels(areas), attributes))
    log.info("%s: %d voxels, %d left out", person, len(codes), samples.attributes["n_voxels_without_signal"])
    return samples


def _by_image(values: np.ndarray, n_images: int, n_voxels: int, what: str) -> np.ndarray:
    """Return responses as (n_images, n_voxels), float32; the file has them voxels first."""
    if values.shape == (n_voxels, n_images):
        values = values.T
    if values.shape != (n_images, n_voxels):
        raise DataError(
            f"{what} has the shape {values.shape}, but {n_voxels} voxels (roi) × {n_images} images were expected."
        )
    return values.astype(np.float32)


def _stimuli(path: Path) -> tuple[np.ndarray, str]:
    stacks = []
    for key, n_images in (("stimTrn", N_TRAINING), ("stimVal", N_VALIDATION)):
        values = np.asarray(read_mat(path, key))
        if values.shape == (SIDE, SIDE, n_images):
            values = np.moveaxis(values, -1, 0)
        if values.shape != (n_images, SIDE, SIDE):
            raise DataError(
                f"{path}: {key} has the shape {values.shape}, but {n_images} images of {SIDE} × {SIDE} pixels were expected."
            )
        stacks.append(values.astype(np.float32))
    return grey_images(np.concatenate(stacks), path)
