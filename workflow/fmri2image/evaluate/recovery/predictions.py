"""Decoded features and images against what they would be without noise."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fmri2image.core.arrays import LabelledArray, open_h5, row_index
from fmri2image.core.seeds import generator_for
from fmri2image.decode.in_memory import decode_layer, fit_in_memory
from fmri2image.evaluate.recovery.responses import finite_mean
from fmri2image.evaluate.recovery.table import recovery_row
from fmri2image.evaluate.similarity import column_correlation

# A random choice of units gives the mean over a layer to about 0.01.
UNITS = 500


def noise_free_accuracy(
    responses: Mapping[str, LabelledArray],
    areas: Mapping[str, np.ndarray],
    features: Mapping[tuple[str, str], str | Path],
    settings: Mapping,
) -> dict[tuple[str, str], float]:
    """Return the feature accuracy of the study's decoder where responses have no noise, per area and test.

    Parameters
    ----------
    responses : mapping from stimulus set to LabelledArray
        Noise-free responses (n_stimuli, n_voxels), rows = stimuli.
    areas : mapping from area to boolean array of shape (n_voxels,)
    features : mapping from (stimulus set, layer) to feature file
    settings : mapping
        ``tests`` (those with ``training``), ``layers``, ``decoder`` (its entry), ``seed``.

    Returns
    -------
    accuracy : dict from (area, test) to float
        Mean over layers of the mean over at most `UNITS` random units of a layer of r over stimuli; NaN where no
        response varies.
    """
    options = settings["decoder"]
    tests = {name: test for name, test in settings["tests"].items() if "training" in test}
    trainings = {
        (roi, training): fit_in_memory(
            responses[training].values[:, inside],
            np.arange(len(responses[training].rows)),
            options,
            torch.device("cpu"),
            {area: mask[inside] for area, mask in areas.items()},
        )
        for roi, inside in areas.items()
        for training in dict.fromkeys(test["training"] for test in tests.values())
        # The responses of a null subject do not vary: there is nothing to decode.
        if np.ptp(responses[training].values[:, inside], axis=0).any()
    }
    found: dict[tuple[str, str], list[float]] = {(roi, name): [] for roi in areas for name in tests}
    for layer in settings["layers"]:
        generator = generator_for(settings["seed"], "recovery units", layer)
        units: np.ndarray | None = None
        true = {}
        for stimulus_set in dict.fromkeys(
            name for test in tests.values() for name in (test["training"], test["stimuli"])
        ):
            path = features[stimulus_set, layer]
            units = _choose(path, generator) if units is None else units
            true[stimulus_set] = _read_units(path, responses[stimulus_set].rows, units)
        for (roi, training), decoder in trainings.items():
            names = [name for name, test in tests.items() if test["training"] == training]
            shown = [tests[name]["stimuli"] for name in names]
            tests_of = [responses[s].values[:, areas[roi]] for s in shown]
            decoded = decode_layer(decoder, options, true[training], tests_of, [true[s] for s in shown])
            for name, stimulus_set, values in zip(names, shown, decoded, strict=True):
                found[roi, name].append(finite_mean(column_correlation(values, true[stimulus_set])))
    return {key: float(np.mean(values)) if values else np.nan for key, values in found.items()}


def feature_rows(accuracy: pd.DataFrame, ceilings: Mapping[tuple[str, str], float]) -> list[dict]:
    """Average the feature accuracy of measured responses over layers, beside that of noise-free ones.

    Parameters
    ----------
    accuracy : DataFrame
        Accuracy tables of one decoder and subject, all areas.
    ceilings : mapping from (area, test) to float
    """
    units = accuracy[accuracy["metric"] == "unit_correlation"]
    rows = []
    for (roi, test, stimulus_set), group in units.groupby(["roi", "test", "stimulus_set"], sort=False):
        ceiling = ceilings.get((roi, test), np.nan)
        place = {"roi": roi, "stimulus_set": stimulus_set, "test": test, "ceiling": ceiling}
        rows.append(recovery_row("unit_correlation", float(group["value"].mean()), len(group), **place))
    return rows


def image_rows(scores: pd.DataFrame, permutations: pd.DataFrame, ceiling: str) -> list[dict]:
    """Average image scores of one subject, beside those of the images made from true features.

    Parameters
    ----------
    scores : DataFrame with `fmri2image.evaluate.scores.SCORE_COLUMNS`
        One method; this subject's areas and, where there is one, the ceiling.
    permutations : DataFrame with `fmri2image.evaluate.scores.PERMUTATION_COLUMNS`
        Of the same, for chance.
    ceiling : str
        Name of the ceiling in the column ``roi``.
    """
    measured = {
        "pixel_correlation": scores[scores["metric"] == "pixel_correlation"]
        .groupby(["roi", "test", "stimulus_set"], sort=False)["value"]
        .agg(value="mean", n_rows="size")
        .reset_index()
        .assign(chance=0.0),
        "pixel_identification": permutations[permutations["metric"] == "pixel_identification"],
    }
    rows = []
    for measure, table in measured.items():
        best = table[table["roi"] == ceiling].set_index("test")
        for row in table[table["roi"] != ceiling].itertuples():
            known = best.loc[row.test] if row.test in best.index else {"value": np.nan, "chance": np.nan}
            rows.append(
                recovery_row(
                    measure,
                    row.value,
                    int(row.n_rows),
                    roi=row.roi,
                    stimulus_set=row.stimulus_set,
                    test=row.test,
                    ceiling=float(known["value"]),
                    chance=row.chance,
                    ceiling_chance=float(known["chance"]),
                )
            )
    return rows


def _choose(path: str | Path, generator: np.random.Generator) -> np.ndarray:
    with open_h5(path) as file:
        size = int(np.prod(file["features"].shape[1:]))
    return np.sort(generator.choice(size, min(UNITS, size), replace=False))


def _read_units(path: str | Path, stimuli: list[str], units: np.ndarray) -> np.ndarray:
    """Read units, numbered in C order, of some stimuli, channel by channel so that any layer fits in memory."""
    with open_h5(path) as file:
        dataset = file["features"]
        index = row_index([name.decode() for name in file["features_rows"][:]], stimuli, "The truth")
        channel, place = np.divmod(units, int(np.prod(dataset.shape[2:], dtype=int)))
        read = [dataset[:, c].reshape(len(dataset), -1)[index][:, place[channel == c]] for c in np.unique(channel)]
    return np.concatenate(read, axis=1)
