"""What is optimised: the pixels of images, or the latents of a generator; where it begins and how far it may go."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from fmri2image.core.seeds import generator_for
from fmri2image.features.networks.base import ImageDomain, Network

GREY_LEVELS = 255.0


def loss_scale(network: Network) -> float:
    """Return what multiplies the loss so that it is of the size that it has in networks that take grey levels of 0 to 255.

    One for the published networks. Features of a network whose input goes from 0 to 1 are 255 times smaller, and the rules by
    which L-BFGS-B stops have thresholds that are not relative.
    """
    return (GREY_LEVELS / network.domain.maximum) ** 2


class Variables(Protocol):
    """What `fmri2image.reconstruct.icnn` optimises.

    Attributes
    ----------
    count : int
        Variables per image.
    shape : (channels, height, width) or None
        Where the variables are pixels.
    lower, upper : tensors of shape (count,)
    """

    count: int
    shape: tuple[int, int, int] | None
    lower: torch.Tensor
    upper: torch.Tensor

    def images(self, x: torch.Tensor) -> torch.Tensor:
        """Turn variables (n, count) into RGB images (n, 3, height, width) in [0, 1], not clipped, differentiably."""

    def start(self, kind: str, rows: Sequence[str], seed: int) -> np.ndarray:
        """Return where the named images begin, float64 (n, count); random numbers depend on seed and row alone."""


class Pixels:
    """RGB grey levels of 0 to 255 less the network's mean colour, within the range of an image.

    The published bounds, from -mean to 255 - mean in each channel, are those of an image in [0, 1]. The unit is kept because
    the first step of L-BFGS-B and the learning rate of the descent depend on it, and the mean because decay and some
    regularisers draw towards zero. The published code has the channels in the network's order, which changes nothing.

    Parameters
    ----------
    domain : ImageDomain
        Of the network.
    device : torch.device
    """

    def __init__(self, domain: ImageDomain, device: torch.device) -> None:
        self.shape = (3, domain.size, domain.size)
        self.count = 3 * domain.size**2
        mean = GREY_LEVELS * torch.tensor(domain.mean_rgb, dtype=torch.float64, device=device)
        self._mean = mean.clamp(0, GREY_LEVELS)
        self.lower = self._spread(-self._mean)
        self.upper = self._spread(GREY_LEVELS - self._mean)

    def images(self, x: torch.Tensor) -> torch.Tensor:
        """Turn variables into images, see `Variables`."""
        return (x.unflatten(1, self.shape) + self._mean.to(x.dtype)[:, None, None]) / GREY_LEVELS

    def start(self, kind: str, rows: Sequence[str], seed: int) -> np.ndarray:
        """Return the network's mean colour, black (``zero``), or whole random grey levels (``uniform``)."""
        if kind == "mean":
            return np.zeros((len(rows), self.count))
        lower = self.lower.cpu().numpy()
        if kind == "zero":
            return np.repeat(lower[None], len(rows), axis=0)
        drawn = [generator_for(seed, "icnn start", row).integers(0, 256, self.count) for row in rows]
        return np.stack(drawn) + lower

    def _spread(self, values: torch.Tensor) -> torch.Tensor:
        return values[:, None, None].expand(self.shape).flatten()


class Latents:
    """Latents of a generator between zero and the bounds that come with it; without bounds, any numbers.

    Parameters
    ----------
    generator : torch.nn.Module
        With `latent_shape`; turns latents (n, ...) into RGB images in [0, 1] of the network's size.
    upper : tensor of shape (count,) or None
        Published: mean activation plus three SD of each unit (code: act_range 3x), a lower bound of zero.
    device : torch.device
    """

    def __init__(self, generator: torch.nn.Module, upper: torch.Tensor | None, device: torch.device) -> None:
        self.generator, self.shape = generator, None
        self._latent_shape = tuple(generator.latent_shape)
        self.count = int(np.prod(self._latent_shape))
        free = torch.full((self.count,), torch.inf, dtype=torch.float64, device=device)
        bounded = upper is not None
        self.upper = upper.to(device, torch.float64).flatten() if bounded else free
        self.lower = torch.zeros_like(free) if bounded else -free

    def images(self, x: torch.Tensor) -> torch.Tensor:
        """Turn variables into images, see `Variables`."""
        return self.generator(x.unflatten(1, self._latent_shape))

    def start(self, kind: str, rows: Sequence[str], seed: int) -> np.ndarray:
        """Return zeros, or normal random numbers."""
        if kind == "zero":
            return np.zeros((len(rows), self.count))
        return np.stack([generator_for(seed, "icnn start", row).standard_normal(self.count) for row in rows])
