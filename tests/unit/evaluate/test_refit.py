"""Refitting in memory decodes and corrects as the workflow's files do, for every norm correction."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.samples import Samples
from fmri2image.decode.decoded import DecodedFeatures
from fmri2image.decode.layers import LayerDecoding
from fmri2image.decode.norm import KINDS, RowSizes, reference_sizes
from fmri2image.evaluate import refit
from fmri2image.reconstruct.interface import Reconstructions

CPU = torch.device("cpu")
DECODER = {"alpha": 2.0, "n_voxels": None, "chunk": 8}
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
    samples = Samples(rng.standard_normal((10, 6)).astype(np.float32), trials, pd.DataFrame({"voxel_i": range(6)}))
    true = LabelledArray(1 + rng.standard_normal((4, 5, 2, 3)).astype("f4"), list("cadb"))
    natural = LabelledArray(3 * rng.standard_normal((7, 5, 2, 3)).astype("f4"), list("nopqrst"))
    return samples, true, natural


@pytest.mark.parametrize("norm_reference", ["training", "natural"])
@pytest.mark.parametrize("kind", KINDS)
def test_refits_use_the_same_correction(study, tmp_path, monkeypatch, kind, norm_reference):
    samples, true, natural = study
    paths = {"shapes": tmp_path / "shapes.h5", "natural": tmp_path / "natural.h5"}
    write_arrays(paths["shapes"], {"features": true})
    write_arrays(paths["natural"], {"features": natural})
    decoding = LayerDecoding(samples, {"cv": SPLIT}, {**DECODER, "norm_reference": norm_reference}, CPU)
    decoding.decode(paths, tmp_path / "decoded.h5", {})
    expected = DecodedFeatures({"conv": tmp_path / "decoded.h5"}, "cv", correction=kind)

    def reconstruct(test, state, options, device):
        return Reconstructions(LabelledArray(test.read("conv"), test.rows))

    monkeypatch.setattr(refit, "load_method", lambda name: SimpleNamespace(reconstruct=reconstruct))
    sizes = RowSizes(len(natural.rows))
    sizes.add(natural.values)
    reference = {"conv": reference_sizes(sizes)} if norm_reference == "natural" else {}
    settings = {"method": "any", "options": {}, "split": SPLIT, "decoder": DECODER, "norm_correction": kind}
    found = refit.cross_validate(samples, None, {"conv": true}, settings, CPU, reference)
    assert found.rows == expected.rows
    np.testing.assert_allclose(found.values, expected.read("conv"), rtol=1e-4, atol=1e-5)
