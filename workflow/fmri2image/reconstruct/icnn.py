"""Deep image reconstruction: optimise an image until its network features match the decoded ones.

Shen, Horikawa, Majima, Kamitani 2019 (PLOS CB), eq. 1–3, in pixel space without the generator: L-BFGS within the range of
pixel values, started at the network's mean colour, no other regulariser.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.decode.decoded import DecodedFeatures, FeaturesInMemory
from fmri2image.features.convert.belongs import check_belongs
from fmri2image.features.extract import layer_attributes
from fmri2image.features.networks import build_network
from fmri2image.reconstruct.interface import Reconstructions
from fmri2image.reconstruct.lbfgs import minimise

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Settings of `icnn` in pixel space.

    Parameters
    ----------
    network : mapping
        Entry of the network (architecture, weights, ...).
    layers : sequence of str
        Layers whose features are matched.
    evaluations : int
        Passes through the network per image (200 iterations in the published scripts).
    memory : int
        Past steps that L-BFGS keeps.
    batch : int
        Images optimised together.
    """

    network: Mapping
    layers: tuple[str, ...]
    evaluations: int
    memory: int
    batch: int


def layer_weights(targets: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return beta of every layer and image: one over the squared norm of the target, scaled to sum to one.

    Parameters
    ----------
    targets : mapping from layer to tensor of shape (n_images, ...)
        Decoded features after norm correction (eq. 3; the sum to one is the published code's).

    Returns
    -------
    weights : dict from layer to tensor of shape (n_images,)
    """
    inverse = {layer: 1 / target.flatten(1).square().sum(1).clamp_min(1e-30) for layer, target in targets.items()}
    total = torch.stack(list(inverse.values())).sum(0)
    return {layer: value / total for layer, value in inverse.items()}


def match_features(
    network: torch.nn.Module, targets: Mapping[str, torch.Tensor], settings: Settings, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Optimise a batch of images for their features to match targets.

    Parameters
    ----------
    network : fmri2image.features.networks.base.Network
    targets : mapping from layer to tensor of shape (n_images, ...)
    settings : Settings
    device : torch.device

    Returns
    -------
    images : tensor of shape (n_images, 3, size, size)
        RGB in [0, 1].
    path : tensor of shape (n_images, n_evaluations)
        Weighted loss after every evaluation.
    """
    size = network.domain.size
    layers = list(targets)
    weights = layer_weights(targets)
    # One for a picture without features: the loss of every image then has the same scale.
    total = sum(weights[layer] * targets[layer].flatten(1).square().sum(1) for layer in layers)
    n_images = len(next(iter(targets.values())))

    def objective(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images = x.reshape(len(x), 3, size, size).detach().requires_grad_(True)
        features = network.features(images, layers)
        loss = (
            sum(
                weights[layer] * (features[layer].flatten(1) - targets[layer].flatten(1)).square().sum(1)
                for layer in layers
            )
            / total
        )
        (gradient,) = torch.autograd.grad(loss.sum(), images)
        return loss.detach(), gradient.flatten(1)

    mean = torch.as_tensor(network.domain.mean_rgb, dtype=torch.float32, device=device).clamp(0, 1)
    start = mean[None, :, None, None].expand(n_images, 3, size, size).flatten(1).contiguous()
    result = minimise(objective, start, lower=0.0, upper=1.0, evaluations=settings.evaluations, memory=settings.memory)
    return result.x.reshape(n_images, 3, size, size), torch.stack(result.path, dim=1)


def reconstruct(
    test: DecodedFeatures | FeaturesInMemory, state: None, settings: Mapping, device: torch.device
) -> Reconstructions:
    """Reconstruct all rows of decoded features.

    Parameters
    ----------
    test : DecodedFeatures or FeaturesInMemory
        Features per layer, norm-corrected.
    state : None
        `icnn` learns nothing.
    settings : mapping
        Fields of `Settings`.
    device : torch.device

    Returns
    -------
    Reconstructions
        Images at the network's input size.
    """
    options = Settings(**settings)
    network = build_network(dict(options.network)).to(device).eval()
    for layer in options.layers:
        about = test.attributes(layer)
        if "network" in about:  # permuted refits carry none
            check_belongs(about, layer_attributes(network, layer), f"Layer {layer} of the features", "the network's")
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    images, paths = [], []
    for start in range(0, len(test.rows), options.batch):
        rows = test.rows[start : start + options.batch]
        targets = {layer: torch.as_tensor(test.read(layer, rows), device=device) for layer in options.layers}
        batch, path = match_features(network, targets, options, device)
        log.info("%d of %d images; relative loss %.3f", start + len(rows), len(test.rows), float(path[:, -1].mean()))
        images.append(batch.cpu().numpy())
        padded = torch.nn.functional.pad(path, (0, options.evaluations - path.shape[1]), mode="replicate")
        paths.append(padded.cpu().numpy())
    return Reconstructions(
        LabelledArray(np.concatenate(images), test.rows), LabelledArray(np.concatenate(paths), test.rows)
    )
