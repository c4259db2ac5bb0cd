"""Ceilings from odd and even trials, against correlations of features that are decoded and kept whole."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from decoding_study import SHAPE, TESTS, make_features, make_samples, write_features
from plain_decoder import PlainDecoder

from fmri2image.core.arrays import read_array
from fmri2image.core.samples import Samples
from fmri2image.decode import memory, training_sets
from fmri2image.decode.layers import LayerDecoding
from fmri2image.decode.reliability import (
    halves,
    merge_moments,
    pattern_moments,
    pattern_reliability,
    unit_reliability,
)

SETTINGS = {"decoder": "ridge", "alpha": 2.0, "n_voxels": 3, "precision": "float64", "norm_reference": "training"}


def repeated_samples():
    """Shapes a, b and c are shown three times, d once."""
    samples = make_samples()
    trials = samples.trials.copy()
    trials.loc[10:, "stimulus"] = ["a", "b", "c", "d", "c", "a", "b", "b"]
    more = pd.DataFrame([{**trials.iloc[-1], "stimulus": name, "run": 3} for name in "ac"])
    trials = pd.concat([trials, more], ignore_index=True)
    extra = np.random.default_rng(5).standard_normal((2, 6)).astype("f4")
    return Samples(np.concatenate([samples.data, extra]), trials, samples.voxels)


@pytest.mark.parametrize("units", [4, 4096])
def test_halves_are_decoded_and_compared(tmp_path, monkeypatch, units):
    monkeypatch.setattr(training_sets, "fit_decoder", PlainDecoder)
    monkeypatch.setitem(memory.MOST_UNITS, "cpu", units)
    monkeypatch.setattr(memory, "LEAST_UNITS", 1)
    samples, features = repeated_samples(), make_features()
    features["train"].values[:, 1, 1, 1] = 4
    paths = write_features(tmp_path, features)
    output = tmp_path / "decoded.h5"
    LayerDecoding(samples, TESTS, SETTINGS, torch.device("cpu")).decode(paths, output, {})
    with h5py.File(output) as file:
        assert {name for name in file if name.endswith("reliability")} == {
            "shapes_unit_reliability",
            "shapes_pattern_reliability",
        }
        by_unit = file["shapes_unit_reliability"][:]
    by_pattern = read_array(output, "shapes_pattern_reliability")
    trials = read_array(output, "trials")  # decoding is linear: the mean of decoded trials is the decoded mean
    shown = np.array([row.split("|")[0] for row in trials.rows])
    odd = np.stack([trials.values[shown == name][::2].mean(axis=0, dtype=float) for name in "abc"]).reshape(3, -1)
    even = np.stack([trials.values[shown == name][1::2].mean(axis=0, dtype=float) for name in "abc"]).reshape(3, -1)
    varies = np.arange(30) != np.ravel_multi_index((1, 1, 1), SHAPE)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(odd.T[varies], even.T[varies], strict=True)]
    np.testing.assert_allclose(by_unit.ravel()[varies], expected, atol=1e-4)
    assert np.isnan(by_unit[1, 1, 1])
    true = features["train"].values.reshape(10, -1).astype(float)
    mean, sd = true.mean(axis=0), true.std(axis=0, ddof=1)
    z = [((half - mean)[:, varies] / sd[varies]) for half in (odd, even)]
    assert by_pattern.rows == list("abcd")
    np.testing.assert_allclose(
        by_pattern.values[:3], [np.corrcoef(a, b)[0, 1] for a, b in zip(*z, strict=True)], atol=1e-4
    )
    assert np.isnan(by_pattern.values[3])


def test_halves_take_turns():
    samples = repeated_samples().select(trials=np.arange(20) >= 10)
    odd, even, repeated = halves(samples, list("abcd"))
    assert list(repeated) == [0, 1, 2]
    np.testing.assert_allclose(odd[0], (samples.data[0] + samples.data[8]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(even[0], samples.data[5])
    assert halves(samples.select(trials=np.arange(10) < 4), list("abcd")) is None


def test_what_is_not_defined_is_nan():
    rng = np.random.default_rng(0)
    odd, even = rng.standard_normal((2, 4, 3)).astype("f4")
    odd[:, 1] = 5 + 1e-7 * odd[:, 1]
    found = unit_reliability(odd, even)
    assert list(np.isnan(found)) == [False, True, False]
    assert found[0] == pytest.approx(np.corrcoef(odd[:, 0], even[:, 0])[0, 1], abs=1e-6)
    assert np.isnan(unit_reliability(odd[:2], even[:2])).all()
    flat = np.ones((2, 6))
    assert np.isnan(pattern_reliability(pattern_moments(flat, flat))).all()


def test_moments_of_parts_are_those_of_the_whole():
    odd, even = np.random.default_rng(0).normal(50, 1, (2, 4, 20))
    merged = pattern_moments(odd[:, :0], even[:, :0])
    for start, stop in ((0, 7), (7, 8), (8, 20)):
        merged = merge_moments(merged, pattern_moments(odd[:, start:stop], even[:, start:stop]))
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(odd, even, strict=True)]
    np.testing.assert_allclose(pattern_reliability(merged), expected, rtol=1e-10)
