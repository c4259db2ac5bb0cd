"""How large networks are and what a pass through them costs, counted without any weights."""

from collections.abc import Sequence
from functools import cache
from math import prod

import torch
from torch.utils.flop_counter import FlopCounterMode

from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import Network
from fmri2image.reconstruct.adversarial.architecture import ARCHITECTURES
from fmri2image.reconstruct.adversarial.discriminator import Discriminator
from fmri2image.reconstruct.generators import build_generator
from fmri2image.reconstruct.generators.deepsim import DeepGenerator


@cache
def _network(name: str) -> Network:
    return build_network({"name": name, "seed": 0}).to("meta")


def layer_units(name: str) -> dict[str, int]:
    """Return the units of every layer of a network."""
    return {layer: prod(shape) for layer, shape in _network(name).layer_shapes.items()}


def forward_tflop(name: str, layers: Sequence[str]) -> float:
    """Return the 10^12 floating-point operations of one image's pass through a network, as far as some layers need."""
    return _forward_tflop(name, tuple(layers))


@cache
def generator_tflop(name: str) -> float:
    """Return the 10^12 floating-point operations of making one image with a generator."""
    generator = build_generator({"name": name, "seed": 0}).to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        generator(torch.empty((1, *generator.latent_shape), device="meta"))
    return counter.get_total_flops() / 1e12


@cache
def end2end_tflop(architecture: str, n_voxels: int, network: str | None, layer: str, judged: bool) -> float:
    """Return the 10^12 floating-point operations of the forward passes of `end2end` for one trial of one iteration.

    Parameters
    ----------
    architecture : str
    n_voxels : int
    network : str or None
        The comparator, which sees the real image and the generated one.
    layer : str
    judged : bool
        Whether there is a discriminator, which judges the real image once and the generated one twice.
    """
    table = ARCHITECTURES[architecture]
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        images = DeepGenerator("end2end", table.generator(n_voxels)).inside(torch.empty(1, n_voxels))
        if judged:
            judge = Discriminator(table)
            judge(images.repeat(3, 1, 1, 1), tuple(torch.empty(3, units) for units in judge.dropped))
    compared = 0.0 if network is None else 2 * _forward_tflop(network, (layer,))
    return counter.get_total_flops() / 1e12 + compared


@cache
def _forward_tflop(name: str, layers: tuple[str, ...]) -> float:
    network = _network(name)
    images = torch.empty(1, 3, network.domain.size, network.domain.size, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.features(images, layers)
    return counter.get_total_flops() / 1e12
