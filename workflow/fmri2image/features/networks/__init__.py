"""Networks whose layers are decoded and matched, found by name through `NETWORKS`."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fmri2image.core.errors import ConfigError

if TYPE_CHECKING:
    from fmri2image.features.networks.base import Network

# Name of a network → module that builds it with ``build(settings, weights_path)``. The module's name is put together
# only when it is used, so that an edit to one network reruns that network alone (`core.digest.code_digest(also=...)`).
NETWORKS = {
    "vgg19": "vgg",
    "vgg19-leaky": "vgg",
    "vgg16": "vgg",
    "vgg-face": "vgg",
    "vgg-small": "vgg",
    "vgg-small-leaky": "vgg",
    "caffenet": "caffenet",
    "squeezenet1_1": "squeezenet",
    "efficientnet-lite0": "efficientnet",
}
# Networks that run the weights of another one in another way, and the generator that reads a converted one's.
SAME_WEIGHTS = {"vgg19-leaky": "vgg19", "vgg-small-leaky": "vgg-small", "deepsim-fc7": "generator-fc7"}


def network_module(name: str) -> str:
    """Return the dotted name of the module that builds the network `name`.

    Raises
    ------
    ConfigError
        If there is no such network.
    """
    if name not in NETWORKS:
        raise ConfigError(f"network '{name}' is unknown; use one of {', '.join(NETWORKS)}.")
    return f"{__name__}.{NETWORKS[name]}"


def build_network(settings: Mapping, weights_path: str | Path | None = None) -> "Network":
    """Build a network, in evaluation mode.

    Parameters
    ----------
    settings : mapping
        ``name`` (one of `NETWORKS`), the module's own settings, and ``weights`` (path of a safetensors file) or
        ``seed`` (random weights, for tests and for the start of a training).
    weights_path : path, optional
        Takes the place of ``settings["weights"]``.

    Returns
    -------
    network : fmri2image.features.networks.base.Network

    Raises
    ------
    ConfigError
        If the name or a setting is unknown, or neither weights nor a seed is given.
    DataError
        If the weights do not fit the network.
    """
    if "name" not in settings:
        raise ConfigError(f"A network's settings need a 'name', one of {', '.join(NETWORKS)}.")
    module = importlib.import_module(network_module(settings["name"]))
    own = {key: value for key, value in settings.items() if key != "weights"}
    return module.build(own, weights_path or settings.get("weights"))
