"""What every reconstruction method hands back, and how a method's module is found.

A method is a module ``fmri2image.reconstruct.<name>`` with ``reconstruct(test, state, settings, device)`` and, where there
is something to learn, ``fit(train, stimuli, settings, device)``. A method whose settings name a ``decoder`` takes decoded
features; every other method takes samples. A method that works long may also take ``work``, see `Work`.
"""

import importlib
import importlib.util
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
    path : LabelledArray or None, values of shape (n_rows, n_steps)
        Loss along the optimisation, where the method optimises.
    snapshots : LabelledArray or None, values of shape (n_rows, n_snapshots, 3, height, width), uint8
        Images along the way.
    snapshot_iterations : list of int
        Iterations after which they were taken.
    """

    images: LabelledArray
    path: LabelledArray | None = None
    snapshots: LabelledArray | None = None
    snapshot_iterations: list[int] = field(default_factory=list)

    def arrays(self) -> dict[str, LabelledArray]:
        """Return what is there as arrays of a file; `snapshot_iterations` is an attribute of ``snapshots``, as JSON."""
        found = {"images": self.images, "path": self.path}
        if self.snapshots is not None:
            taken = {"snapshot_iterations": json.dumps(self.snapshot_iterations)}
            found["snapshots"] = LabelledArray(self.snapshots.values, self.snapshots.rows, taken)
        return {name: array for name, array in found.items() if array is not None}


@dataclass(frozen=True)
class Work:
    """What a long reconstruction may use, none of which changes its result.

    Parameters
    ----------
    memory : int or None
        Bytes of the whole job.
    output : path or None
        File that will be written: rows that are done may be kept beside it until it is.
    fingerprint : mapping
        What results depend on beside settings and features, in types that JSON knows: the code.
    """

    memory: int | None = None
    output: Path | None = None
    fingerprint: Mapping = field(default_factory=dict)


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


def takes_work(method: ModuleType) -> bool:
    """Tell whether a method's `reconstruct` takes ``work``."""
    return "work" in inspect.signature(method.reconstruct).parameters
