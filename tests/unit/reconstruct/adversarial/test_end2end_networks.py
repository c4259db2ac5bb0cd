"""Networks of end2end: shapes and counts of the published table, the same code small, and Caffe's initial weights."""

import numpy as np
import pytest
import torch

from fmri2image.features.networks import build_network
from fmri2image.features.networks.caffenet import CaffeNet
from fmri2image.reconstruct.adversarial.architecture import ARCHITECTURES
from fmri2image.reconstruct.adversarial.discriminator import Discriminator
from fmri2image.reconstruct.adversarial.initialise import build_discriminator, build_generator
from fmri2image.reconstruct.generators.deepsim import DeepGenerator

N_VOXELS = 1000
# Weights and biases, counted by hand from the table of the published code: n_in · n_out · kernel² + n_out.
GENERATOR = {
    "defc7": 4_100_096, "defc6": 16_781_312, "defc5": 16_781_312, "deconv5": 1_048_832, "conv5_1": 1_180_160,
    "deconv4": 2_097_408, "conv4_1": 590_080, "deconv3": 524_416, "conv3_1": 147_584, "deconv2": 131_136,
    "deconv1": 32_800, "deconv0": 1_539,
}  # fmt: skip
GENERATOR_SHAPES = {
    "defc7": (4096,), "defc6": (4096,), "defc5": (4096,), "deconv5": (256, 8, 8), "conv5_1": (512, 8, 8),
    "deconv4": (256, 16, 16), "conv4_1": (256, 16, 16), "deconv3": (128, 32, 32), "conv3_1": (128, 32, 32),
    "deconv2": (64, 64, 64), "deconv1": (32, 128, 128), "deconv0": (3, 256, 256),
}  # fmt: skip
DISCRIMINATOR = {
    "convolutions.0": 4_736, "convolutions.1": 51_264, "convolutions.2": 73_856, "convolutions.3": 295_168,
    "convolutions.4": 590_080, "hidden": 65_792, "judgement": 514,
}  # fmt: skip
DISCRIMINATOR_SHAPES = {
    "convolutions.0": (32, 56, 56), "convolutions.1": (64, 52, 52), "convolutions.2": (128, 25, 25),
    "convolutions.3": (256, 23, 23), "convolutions.4": (256, 11, 11), "hidden": (256,), "judgement": (2,),
}  # fmt: skip
CAFFENET_SHAPES = {
    "conv1": (96, 55, 55), "pool1": (96, 27, 27), "conv2": (256, 27, 27), "pool2": (256, 13, 13),
    "conv3": (384, 13, 13), "conv4": (384, 13, 13), "conv5": (256, 13, 13), "pool5": (256, 6, 6),
    "fc6": (4096,), "fc7": (4096,), "fc8": (1000,),
}  # fmt: skip


def counts(network: torch.nn.Module) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, value in network.named_parameters():
        layer = name.rpartition(".")[0]
        found[layer] = found.get(layer, 0) + value.numel()
    return found


def shapes(network: torch.nn.Module, *inputs: object) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, module in network.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _, __, out, name=name: found.update({name: tuple(out.shape[1:])}))
    network(*inputs)
    return found


def test_published_generator_has_the_shapes_and_counts_of_the_code():
    with torch.device("meta"):
        generator = DeepGenerator("end2end", ARCHITECTURES["published"].generator(N_VOXELS))
        assert shapes(generator, torch.empty(2, N_VOXELS)) == GENERATOR_SHAPES
        assert generator.inside(torch.empty(2, N_VOXELS)).shape == (2, 3, 227, 227)
    assert counts(generator) == GENERATOR
    assert sum(counts(generator).values()) == 43_416_675
    assert generator.architecture.offset == 14
    domain = generator.domain
    assert (domain.size, domain.channels, domain.mean, domain.maximum) == (227, "BGR", (104.0, 117.0, 123.0), 255.0)


def test_published_discriminator_has_the_shapes_and_counts_of_the_code():
    with torch.device("meta"):
        discriminator = Discriminator(ARCHITECTURES["published"])
        kept = tuple(torch.empty(2, n) for n in discriminator.dropped)
        assert shapes(discriminator, torch.empty(2, 3, 227, 227), kept) == DISCRIMINATOR_SHAPES
    assert counts(discriminator) == DISCRIMINATOR
    assert sum(counts(discriminator).values()) == 1_081_410


def test_comparator_has_9216_units_in_pool5():
    with torch.device("meta"):
        network = CaffeNet("caffenet")
        found = network.activations(torch.empty(2, 3, 227, 227), list(CAFFENET_SHAPES))
    assert network.layer_shapes == CAFFENET_SHAPES
    assert {layer: tuple(values.shape[1:]) for layer, values in found.items()} == CAFFENET_SHAPES
    assert sum(counts(network).values()) == 60_965_224
    assert np.prod(CAFFENET_SHAPES["pool5"]) == 9216


def test_pool5_is_the_largest_rectified_value_in_windows_of_three():
    network = build_network({"name": "caffenet", "seed": 0})
    images = torch.rand(1, 3, 227, 227, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = network.features(images, ["pool5", "conv5"])
    conv = np.maximum(found["conv5"][0].numpy(), 0)
    by_hand = [[conv[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3].max((1, 2)) for x in range(6)] for y in range(6)]
    np.testing.assert_array_equal(found["pool5"][0].numpy(), np.transpose(by_hand, (2, 0, 1)))


def test_small_size_is_the_same_structure():
    generator, discriminator = (
        build_generator(ARCHITECTURES["small"], 9, 0),
        build_discriminator(ARCHITECTURES["small"], 0),
    )
    assert generator(torch.zeros(2, 9)).shape == (2, 3, 64, 64)
    assert len(discriminator.convolutions) == 5
    found = shapes(discriminator, torch.zeros(2, 3, 64, 64), discriminator.drop(2, torch.Generator()))
    assert [found[f"convolutions.{i}"][1] for i in range(5)] == [30, 28, 13, 11, 5]


@pytest.mark.parametrize("size", list(ARCHITECTURES))
def test_initial_weights_are_those_of_caffe(size):
    """SD = coefficient · √(2 / fan), where Caffe's fan of a deconvolution is n_out · kernel²."""
    generator = build_generator(ARCHITECTURES[size], 40, 3)
    for name, module in generator.named_children():
        weight = module.weight.detach()
        if weight.ndim == 2:
            expected = (2 / weight.shape[1]) ** 0.5
        else:
            _, n_out, kernel, _ = weight.shape
            expected = {4: 1.8, 3: 0.9}[kernel] * (2 / (n_out * kernel**2)) ** 0.5
        # Five standard errors of an SD.
        assert float(weight.std()) == pytest.approx(expected, rel=5 / (2 * weight.numel()) ** 0.5), name
        assert not module.bias.detach().any()
        assert module.bias.requires_grad == (weight.ndim == 2), name  # learning rate 0 for deconvolutions
    if size == "published":
        assert float(generator.deconv0.weight.detach().std()) == pytest.approx(1.8 * (2 / 48) ** 0.5, rel=0.1)
        assert float(generator.conv5_1.weight.detach().std()) == pytest.approx(0.9 * (2 / 4608) ** 0.5, rel=0.01)
    discriminator = build_discriminator(ARCHITECTURES[size], 3)
    layers = [*discriminator.convolutions, discriminator.hidden, discriminator.judgement]
    for layer, coefficient in zip(layers, (0.1, 1, 1, 1, 1, 0.1, 0.1), strict=True):
        fan_in = layer.weight[0].numel()
        expected = coefficient * (2 / fan_in) ** 0.5
        assert float(layer.weight.detach().std()) == pytest.approx(expected, rel=5 / (2 * layer.weight.numel()) ** 0.5)
        assert all(parameter.requires_grad for parameter in layer.parameters())


def test_first_weights_follow_the_seed():
    table = ARCHITECTURES["small"]
    first, again, other = (build_generator(table, 9, seed).defc7.weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_half_of_the_units_drop_out_and_the_rest_is_doubled():
    discriminator = build_discriminator(ARCHITECTURES["small"], 0)
    kept = discriminator.drop(400, torch.Generator().manual_seed(2))
    for factors, n in zip(kept, discriminator.dropped, strict=True):
        assert factors.shape == (400, n) and set(factors.unique().tolist()) == {0.0, 2.0}
        assert float(factors.mean()) == pytest.approx(1, abs=5 / (400 * n) ** 0.5)
    images = torch.randn(2, 3, 64, 64)
    ones = tuple(torch.ones(2, n) for n in discriminator.dropped)
    whole = discriminator(images, ones)
    x = images
    for layer in discriminator.convolutions:
        x = torch.relu(layer(x))
    expected = discriminator.judgement(torch.relu(discriminator.hidden(x.mean((2, 3)))))
    torch.testing.assert_close(whole, expected)
    none = tuple(torch.zeros(2, n) for n in discriminator.dropped)
    torch.testing.assert_close(discriminator(images, none), discriminator.judgement.bias.expand(2, 2))
