"""The small network as it runs for imagery: the same weights, a leakier rectifier."""

from pathlib import Path

import torch
from torch.nn import functional

from fmri2image.features.networks import build_network

WEIGHTS = Path(__file__).parents[3] / "resources" / "weights" / "vgg-small.safetensors"


def test_imagery_network_has_the_same_first_layer_and_leaks_twice_as_much():
    plain, leaky = (build_network({"name": name}, WEIGHTS) for name in ("vgg-small", "vgg-small-leaky"))
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    layers = ["conv1_1", "conv1_2", "fc8"]
    first, second = plain.features(images, layers), leaky.features(images, layers)
    torch.testing.assert_close(first["conv1_1"], second["conv1_1"])
    expected = leaky.conv1_2(functional.leaky_relu(first["conv1_1"], 0.2))
    torch.testing.assert_close(second["conv1_2"], expected)
    assert not torch.allclose(first["fc8"], second["fc8"], rtol=0.01)
    assert leaky.architecture.pooling == "average"
