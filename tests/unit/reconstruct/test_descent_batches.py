"""The number of images that descend together changes nothing but rounding, which float32 lets grow."""

import numpy as np
import torch

from fmri2image.acquire.phantom.images import training_images
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.images import resize, to_float
from fmri2image.features.networks import build_network
from fmri2image.reconstruct.descent import DescentSettings, descend
from fmri2image.reconstruct.generators import build_generator, read_bounds
from fmri2image.reconstruct.matching import Matching
from fmri2image.reconstruct.variables import Latents, loss_scale

WEIGHTS = WORKFLOW.parent / "resources" / "weights"
CPU = torch.device("cpu")


def test_a_batch_and_one_image_end_at_the_same_latents_in_float64():
    network = build_network({"name": "vgg-small", "weights": WEIGHTS / "vgg-small.safetensors"}).double()
    generator = build_generator({"name": "deepsim-small", "weights": WEIGHTS / "generator-small.safetensors"}).double()
    for module in (network, generator):
        module.eval().requires_grad_(False)
    bounds = torch.as_tensor(read_bounds(WEIGHTS / "generator-small-bounds.txt", generator.latent_shape[0]))
    latents = Latents(generator, bounds, CPU)
    pixels, _ = training_images(0, 0, 3, network.domain.size)
    images = torch.from_numpy(resize(to_float(pixels), network.domain.size)).double()
    layers = ["conv1_1", "conv3_2", "fc7"]
    targets = network.features(images, layers)

    def found(n: int) -> np.ndarray:
        objective = Matching(
            network, {layer: targets[layer][:n] for layer in layers}, latents.images, scale=loss_scale(network)
        )
        start = torch.zeros((n, latents.count), dtype=torch.float64)
        common = {"settings": DescentSettings(), "iterations": 20, "lower": latents.lower, "upper": latents.upper}
        return descend(objective, start, **common).x.numpy()

    alone, together = found(1)[0], found(3)
    assert np.ptp(alone) > 1 and np.abs(together[1] - alone).max() > 1  # latents have moved, and images differ
    np.testing.assert_allclose(together[0], alone, atol=1e-6)
