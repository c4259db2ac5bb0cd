"""Tables of names and shapes against published counts, and forward passes against ordinary PyTorch modules."""

import math

import numpy as np
import pytest
import torch
from caffe_writer import TINY, TINY_SETTINGS, plausible_arrays
from torch import nn

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError
from fmri2image.features.convert.generators import GENERATORS
from fmri2image.features.convert.golden import domain_of, golden_input
from fmri2image.features.convert.steps import run
from fmri2image.features.convert.tables import TABLES, table
from fmri2image.features.networks.vgg import ARCHITECTURES, VGG, architecture

# Parameters as published or as the original implementations count them. ResNet-152 has 60,192,808 and
# 2 × 75,712 running statistics.
COUNTS = {
    "vgg19": 143_667_240,
    "vgg16": 138_357_544,
    "vgg-face": 145_002_878,
    "caffenet": 60_965_224,
    "resnet152": 60_192_808 + 151_424,
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name):
    assert sum(math.prod(shape) for shape in table(name).arrays.values()) == COUNTS[name]


@pytest.mark.parametrize("name", ["vgg19", "vgg16", "vgg-face"])
def test_the_network_of_the_library_has_the_arrays_and_domain_of_its_table(name):
    with torch.device("meta"):
        network = VGG(name, ARCHITECTURES[name])
    found = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert found == table(name).arrays
    assert network.domain == domain_of(table(name))


def test_published_layers():
    assert list(table("vgg19").published_sd) == [layer.name for layer in table("vgg19").layers]
    assert table("vgg19-leaky") is table("vgg19")  # the same weights, run in another way
    assert table("vgg19").arrays["conv3_4.weight"] == (256, 256, 3, 3)
    assert table("vgg19").arrays["fc6.weight"] == (4096, 25088)
    assert table("caffenet").arrays["conv2.weight"] == (256, 48, 5, 5)
    assert table("vgg-face").arrays["fc8.bias"] == (2622,)
    assert table("vgg19").torch_names["conv5_4"] == ("conv5_4", "features.34")
    assert table("generator-fc7").arrays["deconv4.weight"] == (512, 256, 4, 4)
    with pytest.raises(ConfigError, match="vgg20.*vgg19"):
        table("vgg20")


def test_the_page_in_the_docs_lists_every_table():
    text = (WORKFLOW.parent / "docs" / "weights.md").read_text(encoding="utf-8")
    assert {name for name in TABLES if f"`{name}`" in text} == set(TABLES)
    for name in ("vgg19", "vgg16", "vgg-face"):
        means = ", ".join(f"{value:.3f}".rstrip("0") for value in table(name).configuration["mean"])
        assert f"less {means} |" in text


def test_resnet_152_has_its_known_arrays():
    arrays = table("resnet152").arrays
    assert arrays["layer1.0.downsample.0.weight"] == (256, 64, 1, 1)
    assert arrays["layer3.35.conv2.weight"] == (256, 256, 3, 3)
    assert "layer3.36.conv2.weight" not in arrays
    assert arrays["layer4.2.bn3.running_var"] == (2048,)
    assert len([name for name in arrays if "conv" in name or name == "fc.weight"]) == 152  # what gives it its name


@pytest.mark.parametrize(("layer", "side"), [(layer, 240 if "norm" in layer else 256) for layer in GENERATORS])
def test_generators_make_images(layer, side):
    one = TABLES[f"generator-{layer}"]
    with torch.device("meta"):
        *_, (_, image) = run(one.steps, lambda name: torch.empty(one.arrays[name]), torch.empty(2, *one.input_shape))
    assert tuple(image.shape) == (2, 3, side, side)
    assert one.configuration["output"]["size"] == side


def test_forward_pass_of_the_table_is_that_of_the_network():
    arrays = plausible_arrays(TINY, TINY.published_sd)
    network = VGG("vgg19", architecture(TINY_SETTINGS))
    network.load_state_dict(arrays)
    with torch.no_grad():
        expected = network.activations(golden_input(TINY), list(network.layer_shapes))
    found = dict(run(TINY.steps, arrays.__getitem__, golden_input(TINY)))
    assert list(found) == list(expected)
    for layer, values in found.items():
        torch.testing.assert_close(values, expected[layer])
        assert abs(values.std() - expected[layer].std()) < 1e-3 * values.std()


def test_forward_pass_of_a_generator():
    """The generator of norm1 as KamitaniLab's library builds it, written down again as a sequence."""
    one = TABLES["generator-norm1"]
    leaky = nn.LeakyReLU(0.3)
    reference = nn.Sequential(
        nn.Conv2d(96, 128, 3, 2, 2), leaky, nn.Conv2d(128, 128, 3, 1, 1), leaky, nn.Conv2d(128, 128, 3, 1, 1), leaky,
        nn.ConvTranspose2d(128, 128, 4, 2, 1), leaky, nn.Conv2d(128, 128, 3, 1, 1), leaky,
        nn.ConvTranspose2d(128, 64, 4, 2, 1), leaky, nn.Conv2d(64, 64, 3, 1, 1), leaky,
        nn.ConvTranspose2d(64, 32, 4, 2, 1), leaky, nn.Conv2d(32, 32, 3, 1, 1), leaky,
        nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.Conv2d(16, 3, 3, 1, 1), nn.Tanh(),
    )  # fmt: skip
    state = list(reference.state_dict().values())
    arrays = dict(zip(one.arrays, state, strict=True))
    latent = golden_input(one)
    assert latent.shape == (1, 96, 27, 27)
    assert 0 <= latent.min() < 0.01 and 2.99 < latent.max() <= 3
    *_, (name, image) = run(one.steps, arrays.__getitem__, latent)
    assert name == "output"
    with torch.no_grad():
        torch.testing.assert_close(image, reference(latent) * 255)


@pytest.mark.slow
def test_forward_pass_of_caffenet():
    one = TABLES["caffenet"]
    features = nn.Sequential(
        nn.Conv2d(3, 96, 11, 4), nn.ReLU(), nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0),
        nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0),
        nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
    )  # fmt: skip
    arrays = dict(zip(one.arrays, features.state_dict().values(), strict=True))
    *_, (name, logits) = run(one.steps, arrays.__getitem__, golden_input(one))
    assert name == "fc8"
    with torch.no_grad():
        torch.testing.assert_close(logits, features(golden_input(one)))


def test_local_response_normalisation_is_caffes():
    """Caffe: divide by (1 + alpha / n × sum of squares over n channels) to the power beta; zeros beyond the edges."""
    x = torch.rand(1, 9, 2, 2, dtype=torch.float64) * 100
    *_, (_, found) = run(("lrn",), {}.__getitem__, x)
    squares = np.pad(x.numpy() ** 2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    total = sum(squares[:, start : start + 9] for start in range(5))
    np.testing.assert_allclose(found, x.numpy() / (1 + 1e-4 / 5 * total) ** 0.75, rtol=1e-12)
