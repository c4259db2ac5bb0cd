"""Chunks of a layer: how they are cut and read, and sizes of rows from parts of channels."""

import itertools

import numpy as np
import pytest
from decoding_study import make_features, write_features

from fmri2image.decode.feature_rows import FeatureRows, plan_chunks
from fmri2image.decode.norm import RowSizes
from fmri2image.decode.sizes import MergedSizes, measure

CUTS = [((7,), most) for most in (1, 2, 5, 100)] + [((4, 3, 5), most) for most in (1, 2, 5, 14, 15, 31, 100)]
FULL = [((64, 224, 224), most) for most in (5000, 50_176, 200_000, 10**8)]


@pytest.mark.parametrize(("shape", "most"), CUTS + FULL)
def test_chunks_cover_a_layer_in_its_order(shape, most):
    numbers = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    position = 0
    for chunk in plan_chunks(shape, most):
        assert chunk.start == position
        inside = numbers[chunk.box]
        assert inside.shape == chunk.shape
        assert inside.size == chunk.n_units <= most
        assert inside.flat[0] == chunk.start
        assert inside.flat[-1] == chunk.stop - 1
        assert chunk.whole_channels == (inside[0].size == numbers[0].size)
        position = chunk.stop
    assert position == numbers.size


def test_a_channel_of_full_width_is_cut_by_rows():
    chunks = plan_chunks((64, 224, 224), 4096)
    assert chunks[0].shape == (1, 18, 224)
    assert not chunks[0].whole_channels
    assert len(chunks) == 64 * 13


@pytest.mark.parametrize("most", [1, 2, 5, 6, 12, 100])
@pytest.mark.parametrize("transform", ["raw", "absolute"])
def test_features_are_read_by_name_in_any_order(tmp_path, most, transform):
    features = make_features()
    names = ["b", "t3", "n", "a", "t9", "t8", "t7", "c"]
    known = {row: value for array in features.values() for row, value in zip(array.rows, array.values, strict=True)}
    expected = np.stack([known[name] for name in names]).reshape(len(names), -1)
    with FeatureRows(write_features(tmp_path, features), transform) as source:
        found = [source.read(names, chunk) for chunk in plan_chunks(source.shape, most)]
    np.testing.assert_array_equal(
        np.concatenate(found, axis=1), np.abs(expected) if transform == "absolute" else expected
    )


def test_only_the_bytes_that_are_needed_are_read(tmp_path, monkeypatch):
    """Neither other stimuli nor other units; every stimulus once."""
    import h5py

    read = []
    original = h5py.Dataset.read_direct
    monkeypatch.setattr(
        h5py.Dataset,
        "read_direct",
        lambda self, dest, source, target: (read.append(source), original(self, dest, source, target)),
    )
    paths = write_features(tmp_path, make_features())
    with FeatureRows(paths) as source:
        chunk = plan_chunks(source.shape, 3)[3]
        source.read(["t9", "t8", "t7", "t2"], chunk)
    rows = [range(*box[0].indices(100)) for box in read]
    assert sorted(itertools.chain(*rows)) == [0, 1, 2, 7]
    assert all(box[1:] == chunk.box for box in read)


@pytest.mark.parametrize("shape", [(30,), (5, 2, 3)])
@pytest.mark.parametrize("most", [1, 2, 3, 6, 14, 30])
def test_sizes_from_parts_are_those_of_whole_rows(shape, most):
    values = np.random.default_rng(0).normal(3, 2, (4, *shape)).astype("f4")
    merged, whole = MergedSizes(4, shape), RowSizes(4)
    whole.add(values)
    for chunk in plan_chunks(shape, most):
        merged.add(measure(values[(slice(None), *chunk.box)].reshape(4, -1), chunk), chunk)
    for name in ("mean", "norm", "channel_sd"):
        np.testing.assert_allclose(getattr(merged, name), getattr(whole, name), rtol=1e-12)
    channels = values.reshape(4, 1 if len(shape) == 1 else 5, -1).astype(float)
    np.testing.assert_allclose(merged.channel_sd, channels.std(axis=2).mean(axis=1), rtol=1e-12)


def test_files_are_told_apart_without_reading_them(tmp_path):
    features = make_features()
    paths = write_features(tmp_path / "a", features)
    with FeatureRows(paths) as source:
        first = source.identity()
    with FeatureRows(paths) as source:
        assert source.identity() == first
    features["train"].rows[0] = "another"
    with FeatureRows(write_features(tmp_path / "b", features)) as source:
        second = source.identity()
    assert first["train"][0] != second["train"][0]
    assert first["shapes"][0] == second["shapes"][0]
    assert first["shapes"][3] != second["shapes"][3]  # written at another time
