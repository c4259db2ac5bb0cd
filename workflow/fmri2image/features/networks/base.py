"""What every network offers: an image domain at its door and named layers before rectification."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from fmri2image.core.errors import ConfigError, DataError


@dataclass(frozen=True)
class ImageDomain:
    """The images a network was trained on.

    Parameters
    ----------
    size : int
        Pixels per side.
    channels : str
        ``RGB`` or ``BGR``.
    mean : three floats
        Subtracted from each channel, in the order `channels` and in units of `maximum`.
    maximum : float
        Value of full intensity: 1 or 255.
    """

    size: int
    channels: str = "RGB"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    maximum: float = 1.0

    def __post_init__(self) -> None:
        if self.channels not in ("RGB", "BGR"):
            raise ConfigError(f"channels: '{self.channels}' is unknown; use 'RGB' or 'BGR'.")
        if len(self.mean) != 3:
            raise ConfigError(f"mean: a network's mean needs one number per channel; {len(self.mean)} are given.")

    @property
    def mean_rgb(self) -> tuple[float, float, float]:
        """The mean colour as RGB in [0, 1], the usual start of an optimisation."""
        mean = tuple(float(value) / self.maximum for value in self.mean)
        return mean if self.channels == "RGB" else mean[::-1]

    def from_rgb(self, images: torch.Tensor) -> torch.Tensor:
        """Turn RGB images (n, 3, height, width) in [0, 1] into the network's input, differentiably.

        Images of another size are resized (bilinear, anti-aliased).
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise DataError(f"A network takes images of shape (n, 3, height, width); these are {tuple(images.shape)}.")
        if images.shape[2:] != (self.size, self.size):
            images = functional.interpolate(images, (self.size, self.size), mode="bilinear", antialias=True)
        if self.channels == "BGR":
            images = images.flip(1)
        return images * self.maximum - images.new_tensor(self.mean)[:, None, None]

    def to_rgb(self, images: torch.Tensor) -> torch.Tensor:
        """Turn network input (n, 3, size, size) back into RGB in [0, 1] (not clipped)."""
        images = (images + images.new_tensor(self.mean)[:, None, None]) / self.maximum
        return images.flip(1) if self.channels == "BGR" else images


class Network(torch.nn.Module):
    """A network with named layers.

    Attributes
    ----------
    name : str
    domain : ImageDomain
    layer_shapes : dict from layer to (channels, height, width) or (units,), in the order of the forward pass
    attributes : dict
        What is written beside features: settings, and the checksum of the weights where they came from a file.
    """

    name: str
    domain: ImageDomain
    layer_shapes: dict[str, tuple[int, ...]]
    attributes: dict

    def activations(self, inputs: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Run the network on its own input as far as needed; return the layers before rectification."""
        raise TypeError(f"{type(self).__name__} must say how its layers are computed.")

    def features(self, images: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the activations of layers before rectification.

        Parameters
        ----------
        images : tensor of shape (n, 3, height, width)
            RGB in [0, 1]; gradients pass through.
        layers : sequence of str
            The pass stops after the deepest of them.

        Returns
        -------
        features : dict from layer to tensor of shape (n, *layer_shapes[layer]), in the order of `layers`

        Raises
        ------
        ConfigError
            If the network has no layer of that name.
        """
        unknown = [layer for layer in layers if layer not in self.layer_shapes]
        if unknown:
            raise ConfigError(
                f"network '{self.name}' has no layer {', '.join(unknown)}; it has {', '.join(self.layer_shapes)}."
            )
        found = self.activations(self.domain.from_rgb(images), layers)
        return {layer: found[layer] for layer in layers}
