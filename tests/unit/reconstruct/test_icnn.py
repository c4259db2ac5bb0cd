"""Deep image reconstruction: true features of a tiny network give the image back."""

import numpy as np
import pytest
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.decode.decoded import FeaturesInMemory
from fmri2image.features.networks import build_network
from fmri2image.reconstruct.icnn import layer_weights, reconstruct

NETWORK = {"name": "vgg-small", "size": 32, "widths": [8, 8, 8, 8, 8], "units": [8, 8, 8], "seed": 2}
LAYERS = ("conv1_1", "conv2_1", "fc6")
CPU = torch.device("cpu")


def settings(**changes):
    return {"network": NETWORK, "layers": LAYERS, "evaluations": 60, "memory": 10, "batch": 3, **changes}


@pytest.fixture(scope="module")
def images():
    coarse = np.random.default_rng(0).random((3, 3, 4, 4)).astype(np.float32)
    return coarse.repeat(8, axis=2).repeat(8, axis=3)


@pytest.fixture(scope="module")
def features(images):
    with torch.no_grad():
        found = build_network(NETWORK).features(torch.as_tensor(images), LAYERS)
    return FeaturesInMemory({layer: LabelledArray(value.numpy(), ["a", "b", "c"]) for layer, value in found.items()})


def test_layer_weights_by_hand():
    targets = {"x": torch.tensor([[2.0, 0], [1, 1]]), "y": torch.tensor([[[1.0]], [[2.0]]])}
    weights = layer_weights(targets)
    np.testing.assert_allclose(weights["x"], [0.2, 2 / 3])  # 1/4 to 1, 1/2 to 1/4
    np.testing.assert_allclose(weights["y"], [0.8, 1 / 3], rtol=1e-6)


def test_true_features_give_the_image_back(images, features):
    found = reconstruct(features, None, settings(), CPU)
    assert found.images.rows == found.path.rows == ["a", "b", "c"]
    assert found.images.values.shape == images.shape
    assert found.images.values.min() >= 0
    assert found.images.values.max() <= 1
    error = ((found.images.values - images) ** 2).mean((1, 2, 3))
    assert (error < 0.1 * ((0.5 - images) ** 2).mean((1, 2, 3))).all()
    # Each is its own image, not another one.
    distance = ((found.images.values[:, None] - images[None]) ** 2).mean((2, 3, 4))
    assert (distance.argmin(1) == np.arange(3)).all()
    assert found.path.values.shape == (3, 60)
    assert (found.path.values[:, -1] < 0.05 * found.path.values[:, 0]).all()


def test_batches_do_not_change_the_result(features):
    together = reconstruct(features, None, settings(evaluations=12), CPU)
    alone = reconstruct(features, None, settings(evaluations=12, batch=1), CPU)
    np.testing.assert_allclose(alone.images.values, together.images.values, atol=1e-4)
