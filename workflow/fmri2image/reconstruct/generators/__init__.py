"""Deep generators as image priors (Shen et al. 2019, eq. 4–5), found by name through `GENERATORS`.

A generator makes an image from the rectified fc7 features of a network (Dosovitskiy & Brox 2016). Reconstruction then
looks for features, between 0 and an upper bound per unit, whose image fits. Nothing here imports torch at once, because a
study asks for these tables in every job.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fmri2image.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn  # no module of a generator: the code digest of methods without one would hold it


@dataclass(frozen=True)
class GeneratorFacts:
    """What a study must know of a generator.

    Parameters
    ----------
    module : str
        Module of this package that builds it with ``build(settings, weights_path)``.
    networks : tuple of str
        Networks that take images of its size.
    members : mapping from entry of resources/registry.tsv to str
        Published weights, and the pattern of the file's path in the archive.
    """

    module: str
    networks: tuple[str, ...]
    members: Mapping[str, str] = field(default_factory=dict)


# KamitaniLab names the layers after their rectification: its relu7 inverts the same features as DeePSiM's fc7.
GENERATORS = {
    "deepsim-fc7": GeneratorFacts(
        "deepsim",
        ("vgg19", "vgg19-leaky", "vgg16", "vgg-face"),
        {
            "deepsim-v0": "*fc7/generator.caffemodel",
            "generators-kamitani-torch": "*generator_relu7.pt",
            "generators-kamitani-torch-intersite": "*generator_relu7.pt",
        },
    ),
    "deepsim-small": GeneratorFacts("deepsim", ("vgg-small", "vgg-small-leaky")),
}


def generator_facts(name: str) -> GeneratorFacts:
    """Return what a study must know of the generator `name`; raises ConfigError if there is none."""
    if name not in GENERATORS:
        raise ConfigError(f"generator '{name}' is unknown; use one of {', '.join(GENERATORS)}.")
    return GENERATORS[name]


def generator_module(name: str) -> str:
    """Return the dotted name of the module that builds the generator `name`; raises ConfigError if there is none."""
    return f"{__name__}.{generator_facts(name).module}"


def build_generator(settings: Mapping) -> "nn.Module":
    """Build a generator, in evaluation mode.

    Parameters
    ----------
    settings : mapping
        ``name`` (one of `GENERATORS`), the module's own settings, and ``weights`` (path of a safetensors file) or ``seed``
        (random weights, for tests and for the start of a training); ``bounds`` is for `read_bounds` and left aside.

    Returns
    -------
    generator : torch.nn.Module
        With ``name``, ``latent_shape``, ``domain`` and ``attributes``, such as
        `fmri2image.reconstruct.generators.deepsim.DeepGenerator`.

    Raises
    ------
    ConfigError
        If the name or a setting is unknown, or neither weights nor a seed is given.
    DataError
        If the weights do not fit the generator.
    """
    if "name" not in settings:
        raise ConfigError(f"A generator's settings need a 'name', one of {', '.join(GENERATORS)}.")
    module = importlib.import_module(generator_module(settings["name"]))
    own = {key: value for key, value in settings.items() if key not in ("weights", "bounds")}
    return module.build(own, settings.get("weights"))


def read_bounds(path: str | Path, n_latent: int | None = None) -> np.ndarray:
    """Read the upper bounds of a generator's latent; the lower bound is 0, because the latent is rectified (eq. 5).

    Parameters
    ----------
    path : path
        Text file of numbers, one per unit: the published whole numbers (registry entry ``generator-bounds-fc7``), or those
        that training wrote. Both are the mean plus three SD of a unit over images.
    n_latent : int, optional
        Length of the latent, if it is known.

    Returns
    -------
    bounds : float64 array of shape (n_latent,)

    Raises
    ------
    DataError
        If these are not so many numbers from 0 on.
    """
    from fmri2image.features.feature_std import read_act_range

    return read_act_range(path, n_latent)
