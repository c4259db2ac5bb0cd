"""Training sets of one subject and area, and where the rows of their tests go; sets that fit in memory come together."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from fmri2image.core.arrays import row_index
from fmri2image.core.errors import ConfigError
from fmri2image.core.samples import Samples
from fmri2image.core.splits import folds, stimulus_of, test_rows
from fmri2image.decode.decoders import READS_TEST, Context, Decoder, decoder_module, fit_decoder
from fmri2image.decode.memory import BASE, CUDA_BASE, LEAST_BLOCK, WORKER, WORKER_WITH_TORCH, Need
from fmri2image.decode.reliability import halves
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import PRECISIONS, Training

PRECISION = {"slr": "float64"}  # where settings do not say
HELD_OUT = "held-out"


@dataclass
class Target:
    """Where the rows of one fold of one test go, and the halves whose agreement is its ceiling.

    Parameters
    ----------
    test : str
    rows : slice
    responses : array of shape (n_rows, n_voxels)
    stimuli : list of str, length n_rows
    halves : tuple, optional
        Of `reliability.halves`.
    """

    test: str
    rows: slice
    responses: np.ndarray
    stimuli: list[str]
    halves: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None


@dataclass
class TrainingSet:
    """One training set and everything that is predicted with its decoders.

    Parameters
    ----------
    name : str
    trials : boolean array
        Of the samples.
    stimuli : list of str
        In order of appearance.
    index : integer array of shape (n_trials,)
        Place in `stimuli` of each training trial.
    targets : list of Target
    """

    name: str
    trials: np.ndarray
    stimuli: list[str]
    index: np.ndarray
    targets: list[Target] = field(default_factory=list)

    def responses(self) -> list[np.ndarray]:
        """Return all test responses, with the two halves of a test after its rows."""
        return [rows for target in self.targets for rows in (target.responses, *(target.halves or ())[:2])]


@dataclass
class Fitted:
    """A training set with its standardised trials and its decoder.

    Parameters
    ----------
    set : TrainingSet
    training : Training
    decoder : Decoder
    """

    set: TrainingSet
    training: Training
    decoder: Decoder


def gather(
    samples: Samples, tests: Mapping[str, Mapping], ceilings: bool = True
) -> tuple[list[TrainingSet], dict[str, list[str]]]:
    """Return the training sets of tests, and the rows of every test.

    Parameters
    ----------
    samples : Samples
    tests : mapping from test name to its settings
    ceilings : bool
        Whether to average odd and even trials of held-out tests whose rows are stimuli.

    Notes
    -----
    Held-out tests that share their training trials share one training set.
    """
    rows: dict[str, list[str]] = {}
    by_mask: dict[bytes, TrainingSet] = {}
    for test, settings in tests.items():
        rows[test] = []
        for fold in folds(samples.trials, settings):
            found = by_mask.get(fold.train.tobytes())
            if found is None:
                names = samples.trials["stimulus"].astype(str).to_numpy()[fold.train]
                stimuli = list(dict.fromkeys(names))
                index = row_index(stimuli, list(names))
                found = by_mask[fold.train.tobytes()] = TrainingSet(f"{test} {fold.name}", fold.train, stimuli, index)
            tested = samples.select(trials=fold.test)
            responses, names, _ = test_rows(tested, settings["rows"])
            start = len(rows[test])
            rows[test] += names
            split = None
            if ceilings and settings["rows"] == "stimulus" and fold.name == HELD_OUT:
                split = halves(tested, names)
            place = slice(start, start + len(names))
            found.targets.append(Target(test, place, responses, [stimulus_of(name) for name in names], split))
    return list(by_mask.values()), rows


def group(
    sets: Sequence[TrainingSet], samples: Samples, settings: Mapping, workers: int, limit: float, on_gpu: bool
) -> list[list[TrainingSet]]:
    """Put training sets together as far as half of the limit (bytes) allows, in their order; each has one at least."""
    groups: list[list[TrainingSet]] = []
    for one in sets:
        if groups and fixed_bytes([*groups[-1], one], samples, settings, workers, on_gpu) <= limit / 2:
            groups[-1].append(one)
        else:
            groups.append([one])
    return groups


def fixed_bytes(
    sets: Sequence[TrainingSet], samples: Samples, settings: Mapping, workers: int, on_gpu: bool = False
) -> int:
    """Return what a job takes on the host whatever its chunks."""
    rows = sum(array.nbytes for one in sets for array in one.responses())
    each = WORKER if settings["decoder"] == "ridge" else WORKER_WITH_TORCH
    processes = each * workers if workers > 1 else 0
    held = CUDA_BASE if on_gpu else sum(_set_bytes(one, samples.data.shape[1], settings, workers) for one in sets)
    gathered = max(one.trials.sum() for one in sets) * samples.data.shape[1] * 4  # while trials are standardised
    return int(BASE + samples.data.nbytes + gathered + rows + processes + held)


def _set_bytes(one: TrainingSet, n_voxels: int, settings: Mapping, workers: int) -> int:
    """Return the bytes of standardised trials, their sums, and Gram matrices with what is made of them."""
    size, n_stimuli = PRECISIONS[precision(settings)].itemsize, len(one.stimuli)
    n_trials = int(one.trials.sum())
    held = size * n_trials * n_voxels + (size + 8) * n_stimuli * n_voxels
    module = importlib.import_module(decoder_module(settings["decoder"]))
    if hasattr(module, "own_bytes"):
        return held + module.own_bytes(settings, n_trials, n_voxels, n_stimuli, size)
    # The Gram matrix, for ridge a copy without the intercept, and with all voxels a float64 copy and its factor; what
    # processes share is written once more.
    if settings.get("n_voxels") is None:
        return held + 16 * n_stimuli * n_voxels + (2 * size + 16) * min(n_trials, n_voxels) ** 2
    shared = workers > 1
    copies = (2 if settings["decoder"] == "ridge" else 1) + shared
    return held + shared * (size + 8) * n_stimuli * n_voxels + copies * size * n_voxels**2


def need(sets: Sequence[TrainingSet], samples: Samples, settings: Mapping, workers: int, device: torch.device) -> Need:
    """Return what decoding with these training sets at the same time needs."""
    n_voxels, size = samples.data.shape[1], PRECISIONS[precision(settings)].itemsize
    n_read = len({name for one in sets for name in one.stimuli})
    n_stimuli = max(len(one.stimuli) for one in sets)
    n_rows = [sum(map(len, one.responses())) for one in sets]
    n_chosen = min(settings.get("n_voxels") or n_voxels, n_voxels)
    on_gpu = device.type == "cuda"
    # Read, in the order of a set, and while float64 makes z-scores of them.
    features = 4 * n_read + 4 * n_stimuli + (3 * 8 + size) * n_stimuli
    # Predictions in double and single precision, of all sets as they wait to be written.
    output = 24 * max(n_rows) + 4 * sum(n_rows)
    if settings["decoder"] in READS_TEST:
        output += 4 * max(n_rows)
    weights = (size + 4 + (8 if settings.get("n_voxels") else 0)) * n_chosen
    if settings.get("keep"):
        weights += 8 * n_chosen * len(sets)
    cross = 2 * size * n_voxels
    what = f"samples ({samples.data.shape[0]} trials, {n_voxels} voxels), Gram matrix and {max(1, workers)} workers"
    fixed = fixed_bytes(sets, samples, settings, workers, on_gpu)
    if not on_gpu:
        return Need(fixed, features + output + weights + cross, what=what)
    gpu_fixed = sum(_set_bytes(one, n_voxels, settings, 1) for one in sets)
    gpu_unit = (3 * 8 + size) * n_stimuli + 16 * max(n_rows) + 2 * cross + weights
    return Need(fixed, features + output + weights, gpu_fixed + LEAST_BLOCK, gpu_unit, what)


def precision(settings: Mapping) -> str:
    """Return the precision of a decoder entry."""
    return settings.get("precision") or PRECISION.get(settings["decoder"], "float32")


def fit(
    one: TrainingSet, samples: Samples, settings: Mapping, device: torch.device, workers: int, block: int
) -> Fitted:
    """Standardise the trials of a training set and make its decoder.

    Raises
    ------
    ConfigError
        If a band of the settings is no area of the samples.
    """
    bands = {}
    for area in settings.get("bands") or ():
        if area not in samples.rois:
            raise ConfigError(f"bands: the samples hold no area '{area}'; they hold {', '.join(samples.rois)}.")
        bands[area] = samples.voxels[f"ROI_{area}"].to_numpy() == 1
    standardisation = Standardisation.from_settings(settings.get("standardise"))
    training = Training(samples.data[one.trials], one.index, standardisation, device, precision(settings))
    context = Context(workers=workers, memory=block, bands=bands, seed=settings.get("seed", 0))
    return Fitted(one, training, fit_decoder(training, settings, context))
