"""Decoded features on disk: one file per layer, one array per test, with the factor of the norm correction beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import LabelledArray, read_array
from fmri2image.core.errors import LabelMismatchError


class DecodedFeatures:
    """Decoded features of one test over several layers, read when asked for.

    Parameters
    ----------
    paths : mapping from layer to file
    test : str
        Name of the test whose rows are read.
    corrected : bool
        Whether `read` applies the norm correction stored in the files.
    """

    def __init__(self, paths: Mapping[str, str | Path], test: str, *, corrected: bool = True) -> None:
        self.paths = dict(paths)
        self.test = test
        self.corrected = corrected
        self._scale = {layer: read_array(path, f"{test}_scale") for layer, path in self.paths.items()}
        first = next(iter(self._scale.values()))
        for layer, scale in self._scale.items():
            if scale.rows != first.rows:
                raise LabelMismatchError(
                    f"{self.paths[layer]}: the rows of test '{test}' differ from other layers' rows."
                )
        self.rows = first.rows

    @property
    def layers(self) -> list[str]:
        """Names of the layers."""
        return list(self.paths)

    def read(self, layer: str, rows: Sequence[str] | None = None) -> np.ndarray:
        """Return decoded features (n_rows, channels, height, width) or (n_rows, units), float32, for the rows named."""
        rows = self.rows if rows is None else list(rows)
        values = read_array(self.paths[layer], self.test, rows).values
        if not self.corrected:
            return values
        scale = self._scale[layer].take(rows).values.astype(np.float32)
        return values * scale.reshape(-1, *[1] * (values.ndim - 1))


class FeaturesInMemory:
    """Features of several layers held in memory, with the interface of `DecodedFeatures`.

    Parameters
    ----------
    arrays : mapping from layer to LabelledArray
    """

    def __init__(self, arrays: Mapping[str, LabelledArray]) -> None:
        self._arrays = dict(arrays)
        self.rows = next(iter(self._arrays.values())).rows

    @property
    def layers(self) -> list[str]:
        """Names of the layers."""
        return list(self._arrays)

    def read(self, layer: str, rows: Sequence[str] | None = None) -> np.ndarray:
        """Return features of the rows named, as `DecodedFeatures.read` does."""
        return self._arrays[layer].take(self.rows if rows is None else rows).values
