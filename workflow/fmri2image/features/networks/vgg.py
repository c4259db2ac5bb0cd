"""Networks of the VGG family: VGG19, VGG-16 and VGG-Face as published, and a small sister for the simulated subjects.

Simonyan & Zisserman 2014 (configuration E); the variant of Shen et al. 2019 for imagery has average pooling and a leaky
rectifier (slope 0.2). One class, one table of widths.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from fmri2image.core.errors import ConfigError
from fmri2image.features.networks.base import ImageDomain, Network
from fmri2image.features.networks.weights import read_weights


@dataclass(frozen=True)
class Architecture:
    """Widths and operations of one network.

    Parameters
    ----------
    size : int
        Pixels per side of the input.
    widths : sequence of int
        Channels of each block of 3×3 convolutions; each block ends in a 2×2 pooling.
    convolutions : sequence of int
        Convolutions per block.
    units : sequence of int
        Units of fc6, fc7, …
    pooling : str
        ``max`` or ``average``.
    slope : float
        Slope of the rectifier below zero; 0 is the plain rectifier.
    channels, mean, maximum
        See `ImageDomain`.
    """

    size: int
    widths: tuple[int, ...]
    convolutions: tuple[int, ...]
    units: tuple[int, ...]
    pooling: str = "max"
    slope: float = 0.0
    channels: str = "BGR"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    maximum: float = 255.0

    def __post_init__(self) -> None:
        if self.pooling not in ("max", "average"):
            raise ConfigError(f"pooling: '{self.pooling}' is unknown; use 'max' or 'average'.")
        if len(self.widths) != len(self.convolutions):
            raise ConfigError(f"{len(self.widths)} block widths do not fit {len(self.convolutions)} block depths.")


VGG19 = Architecture(
    size=224,
    widths=(64, 128, 256, 512, 512),
    convolutions=(2, 2, 4, 4, 4),
    units=(4096, 4096, 1000),
    # Channel means of ilsvrc_2012_mean.npy, blue first, as the published scripts subtract them.
    mean=(104.00698793, 116.66876762, 122.67891434),
)
# fc8 names the silhouette, texture, palette and background of the generated images (see features.train).
VGG_SMALL = Architecture(
    size=64,
    widths=(12, 24, 40, 64, 96),
    convolutions=(2, 2, 2, 2, 2),
    units=(512, 256, 72),
    pooling="average",
    slope=0.1,
    mean=(0.5, 0.5, 0.5),
    maximum=1.0,
)
# The means of VGG's own readme.
VGG16 = replace(VGG19, convolutions=(2, 2, 3, 3, 3), mean=(103.939, 116.779, 123.68))
ARCHITECTURES = {
    "vgg19": VGG19,
    # Imagery in Shen et al. 2019: the same weights, average pooling, a leaky rectifier (code: DeepImageReconstruction).
    "vgg19-leaky": replace(VGG19, pooling="average", slope=0.2),
    "vgg16": VGG16,
    # Parkhi et al. 2015; means of vgg_face_dag's metadata, blue first, as its Caffe file wants them.
    "vgg-face": replace(
        VGG16, units=(4096, 4096, 2622), mean=(93.59396362304688, 104.76238250732422, 129.186279296875)
    ),
    "vgg-small": VGG_SMALL,
    # Imagery of the simulated subjects: average pooling it has already, and a leakier rectifier as in vgg19-leaky.
    "vgg-small-leaky": replace(VGG_SMALL, slope=0.2),
}


class VGG(Network):
    """Blocks of 3×3 convolutions with pooling between them, then fully connected layers.

    Parameters
    ----------
    name : str
    architecture : Architecture
    """

    def __init__(self, name: str, architecture: Architecture) -> None:
        super().__init__()
        self.name = name
        self.architecture = architecture
        a = architecture
        self.domain = ImageDomain(a.size, a.channels, tuple(a.mean), a.maximum)
        self.attributes = {"network": name}
        self.layer_shapes = {}
        self._last_of_block = set()
        channels, side = 3, a.size
        for block, (width, depth) in enumerate(zip(a.widths, a.convolutions, strict=True), start=1):
            for number in range(1, depth + 1):
                layer = f"conv{block}_{number}"
                self.add_module(layer, nn.Conv2d(channels, width, 3, padding=1))
                self.layer_shapes[layer] = (width, side, side)
                channels = width
            self._last_of_block.add(layer)
            side //= 2
        sizes = (channels * side * side, *a.units)
        for number, (n_in, n_out) in enumerate(pairwise(sizes), start=6):
            self.add_module(f"fc{number}", nn.Linear(n_in, n_out))
            self.layer_shapes[f"fc{number}"] = (n_out,)

    def activations(self, inputs: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Run the network on its own input as far as needed; return the layers before rectification."""
        found: dict[str, torch.Tensor] = {}
        x = inputs
        for layer in self.layer_shapes:
            if layer.startswith("fc") and x.ndim == 4:
                x = x.flatten(1)
            x = getattr(self, layer)(x)
            if layer in layers:
                found[layer] = x
                if len(found) == len(set(layers)):
                    break
            x = functional.leaky_relu(x, self.architecture.slope)
            if layer in self._last_of_block:
                x = functional.max_pool2d(x, 2) if self.architecture.pooling == "max" else functional.avg_pool2d(x, 2)
        return found


def architecture(settings: Mapping) -> Architecture:
    """Return the architecture ``settings["name"]`` with the fields that `settings` overrides.

    Raises
    ------
    ConfigError
        If a setting is none of the architecture's fields.
    """
    known = {field.name for field in fields(Architecture)}
    own = {key: value for key, value in settings.items() if key not in ("name", "seed")}
    unknown = sorted(set(own) - known)
    if unknown:
        raise ConfigError(
            f"network '{settings['name']}' has no setting {', '.join(unknown)}; it has {', '.join(sorted(known))}."
        )
    own = {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    return replace(ARCHITECTURES[settings["name"]], **own)


def build(settings: Mapping, weights_path: str | Path | None = None) -> VGG:
    """Build a VGG with weights from a file or, with ``settings["seed"]``, random ones; evaluation mode."""
    with torch.device("meta"):
        network = VGG(settings["name"], architecture(settings))
    if weights_path is not None:
        network.attributes |= read_weights(network, weights_path)
    elif "seed" in settings:
        network.to_empty(device="cpu")
        initialise(network, settings["seed"])
    else:
        raise ConfigError(f"network '{settings['name']}' needs 'weights' (a file) or a 'seed' (random weights).")
    network.attributes["architecture"] = json.dumps(asdict(network.architecture))
    return network.eval()


def initialise(network: VGG, seed: int) -> None:
    """Draw random weights that keep the size of activations from layer to layer (He et al. 2015)."""
    generator = torch.Generator().manual_seed(seed)
    gain = nn.init.calculate_gain("leaky_relu", network.architecture.slope)
    with torch.no_grad():
        for layer in network.layer_shapes:
            module = getattr(network, layer)
            fan_in = module.weight[0].numel()
            module.weight.normal_(0, gain / fan_in**0.5, generator=generator)
            module.bias.zero_()
