"""Refitting in memory decodes and corrects as the workflow's files do, for every norm correction."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.samples import Samples
from fmri2image.decode.decoded import DecodedFeatures
from fmri2image.decode.decoders import DECODERS
from fmri2image.decode.layers import LayerDecoding
from fmri2image.decode.norm import KINDS, RowSizes, reference_sizes
from fmri2image.evaluate import refit
from fmri2image.reconstruct.interface import Reconstructions

CPU = torch.device("cpu")
RIDGE = {"decoder": "ridge", "alpha": 2.0, "n_voxels": 4, "precision": "float64", "intercept": "penalised"}
ENTRIES = [
    RIDGE,
    {"decoder": "slr", "n_voxels": 3, "iterations": 20},
    {"decoder": "ridge-cv", "alphas": [1.0, 10.0], "folds": 2},
    {"decoder": "banded-ridge", "alphas": [1.0, 10.0], "folds": 2, "bands": ["V1"], "iterations": 3},
    {"decoder": "one-hot", "alpha": 5.0},
    {"decoder": "best-prediction"},
]
SPLIT = {"leave_out": "run", "stimuli": "shapes", "rows": "trial"}


@pytest.fixture
def study():
    rng = np.random.default_rng(0)
    names = ["a", "b", "c", "d", "d", "c", "b", "a", "b", "d"]
    trials = pd.DataFrame(
        {
            "stimulus": names,
            "stimulus_set": "shapes",
            "session": "one",
            "run": [1] * 4 + [2] * 4 + [3] * 2,
            "block": [*range(4), *range(4), *range(2)],
        }
    )
    samples = Samples(
        rng.standard_normal((10, 6)).astype(np.float32),
        trials,
        pd.DataFrame({"voxel_i": range(6), "ROI_V1": [1, 1, 1, 0, 0, 0]}),
    )
    true = LabelledArray(1 + rng.standard_normal((4, 5, 2, 3)).astype("f4"), list("cadb"))
    natural = LabelledArray(3 * rng.standard_normal((7, 5, 2, 3)).astype("f4"), list("nopqrst"))
    return samples, true, natural


@pytest.mark.parametrize("norm_reference", ["training", "natural"])
@pytest.mark.parametrize("kind", KINDS)
def test_refits_use_the_same_correction(study, tmp_path, monkeypatch, kind, norm_reference):
    compare(study, tmp_path, monkeypatch, RIDGE, kind, norm_reference)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["decoder"] for entry in ENTRIES])
def test_every_decoder_can_be_refitted(study, tmp_path, monkeypatch, entry):
    assert {entry["decoder"] for entry in ENTRIES} == set(DECODERS)
    entry = {**entry, "standardise": {"voxels": "stimuli", "units": "trials", "ddof": 0}}
    compare(study, tmp_path, monkeypatch, entry, "none", "training")


def compare(study, tmp_path, monkeypatch, entry, kind, norm_reference):
    samples, true, natural = study
    paths = {"shapes": tmp_path / "shapes.h5", "natural": tmp_path / "natural.h5"}
    write_arrays(paths["shapes"], {"features": true})
    write_arrays(paths["natural"], {"features": natural})
    decoding = LayerDecoding(samples, {"cv": SPLIT}, {**entry, "norm_reference": norm_reference}, CPU)
    decoding.decode(paths, tmp_path / "decoded.h5", {})
    expected = DecodedFeatures({"conv": tmp_path / "decoded.h5"}, "cv", correction=kind)

    def reconstruct(test, state, options, device):
        return Reconstructions(LabelledArray(test.read("conv"), test.rows))

    monkeypatch.setattr(refit, "load_method", lambda name: SimpleNamespace(reconstruct=reconstruct))
    sizes = RowSizes(len(natural.rows))
    sizes.add(natural.values)
    reference = {"conv": reference_sizes(sizes)} if norm_reference == "natural" else {}
    settings = {"method": "any", "options": {}, "split": SPLIT, "decoder": entry, "norm_correction": kind}
    found = refit.cross_validate(samples, None, {"conv": true}, settings, CPU, reference)
    assert found.rows == expected.rows
    np.testing.assert_allclose(found.values, expected.read("conv"), rtol=1e-4, atol=1e-5)
