"""Deep image reconstruction with the networks and generators that are used: trained, and at published size."""

import numpy as np
import pytest
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.images import to_float
from fmri2image.decode.decoded import FeaturesInMemory
from fmri2image.features.networks import build_network
from fmri2image.features.train import training_images
from fmri2image.reconstruct.generators import build_generator
from fmri2image.reconstruct.icnn import reconstruct

SMALL = {"name": "vgg-small", "weights": str(WORKFLOW.parent / "resources/weights/vgg-small.safetensors")}
CPU = torch.device("cpu")
DESCENT = {"optimiser": "descent", "descent": {"learning_rate": [0.02, 1e-10]}}


def true_features(settings, images, layers=None):
    network = build_network(settings)
    layers = layers or list(network.layer_shapes)
    rows = [f"image{i}" for i in range(len(images))]
    with torch.no_grad():
        found = network.features(torch.as_tensor(images), layers)
    return FeaturesInMemory({layer: LabelledArray(value.numpy(), rows) for layer, value in found.items()}), layers


@pytest.fixture(scope="module")
def pictures():
    pixels, _ = training_images(11, 0, 2, 64)
    return to_float(pixels)


def test_true_features_of_all_layers_of_the_small_network_give_pictures_back(pictures):
    features, layers = true_features(SMALL, pictures)
    settings = {"network": SMALL, "layers": layers, "iterations": 40, "batch": 2}
    found = reconstruct(features, None, settings, CPU)
    for image, picture in zip(found.images.values, pictures, strict=True):
        assert np.corrcoef(image.ravel(), picture.ravel())[0, 1] > 0.99
    assert found.path.values[:, -1].max() < 1e-3


@pytest.mark.parametrize("changes", [{}, DESCENT], ids=["lbfgs", "descent"])
def test_latents_of_the_small_generator(pictures, tmp_path, changes):
    features, layers = true_features(SMALL, pictures, ["conv1_2", "conv3_1"])
    bounds = tmp_path / "bounds.txt"
    generator = {"name": "deepsim-small", "seed": 3}
    n_latent = build_generator(generator).latent_shape[0]
    bounds.write_text("\n".join(["3"] * n_latent), encoding="utf-8")
    # Random weights have no biases: at a latent of zeros every rectifier stands at its bend, where no slope holds.
    settings = {"network": SMALL, "layers": layers, "iterations": 8, "batch": 2, "start": "normal", **changes}
    found = reconstruct(features, None, {**settings, "generator": {**generator, "bounds": str(bounds)}}, CPU)
    assert found.images.values.shape == pictures.shape
    assert (found.path.values[:, -1] < found.path.values[:, 0]).all()


@pytest.mark.slow
@pytest.mark.parametrize("generator", [None, "deepsim-fc7"])
def test_one_iteration_at_published_size(generator):
    network = {"name": "vgg19", "seed": 0}
    features, layers = true_features(network, np.random.default_rng(0).random((1, 3, 224, 224), dtype=np.float32))
    assert sum(features.read(layer).size for layer in layers) == 14_861_288
    settings = {"network": network, "layers": layers, "iterations": 1}
    if generator is not None:
        descent = {"optimiser": "descent", "start": "normal", "iterations": 2}
        settings |= {"generator": {"name": generator, "seed": 0, "bounds": None}, **descent}
    found = reconstruct(features, None, settings, CPU)
    assert found.images.values.shape == (1, 3, 224, 224)
    assert found.path.values.shape == (1, 2) and np.isfinite(found.path.values).all()
    if generator is None:
        assert found.path.values[0, 0] == pytest.approx(1, abs=0.05)  # the mean colour has almost no features
        assert found.path.values[0, 1] < found.path.values[0, 0]
