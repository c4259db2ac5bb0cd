"""Initial weights as Caffe draws them: the normal numbers of He et al. 2015 ("MSRA") times a coefficient per layer.

Caffe counts the inputs of a layer by the size of its first dimension's rows, which for a transposed convolution are its
outputs: SD = coefficient · √(2 / (n_out · kernel²)), where PyTorch would count n_in (code: dosovits/caffe-fr-chairs,
branch deepsim, filler.hpp). Biases are zero.
"""

import torch
from torch import nn

from fmri2image.core.seeds import seed_for
from fmri2image.features.convert.steps import Layer
from fmri2image.reconstruct.adversarial.architecture import Architecture
from fmri2image.reconstruct.adversarial.discriminator import Discriminator
from fmri2image.reconstruct.generators.deepsim import DeepGenerator


def caffe_fan_in(module: nn.Module) -> int:
    """Return what Caffe takes for the number of a layer's inputs: its weights per entry of their first dimension."""
    return module.weight[0].numel()


def draw(module: nn.Module, coefficient: float, random: torch.Generator) -> None:
    """Draw the weights of one layer in place, and set its biases to zero."""
    with torch.no_grad():
        module.weight.normal_(0, coefficient * (2 / caffe_fan_in(module)) ** 0.5, generator=random)
        module.bias.zero_()


def build_generator(architecture: Architecture, n_voxels: int, seed: int | None = None) -> DeepGenerator:
    """Build the generator of a subject, in training mode.

    Parameters
    ----------
    architecture : Architecture
    n_voxels : int
    seed : int, optional
        Of the initial weights; without it they are left as memory has them, for weights that are read.
    """
    with torch.device("meta"):
        generator = DeepGenerator("end2end", architecture.generator(n_voxels))
    generator.to_empty(device="cpu")
    if seed is not None:
        random = torch.Generator().manual_seed(seed_for(seed, "end2end generator"))
        for layer in generator.steps:
            if isinstance(layer, Layer):
                module = getattr(generator, layer.name)
                draw(module, architecture.coefficients[layer.kernel], random)
                module.bias.requires_grad_(architecture.deconvolution_bias or layer.kind == "linear")
    return generator.train()


def build_discriminator(architecture: Architecture, seed: int) -> Discriminator:
    """Build the discriminator with initial weights."""
    discriminator = Discriminator(architecture)
    random = torch.Generator().manual_seed(seed_for(seed, "end2end discriminator"))
    for module, table in zip(discriminator.convolutions, architecture.convolutions, strict=True):
        draw(module, table.coefficient, random)
    for module in (discriminator.hidden, discriminator.judgement):
        draw(module, architecture.judge_coefficient, random)
    return discriminator
