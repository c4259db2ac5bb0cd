"""Decoding without files, for features that fit in memory: one training set, all units of a layer at once."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from fmri2image.decode.decoders import READS_TEST, Context, Decoder, fit_decoder
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training
from fmri2image.decode.training_sets import precision


def fit_in_memory(
    responses: np.ndarray,
    stimulus_index: np.ndarray,
    settings: Mapping,
    device: torch.device,
    bands: Mapping[str, np.ndarray] | None = None,
) -> Decoder:
    """Return the decoder of a configuration's entry for one training set.

    Parameters
    ----------
    responses : array of shape (n_trials, n_voxels)
    stimulus_index : integer array of shape (n_trials,)
        Row of the training features that each trial saw.
    settings : mapping
        The decoder's entry.
    device : torch.device
    bands : mapping from area to boolean array of shape (n_voxels,), optional
        Areas that the entry may name in ``bands``.
    """
    standardisation = Standardisation.from_settings(settings.get("standardise"))
    training = Training(responses, stimulus_index, standardisation, device, precision(settings))
    return fit_decoder(training, settings, Context(bands=bands or {}, seed=settings.get("seed", 0)))


def decode_layer(
    decoder: Decoder, settings: Mapping, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """Return decoded features, float32 (n_test, ...), of all units of one layer, per array of test responses.

    Parameters
    ----------
    decoder : Decoder
    settings : mapping
        The decoder's entry.
    features : array of shape (n_stimuli, ...)
        True features of the training stimuli.
    tests : sequence of arrays of shape (n_test, n_voxels)
    true : sequence of arrays of shape (n_test, ...)
        True features of the tests; only decoders that read them get them.
    """
    flat = features.reshape(len(features), -1)
    shown = [array.reshape(len(array), -1) for array in true] if settings["decoder"] in READS_TEST else None
    if getattr(decoder, "passes", 1) == 2:
        decoder.start()
        decoder.observe(flat, shown)
    values = decoder.predict(flat, tests, shown).values
    return [array.reshape(len(array), *features.shape[1:]) for array in values]
