"""CaffeNet (bvlc_reference_caffenet): AlexNet with pooling before normalisation (Krizhevsky et al. 2012; Jia et al. 2014).

The comparator of Shen, Dwivedi et al. 2019 and the network behind the generators of Dosovitskiy & Brox 2016.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from fmri2image.features.convert.steps import Layer, Step, apply_operation, convolution, linear
from fmri2image.features.networks.base import ImageDomain, Network
from fmri2image.features.networks.published import build_published

# As End2EndDeepImageReconstruction subtracts them, blue first.
MEAN = (104.0, 117.0, 123.0)
DOMAIN = ImageDomain(227, "BGR", MEAN, 255.0)
STEPS: tuple[Step, ...] = (
    convolution("conv1", 3, 96, 11, stride=4),
    *("relu", "max 3 2", "lrn"),
    convolution("conv2", 96, 256, 5, padding=2, groups=2),
    *("relu", "max 3 2", "lrn"),
    convolution("conv3", 256, 384, 3, padding=1),
    "relu",
    convolution("conv4", 384, 384, 3, padding=1, groups=2),
    "relu",
    convolution("conv5", 384, 256, 3, padding=1, groups=2),
    *("relu", "max 3 2", "flatten"),
    linear("fc6", 9216, 4096),
    "relu",
    linear("fc7", 4096, 4096),
    "relu",
    linear("fc8", 4096, 1000),
)


class CaffeNet(Network):
    """Five convolutions, three of them pooled, then three fully connected layers.

    Layers: ``conv1`` … ``conv5`` and ``fc6`` … ``fc8`` before rectification, and ``pool1``, ``pool2``, ``pool5``, the largest
    rectified values in windows of three.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.domain = name, DOMAIN
        self.attributes = {"network": name}
        self.layer_shapes = {}
        channels, side, last = 3, DOMAIN.size, ""
        self._steps: list[tuple[str, Step]] = []  # with the layer's name, empty for what is none
        for step in STEPS:
            layer = ""
            if isinstance(step, Layer):
                layer = last = step.name
                self.add_module(layer, _module(step))
                channels, side = step.n_out, (side + 2 * step.padding - step.kernel) // step.stride + 1
            elif step.startswith("max"):
                layer, side = last.replace("conv", "pool"), (side - 3) // 2 + 1
            if layer:
                self.layer_shapes[layer] = (channels,) if layer.startswith("fc") else (channels, side, side)
            self._steps.append((layer, step))

    def activations(self, inputs: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Run the network on its own input as far as needed; return the layers before rectification."""
        found: dict[str, torch.Tensor] = {}
        x = inputs
        for layer, step in self._steps:
            x = getattr(self, layer)(x) if isinstance(step, Layer) else apply_operation(step, x)
            if layer in layers:
                found[layer] = x
                if len(found) == len(set(layers)):
                    break
        return found


def build(settings: Mapping, weights_path: str | Path | None = None) -> Network:
    """Build CaffeNet with weights from a file or, with ``settings["seed"]``, random ones; evaluation mode."""
    return build_published(CaffeNet, settings, weights_path)


def _module(layer: Layer) -> nn.Module:
    if layer.kind == "linear":
        return nn.Linear(layer.n_in, layer.n_out)
    return nn.Conv2d(layer.n_in, layer.n_out, layer.kernel, layer.stride, layer.padding, groups=layer.groups)
