"""Feature files: named rows, described layers, and the same numbers whatever the batch."""

import json

import numpy as np
import pytest
import torch

from fmri2image.core.arrays import LabelledArray, read_array, read_attributes
from fmri2image.features.extract import extract, write_features
from fmri2image.features.networks import build_network

TINY = {"name": "vgg-small", "size": 32, "widths": [3, 4, 4, 5, 6], "units": [7, 6, 5], "seed": 4}


@pytest.fixture
def network():
    return build_network(TINY)


@pytest.fixture
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    return LabelledArray(pixels, [f"image{i}" for i in range(5)])


def test_extract_equals_the_network_on_floats(network, images):
    parts = [(layer, part) for layer, part in extract(network, images, ["conv2_1", "fc7"], batch=2)]
    assert [layer for layer, _ in parts] == ["conv2_1", "fc7"] * 3
    whole = torch.tensor(images.values.transpose(0, 3, 1, 2) / 255, dtype=torch.float32)
    for layer in ("conv2_1", "fc7"):
        got = np.concatenate([part.values for name, part in parts if name == layer])
        np.testing.assert_allclose(got, network.features(whole, [layer])[layer].detach(), rtol=1e-4, atol=1e-5)
        assert got.dtype == np.float32


def test_files_hold_rows_shapes_and_what_they_are(network, images, tmp_path):
    paths = {layer: tmp_path / f"{layer}.h5" for layer in ("conv1_1", "fc8")}
    write_features(paths, network, images, batch=2, attributes={"simulated": True})
    for layer, path in paths.items():
        stored = read_array(path, "features")
        assert stored.rows == images.rows
        assert stored.values.shape == (5, *network.layer_shapes[layer])
        assert stored.attributes["layer"] == layer
        assert stored.attributes["network"] == "vgg-small"
        assert stored.attributes["units"] == "activation before rectification"
        assert json.loads(stored.attributes["image_domain"])["channels"] == "BGR"
        assert read_attributes(path)["simulated"]
    assert (read_array(paths["conv1_1"], "features").values < 0).any()
    at_once = {"fc8": tmp_path / "again.h5"}
    write_features(at_once, network, images, batch=64)
    np.testing.assert_allclose(
        read_array(at_once["fc8"], "features").values, read_array(paths["fc8"], "features").values, rtol=1e-4, atol=1e-5
    )


def test_a_failed_extraction_leaves_no_file(network, images, tmp_path):
    broken = LabelledArray(images.values.astype(np.float32), images.rows)
    with pytest.raises(Exception, match="8-bit"):
        write_features({"fc8": tmp_path / "fc8.h5"}, network, broken, batch=2)
    assert list(tmp_path.iterdir()) == []
