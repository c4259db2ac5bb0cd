"""The discriminator of method `end2end`, which sees images alone (Shen, Dwivedi et al. 2019, Image Reconstruction Model)."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from fmri2image.reconstruct.adversarial.architecture import Architecture

REAL, FAKE = 0, 1  # labels (code)
DROPOUT = 0.5


class Discriminator(nn.Module):
    """Five convolutions, the mean over positions, and two fully connected layers; the end is a softmax of two.

    Parameters
    ----------
    architecture : Architecture

    Attributes
    ----------
    dropped : tuple of int
        Units before each fully connected layer, half of which drop out.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = (3, *(one.n_out for one in architecture.convolutions))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(n_in, n_out, one.kernel, one.stride)
            for (n_in, n_out), one in zip(pairwise(widths), architecture.convolutions, strict=True)
        )
        self.hidden = nn.Linear(widths[-1], architecture.units)
        self.judgement = nn.Linear(architecture.units, 2)
        self.dropped = (widths[-1], architecture.units)

    def forward(self, images: torch.Tensor, kept: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Return logits (n, 2) of being real and of being made.

        Parameters
        ----------
        images : tensor of shape (n, 3, size, size)
            In the generator's own domain.
        kept : two tensors of shape (n, n_units)
            Factors of the units before each fully connected layer, see `drop`.
        """
        x = images
        for layer in self.convolutions:
            x = functional.relu(layer(x))
        x = functional.relu(self.hidden(x.mean((2, 3)) * kept[0]))
        return self.judgement(x * kept[1])

    def drop(self, n: int, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Draw which units drop out of `n` images: factors of 0 or 2, on the CPU, so that no device changes them."""
        first, second = (
            (torch.rand((n, units), generator=random) >= DROPOUT).float() / (1 - DROPOUT) for units in self.dropped
        )
        return first, second
