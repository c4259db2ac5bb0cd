"""Streamed decoding of a layer against decoders fitted by hand, and the features read back."""

import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.arrays import LabelledArray, read_array, read_attributes, write_arrays
from fmri2image.core.errors import LabelMismatchError
from fmri2image.core.samples import Samples
from fmri2image.decode import layers
from fmri2image.decode.decoded import DecodedFeatures, FeaturesInMemory
from fmri2image.decode.ridge import RidgeDecoder, RidgeSettings

CPU = torch.device("cpu")
SETTINGS = {"alpha": 2.0, "n_voxels": None, "chunk": 8, "norm_correction": "norm"}
TESTS = {
    "shapes": {"training": "train", "stimuli": "shapes", "rows": "stimulus"},
    "trials": {"training": "train", "stimuli": "shapes", "rows": "trial"},
    "cv": {"leave_out": "run", "stimuli": "shapes", "rows": "trial"},
}


@pytest.fixture
def study(tmp_path):
    """Ten training images, four shapes in two runs, and their features in files whose rows lie in another order."""
    rng = np.random.default_rng(0)
    names = [f"t{i}" for i in range(10)] + ["a", "b", "c", "d", "d", "c", "b", "a"]
    trials = pd.DataFrame(
        {
            "stimulus": names,
            "stimulus_set": ["train"] * 10 + ["shapes"] * 8,
            "session": "one",
            "run": [1] * 14 + [2] * 4,
            "block": [*range(10), *range(8)],
        }
    )
    samples = Samples(rng.standard_normal((18, 6)).astype(np.float32), trials, pd.DataFrame({"voxel_i": range(6)}))
    features = {
        "train": LabelledArray(rng.standard_normal((10, 5, 2, 3)).astype("f4"), [f"t{i}" for i in range(9, -1, -1)]),
        "shapes": LabelledArray(rng.standard_normal((4, 5, 2, 3)).astype("f4") * 2, list("cadb")),
    }
    paths = {name: tmp_path / f"{name}.h5" for name in features}
    for name, array in features.items():
        write_arrays(paths[name], {"features": array})
    return samples, features, paths


def expected(samples, true, train, responses):
    names = samples.trials["stimulus"][train].tolist()
    stimuli = sorted(set(names))
    known = true.take(stimuli).values
    decoder = RidgeDecoder(
        samples.data[train], np.array([stimuli.index(n) for n in names]), RidgeSettings(2.0, None), CPU
    )
    (found,) = decoder.predict(known.reshape(len(known), -1), [responses])
    reference = np.linalg.norm(known.reshape(len(known), -1).astype(float), axis=1).mean()
    return found.reshape(-1, 5, 2, 3), reference / np.linalg.norm(found.astype(float), axis=1)


@pytest.mark.parametrize("block_bytes", [1, 2_000, 200_000_000])
def test_every_test_is_decoded_by_its_own_training(study, tmp_path, monkeypatch, block_bytes):
    samples, features, paths = study
    monkeypatch.setattr(layers._FeatureRows.__init__, "__defaults__", (block_bytes,))
    with layers._FeatureRows(paths) as source:
        assert (len(list(source.blocks())) > 1) == (block_bytes < 200_000_000)
    decoding = layers.LayerDecoding(samples, TESTS, SETTINGS, CPU)
    assert len(decoding.trainings) == 3  # both held-out tests share one, two folds
    output = tmp_path / "decoded.h5"
    decoding.decode(paths, output, {"simulated": True})
    assert read_attributes(output)["simulated"] is True
    held_out = np.arange(18) < 10
    responses = samples.data[10:]
    for test, rows in {"shapes": (responses[:4] + responses[:3:-1]) / 2, "trials": responses}.items():
        values, scale = expected(samples, features["train"], held_out, rows)
        np.testing.assert_allclose(read_array(output, test).values, values, atol=1e-5)
        np.testing.assert_allclose(read_array(output, f"{test}_scale").values, scale, rtol=1e-5)
    assert read_array(output, "shapes").rows == ["a", "b", "c", "d"]
    found, found_scale = read_array(output, "cv"), read_array(output, "cv_scale")
    assert [row[0] for row in found.rows] == list("abcddcba")
    runs = samples.trials["run"].to_numpy()
    for run, place in ((1, slice(0, 4)), (2, slice(4, 8))):
        train, test = ~held_out & (runs != run), ~held_out & (runs == run)
        values, scale = expected(samples, features["shapes"], train, samples.data[test])
        np.testing.assert_allclose(found.values[place], values, atol=1e-5)
        np.testing.assert_allclose(found_scale.values[place], scale, rtol=1e-5)


def test_missing_features_are_named(study, tmp_path):
    samples, _, paths = study
    decoding = layers.LayerDecoding(samples, TESTS, SETTINGS, CPU)
    with pytest.raises(LabelMismatchError, match="The trial table names"):
        decoding.decode({"train": paths["train"]}, tmp_path / "decoded.h5", {})
    assert not (tmp_path / "decoded.h5").exists()


def test_decoded_features_are_read_by_name(tmp_path):
    values = np.random.default_rng(1).standard_normal((3, 2, 2, 2)).astype("f4")
    fc, rows = values.reshape(3, 8), ["a", "b", "c"]
    paths = {"conv": tmp_path / "conv.h5", "fc": tmp_path / "fc.h5", "other": tmp_path / "other.h5"}
    scale = LabelledArray(np.array([1.0, 2, 3]), rows)
    write_arrays(paths["conv"], {"t": LabelledArray(values, rows), "t_scale": scale})
    write_arrays(paths["fc"], {"t": LabelledArray(fc, rows), "t_scale": scale})
    write_arrays(paths["other"], {"t": LabelledArray(fc[:2], rows[:2]), "t_scale": scale.take(rows[:2])})
    both = {layer: paths[layer] for layer in ("conv", "fc")}
    decoded = DecodedFeatures(both, "t")
    assert (decoded.layers, decoded.rows) == (["conv", "fc"], rows)
    np.testing.assert_allclose(decoded.read("conv", ["c", "a"]), np.stack([3 * values[2], values[0]]), rtol=1e-6)
    np.testing.assert_allclose(decoded.read("fc"), fc * np.array([[1], [2], [3]]), rtol=1e-6)
    np.testing.assert_array_equal(DecodedFeatures(both, "t", corrected=False).read("fc"), fc)
    with pytest.raises(LabelMismatchError, match="other.h5: the rows of test 't' differ"):
        DecodedFeatures(paths, "t")
    memory = FeaturesInMemory({"conv": LabelledArray(values, rows)})
    assert (memory.layers, memory.rows) == (["conv"], rows)
    np.testing.assert_array_equal(memory.read("conv", ["b"]), values[1:2])
