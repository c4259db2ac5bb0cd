"""SqueezeNet 1.1 with its published ImageNet weights (Iandola et al. 2016), used as an independent judge of images.

The converted Caffe model: BGR, 0 to 255, channel means subtracted, 227 × 227 pixels. A fire module squeezes to few
channels and expands through 1×1 and 3×3 filters side by side; its layer is what both give before rectification.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fmri2image.acquire.pickled import read_pickled_arrays
from fmri2image.core.errors import DataError
from fmri2image.features.networks.base import ImageDomain, Network
from fmri2image.features.networks.published import build_published

DOMAIN = ImageDomain(227, "BGR", (103.939, 116.779, 123.68), 255.0)
# Channels of the squeeze, and of each half of the expansion.
FIRE = {
    "fire2": (16, 64),
    "fire3": (16, 64),
    "fire4": (32, 128),
    "fire5": (32, 128),
    "fire6": (48, 192),
    "fire7": (48, 192),
    "fire8": (64, 256),
    "fire9": (64, 256),
}
POOL_BEFORE = ("fire2", "fire4", "fire6")
CLASSES = 1000


class SqueezeNet(Network):
    """Convolution, eight fire modules, one score map per class, and their spatial means.

    Layers: ``conv1``, ``fire2`` … ``fire9``, ``conv10`` (score maps) and ``classes`` (mean of the rectified maps).
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.domain = name, DOMAIN
        self.attributes = {"network": name}
        side = (DOMAIN.size - 3) // 2 + 1
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2)
        self.layer_shapes = {"conv1": (64, side, side)}
        channels = 64
        for layer, (squeeze, expand) in FIRE.items():
            side = side // 2 if layer in POOL_BEFORE else side  # 3×3 windows, step 2, an unfinished one included
            self.add_module(f"{layer}_squeeze", nn.Conv2d(channels, squeeze, 1))
            self.add_module(f"{layer}_expand1", nn.Conv2d(squeeze, expand, 1))
            self.add_module(f"{layer}_expand3", nn.Conv2d(squeeze, expand, 3, padding=1))
            channels = 2 * expand
            self.layer_shapes[layer] = (channels, side, side)
        self.conv10 = nn.Conv2d(channels, CLASSES, 1)
        self.layer_shapes |= {"conv10": (CLASSES, side, side), "classes": (CLASSES,)}

    def activations(self, inputs: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Run the network on its own input as far as needed; return the layers before rectification."""
        found: dict[str, torch.Tensor] = {}
        x = inputs
        for layer in self.layer_shapes:
            if layer in POOL_BEFORE:
                x = functional.max_pool2d(x, 3, 2, ceil_mode=True)
            if layer in FIRE:
                squeezed = functional.relu(getattr(self, f"{layer}_squeeze")(x))
                halves = [getattr(self, f"{layer}_{half}")(squeezed) for half in ("expand1", "expand3")]
                x = torch.cat(halves, dim=1)
            else:
                x = x.mean(dim=(2, 3)) if layer == "classes" else getattr(self, layer)(x)
            if layer in layers:
                found[layer] = x
                if len(found) == len(set(layers)):
                    break
            x = functional.relu(x)
        return found


def build(settings: Mapping, weights_path: str | Path | None = None) -> Network:
    """Build SqueezeNet with weights from a file or, with ``settings["seed"]``, random ones; evaluation mode."""
    return build_published(SqueezeNet, settings, weights_path)


def read_published(data: bytes) -> dict[str, np.ndarray]:
    """Turn the published file (a pickled dictionary of kernels and biases) into arrays named as in `SqueezeNet`.

    Parameters
    ----------
    data : bytes
        The archive's member; kernels are (height, width, in, out) and read without running code.

    Returns
    -------
    arrays : dict from name to float32 array; kernels (out, in, height, width)

    Raises
    ------
    DataError
        If a layer is missing or is no pair of kernel and bias.
    """
    stored = read_pickled_arrays(data)
    names = {"conv1": "conv1", "conv10": "conv10"}
    for layer in FIRE:
        names |= {
            f"{layer}_squeeze": f"{layer}/squeeze1x1",
            f"{layer}_expand1": f"{layer}/expand1x1",
            f"{layer}_expand3": f"{layer}/expand3x3",
        }
    arrays = {}
    for ours, theirs in names.items():
        pair = stored.get(theirs, [])
        if len(pair) != 2 or pair[0].ndim != 4:
            raise DataError(f"The published weights of SqueezeNet lack kernel and bias of '{theirs}'.")
        arrays[f"{ours}.weight"] = np.ascontiguousarray(pair[0].transpose(3, 2, 0, 1), dtype=np.float32)
        arrays[f"{ours}.bias"] = np.ascontiguousarray(pair[1], dtype=np.float32)
    return arrays
