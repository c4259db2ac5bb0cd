"""The registry of decoders."""

import importlib

import numpy as np
import pytest
import torch

from fmri2image.core.errors import ConfigError
from fmri2image.decode.decoders import DECODERS, READS_TEST, Context, decoder_module, fit_decoder
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

SETTINGS = {
    "ridge-cv": {"alphas": [10.0, 100.0], "folds": 3},
    "banded-ridge": {"alphas": [10.0, 100.0], "folds": 3, "iterations": 4, "bands": ["V1"]},
    "one-hot": {"alpha": 10.0},
    "best-prediction": {},
}


@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_is_found_by_name(name):
    module = importlib.import_module(decoder_module(name))
    assert callable(module.fit)


def test_an_unknown_decoder_is_said():
    with pytest.raises(ConfigError, match="decoder 'lasso' is unknown; use one of ridge, slr, ridge-cv"):
        decoder_module("lasso")


@pytest.mark.parametrize("name", SETTINGS)
def test_a_decoder_reads_true_test_features_only_where_it_is_flagged(name):
    rng = np.random.default_rng(0)
    index = np.repeat(np.arange(12), 2)
    features, test = rng.standard_normal((12, 20)), rng.standard_normal((3, 7))
    training = Training(rng.standard_normal((24, 7)), index, Standardisation(), torch.device("cpu"), "float64")
    context = Context(bands={"V1": np.arange(7) < 3})
    results = []
    for true in (rng.standard_normal((3, 20)), rng.standard_normal((3, 20))):
        decoder = fit_decoder(training, {"decoder": name, **SETTINGS[name]}, context)
        two_passes = getattr(decoder, "passes", 1) == 2
        assert two_passes == (name == "best-prediction")
        if two_passes:
            decoder.start()
            decoder.observe(features, [true])
        results.append(decoder.predict(features, [test], [true]))
    first, second = results
    assert (first.values[0] == second.values[0]).all() == (name not in READS_TEST)
    assert [values.shape for values in first.values] == [(3, 20)]
    assert first.values[0].dtype == np.float32
    for part in (first.weights, first.intercept, first.penalties):
        assert part is None or (part.dtype == np.float32 and len(part) == 20)
