"""What networks with published weights share: how they are built, and the checksum of their arrays."""

from collections.abc import Mapping
from pathlib import Path

import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.features.networks.base import Network
from fmri2image.features.networks.weights import arrays_sha256, read_weights


def build_published(kind: type[Network], settings: Mapping, weights_path: str | Path | None) -> Network:
    """Build a network of one published size with weights from a file or, with a seed, random ones; evaluation mode.

    Parameters
    ----------
    kind : type
        Class of the network, made from its name alone.
    settings : mapping
        ``name``, and ``seed`` for random weights.
    weights_path : path or None

    Returns
    -------
    network : Network

    Raises
    ------
    ConfigError
        If a setting is unknown, or neither weights nor a seed is given.
    DataError
        If the weights do not fit the network.
    """
    name = settings["name"]
    unknown = sorted(set(settings) - {"name", "seed"})
    if unknown:
        raise ConfigError(f"network '{name}' has no setting {', '.join(unknown)}; it has one published size.")
    with torch.device("meta"):
        network = kind(name)
    if weights_path is not None:
        network.attributes |= read_weights(network, weights_path)
    elif "seed" in settings:
        network.to_empty(device="cpu")
        _draw(network, settings["seed"])
    else:
        raise ConfigError(f"network '{name}' needs 'weights' (a file) or a 'seed' (random weights).")
    return network.eval()


def check_arrays(network: Network, expected: str, path: str | Path) -> None:
    """Raise DataError if a network's arrays are not those of the registry; `path` is where they came from."""
    found = arrays_sha256(network.state_dict())
    if found != expected:
        raise DataError(
            f"{path} holds other weights of network '{network.name}' than the registry names (SHA-256 of the arrays "
            f"{found[:12]}…, expected {expected[:12]}…); delete it and run the workflow again."
        )


def _draw(network: Network, seed: int) -> None:
    """Draw random kernels that keep the size of activations (He et al. 2015); biases are zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, (2 / parameter[0].numel()) ** 0.5, generator=generator)
            else:
                parameter.zero_()
