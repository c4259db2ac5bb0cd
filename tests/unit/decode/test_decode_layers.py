"""Streamed decoding of a layer against decoders fitted by hand, and the features read back."""

import logging

import h5py
import numpy as np
import pytest
import torch
from decoding_study import SHAPE, TESTS, make_features, make_samples, write_features
from plain_decoder import PlainDecoder, plain_ridge

from fmri2image.core.arrays import LabelledArray, read_array, read_attributes, write_arrays
from fmri2image.core.errors import ConfigError, LabelMismatchError
from fmri2image.core.samples import Samples
from fmri2image.decode import layers, memory, training_sets
from fmri2image.decode.decoded import DecodedFeatures, FeaturesInMemory
from fmri2image.decode.kept import apply_kept, kept_path
from fmri2image.decode.norm import KINDS, REFERENCES, SIZES
from fmri2image.decode.shortcut import BestPrediction
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

CPU = torch.device("cpu")
SETTINGS = {"decoder": "ridge", "alpha": 2.0, "n_voxels": 3, "precision": "float64", "norm_reference": "training"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(training_sets, "fit_decoder", PlainDecoder)
    samples, features = make_samples(), make_features()
    return samples, features, write_features(tmp_path, features)


def chunks_of(monkeypatch, units):
    monkeypatch.setitem(memory.MOST_UNITS, "cpu", units)
    monkeypatch.setattr(memory, "LEAST_UNITS", 1)


def by_hand(samples, true, train, responses, n_voxels=3):
    """Decoded features and choices, unit by unit, and the training stimuli's true features."""
    names = samples.trials["stimulus"][train].tolist()
    stimuli = sorted(set(names))
    known = true.take(stimuli).values
    y = true.take(names).values.reshape(len(names), -1).astype(float)
    fits = [plain_ridge(samples.data[train].astype(float), unit, [responses], 2.0, n_voxels) for unit in y.T]
    decoded = np.stack([fit[0][0] for fit in fits], axis=1).reshape(-1, *known.shape[1:])
    return decoded, known, [fit[1] for fit in fits], [fit[2] for fit in fits]


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


@pytest.mark.parametrize(
    ("units", "norm_reference"), [(2, "training"), (3, "natural"), (12, "natural"), (4096, "training")]
)
def test_every_test_is_decoded_by_its_own_training(study, tmp_path, monkeypatch, units, norm_reference):
    samples, features, paths = study
    chunks_of(monkeypatch, units)
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
        decoded, known, *_ = by_hand(samples, features[trained], train, rows)
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


def test_training_sets_that_do_not_fit_together_give_the_same(study, tmp_path, monkeypatch):
    samples, _, paths = study
    settings = {**SETTINGS, "norm_reference": "natural", "keep": True}
    layers.LayerDecoding(samples, TESTS, settings, CPU).decode(paths, tmp_path / "together.h5", {})
    monkeypatch.setattr(layers, "group", lambda sets, *_: [[one] for one in sets])
    layers.LayerDecoding(samples, TESTS, settings, CPU).decode(paths, tmp_path / "apart.h5", {})
    same_arrays(tmp_path / "together.h5", tmp_path / "apart.h5")
    same_arrays(kept_path(tmp_path / "together.h5"), kept_path(tmp_path / "apart.h5"))


def same_arrays(left, right):
    with h5py.File(left) as a, h5py.File(right) as b:
        assert set(a) == set(b)
        for name in a:
            np.testing.assert_array_equal(a[name][()], b[name][()], err_msg=name)
        assert {key: str(value) for key, value in a.attrs.items()} == {
            key: str(value) for key, value in b.attrs.items()
        }


def test_groups_follow_from_the_limit():
    samples = make_samples()
    sets, _ = training_sets.gather(samples, TESTS)
    fixed = training_sets.fixed_bytes(sets, samples, SETTINGS, 1)
    assert [len(one) for one in training_sets.group(sets, samples, SETTINGS, 1, 2 * fixed, False)] == [3]
    assert [len(one) for one in training_sets.group(sets, samples, SETTINGS, 1, 2 * fixed - 1, False)] == [2, 1]
    assert [len(one) for one in training_sets.group(sets, samples, SETTINGS, 1, 1, False)] == [1, 1, 1]


def test_voxels_that_units_chose_are_counted(study, tmp_path, monkeypatch):
    samples, features, paths = study
    chunks_of(monkeypatch, 4)
    output = tmp_path / "decoded.h5"
    layers.LayerDecoding(samples, TESTS, SETTINGS, CPU).decode(paths, output, {})
    train = np.arange(18) < 10
    _, _, chosen, weights = by_hand(samples, features["train"], train, samples.data[:1])
    times, size = np.zeros(6), np.zeros(6)
    scale = features["train"].values.reshape(10, -1).std(axis=0, ddof=1)
    for mine, w, sd in zip(chosen, weights, scale, strict=True):
        times[mine] += 1
        size[mine] += np.abs(w) / sd
    assert times.sum() == 30 * 3
    np.testing.assert_array_equal(read_array(output, "voxels_chosen", ["shapes held-out"]).values[0], times)
    np.testing.assert_array_equal(read_array(output, "voxels_kept", ["shapes held-out"]).values[0], times)
    np.testing.assert_allclose(read_array(output, "voxels_weight_sum", ["shapes held-out"]).values[0], size, rtol=1e-5)
    with h5py.File(output) as file:
        assert [name.decode() for name in file["voxels"]] == ["0-2-0", "1-2-0", "2-2-0", "3-2-1", "4-2-1", "5-2-1"]
        assert file.attrs["n_units"] == 30
        assert list(file.attrs["constant_units"]) == list(file.attrs["damaged_voxels"]) == [0, 0, 0]


def test_units_and_voxels_without_use_are_counted_and_harmless(study, tmp_path, monkeypatch):
    samples, features, _ = study
    chunks_of(monkeypatch, 4)
    plain = tmp_path / "plain.h5"
    settings = {**SETTINGS, "n_voxels": 2}
    tests = {"shapes": TESTS["shapes"]}
    good = Samples(samples.data[:, :4], samples.trials, samples.voxels[:4])
    layers.LayerDecoding(good, tests, settings, CPU).decode(write_features(tmp_path / "a", features), plain, {})
    features["train"].values[3, 0, 0, 0] = np.nan
    features["train"].values[:, 4, 1, 2] = 7
    data = samples.data.copy()
    data[:, 4], data[2, 5] = 3, np.nan
    spoilt = Samples(data, samples.trials, samples.voxels)
    output = tmp_path / "spoilt.h5"
    layers.LayerDecoding(spoilt, tests, settings, CPU).decode(write_features(tmp_path / "b", features), output, {})
    attributes = read_attributes(output)
    assert {
        key: list(attributes[key]) for key in ("constant_units", "damaged_units", "constant_voxels", "damaged_voxels")
    } == {
        "constant_units": [1],
        "damaged_units": [1],
        "constant_voxels": [1],
        "damaged_voxels": [1],
    }
    same = np.ones(SHAPE, dtype=bool)
    same[0, 0, 0] = same[4, 1, 2] = False
    found, expected = read_array(output, "shapes").values, read_array(plain, "shapes").values
    np.testing.assert_allclose(found[:, same], expected[:, same], rtol=1e-6)
    np.testing.assert_array_equal(found[:, 4, 1, 2], 7)
    others = np.delete(features["train"].values[:, 0, 0, 0], 3)
    np.testing.assert_allclose(found[:, 0, 0, 0], others.mean(), rtol=1e-6)
    np.testing.assert_allclose(read_array(output, "training_mean").values[0, 0, 0, 0], others.mean(), rtol=1e-6)
    assert np.isfinite(read_array(output, "shapes_sizes").values).all()
    assert np.isfinite(read_array(output, "shapes_reference").values).all()
    assert read_array(output, "voxels_chosen").values.sum() == 28 * 2
    assert not read_array(output, "voxels_chosen").values[0, 4:].any()


@pytest.mark.parametrize("n_voxels", [3, None])
def test_kept_decoders_predict_the_same(study, tmp_path, monkeypatch, n_voxels):
    samples, _, paths = study
    chunks_of(monkeypatch, 4)
    output = tmp_path / "decoded.h5"
    settings = {**SETTINGS, "n_voxels": n_voxels, "keep": True}
    decoding = layers.LayerDecoding(samples, TESTS, settings, CPU)
    decoding.decode(paths, output, {"simulated": True})
    kept = tmp_path / "decoded_decoders.h5"
    assert kept_path(output) == kept
    with h5py.File(kept) as file:
        assert file["weights_0"].shape == (30, n_voxels or 6)
        assert ("chosen_0" in file) == (n_voxels is not None)
        assert file.attrs["simulated"]
        names = [name.decode() for name in file["voxels"]]
    decoded = read_array(output, "trials").values
    # The file holds weights in single precision; no more than their rounding lies between.
    close = {"rtol": 1e-6, "atol": 1e-6 * np.abs(decoded).max()}
    found = apply_kept(kept, samples.data[10:], "shapes held-out")
    np.testing.assert_allclose(found, decoded, **close)
    shuffled = np.random.default_rng(3).permutation(6)
    again = apply_kept(kept, samples.data[10:, shuffled], "shapes held-out", [names[i] for i in shuffled])
    np.testing.assert_array_equal(again, found)
    np.testing.assert_allclose(
        apply_kept(kept, samples.data[10:14], "cv run=1"), read_array(output, "cv").values[:4], **close
    )


def test_decoders_are_kept_on_request_only(study, tmp_path, monkeypatch):
    samples, _, paths = study
    layers.LayerDecoding(samples, TESTS, SETTINGS, CPU).decode(paths, tmp_path / "decoded.h5", {})
    assert sorted(path.name for path in tmp_path.glob("*decoded*")) == ["decoded.h5"]
    monkeypatch.undo()
    settings = {"decoder": "one-hot", "alpha": 1.0, "norm_reference": "training", "keep": True}
    decoding = layers.LayerDecoding(samples, {"shapes": TESTS["shapes"]}, settings, CPU)
    with pytest.raises(ConfigError, match="'one-hot' has no weights of voxels"):
        decoding.decode(paths, tmp_path / "other.h5", {})


def test_absolute_features_are_decoded_as_such(study, tmp_path):
    samples, features, paths = study
    output, plain = tmp_path / "absolute.h5", tmp_path / "plain.h5"
    settings = {**SETTINGS, "norm_reference": "natural"}
    layers.LayerDecoding(samples, TESTS, {**settings, "transform": "absolute"}, CPU).decode(paths, output, {})
    positive = {name: LabelledArray(np.abs(array.values), array.rows) for name, array in features.items()}
    layers.LayerDecoding(samples, TESTS, settings, CPU).decode(write_features(tmp_path / "abs", positive), plain, {})
    assert (read_attributes(output)["transform"], read_attributes(plain)["transform"]) == ("absolute", "raw")
    with h5py.File(output) as a, h5py.File(plain) as b:
        for name in b:
            np.testing.assert_array_equal(a[name][()], b[name][()])
    with pytest.raises(ConfigError, match="transform: 'log' is unknown"):
        layers.LayerDecoding(samples, TESTS, {**settings, "transform": "log"}, CPU).decode(paths, output, {})


@pytest.mark.parametrize("units", [4, 4096])
def test_true_test_features_go_only_to_the_decoder_that_says_so(study, tmp_path, monkeypatch, units):
    samples, features, paths = study
    monkeypatch.undo()
    chunks_of(monkeypatch, units)
    settings = {"decoder": "best-prediction", "norm_reference": "natural", "precision": "float64"}
    tests = {"shapes": TESTS["shapes"], "cv": TESTS["cv"]}
    output = tmp_path / "best.h5"
    layers.LayerDecoding(samples, tests, settings, CPU).decode(paths, output, {"transductive": "False"})
    assert read_attributes(output)["transductive"] == "True"
    assert "shapes_unit_reliability" not in h5py.File(output)
    order = [f"t{i}" for i in range(10)]
    training = Training(samples.data[:10], np.arange(10), Standardisation(), CPU, "float64")
    decoder = BestPrediction(training)
    true = features["shapes"].take(list("abcd")).values.reshape(4, -1)
    known = features["train"].take(order).values.reshape(10, -1)
    decoder.observe(known, [true])
    expected = decoder.predict(known, [samples.data[:4]]).values[0].reshape(4, *SHAPE)
    np.testing.assert_allclose(read_array(output, "shapes").values, expected, rtol=1e-4, atol=1e-5)
    without = {name: path for name, path in paths.items() if name != "shapes"}
    decoding = layers.LayerDecoding(samples, {"shapes": TESTS["shapes"]}, settings, CPU)
    with pytest.raises(LabelMismatchError, match="names a, b, c, d"):
        decoding.decode(without, tmp_path / "other.h5", {})


def test_progress_is_told_with_speed_and_time_left(study, tmp_path, monkeypatch, caplog):
    samples, _, paths = study
    chunks_of(monkeypatch, 10)
    clock = iter([0.0, 10.0, 40.0, 50.0, 55.0, 60.0])
    monkeypatch.setattr(layers.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO, logger="fmri2image"):
        layers.LayerDecoding(samples, TESTS, SETTINGS, CPU).decode(paths, tmp_path / "decoded.h5", {})
    told = [record.message for record in caplog.records if "per second" in record.message]
    assert told == ["12 of 30 units, 0.3 per second, 1 minutes left"]


def test_missing_features_are_named(study, tmp_path):
    samples, _, paths = study
    decoding = layers.LayerDecoding(samples, TESTS, SETTINGS, CPU)
    with pytest.raises(LabelMismatchError, match="The trial table names"):
        decoding.decode({"train": paths["train"]}, tmp_path / "decoded.h5", {})
    assert not (tmp_path / "decoded.h5").exists()
    assert not list(tmp_path.glob(".unfinished*"))


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
    memory_features = FeaturesInMemory({"conv": LabelledArray(values, rows)})
    assert (memory_features.layers, memory_features.rows) == (["conv"], rows)
    np.testing.assert_array_equal(memory_features.read("conv", ["b"]), values[1:2])
