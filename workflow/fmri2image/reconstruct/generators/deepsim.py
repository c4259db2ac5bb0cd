"""The generator of Dosovitskiy & Brox 2016 (DeePSiM) from fc7, as published and small for the simulated subjects.

Three fully connected layers, then transposed convolutions that double the side, leaky rectifiers (slope 0.3) between all
of them and nothing behind the last (code: DeepImageReconstruction, net/generator_for_inverting_fc7/generator.prototxt).
The image is larger than what the network takes, of which the middle is cut out (code: icnn, icnn_dgn_gd.py: 224 of 256).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import nn

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.features.convert.generators import PUBLISHED, Widths, unit_steps
from fmri2image.features.convert.steps import Layer, apply_operation
from fmri2image.features.networks.base import ImageDomain
from fmri2image.features.networks.vgg import ARCHITECTURES as NETWORKS
from fmri2image.features.networks.weights import read_weights


@dataclass(frozen=True)
class Architecture:
    """Sizes of one generator and the domain of its images.

    Parameters
    ----------
    widths : Widths
    size : int
        Pixels per side that are cut out of the middle.
    channels, mean, maximum
        See `ImageDomain`; the image comes out in this domain, the mean subtracted.
    """

    widths: Widths
    size: int
    channels: str
    mean: tuple[float, float, float]
    maximum: float

    @property
    def offset(self) -> int:
        """Pixels that are left out on each side."""
        return (self.widths.size - self.size) // 2


ARCHITECTURES = {
    # The published scripts hand its image to VGG19 as it is: BGR less the mean colour that they subtract from pictures.
    "deepsim-fc7": Architecture(
        PUBLISHED, size=224, channels="BGR", mean=NETWORKS["vgg19"].mean, maximum=NETWORKS["vgg19"].maximum
    ),
    # From the 256 units of vgg-small's fc7 to 80 × 80.
    "deepsim-small": Architecture(
        Widths((256, 256, 256, 800), 5, ((48, 64), (48, 48), (32, 32)), ()),
        size=NETWORKS["vgg-small"].size,
        channels=NETWORKS["vgg-small"].channels,
        mean=NETWORKS["vgg-small"].mean,
        maximum=NETWORKS["vgg-small"].maximum,
    ),
}
# Weights of four neighbours when a side is doubled, by kernels of four with stride two.
BILINEAR = torch.tensor([0.25, 0.75, 0.75, 0.25])


class DeepGenerator(nn.Module):
    """Images from rectified fc7 features.

    Parameters
    ----------
    name : str
    architecture : Architecture

    Attributes
    ----------
    latent_shape : tuple of int
        (n_units,).
    domain : ImageDomain
        Of the image that `raw` gives, cut to what the network takes.
    attributes : dict
        Checksums of the weights where they came from a file.
    """

    def __init__(self, name: str, architecture: Architecture) -> None:
        super().__init__()
        self.name = name
        self.architecture = architecture
        a = architecture
        self.latent_shape = (a.widths.units[0],)
        self.domain = ImageDomain(a.size, a.channels, tuple(a.mean), a.maximum)
        self.attributes: dict = {"generator": name}
        self.steps = unit_steps(a.widths)
        for step in self.steps:
            if isinstance(step, Layer):
                self.add_module(step.name, _module(step))

    def raw(self, latent: torch.Tensor) -> torch.Tensor:
        """Return whole images (n, 3, side, side) in the generator's own domain, as the layers make them.

        Parameters
        ----------
        latent : tensor of shape (n, n_units)
        """
        if latent.shape[1:] != self.latent_shape:
            raise DataError(
                f"generator '{self.name}' takes a latent of shape (n, {self.latent_shape[0]}); this is {tuple(latent.shape)}."
            )
        x = latent
        for step in self.steps:
            x = getattr(self, step.name)(x) if isinstance(step, Layer) else apply_operation(step, x)
        return x

    def inside(self, latent: torch.Tensor) -> torch.Tensor:
        """Return the middle of the images (n, 3, size, size), in the generator's own domain."""
        start, stop = self.architecture.offset, self.architecture.offset + self.architecture.size
        return self.raw(latent)[:, :, start:stop, start:stop]

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        """Return images, differentiably.

        Parameters
        ----------
        latent : tensor of shape (n, n_units)
            Rectified features, from 0 on.

        Returns
        -------
        images : tensor of shape (n, 3, size, size)
            RGB, full intensity = 1, not clipped.
        """
        return self.domain.to_rgb(self.inside(latent))


def build(settings: Mapping, weights_path: str | Path | None = None) -> DeepGenerator:
    """Build a generator with weights from a file or, with ``settings["seed"]``, random ones; evaluation mode.

    Parameters
    ----------
    settings : mapping
        ``name``, ``seed``, and ``units``, ``side``, ``blocks``, ``narrow`` (see `Widths`) and ``size`` where they differ
        from the table's.
    weights_path : path or None
    """
    name = settings["name"]
    with torch.device("meta"):
        generator = DeepGenerator(name, _architecture(settings))
    if weights_path is not None:
        generator.attributes |= read_weights(generator, weights_path)
    elif "seed" in settings:
        generator.to_empty(device="cpu")
        initialise(generator, settings["seed"])
    else:
        raise ConfigError(f"generator '{name}' needs 'weights' (a file) or a 'seed' (random weights).")
    return generator.eval()


def initialise(generator: DeepGenerator, seed: int) -> None:
    """Draw random weights that keep the size of activations from layer to layer (He et al. 2015); biases are zero.

    Layers that double the side begin as a random mixture of channels, interpolated bilinearly: free random kernels give the
    four pixels that come of one different weights, and so leave a grid in the images.
    """
    random = torch.Generator().manual_seed(seed)
    gain = nn.init.calculate_gain("leaky_relu", 0.3)
    with torch.no_grad():
        for step in generator.steps:
            if not isinstance(step, Layer):
                continue
            module = getattr(generator, step.name)
            if step.stride == 2:
                mixture = torch.empty(step.n_in, step.n_out).normal_(0, gain / step.n_in**0.5, generator=random)
                module.weight.copy_(mixture[:, :, None, None] * BILINEAR[:, None] * BILINEAR)
            else:
                module.weight.normal_(0, gain / (step.n_in * step.kernel**2) ** 0.5, generator=random)
            module.bias.zero_()


def _architecture(settings: Mapping) -> Architecture:
    table = ARCHITECTURES[settings["name"]]
    widths = {field.name for field in fields(Widths)}
    unknown = sorted(set(settings) - widths - {"name", "seed", "size"})
    if unknown:
        known = ", ".join(sorted(widths | {"size"}))
        raise ConfigError(f"generator '{settings['name']}' has no setting {', '.join(unknown)}; it has {known}.")
    own = {key: _frozen(settings[key]) for key in sorted(widths & set(settings))}
    return replace(table, widths=replace(table.widths, **own), size=settings.get("size", table.size))


def _frozen(value: object) -> object:
    return tuple(_frozen(one) for one in value) if isinstance(value, (list, tuple)) else value


def _module(layer: Layer) -> nn.Module:
    if layer.kind == "linear":
        return nn.Linear(layer.n_in, layer.n_out)
    return nn.ConvTranspose2d(layer.n_in, layer.n_out, layer.kernel, layer.stride, layer.padding)
