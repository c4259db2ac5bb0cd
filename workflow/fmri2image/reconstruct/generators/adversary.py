"""The discriminator that a generator is trained against (Dosovitskiy & Brox 2016, sec. 3).

Convolutions of the image, averaged over positions, and fully connected layers of the features are joined and judged
together, so that an image must be natural and fit its features.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.3
DROPOUT = 0.5
PIXEL_SD = 0.25  # about that of the generated images: the first layer meets numbers of size one


class Discriminator(nn.Module):
    """Judges pairs of image and features.

    Parameters
    ----------
    n_latent : int
        Units of the features.
    widths : sequence of int
        Channels of the convolutions; each of the first three and the last halve the side.
    units : int
        Of the fully connected layers.
    """

    def __init__(self, n_latent: int, widths: Sequence[int], units: int) -> None:
        super().__init__()
        self.image = nn.ModuleList()
        for number, (n_in, n_out) in enumerate(pairwise((3, *widths))):
            kernel, stride = (5 if number < 2 else 3), (1 if number == len(widths) - 2 else 2)
            self.image.append(nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2))
        self.features = nn.ModuleList([nn.Linear(n_latent, units), nn.Linear(units, units)])
        self.joined = nn.Linear(widths[-1] + units, units)
        self.real = nn.Linear(units, 1)
        # The size of activations is kept from layer to layer (He et al. 2015): an average over positions is small enough.
        for layer in (*self.image, *self.features, self.joined):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            nn.init.zeros_(layer.bias)

    def forward(self, images: torch.Tensor, latent: torch.Tensor, random: torch.Generator) -> torch.Tensor:
        """Return logits (n,), high for real pairs.

        Parameters
        ----------
        images : tensor of shape (n, 3, size, size)
            RGB in [0, 1].
        latent : tensor of shape (n, n_latent)
            Rectified features, divided by their size.
        random : torch.Generator
            Draws which units drop out; a function of the step, so that a stopped training goes on as it was.
        """
        x = (images - 0.5) / PIXEL_SD
        for layer in self.image:
            x = functional.leaky_relu(layer(x), SLOPE)
        h = latent
        for layer in self.features:
            h = functional.leaky_relu(layer(h), SLOPE)
        joined = _drop(torch.cat([x.mean((2, 3)), h], dim=1), random)
        return self.real(_drop(functional.leaky_relu(self.joined(joined), SLOPE), random))[:, 0]


def _drop(x: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    return x * (torch.rand(x.shape, generator=random) >= DROPOUT) / (1 - DROPOUT)
