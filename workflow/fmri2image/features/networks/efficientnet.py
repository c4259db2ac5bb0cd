"""EfficientNet-Lite0 with its published ImageNet weights, used as an independent judge of images.

Tan & Le 2019 without squeeze-and-excitation and with ReLU6 (TensorFlow's "lite" variant): RGB, 224 × 224 pixels,
(pixel - 127) / 128. Batch normalisation is folded into the convolutions when the weights are converted, so that a layer
before rectification is simply what its convolution gives.
"""

import io
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fmri2image.core.errors import DataError
from fmri2image.features.networks.base import ImageDomain, Network
from fmri2image.features.networks.published import build_published

# In units of 255 / 128, so that the door computes (pixel - 127) / 128.
DOMAIN = ImageDomain(224, "RGB", (127 / 128,) * 3, 255 / 128)
# Repeats, filter size, step of the first block, expansion, channels (Tan & Le 2019, table 1; stem and head not scaled).
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
EPSILON = 1e-3  # of batch normalisation


def blocks() -> Iterator[tuple[str, int, int, int, int, int]]:
    """Yield name, channels in, channels out, filter size, step and expansion of every block."""
    number, channels = 0, STEM
    for repeats, size, step, expansion, width in STAGES:
        for repeat in range(repeats):
            number += 1
            yield f"block{number}", channels, width, size, step if repeat == 0 else 1, expansion
            channels = width


class EfficientNetLite(Network):
    """Stem, sixteen inverted residual blocks, head, spatial mean, classes.

    Layers: ``stem``, ``block1`` … ``block16`` (which have no rectification at their end), ``head`` (before
    rectification), ``pool`` (spatial mean of the rectified head) and ``classes``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.domain = name, DOMAIN
        self.attributes = {"network": name}
        side = DOMAIN.size // 2
        self.stem = nn.Conv2d(3, STEM, 3, stride=2)
        self.layer_shapes = {"stem": (STEM, side, side)}
        self._residual = {}
        for layer, n_in, n_out, size, step, expansion in blocks():
            hidden = n_in * expansion
            if expansion > 1:
                self.add_module(f"{layer}_expand", nn.Conv2d(n_in, hidden, 1))
            self.add_module(f"{layer}_depthwise", nn.Conv2d(hidden, hidden, size, stride=step, groups=hidden))
            self.add_module(f"{layer}_project", nn.Conv2d(hidden, n_out, 1))
            self._residual[layer] = step == 1 and n_in == n_out
            side = -(-side // step)
            self.layer_shapes[layer] = (n_out, side, side)
        self.head = nn.Conv2d(n_out, HEAD, 1)
        self.classes = nn.Linear(HEAD, CLASSES)
        self.layer_shapes |= {"head": (HEAD, side, side), "pool": (HEAD,), "classes": (CLASSES,)}

    def activations(self, inputs: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Run the network on its own input as far as needed; return the layers before rectification."""
        found: dict[str, torch.Tensor] = {}
        x = inputs
        for layer in self.layer_shapes:
            if layer in self._residual:
                x = self._block(layer, x)
            elif layer == "stem":
                x = same_convolution(self.stem, x)
            elif layer == "pool":
                x = x.mean(dim=(2, 3))
            else:
                x = getattr(self, layer)(x)
            if layer in layers:
                found[layer] = x
                if len(found) == len(set(layers)):
                    break
            if layer in ("stem", "head"):
                x = functional.relu6(x)
        return found

    def _block(self, layer: str, x: torch.Tensor) -> torch.Tensor:
        inside = x
        if hasattr(self, f"{layer}_expand"):
            inside = functional.relu6(getattr(self, f"{layer}_expand")(inside))
        inside = functional.relu6(same_convolution(getattr(self, f"{layer}_depthwise"), inside))
        inside = getattr(self, f"{layer}_project")(inside)
        return x + inside if self._residual[layer] else inside


def same_convolution(convolution: nn.Conv2d, x: torch.Tensor) -> torch.Tensor:
    """Convolve with TensorFlow's "same" padding: ceil(side / step) values per side, the odd one padded at the end."""
    padding = []
    for side, size, step in zip(
        x.shape[:1:-1], convolution.kernel_size[::-1], convolution.stride[::-1], strict=True
    ):  # the last axis first, as `pad` wants it
        total = max((-(-side // step) - 1) * step + size - side, 0)
        padding += [total // 2, total - total // 2]
    return convolution(functional.pad(x, padding))


def build(settings: Mapping, weights_path: str | Path | None = None) -> Network:
    """Build EfficientNet-Lite0 with weights from a file or, with ``settings["seed"]``, random ones; evaluation mode."""
    return build_published(EfficientNetLite, settings, weights_path)


def read_published(data: bytes) -> dict[str, np.ndarray]:
    """Turn the published file (torch's, with batch normalisation) into arrays named as in `EfficientNetLite`.

    Parameters
    ----------
    data : bytes
        The archive's member; torch reads it in the mode that admits tensors only and runs no code.

    Returns
    -------
    arrays : dict from name to float32 array

    Raises
    ------
    DataError
        If the file holds anything but tensors, or a layer is missing.
    """
    try:
        stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        stored = {name: value.numpy().astype(np.float64) for name, value in stored.items()}
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"The published weights of EfficientNet-Lite0 are not a plain file of tensors ({reason})."
        ) from error
    arrays = {}
    try:
        for ours, convolution, normalisation in _published_names():
            scale = stored[f"{normalisation}.weight"] / np.sqrt(stored[f"{normalisation}.running_var"] + EPSILON)
            kernel = stored[f"{convolution}.weight"] * scale[:, None, None, None]
            bias = stored[f"{normalisation}.bias"] - stored[f"{normalisation}.running_mean"] * scale
            arrays |= {f"{ours}.weight": kernel.astype(np.float32), f"{ours}.bias": bias.astype(np.float32)}
        for part in ("weight", "bias"):
            arrays[f"classes.{part}"] = stored[f"_fc.{part}"].astype(np.float32)
    except KeyError as error:
        raise DataError(f"The published weights of EfficientNet-Lite0 lack the array {error}.") from error
    except (ValueError, IndexError) as error:
        raise DataError(
            f"The published weights of EfficientNet-Lite0 have arrays that do not fit ({error})."
        ) from error
    return arrays


def _published_names() -> Iterator[tuple[str, str, str]]:
    """Yield our name, the published convolution and the published normalisation of every convolution."""
    yield "stem", "_conv_stem", "_bn0"
    for number, (layer, _, _, _, _, expansion) in enumerate(blocks()):
        theirs = f"_blocks.{number}"
        if expansion > 1:
            yield f"{layer}_expand", f"{theirs}._expand_conv", f"{theirs}._bn0"
        yield f"{layer}_depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1"
        yield f"{layer}_project", f"{theirs}._project_conv", f"{theirs}._bn2"
    yield "head", "_conv_head", "_bn1"
