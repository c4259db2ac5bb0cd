"""Accuracy of the decoded features of one layer, streamed over blocks of units."""

from collections.abc import Mapping
from contextlib import ExitStack
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
        Without that of a test's training set only ``unit_correlation`` is told, which alone needs no training statistics.
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
            accuracy, n_units = _accumulate(file[test], names, true[split["stimuli"]], true.get(training))
            generator = generator_for(settings["seed"], "permute labels", keys["layer"], test)
            common = {**keys, "stimulus_set": split["stimuli"], "test": test, "n_units": n_units, "n_rows": len(names)}
            flags = {"transductive": transductive, "simulated": settings["simulated"]}
            found = _tests(accuracy, settings["permutations"], generator)
            for metric, permutation_test in found if training in true else found[:1]:
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


def _accumulate(
    decoded: h5py.Dataset, names: list[str], true: str, training: str | None
) -> tuple[FeatureAccuracy, int]:
    with ExitStack() as files:
        shown = files.enter_context(open_h5(true))
        trained = None if training is None else files.enter_context(open_h5(training))["features"]
        stimuli = [name.decode() for name in shown["features_rows"][:]]
        own = row_index(stimuli, [stimulus_of(name) for name in names], "A decoded row")
        accuracy = FeatureAccuracy(own, len(stimuli))
        shape = decoded.shape[1:]
        n_rows = len(names) + len(stimuli) + (0 if trained is None else trained.shape[0])
        per_channel = n_rows * int(np.prod(shape[1:], dtype=int)) * 8
        step = max(1, BLOCK_BYTES // per_channel)
        for start in range(0, shape[0], step):
            block = slice(start, min(start + step, shape[0]))
            mine = decoded[:, block].reshape(len(names), -1)
            mean, scale = np.zeros(mine.shape[1]), np.ones(mine.shape[1])
            if trained is not None:
                values = trained[:, block].reshape(trained.shape[0], -1)
                mean, scale = values.mean(0, dtype=np.float64), values.std(0, dtype=np.float64)
            accuracy.add(mine, shown["features"][:, block].reshape(len(stimuli), -1), mean, scale)
    return accuracy, int(np.prod(shape, dtype=int))
