"""Networks: the domain at the door, layers before rectification, published and small size from one class."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.features.networks import NETWORKS, build_network, network_module
from fmri2image.features.networks.base import ImageDomain
from fmri2image.features.networks.vgg import ARCHITECTURES, VGG
from fmri2image.features.networks.weights import sha256, write_weights

TINY = {"name": "vgg-small", "size": 32, "widths": [3, 4, 4, 5, 6], "units": [7, 6, 5], "seed": 4}
MEAN = (104.00698793, 116.66876762, 122.67891434)

# Shen et al. 2019's reconstruction matches these layers; units per layer of VGG19 for 224-pixel images.
VGG19_UNITS = {
    **{f"conv1_{i}": 3_211_264 for i in (1, 2)},
    **{f"conv2_{i}": 1_605_632 for i in (1, 2)},
    **{f"conv3_{i}": 802_816 for i in (1, 2, 3, 4)},
    **{f"conv4_{i}": 401_408 for i in (1, 2, 3, 4)},
    **{f"conv5_{i}": 100_352 for i in (1, 2, 3, 4)},
    "fc6": 4096,
    "fc7": 4096,
    "fc8": 1000,
}


def test_domain_converts_to_hand_computed_numbers():
    domain = ImageDomain(1, "BGR", MEAN, 255.0)
    image = torch.tensor([1.0, 0.5, 0.2]).reshape(1, 3, 1, 1)
    expected = [51 - 104.00698793, 127.5 - 116.66876762, 255 - 122.67891434]
    np.testing.assert_allclose(domain.from_rgb(image).flatten(), expected, rtol=1e-6)
    np.testing.assert_allclose(domain.to_rgb(domain.from_rgb(image)), image, atol=1e-6)
    np.testing.assert_allclose(domain.mean_rgb, [122.67891434 / 255, 116.66876762 / 255, 104.00698793 / 255])
    rgb = ImageDomain(1, "RGB", (0.1, 0.2, 0.3), 1.0)
    np.testing.assert_allclose(rgb.from_rgb(image).flatten(), [0.9, 0.3, -0.1], atol=1e-6)
    assert rgb.mean_rgb == (0.1, 0.2, 0.3)


def test_domain_resizes_with_gradient_and_refuses_other_shapes():
    domain = ImageDomain(4)
    big = torch.rand(2, 3, 8, 8, requires_grad=True)
    small = domain.from_rgb(big)
    assert small.shape == (2, 3, 4, 4)
    small.sum().backward()
    assert (big.grad > 0).all()
    np.testing.assert_allclose(domain.from_rgb(torch.full((1, 3, 9, 9), 0.25)).numpy(), 0.25, atol=1e-6)
    with pytest.raises(DataError, match=r"\(n, 3, height, width\)"):
        domain.from_rgb(torch.rand(2, 8, 8, 3))
    with pytest.raises(ConfigError, match="channels"):
        ImageDomain(4, "GBR")


def test_published_vgg19_has_the_published_counts():
    with torch.device("meta"):
        network = VGG("vgg19", ARCHITECTURES["vgg19"])
        found = network.features(torch.empty(1, 3, 224, 224), list(VGG19_UNITS))
    assert list(network.layer_shapes) == list(VGG19_UNITS)
    assert {layer: math.prod(shape) for layer, shape in network.layer_shapes.items()} == VGG19_UNITS
    assert sum(VGG19_UNITS.values()) == 14_861_288
    assert sum(parameter.numel() for parameter in network.parameters()) == 143_667_240
    assert {layer: tuple(value.shape[1:]) for layer, value in found.items()} == network.layer_shapes
    assert network.domain == ImageDomain(224, "BGR", MEAN, 255.0)


def test_published_vgg19_computes_its_convolutional_layers():
    network = build_network({"name": "vgg19", "size": 32, "units": [8, 8, 8], "seed": 0})
    found = network.features(torch.rand(1, 3, 32, 32), ["conv5_4"])
    assert found["conv5_4"].shape == (1, 512, 2, 2)
    assert torch.isfinite(found["conv5_4"]).all()


def test_small_network_stays_small():
    network = build_network({"name": "vgg-small", "seed": 0})
    assert isinstance(network, VGG)
    assert 4 * sum(parameter.numel() for parameter in network.parameters()) <= 2.5e6
    assert 150_000 <= sum(math.prod(shape) for shape in network.layer_shapes.values()) <= 250_000
    assert network.architecture.pooling == "average"


@pytest.mark.parametrize(("pooling", "slope"), [("max", 0.0), ("average", 0.2)])
def test_layers_are_what_the_operations_say_and_unrectified(pooling, slope):
    network = build_network({**TINY, "pooling": pooling, "slope": slope})
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = network.features(images, list(network.layer_shapes))
    pool = functional.max_pool2d if pooling == "max" else functional.avg_pool2d
    x = images.flip(1) - 0.5
    for layer in network.layer_shapes:
        module = getattr(network, layer)
        if layer.startswith("conv"):
            x = functional.conv2d(x, module.weight, module.bias, padding=1)
        else:
            x = x.reshape(2, -1) @ module.weight.T + module.bias
        torch.testing.assert_close(found[layer], x, rtol=1e-4, atol=1e-5)
        x = torch.where(x > 0, x, slope * x)
        if layer.endswith("_2"):
            x = pool(x, 2)
    assert (found["conv1_1"] < 0).any()
    assert (found["fc7"] < 0).any()


def test_pass_stops_after_the_deepest_layer_and_keeps_the_order_asked_for():
    network = build_network(TINY)
    network.conv2_1.register_forward_hook(lambda *_: pytest.fail("ran deeper than asked"))
    found = network.features(torch.rand(1, 3, 32, 32), ["conv1_2", "conv1_1"])
    assert list(found) == ["conv1_2", "conv1_1"]


def test_features_do_not_depend_on_batch_neighbours_and_are_differentiable():
    network = build_network(TINY)
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(2), requires_grad=True)
    layers = list(network.layer_shapes)
    together = network.features(images, layers)
    alone = network.features(images[3:4], layers)
    for layer in layers:
        torch.testing.assert_close(together[layer][3:4], alone[layer], rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(together["fc8"][3].sum(), images)
    assert gradient[3].abs().sum() > 0
    assert gradient[[0, 1, 2, 4]].abs().sum() == 0


def test_weights_round_trip_and_name_what_does_not_fit(tmp_path):
    network = build_network(TINY)
    path = tmp_path / "weights.safetensors"
    write_weights(path, network, {"seed": 4, "steps": 10})
    first = sha256(path)
    write_weights(path, network, {"seed": 4, "steps": 10})
    assert sha256(path) == first
    settings = {key: value for key, value in TINY.items() if key != "seed"}
    again = build_network({**settings, "weights": str(path)})
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(again.features(images, ["fc8"])["fc8"], network.features(images, ["fc8"])["fc8"])
    assert again.attributes["weights_sha256"] == first
    with pytest.raises(DataError, match=r"conv1_1\.bias \(network: \(9,\), file: \(3,\)\)"):
        build_network({**settings, "widths": [9, 4, 4, 5, 6]}, path)
    with pytest.raises(DataError, match="of network 'vgg-small', not of 'vgg19'"):
        build_network({**settings, "name": "vgg19"}, path)
    # The network of the imagery runs the weights of VGG19 in another way; nobody else may.
    tiny = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items() if key != "name"}
    write_weights(path, build_network({**tiny, "name": "vgg19", "seed": 4}), {"belongs_to": "vgg19-caffe"})
    leaky = build_network({**tiny, "name": "vgg19-leaky"}, path)
    assert (leaky.name, leaky.attributes["belongs_to"]) == ("vgg19-leaky", "vgg19-caffe")
    with pytest.raises(DataError, match="of network 'vgg19', not of 'vgg16'"):
        build_network({**tiny, "name": "vgg16"}, path)
    with pytest.raises(DataError, match="does not exist"):
        build_network(settings, tmp_path / "absent.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read as safetensors"):
        build_network(settings, path)


def test_registry_and_settings_refuse_what_they_do_not_know():
    assert {network_module(name) for name in NETWORKS} == {
        f"fmri2image.features.networks.{name}" for name in ("vgg", "caffenet", "squeezenet", "efficientnet")
    }
    with pytest.raises(ConfigError, match=r"unknown; use one of vgg19, .*vgg-small, .*squeezenet1_1"):
        build_network({"name": "resnet", "seed": 0})
    with pytest.raises(ConfigError, match="has no setting depth"):
        build_network({"name": "vgg-small", "seed": 0, "depth": 3})
    with pytest.raises(ConfigError, match="needs 'weights'"):
        build_network({"name": "vgg-small"})
    with pytest.raises(ConfigError, match="has no layer pool1"):
        build_network(TINY).features(torch.rand(1, 3, 32, 32), ["pool1"])
    with pytest.raises(ConfigError, match="pooling"):
        build_network({**TINY, "pooling": "median"})


def test_random_weights_follow_the_seed():
    one, same, other = (build_network({**TINY, "seed": seed}) for seed in (1, 1, 2))
    torch.testing.assert_close(one.fc8.weight, same.fc8.weight, rtol=0, atol=0)
    assert not torch.equal(one.fc8.weight, other.fc8.weight)
