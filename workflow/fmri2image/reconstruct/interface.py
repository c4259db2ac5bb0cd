"""What every reconstruction method hands back, and how a method's module is found.

A method is a module ``fmri2image.reconstruct.<name>`` with ``reconstruct(test, state, settings, device)`` and, where there
is something to learn, ``fit(train, stimuli, settings, device)``. A method whose settings name a ``decoder`` takes decoded
features; every other method takes samples, of the rows that are tested as `Responses`. A function of a method that works
long may also take ``work``, see `Work`.
"""

import importlib
import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.errors import ConfigError, LabelMismatchError
from fmri2image.core.samples import Samples
from fmri2image.core.splits import test_rows

PACKAGE = "fmri2image.reconstruct"


@dataclass
class Responses(LabelledArray):
    """Responses of test rows, what methods that take samples reconstruct from.

    Parameters
    ----------
    values : array of shape (n_rows, n_voxels)
    rows : sequence of str, length n_rows
    attributes : dict
    n_trials : integer array of shape (n_rows,)
        Trials that were averaged into each row; one each if it is not given.
    """

    n_trials: np.ndarray | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        n = np.ones(len(self.rows), dtype=int) if self.n_trials is None else np.asarray(self.n_trials, dtype=int)
        if n.shape != (len(self.rows),):
            raise LabelMismatchError(f"{n.size} counts of trials for {len(self.rows)} rows.")
        self.n_trials = n

    @classmethod
    def of(cls, samples: Samples, rows: str) -> "Responses":
        """Return the test rows of samples, see `fmri2image.core.splits.test_rows`."""
        values, names, n_trials = test_rows(samples, rows)
        return cls(values, names, n_trials=n_trials)

    def take(self, names: Sequence[str], what: str = "the requested rows") -> "Responses":
        """Return the rows called `names`, in that order; raises LabelMismatchError if one is missing."""
        index = row_index(self.rows, names, what)
        return Responses(self.values[index], list(names), dict(self.attributes), self.n_trials[index])


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
    """What a long reconstruction or training may use, none of which changes its result.

    Parameters
    ----------
    memory : int or None
        Bytes of the whole job.
    output : path or None
        File that will be written: what is done may be kept beside it until it is.
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


def takes_work(function: Callable) -> bool:
    """Tell whether a method's `fit` or `reconstruct` takes ``work``."""
    return "work" in inspect.signature(function).parameters
