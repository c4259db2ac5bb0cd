"""Decoders from voxels to features, found by name through `DECODERS`, and what they share.

Each module has ``fit(training, settings, context) -> Decoder``. A decoder is fitted to units when they arrive, block by
block, because features of a whole layer do not fit in memory. A module whose decoders hold large matrices beside the
training set says so: ``own_bytes(settings, n_trials, n_voxels, n_stimuli, itemsize) -> int``.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fmri2image.core.errors import ConfigError

if TYPE_CHECKING:
    from fmri2image.decode.training import Training

# Name of a decoder → module. The module's name is put together only when it is used, so that an edit to one decoder reruns
# that decoder alone (`core.digest.code_digest(also=...)`).
DECODERS = {
    "ridge": "ridge",
    "slr": "slr",
    "ridge-cv": "cross_validated",
    "banded-ridge": "cross_validated",
    "one-hot": "shortcut",
    "best-prediction": "shortcut",
}
# Decoders that read the true features of the test: no brain is needed, and every table says that they are transductive.
READS_TEST = ("best-prediction",)


@dataclass(frozen=True)
class Context:
    """What a decoder may use.

    Parameters
    ----------
    workers : int
        Processes that fit units at the same time.
    memory : int
        Bytes that one block of units may take.
    bands : mapping from area to boolean array of shape (n_voxels,)
        Groups of voxels for banded ridge.
    seed : int
    """

    workers: int = 1
    memory: int = 1_000_000_000
    bands: Mapping[str, np.ndarray] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True)
class Decoded:
    """Predictions for a block of units.

    Parameters
    ----------
    values : list of float32 arrays of shape (n_test, n_units)
        One per array of test responses, in the units of the true features.
    chosen : int32 array of shape (n_units, n_chosen), optional
        Voxels of each unit's decoder, -1 in places that are not used; None where every voxel is used.
    weights : float32 array of shape (n_units, n_chosen) or (n_units, n_voxels), optional
        Weights on standardised voxels for standardised units, of `chosen` or of every voxel; zero where a voxel was pruned.
    intercept : float32 array of shape (n_units,), optional
        On the scale of standardised units.
    penalties : float32 array of shape (n_units, n_bands), optional
        Penalty of squared weights that cross-validation chose, per band of voxels.
    """

    values: list[np.ndarray]
    chosen: np.ndarray | None = None
    weights: np.ndarray | None = None
    intercept: np.ndarray | None = None
    penalties: np.ndarray | None = None


class Decoder(Protocol):
    """Decoders of all units for one training set.

    Notes
    -----
    A decoder that must see all units of a layer before it can predict the first one is a `TwoPassDecoder`: it has the
    attribute ``passes = 2``. One without this attribute takes a single pass (``getattr(decoder, "passes", 1)``).
    """

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Fit the decoders of some units and predict them for test responses.

        Parameters
        ----------
        features : array of shape (n_stimuli, n_units)
            True features of the training stimuli.
        tests : sequence of arrays of shape (n_test, n_voxels)
            Test responses, in the units of the training responses.
        true : sequence of arrays of shape (n_test, n_units), optional
            True features of the tests; only decoders in `READS_TEST` get them.
        """
        ...


class TwoPassDecoder(Decoder, Protocol):
    """Decoder that reads all units of a layer before it predicts them, in two passes over the same blocks.

    For every layer, and again after a kill: `start`, then `observe` for every block of the layer, then `predict` for
    the blocks that are asked for, in any order. Both passes get the same stimuli and tests in the same order.
    """

    passes: int  # 2

    def start(self) -> None:
        """Forget what was observed: a new layer begins."""
        ...

    def observe(self, features: np.ndarray, true: Sequence[np.ndarray]) -> None:
        """Take in a block of units.

        Parameters
        ----------
        features : array of shape (n_stimuli, n_units)
            True features of the training stimuli.
        true : sequence of arrays of shape (n_test, n_units)
            True features of the tests.
        """
        ...


def decoder_module(name: str) -> str:
    """Return the dotted name of the module of a decoder.

    Raises
    ------
    ConfigError
        If there is no such decoder.
    """
    if name not in DECODERS:
        raise ConfigError(f"decoder '{name}' is unknown; use one of {', '.join(DECODERS)}.")
    return f"fmri2image.decode.{DECODERS[name]}"


def fit_decoder(training: "Training", settings: Mapping, context: Context) -> Decoder:
    """Return the decoder that ``settings["decoder"]`` names, for one training set."""
    module = importlib.import_module(decoder_module(settings["decoder"]))
    return module.fit(training, settings, context)
