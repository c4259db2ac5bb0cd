"""What every reconstruction method hands back, and how a method's module is found.

A method is a module ``fmri2image.reconstruct.<name>`` with ``reconstruct(test, state, settings, device)`` and, where there
is something to learn, ``fit(train, stimuli, settings, device)``. A method whose settings name a ``decoder`` takes decoded
features; every other method takes samples.
"""

import importlib
import importlib.util
from dataclasses import dataclass
from types import ModuleType

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import ConfigError

PACKAGE = "fmri2image.reconstruct"


@dataclass
class Reconstructions:
    """Images of one method, subject, area and test.

    Parameters
    ----------
    images : LabelledArray, values of shape (n_rows, 3, height, width)
        Float RGB in [0, 1], as the method made them (not stretched for display).
    path : LabelledArray or None, values of shape (n_rows, n_evaluations)
        Loss along the optimisation, where the method optimises.
    """

    images: LabelledArray
    path: LabelledArray | None = None


def method_module(name: str) -> str:
    """Return the dotted name of a method's module.

    Raises
    ------
    ConfigError
        If there is no such method.
    """
    module = f"{PACKAGE}.{name}"
    if importlib.util.find_spec(module) is None:
        raise ConfigError(f"There is no reconstruction method '{name}': {module} does not exist.")
    return module


def load_method(name: str) -> ModuleType:
    """Import a method's module."""
    return importlib.import_module(method_module(name))
