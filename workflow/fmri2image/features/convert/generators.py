"""Generators of Dosovitskiy & Brox 2016 (DeePSiM), which turn a layer of a network into an image: CaffeNet's published ones.

Structure of fc7 and fc6: DeepImageReconstruction:net/generator_for_inverting_fc7/generator.prototxt. The others, which
KamitaniLab publishes as PyTorch files: bdpy:bdpy/dl/torch/models.py. Images are BGR from 0 to 255 less the mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fmri2image.features.convert.steps import Step, convolution, deconvolution, linear

LEAKY = "leaky 0.3"
# Where a generator takes its features: as named in release_deepsim_v0 (fc7, fc6, pool5), else as KamitaniLab names them.
GENERATORS = ("fc7", "fc6", "pool5", "relu4", "relu3", "norm2", "norm1")


@dataclass(frozen=True)
class Widths:
    """Sizes of a generator that starts from units.

    Parameters
    ----------
    units : tuple of int
        The latent, then the units of the fully connected layers; the last are channels × side × side.
    side : int
        Pixels per side where positions begin.
    blocks : tuple of pairs of int
        Channels of each doubling and of the 3 × 3 layer behind it.
    narrow : tuple of int
        Channels of further doublings; one more makes the image.
    """

    units: tuple[int, ...]
    side: int
    blocks: tuple[tuple[int, int], ...]
    narrow: tuple[int, ...]

    @property
    def size(self) -> int:
        """Pixels per side of the image."""
        return self.side * 2 ** (len(self.blocks) + len(self.narrow) + 1)


# From 4 × 4 to 256 × 256.
BLOCKS, NARROW = ((256, 512), (256, 256), (128, 128)), (64, 32)
PUBLISHED = Widths((4096, 4096, 4096, 4096), 4, BLOCKS, NARROW)


def unit_steps(widths: Widths) -> tuple[Step, ...]:
    """Return the forward pass of a generator that starts from units (of fc7 and fc6 as published)."""
    first: list[Step] = []
    for number, (n_in, n_out) in enumerate(pairwise(widths.units)):
        first += [linear(f"defc{7 - number}", n_in, n_out), LEAKY]
    channels = widths.units[-1] // widths.side**2
    reshape = f"reshape {channels} {widths.side} {widths.side}"
    return (*first, reshape, *_wide(channels, widths.blocks, widths.narrow))


def generator_steps(layer: str) -> tuple[tuple[int, ...], tuple[Step, ...]]:
    """Return the shape of a generator's input and its forward pass.

    Parameters
    ----------
    layer : str
        One of `GENERATORS`.
    """
    if layer in ("fc7", "fc6"):
        return (4096,), unit_steps(PUBLISHED)
    if layer == "pool5":
        return (256, 6, 6), (*_encode((256, 512, 3, 1, 1), (512, 512, 3, 1, 1), (512, 512, 3, 1, 0)), *_wide(512))
    if layer in ("relu4", "relu3"):
        return (384, 13, 13), (*_encode((384, 384, 3, 1, 0), (384, 512, 3, 1, 0), (512, 512, 2, 1, 0)), *_square())
    if layer == "norm2":
        return (256, 13, 13), (*_encode((256, 256, 3, 1, 2), (256, 128, 3, 1, 1), (128, 128, 3, 1, 1)), *_narrow())
    return (96, 27, 27), (*_encode((96, 128, 3, 2, 2), (128, 128, 3, 1, 1), (128, 128, 3, 1, 1)), *_narrow())


def _encode(*sizes: tuple[int, int, int, int, int]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for number, (n_in, n_out, kernel, stride, padding) in enumerate(sizes, start=6):
        steps += [convolution(f"Rconv{number}", n_in, n_out, kernel, stride, padding), LEAKY]
    return tuple(steps)


def _wide(n_in: int, blocks: Sequence[tuple[int, int]] = BLOCKS, narrow: Sequence[int] = NARROW) -> tuple[Step, ...]:
    """Double the side layer by layer, every layer a transposed convolution (fc7, fc6, pool5)."""
    steps: list[Step] = []
    for number, (doubled, behind) in zip(range(5, 5 - len(blocks), -1), blocks, strict=True):
        steps += [deconvolution(f"deconv{number}", n_in, doubled, 4, 2, 1), LEAKY]
        steps += [deconvolution(f"conv{number}_1", doubled, behind, 3, 1, 1), LEAKY]
        n_in = behind
    for number, width in zip(range(len(narrow), 0, -1), narrow, strict=True):
        steps += [deconvolution(f"deconv{number}", n_in, width, 4, 2, 1), LEAKY]
        n_in = width
    return (*steps, deconvolution("deconv0", n_in, 3, 4, 2, 1))


def _square() -> tuple[Step, ...]:
    """From 8 × 8 to 256 × 256 (relu4, relu3)."""
    sizes = (
        ("deconv5", 512, 256, 4, 2),
        ("conv5_1", 256, 256, 3, 1),
        ("deconv4", 256, 128, 4, 2),
        ("conv4_1", 128, 128, 3, 1),
        ("deconv3", 128, 128, 4, 2),
        ("conv3_1", 128, 128, 3, 1),
        ("deconv2", 128, 64, 4, 2),
    )
    hidden = tuple(step for size in sizes for step in (deconvolution(*size, padding=1), LEAKY))
    last = (convolution("conv2_1", 64, 32, 3, 1, 1), LEAKY, deconvolution("deconv1", 32, 16, 4, 2, 1), LEAKY)
    return (*hidden, *last, convolution("conv1_1", 16, 3, 3, 1, 1), "tanh 255")


def _narrow() -> tuple[Step, ...]:
    """From 15 × 15 to 240 × 240 (norm2, norm1); nothing is rectified between the last two layers."""
    steps: list[Step] = []
    for number, n_in, n_out in ((4, 128, 128), (3, 128, 64), (2, 64, 32)):
        steps += [deconvolution(f"deconv{number}", n_in, n_out, 4, 2, 1), LEAKY]
        steps += [convolution(f"conv{number}_1", n_out, n_out, 3, 1, 1), LEAKY]
    return (*steps, deconvolution("deconv1", 32, 16, 4, 2, 1), convolution("conv1_1", 16, 3, 3, 1, 1), "tanh 255")
