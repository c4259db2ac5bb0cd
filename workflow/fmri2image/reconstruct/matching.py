"""How far the features of images are from decoded ones, and the gradient: the objective of deep image reconstruction.

Shen, Horikawa, Majima, Kamitani 2019 (PLOS CB): eq. 1 for one layer, eq. 3 for several, eq. 4 through a generator.
"""

from collections.abc import Callable, Mapping

import torch

from fmri2image.core.precision import autocast, known_precision
from fmri2image.features.networks.base import Network


def layer_weights(targets: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return beta of every layer and image: one over the squared norm of the target, scaled to sum to one.

    Parameters
    ----------
    targets : mapping from layer to tensor of shape (n_images, ...)
        Decoded features after norm correction (eq. 3; the sum to one is the published code's).

    Returns
    -------
    weights : dict from layer to tensor of shape (n_images,), float64
    """
    inverse = {layer: 1 / _squares(target).clamp_min(1e-30) for layer, target in targets.items()}
    total = torch.stack(list(inverse.values())).sum(0)
    return {layer: value / total for layer, value in inverse.items()}


class Matching:
    """Weighted squared distance between the features of images and their targets, image by image.

    The paper has a factor of one half, which the published code leaves out, as here; it moves no minimum. Where one layer is
    matched its weight is one, which is eq. 1.

    Parameters
    ----------
    network : fmri2image.features.networks.base.Network
        Its parameters should need no gradient.
    targets : mapping from layer to tensor of shape (n_images, ...)
        On the network's device.
    images : callable
        Turns a batch of variables (n_images, n_variables) into RGB images in [0, 1], differentiably: pixels in another
        unit, or latents through a generator (eq. 4).
    precision : str
        One of `fmri2image.core.precision.PRECISIONS`. With ``bfloat16`` the passes through network and generator run in
        autocast; losses, targets and what the optimiser keeps do not.
    scale : float
        Multiplies losses and gradients.

    Attributes
    ----------
    total : float64 tensor of shape (n_images,)
        Loss of an image without features; a loss divided by it is the relative loss.
    last : float64 tensor of shape (n_images,)
        Relative losses of the latest evaluation, for progress.
    """

    def __init__(
        self,
        network: Network,
        targets: Mapping[str, torch.Tensor],
        images: Callable[[torch.Tensor], torch.Tensor],
        precision: str = "float32",
        scale: float = 1.0,
    ) -> None:
        self.network, self.images, self.precision = network, images, known_precision(precision)
        self.targets = {layer: target.flatten(1) for layer, target in targets.items()}
        self.weights = {layer: scale * weight for layer, weight in layer_weights(self.targets).items()}
        self.total = sum(self.weights[layer] * _squares(target) for layer, target in self.targets.items())
        self.last = torch.full_like(self.total, torch.nan)
        self._dtype = next(network.parameters()).dtype

    def __call__(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return losses (n_images,), summed in float64, and their gradients (n_images, n_variables) in the type of `x`."""
        variables = x.detach().to(self._dtype).requires_grad_(True)
        with autocast(self.precision, x.device):
            found = self.network.features(self.images(variables), list(self.targets))
        loss, back = torch.zeros_like(self.total), []
        for layer, target in self.targets.items():
            features, weight = found[layer], self.weights[layer]
            difference = features.detach().flatten(1).to(target.dtype) - target
            loss += weight * _squares(difference)
            difference *= (2 * weight)[:, None].to(target.dtype)
            back.append(difference.reshape(features.shape).to(features.dtype))
        (gradient,) = torch.autograd.grad([found[layer] for layer in self.targets], variables, back)
        self.last = loss / self.total
        return loss, gradient.to(x.dtype)


def _squares(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of squares of every row, float64: a line search lives on small differences of large sums."""
    return values.flatten(1).square().sum(1, dtype=torch.float64)
