"""The permutation distribution of a cross-validated test: training and testing repeated with exchanged pairs.

Under cross-validation a decoder that knows nothing scores below one half, because the mean of the training images leans
away from the stimulus that was left out. Exchanging labels afterwards misses that; only refitting shows it.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fmri2image.core.arrays import LabelledArray, concatenate, read_array, row_index
from fmri2image.core.images import resize
from fmri2image.core.samples import Samples
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import folds, permute_responses, stimulus_of, test_rows
from fmri2image.decode.decoded import FeaturesInMemory
from fmri2image.decode.decoders import READS_TEST
from fmri2image.decode.in_memory import decode_layer, fit_in_memory
from fmri2image.decode.norm import (
    REFERENCES,
    SIZES,
    RowSizes,
    correct,
    factors,
    needs_centre,
    reference_sizes,
    size_table,
)
from fmri2image.evaluate.identification import IDENTIFICATIONS, win_matrix
from fmri2image.evaluate.similarity import SIMILARITIES
from fmri2image.reconstruct.interface import Responses, load_method

log = logging.getLogger(__name__)


def permuted_scores(
    samples: Samples,
    stimuli: LabelledArray,
    features: Mapping[str, LabelledArray] | None,
    settings: Mapping,
    device: torch.device,
    reference: Mapping[str, Mapping[str, float]] | None = None,
) -> Iterator[tuple[int, str, float]]:
    """Yield the mean identification of every permutation.

    Parameters
    ----------
    samples : Samples
        Voxels of the area.
    stimuli : LabelledArray, values of shape (n_stimuli, 3, height, width)
    features : mapping from layer to LabelledArray, or None
        True features, for methods that take decoded ones.
    settings : mapping
        ``method``, ``options``, ``split``, ``decoder`` (its entry), ``norm_correction``, ``similarities``, ``permutations``,
        ``seed``.
    device : torch.device
    reference : mapping from layer to sizes of independent images' features, optional
        Reference of the norm correction; without it, the training stimuli of every fold.

    Yields
    ------
    permutation : int
    metric : str
    score : float
    """
    for permutation in range(settings["permutations"]):
        generator = generator_for(settings["seed"], "permute training pairs", permutation)
        permuted = permute_responses(samples, settings["split"]["stimuli"], generator)
        images = cross_validate(permuted, stimuli, features, settings, device, reference)
        for similarity in settings["similarities"]:
            wins, own = wins_among(images, stimuli, similarity)
            for kind, derive in IDENTIFICATIONS.items():
                yield permutation, f"{similarity}_{kind}", float(derive(wins)[np.arange(len(own)), own].mean())
        log.info("permutation %d of %d", permutation + 1, settings["permutations"])


def cross_validate(
    samples: Samples,
    stimuli: LabelledArray,
    features: Mapping[str, LabelledArray] | None,
    settings: Mapping,
    device: torch.device,
    reference: Mapping[str, Mapping[str, float]] | None = None,
) -> LabelledArray:
    """Train and test a method fold by fold in memory; return its images (n_rows, 3, height, width)."""
    method = load_method(settings["method"])
    split = settings["split"]
    if features is not None:
        decoded = _decode(samples, features, reference or {}, settings, device)
        return method.reconstruct(decoded, None, settings["options"], device).images
    parts = []
    for fold in folds(samples.trials, split):
        state = method.fit(samples.select(trials=fold.train), stimuli, settings["options"], device)
        test = Responses.of(samples.select(trials=fold.test), split["rows"])
        parts.append(method.reconstruct(test, state, settings["options"], device).images)
    return concatenate(parts)


def wins_among(images: LabelledArray, stimuli: LabelledArray, similarity: str) -> tuple[np.ndarray, np.ndarray]:
    """Return `win_matrix` of images, resized to the stimuli, among all stimuli, and each row's own stimulus."""
    own = row_index(stimuli.rows, [stimulus_of(row) for row in images.rows])
    resized = resize(images.values, stimuli.values.shape[-1])
    return win_matrix(SIMILARITIES[similarity](resized, stimuli.values)), own


def independent_sizes(path: str | Path) -> dict[str, float]:
    """Return the sizes of the true features of independent images in one layer's file, the reference of a correction."""
    return reference_sizes(_measured(read_array(path, "features").values))


@dataclass
class _Part:
    """Decoded features of one fold in one layer, and what the norm correction needs."""

    values: np.ndarray
    sizes: dict[str, np.ndarray]
    reference: Mapping[str, float]
    mean: np.ndarray


def _decode(
    samples: Samples,
    features: Mapping[str, LabelledArray],
    reference: Mapping[str, Mapping[str, float]],
    settings: Mapping,
    device: torch.device,
) -> FeaturesInMemory:
    decoder = settings["decoder"]
    reads_test = decoder["decoder"] in READS_TEST
    bands = {area: samples.voxels[f"ROI_{area}"].to_numpy() == 1 for area in samples.rois}
    rows: list[str] = []
    parts: dict[str, list[_Part]] = {layer: [] for layer in features}
    for fold in folds(samples.trials, settings["split"]):
        train = samples.select(trials=fold.train)
        names = [str(name) for name in train.trials["stimulus"]]
        seen = list(dict.fromkeys(names))
        fitted = fit_in_memory(train.data, row_index(seen, names), decoder, device, bands)
        responses, labels, _ = test_rows(samples.select(trials=fold.test), settings["split"]["rows"])
        rows += labels
        for layer, array in features.items():
            true = array.take(seen).values
            shown = [array.take([stimulus_of(label) for label in labels]).values] if reads_test else []
            (decoded,) = decode_layer(fitted, decoder, true, [responses], shown)
            mean = true.mean(axis=0, dtype=np.float64).astype(np.float32)
            sizes = size_table(_measured(decoded), _measured(decoded - mean))
            parts[layer].append(_Part(decoded, sizes, reference.get(layer) or reference_sizes(_measured(true)), mean))
    kind = settings["norm_correction"]
    return FeaturesInMemory({layer: LabelledArray(_corrected(found, kind), rows) for layer, found in parts.items()})


def _corrected(parts: list[_Part], kind: str) -> np.ndarray:
    lengths = [len(part.values) for part in parts]
    sizes = {name: np.concatenate([part.sizes[name] for part in parts]) for name in SIZES}
    reference = {name: np.repeat([part.reference[name] for part in parts], lengths) for name in REFERENCES}
    found = np.split(factors(kind, sizes, reference), np.cumsum(lengths)[:-1])
    return np.concatenate(
        [
            correct(part.values, rows, part.mean if needs_centre(kind) else None)
            for part, rows in zip(parts, found, strict=True)
        ]
    )


def _measured(features: np.ndarray) -> RowSizes:
    sizes = RowSizes(len(features))
    sizes.add(features)
    return sizes
