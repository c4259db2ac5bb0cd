"""Accuracy of the decoded features of one layer, streamed over blocks of units."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from fmri2image.core.arrays import open_h5, row_index
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import stimulus_of
from fmri2image.evaluate.features import FeatureAccuracy
from fmri2image.evaluate.identification import PermutationTest, permute_labels, relabel, win_matrix
from fmri2image.evaluate.scores import summarise

BLOCK_BYTES = 100_000_000


def score_layer(decoded: Path, true: Mapping[str, str], keys: Mapping[str, object], settings: Mapping) -> pd.DataFrame:
    """Score one layer for all tests.

    Parameters
    ----------
    decoded : path
        File of decoded features; they are scored before norm correction.
    true : mapping from stimulus set to feature file
    keys : mapping
        Columns that name the row: dataset, decoder, subject, roi, layer.
    settings : mapping
        ``tests``, ``permutations``, ``seed``, ``simulated``.

    Returns
    -------
    table : DataFrame
        One row per test and metric: ``unit_correlation``, ``pattern_correlation``, ``pattern_identification``.
    """
    rows = []
    with open_h5(decoded) as file:
        transductive = str(file.attrs.get("transductive", "False"))
        for test, split in settings["tests"].items():
            names = [name.decode() for name in file[f"{test}_rows"][:]]
            training = split.get("training", split["stimuli"])
            accuracy, n_units = _accumulate(file[test], names, true[split["stimuli"]], true[training])
            generator = generator_for(settings["seed"], "permute labels", keys["layer"], test)
            common = {**keys, "stimulus_set": split["stimuli"], "test": test, "n_units": n_units, "n_rows": len(names)}
            flags = {"transductive": transductive, "simulated": settings["simulated"]}
            for metric, permutation_test in _tests(accuracy, settings["permutations"], generator):
                rows.append({**common, "metric": metric, **summarise(permutation_test), **flags})
    return pd.DataFrame(rows)


def _tests(accuracy: FeatureAccuracy, n_permutations: int, generator: np.random.Generator) -> list:
    own, n_stimuli = accuracy.own, accuracy.n_stimuli
    rows = np.arange(len(own))
    pattern = accuracy.pattern_correlation()
    others = relabel(own, n_stimuli, n_permutations, generator)
    unit = PermutationTest(float(accuracy.unit_correlation()), accuracy.unit_correlation(others))
    patterns = PermutationTest(float(np.nanmean(pattern[rows, own])), np.nanmean(pattern[rows, others], axis=1))
    identified = permute_labels(win_matrix(pattern), own, n_permutations, generator)
    return [("unit_correlation", unit), ("pattern_correlation", patterns), ("pattern_identification", identified)]


def _accumulate(decoded: h5py.Dataset, names: list[str], true: str, training: str) -> tuple[FeatureAccuracy, int]:
    with open_h5(true) as shown_file, open_h5(training) as training_file:
        stimuli = [name.decode() for name in shown_file["features_rows"][:]]
        own = row_index(stimuli, [stimulus_of(name) for name in names], "A decoded row")
        accuracy = FeatureAccuracy(own, len(stimuli))
        shape = decoded.shape[1:]
        n_rows = len(names) + len(stimuli) + training_file["features"].shape[0]
        per_channel = n_rows * int(np.prod(shape[1:], dtype=int)) * 8
        step = max(1, BLOCK_BYTES // per_channel)
        for start in range(0, shape[0], step):
            block = slice(start, min(start + step, shape[0]))
            trained = training_file["features"][:, block].reshape(training_file["features"].shape[0], -1)
            accuracy.add(
                decoded[:, block].reshape(len(names), -1),
                shown_file["features"][:, block].reshape(len(stimuli), -1),
                trained.mean(0, dtype=np.float64),
                trained.std(0, dtype=np.float64),
            )
    return accuracy, int(np.prod(shape, dtype=int))
