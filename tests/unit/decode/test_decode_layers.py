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
from fmri2image.decode.norm import KINDS, REFERENCES, SIZES
from fmri2image.decode.ridge import RidgeDecoder, RidgeSettings

CPU = torch.device("cpu")
SETTINGS = {"alpha": 2.0, "n_voxels": None, "chunk": 8, "norm_reference": "training"}
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
        "natural": LabelledArray(rng.standard_normal((7, 5, 2, 3)).astype("f4") * 3, list("nopqrst")),
    }
    paths = {name: tmp_path / f"{name}.h5" for name in features}
    for name, array in features.items():
        write_arrays(paths[name], {"features": array})
    return samples, features, paths


def expected(samples, true, train, responses):
    """Decoded features, and the training stimuli's true features, by a decoder fitted by hand."""
    names = samples.trials["stimulus"][train].tolist()
    stimuli = sorted(set(names))
    known = true.take(stimuli).values
    decoder = RidgeDecoder(
        samples.data[train], np.array([stimuli.index(n) for n in names]), RidgeSettings(2.0, None), CPU
    )
    (found,) = decoder.predict(known.reshape(len(known), -1), [responses])
    return found.reshape(-1, 5, 2, 3), known


def with_norm(decoded, reference):
    length = np.linalg.norm(decoded.reshape(len(decoded), -1).astype(float), axis=1)
    wanted = np.linalg.norm(reference.reshape(len(reference), -1).astype(float), axis=1).mean()
    return decoded * (wanted / length).reshape(-1, 1, 1, 1)


def about_training_mean(decoded, known, reference):
    """The cookbook's default, row by row."""
    rest = decoded.astype(float) - known.mean(axis=0)
    mean = rest.mean(axis=(1, 2, 3), keepdims=True)
    sd = rest.std(axis=(2, 3), ddof=1).mean(axis=1).reshape(-1, 1, 1, 1)
    return (rest - mean) / sd * reference.std(axis=(2, 3), ddof=1).mean() + mean + known.mean(axis=0)


@pytest.mark.parametrize("block_bytes", [1, 3_000, 200_000_000])
@pytest.mark.parametrize("norm_reference", ["training", "natural"])
def test_every_test_is_decoded_by_its_own_training(study, tmp_path, monkeypatch, block_bytes, norm_reference):
    samples, features, paths = study
    monkeypatch.setattr(layers._FeatureRows.__init__, "__defaults__", (block_bytes,))
    with layers._FeatureRows(paths) as source:
        assert (len(list(source.blocks())) > 1) == (block_bytes < 200_000_000)
    decoding = layers.LayerDecoding(samples, TESTS, {**SETTINGS, "norm_reference": norm_reference}, CPU)
    assert len(decoding.trainings) == 3  # both held-out tests share one, two folds
    output = tmp_path / "decoded.h5"
    decoding.decode(paths, output, {"simulated": True})
    assert read_attributes(output)["simulated"] is True
    assert read_array(output, "training_mean").rows == ["shapes held-out", "cv run=1", "cv run=2"]
    held_out = np.arange(18) < 10
    responses = samples.data[10:]
    runs = samples.trials["run"].to_numpy()
    cases = [
        ("shapes", slice(0, 4), "train", held_out, (responses[:4] + responses[:3:-1]) / 2),
        ("trials", slice(0, 8), "train", held_out, responses),
        ("cv", slice(0, 4), "shapes", ~held_out & (runs != 1), responses[:4]),
        ("cv", slice(4, 8), "shapes", ~held_out & (runs != 2), responses[4:]),
    ]
    for test, place, trained, train, rows in cases:
        decoded, known = expected(samples, features[trained], train, rows)
        reference = known if norm_reference == "training" else features["natural"].values
        found = {kind: DecodedFeatures({"conv": output}, test, correction=kind) for kind in KINDS}
        names = found["none"].rows[place]
        np.testing.assert_allclose(found["none"].read("conv", names), decoded, atol=1e-5)
        np.testing.assert_allclose(found["norm"].read("conv", names), with_norm(decoded, reference), rtol=1e-4)
        np.testing.assert_allclose(
            found["train_mean_sd"].read("conv", names), about_training_mean(decoded, known, reference), atol=1e-4
        )
        backwards = found["train_mean_sd"].read("conv", names[::-1])
        np.testing.assert_array_equal(backwards[::-1], found["train_mean_sd"].read("conv", names))
    assert DecodedFeatures({"conv": output}, "shapes", correction="none").rows == ["a", "b", "c", "d"]
    assert [row[0] for row in read_array(output, "cv").rows] == list("abcddcba")


def test_missing_features_are_named(study, tmp_path):
    samples, _, paths = study
    decoding = layers.LayerDecoding(samples, TESTS, SETTINGS, CPU)
    with pytest.raises(LabelMismatchError, match="The trial table names"):
        decoding.decode({"train": paths["train"]}, tmp_path / "decoded.h5", {})
    assert not (tmp_path / "decoded.h5").exists()


def written(path, values, rows, norm, reference):
    """A file of decoded features whose sizes are given, not computed."""
    sizes = np.zeros((len(rows), len(SIZES)))
    sizes[:, SIZES.index("norm")] = norm
    wanted = np.full((len(rows), len(REFERENCES)), reference)
    arrays = {"t": values, "t_sizes": sizes, "t_reference": wanted}
    write_arrays(path, {name: LabelledArray(array, rows) for name, array in arrays.items()})


def test_decoded_features_are_read_by_name(tmp_path):
    values = np.random.default_rng(1).standard_normal((3, 2, 2, 2)).astype("f4")
    fc, rows = values.reshape(3, 8), ["a", "b", "c"]
    paths = {"conv": tmp_path / "conv.h5", "fc": tmp_path / "fc.h5", "other": tmp_path / "other.h5"}
    norm = np.array([6.0, 3.0, 2.0])
    written(paths["conv"], values, rows, norm, 6.0)
    written(paths["fc"], fc, rows, norm, 6.0)
    written(paths["other"], fc[:2], rows[:2], norm[:2], 6.0)
    both = {layer: paths[layer] for layer in ("conv", "fc")}
    decoded = DecodedFeatures(both, "t", correction="norm")
    assert (decoded.layers, decoded.rows) == (["conv", "fc"], rows)
    np.testing.assert_allclose(decoded.read("conv", ["c", "a"]), np.stack([3 * values[2], values[0]]), rtol=1e-6)
    np.testing.assert_allclose(decoded.read("fc"), fc * np.array([[1], [2], [3]]), rtol=1e-6)
    assert decoded.read("fc").dtype == np.float32
    np.testing.assert_array_equal(DecodedFeatures(both, "t", correction="none").read("fc"), fc)
    with pytest.raises(LabelMismatchError, match="other.h5: the rows of test 't' differ"):
        DecodedFeatures(paths, "t", correction="norm")
    memory = FeaturesInMemory({"conv": LabelledArray(values, rows)})
    assert (memory.layers, memory.rows) == (["conv"], rows)
    np.testing.assert_array_equal(memory.read("conv", ["b"]), values[1:2])
