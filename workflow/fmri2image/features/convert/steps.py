"""A forward pass as a list: layers with weights, and what happens between them in words."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from fmri2image.core.errors import ConfigError


@dataclass(frozen=True)
class Layer:
    """One layer with weights and biases.

    Parameters
    ----------
    name : str
    kind : str
        ``convolution``, ``deconvolution`` (transposed convolution) or ``linear``.
    n_in, n_out : int
        Channels or units.
    kernel, stride, padding, groups : int
    """

    name: str
    kind: str
    n_in: int
    n_out: int
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the weights; Caffe and PyTorch agree on the order of dimensions for all three kinds."""
        if self.kind == "linear":
            return (self.n_out, self.n_in)
        if self.kind == "convolution":
            return (self.n_out, self.n_in // self.groups, self.kernel, self.kernel)
        return (self.n_in, self.n_out // self.groups, self.kernel, self.kernel)


# "relu", "leaky 0.3", "max 3 2" (window, step), "lrn", "flatten", "reshape 256 4 4", "tanh 255" (scale).
Step = Layer | str


def convolution(
    name: str, n_in: int, n_out: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1
) -> Layer:
    """Return a convolution."""
    return Layer(name, "convolution", n_in, n_out, kernel, stride, padding, groups)


def deconvolution(name: str, n_in: int, n_out: int, kernel: int, stride: int = 1, padding: int = 0) -> Layer:
    """Return a transposed convolution."""
    return Layer(name, "deconvolution", n_in, n_out, kernel, stride, padding)


def linear(name: str, n_in: int, n_out: int) -> Layer:
    """Return a fully connected layer."""
    return Layer(name, "linear", n_in, n_out)


def run(
    steps: tuple[Step, ...], array: Callable[[str], torch.Tensor], inputs: torch.Tensor
) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every layer's activations before rectification.

    Parameters
    ----------
    steps : tuple of Layer and str
    array : callable
        Gives weights and biases by name (``conv1_1.weight``), one layer at a time, so that they need not all be in memory.
    inputs : tensor of shape (n, ...)

    Yields
    ------
    layer : str
        ``output`` for what comes out in the end, if steps follow the last layer.
    activations : tensor of shape (n, ...)
    """
    x, fresh = inputs, True
    with torch.inference_mode():
        for step in steps:
            fresh = isinstance(step, Layer)
            if fresh:
                x = apply_layer(step, array(f"{step.name}.weight"), array(f"{step.name}.bias"), x)
                yield step.name, x
            else:
                x = apply_operation(step, x)
    if not fresh:
        yield "output", x


def apply_layer(layer: Layer, weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Return what a layer with weights makes of its input."""
    if layer.kind == "linear":
        return functional.linear(x, weight, bias)
    if layer.kind == "convolution":
        return functional.conv2d(x, weight, bias, layer.stride, layer.padding, groups=layer.groups)
    return functional.conv_transpose2d(x, weight, bias, layer.stride, layer.padding, groups=layer.groups)


def apply_operation(step: str, x: torch.Tensor) -> torch.Tensor:
    """Return what an operation without weights, given in words, makes of its input; raises ConfigError if it is unknown."""
    word, *numbers = step.split()
    match word:
        case "relu":
            return functional.relu(x)
        case "leaky":
            return functional.leaky_relu(x, float(numbers[0]))
        case "max":
            return functional.max_pool2d(x, int(numbers[0]), int(numbers[1]))
        case "lrn":  # Caffe's LRN across channels: alpha is divided by the number of channels in both
            return functional.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)
        case "flatten":
            return x.flatten(1)
        case "reshape":
            return x.reshape(len(x), *(int(number) for number in numbers))
        case "tanh":
            return torch.tanh(x) * float(numbers[0])
    raise ConfigError(f"step '{step}' of a table is unknown.")
