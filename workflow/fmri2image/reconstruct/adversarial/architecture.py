"""Tables of the networks of method `end2end`: as published, and the same structure small for the simulated subjects.

Sizes, coefficients of initialisation and learning rates of biases: End2EndDeepImageReconstruction:net_templates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fmri2image.features.convert.generators import PUBLISHED, Widths
from fmri2image.features.networks.caffenet import MEAN
from fmri2image.reconstruct.generators.deepsim import Architecture as GeneratorTable

# The domain of the images: blue first, grey levels less CaffeNet's mean colour (code), at both sizes.
CHANNELS, MAXIMUM = "BGR", 255.0


@dataclass(frozen=True)
class Convolution:
    """One convolution of the discriminator, without padding.

    Parameters
    ----------
    n_out, kernel, stride : int
    coefficient : float
        Of the initial weights, see `fmri2image.reconstruct.adversarial.initialise`.
    """

    n_out: int
    kernel: int
    stride: int = 1
    coefficient: float = 1.0


@dataclass(frozen=True)
class Architecture:
    """Sizes of generator and discriminator.

    Parameters
    ----------
    size : int
        Pixels per side of the images; what the generator makes is cut to it.
    widths : Widths
        Of the generator; its first number, the voxels, is filled in for a subject.
    convolutions : tuple of Convolution
        Of the discriminator; positions are averaged behind them.
    units : int
        Of the discriminator's hidden fully connected layer.
    coefficients : mapping from kernel to float
        Of the generator's initial weights, by kernel (1: fully connected).
    judge_coefficient : float
        Of the discriminator's fully connected layers.
    deconvolution_bias : bool
        Whether the biases of the generator's transposed convolutions learn; they stay 0 in the original, where their
        learning rate is 0.
    """

    size: int
    widths: Widths
    convolutions: tuple[Convolution, ...]
    units: int
    coefficients: dict[int, float]
    judge_coefficient: float
    deconvolution_bias: bool

    def generator(self, n_voxels: int) -> GeneratorTable:
        """Return the table of the generator of a subject with `n_voxels` voxels."""
        widths = replace(self.widths, units=(n_voxels, *self.widths.units[1:]))
        return GeneratorTable(widths, self.size, CHANNELS, MEAN, MAXIMUM)


def _convolutions(*sizes: Sequence[int]) -> tuple[Convolution, ...]:
    """Return convolutions from channels, kernels and strides; the first meets grey levels and starts small."""
    return tuple(Convolution(*size, coefficient=1.0 if number else 0.1) for number, size in enumerate(sizes))


COEFFICIENTS = {1: 1.0, 4: 1.8, 3: 0.9}
ARCHITECTURES = {
    # From 4 × 4 to 256 × 256, of which 227 are used; the discriminator goes 227, 56, 52, 25, 23, 11.
    "published": Architecture(
        227, PUBLISHED, _convolutions((32, 7, 4), (64, 5), (128, 3, 2), (256, 3), (256, 3, 2)), 256, COEFFICIENTS, 0.1,
        deconvolution_bias=False,
    ),
    # From 5 × 5 to 80 × 80, of which 64 are used; the discriminator goes 64, 30, 28, 13, 11, 5.
    "small": Architecture(
        64, Widths((0, 256, 256, 800), 5, ((48, 48), (32, 32)), (24,)),
        _convolutions((16, 5, 2), (24, 3), (32, 3, 2), (48, 3), (64, 3, 2)), 64, COEFFICIENTS, 0.1,
        deconvolution_bias=False,
    ),
}  # fmt: skip
