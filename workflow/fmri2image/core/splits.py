"""Which trials train and which are tested: held-out stimulus sets and leave-one-group-out cross-validation.

A *test* of the configuration is either held out (``training: train`` names the stimulus sets that train) or
cross-validated within its own stimulus set (``leave_out: run`` or ``leave_out: stimulus``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.samples import Samples

ROW_SEPARATOR = "|"


@dataclass(frozen=True)
class Fold:
    """One training set and what is tested with it.

    Parameters
    ----------
    name : str
        ``held-out`` or ``<column>=<value>`` of the group left out.
    train, test : boolean arrays of shape (n_trials,)
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def training_name(tests: Mapping[str, Mapping], test: str) -> str:
    """Return the name under which what a test learns is kept; held-out tests with one training set share it."""
    settings = tests[test]
    return settings["training"] if settings.get("training") else test


def folds(trials: pd.DataFrame, settings: Mapping) -> list[Fold]:
    """Return the folds of one test.

    Parameters
    ----------
    trials : DataFrame
        Trial table of the samples, with the columns ``stimulus_set`` and, for cross-validation, the one left out.
    settings : mapping
        ``stimuli`` (stimulus set tested) with either ``training`` (stimulus set trained on) or ``leave_out`` (column).

    Raises
    ------
    DataError
        If a stimulus set has no trial.
    ConfigError
        If a held-out test would train on what it tests.
    """
    sets = trials["stimulus_set"].astype(str).to_numpy()
    tested = sets == settings["stimuli"]
    if not tested.any():
        raise DataError(
            f"The samples hold no trial of stimulus set '{settings['stimuli']}'; they hold {shorten(sorted(set(sets)))}."
        )
    if settings.get("leave_out"):
        column = settings["leave_out"]
        if column not in trials:
            raise ConfigError(f"leave_out: the trial table has no column '{column}'; it has {shorten(list(trials))}.")
        groups = trials[column]
        return [
            Fold(f"{column}={value}", tested & (groups != value).to_numpy(), tested & (groups == value).to_numpy())
            for value in pd.unique(groups[tested])
        ]
    if settings["training"] == settings["stimuli"]:
        raise ConfigError(f"Stimulus set '{settings['stimuli']}' cannot be trained on and tested without leave_out.")
    train = sets == settings["training"]
    if not train.any():
        raise DataError(f"The samples hold no trial of the training set '{settings['training']}'.")
    return [Fold("held-out", train, tested)]


def test_rows(samples: Samples, rows: str) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the responses of test trials, their row names, and how many trials each averages.

    Parameters
    ----------
    samples : Samples
        The test trials of one fold.
    rows : {"stimulus", "trial"}
        Average all trials of a stimulus, or keep single trials.

    Returns
    -------
    responses : array of shape (n_rows, n_voxels)
    names : list of str
        The stimulus, or ``stimulus|ses-…_run-…_block-…``; `stimulus_of` gives the stimulus back.
    n_trials : integer array of shape (n_rows,)
    """
    if rows == "stimulus":
        averaged = samples.average("stimulus")
        names = [str(name) for name in averaged.trials["stimulus"]]
        return averaged.data, names, averaged.trials["n_trials"].to_numpy(dtype=int)
    names = [
        f"{row.stimulus}{ROW_SEPARATOR}ses-{row.session}_run-{int(row.run):02d}_block-{int(row.block):02d}"
        for row in samples.trials.itertuples()
    ]
    return samples.data, names, np.ones(len(names), dtype=int)


def stimulus_of(row: str) -> str:
    """Return the stimulus that a row name of `test_rows` stands for."""
    return row.split(ROW_SEPARATOR)[0]


def permute_responses(samples: Samples, stimulus_set: str, generator: np.random.Generator) -> Samples:
    """Return samples in which the responses of one stimulus set are exchanged at random between its trials.

    Trial table and folds stay as they are, so that refitting gives the permutation distribution of the same split.
    """
    inside = np.flatnonzero(samples.trials["stimulus_set"].to_numpy() == stimulus_set)
    data = samples.data.copy()
    data[inside] = samples.data[generator.permutation(inside)]
    return Samples(data, samples.trials, samples.voxels, dict(samples.attributes))
