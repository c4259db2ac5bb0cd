"""Two networks with real ImageNet weights, from files that lie beside the repository, and photographs."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn
from torch.nn import functional

from fmri2image.core.images import resize
from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import ImageDomain, Network

BESIDE = Path(__file__).resolve().parents[3].parent / "shared" / "data"
SHARED = Path(os.environ.get("FMRI2IMAGE_SHARED_DATA", BESIDE))
FIRES = dict(zip((3, 4, 6, 7, 9, 10, 11, 12), range(2, 10), strict=True))  # torchvision's numbers of the fire modules
# Tiny Darknet: channels and kernel of every convolution; M is a 2 × 2 maximum.
DARKNET = "16k3 M 32k3 M 16k1 128k3 16k1 128k3 M 32k1 256k3 32k1 256k3 M 64k1 512k3 64k1 512k3 128k1 1000k1"


def shared_arrays(name: str) -> dict[str, torch.Tensor]:
    """Return the arrays of a shared file, or skip the test."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"{name} is not among the shared data")
    with np.load(path) as arrays:
        return {key: torch.as_tensor(arrays[key]) for key in arrays.files if arrays[key].dtype.kind == "f"}


def squeezenet(side: int) -> Network:
    """Return SqueezeNet 1.1 for images of another size."""
    arrays = shared_arrays("squeezenet_imagenet/squeezenet1_1.npz")
    network = build_network({"name": "squeezenet1_1", "seed": 0})
    names = {"features.0": "conv1", "classifier.1": "conv10"}
    for number, fire in FIRES.items():
        names |= {f"features.{number}.squeeze": f"fire{fire}_squeeze"}
        names |= {f"features.{number}.expand{k}x{k}": f"fire{fire}_expand{k}" for k in (1, 3)}
    network.load_state_dict(
        {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": a for key, a in arrays.items()}
    )
    network.domain = replace(network.domain, size=side)
    return network.eval().requires_grad_(False)


class TinyDarknet(Network):
    """Tiny Darknet (J. Redmon): plain 3×3 and 1×1 convolutions; its layers are named conv1 … conv16."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.name, self.domain, self.attributes = "tiny-darknet", ImageDomain(side), {}
        arrays = shared_arrays("tiny_darknet_imagenet/tiny_darknet_imagenet.npz")
        self.layer_shapes, self.order, channels, number = {}, [], 3, 0
        for word in DARKNET.split():
            if word == "M":
                self.order.append("M")
                side = -(-side // 2)
                continue
            number += 1
            width, kernel = (int(n) for n in word.split("k"))
            weight = arrays[f"conv{number}.weight"]
            bias = arrays.get(f"conv{number}.bias", torch.zeros(width))
            if f"bn{number}.weight" in arrays:  # folded: the layer is what comes after the normalisation
                keys = ("weight", "bias", "running_mean", "running_var")
                gain, shift, mean, variance = (arrays[f"bn{number}.{key}"] for key in keys)
                factor = gain / (variance + 1e-3).sqrt()
                weight, bias = weight * factor[:, None, None, None], shift - mean * factor
            layer = nn.Conv2d(channels, width, kernel, padding=kernel // 2)
            layer.load_state_dict({"weight": weight, "bias": bias})
            self.add_module(f"conv{number}", layer)
            self.layer_shapes[f"conv{number}"] = (width, side, side)
            self.order.append(f"conv{number}")
            channels = width
        self.eval().requires_grad_(False)

    def activations(self, inputs: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Run the network as far as needed."""
        found, x = {}, inputs
        for step in self.order:
            if step == "M":
                x = functional.max_pool2d(x, 2, ceil_mode=True)
                continue
            x = getattr(self, step)(x)
            if step in layers:
                found[step] = x
                if len(found) == len(set(layers)):
                    break
            x = functional.leaky_relu(x, 0.1)
        return found


def photographs(side: int) -> torch.Tensor:
    """Return four photographs that come with scikit-image, cut to squares: (4, 3, side, side) in [0, 1]."""
    found = []
    for picture in (data.astronaut(), data.chelsea(), data.coffee(), data.rocket()):
        edge = min(picture.shape[:2])
        top, left = ((n - edge) // 2 for n in picture.shape[:2])
        square = picture[top : top + edge, left : left + edge].transpose(2, 0, 1)[None] / 255
        found.append(resize(square.astype(np.float32), side))
    return torch.as_tensor(np.concatenate(found).clip(0, 1), dtype=torch.float32)
