"""Decoded features on disk: one file per layer, one array per test, with all that a norm correction needs beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import LabelledArray, open_h5, read_array, read_attributes
from fmri2image.core.errors import ConfigError, LabelMismatchError
from fmri2image.decode.norm import KINDS, REFERENCES, SIZES, correct, factors, needs_centre, possible


class DecodedFeatures:
    """Decoded features of one test over several layers, read when asked for.

    Parameters
    ----------
    paths : mapping from layer to file
        Written by `fmri2image.decode.layers.LayerDecoding`.
    test : str
        Name of the test whose rows are read.
    correction : str
        Norm correction that `read` applies, one of `fmri2image.decode.norm.KINDS`.

    Raises
    ------
    LabelMismatchError
        If the layers do not hold the same rows.
    ConfigError
        If the correction needs a size or a training mean that published decoded features came without.
    """

    def __init__(self, paths: Mapping[str, str | Path], test: str, *, correction: str) -> None:
        self.paths = dict(paths)
        self.test = test
        self.correction = correction
        self._factors = {layer: self._layer_factors(path) for layer, path in self.paths.items()}
        first = next(iter(self._factors.values()))
        for layer, found in self._factors.items():
            if found.rows != first.rows:
                raise LabelMismatchError(
                    f"{self.paths[layer]}: the rows of test '{test}' differ from other layers' rows."
                )
        self.rows = first.rows

    @property
    def layers(self) -> list[str]:
        """Names of the layers."""
        return list(self.paths)

    def attributes(self, layer: str) -> dict:
        """Return what the file of a layer says about its features."""
        return read_attributes(self.paths[layer])

    def read(self, layer: str, rows: Sequence[str] | None = None) -> np.ndarray:
        """Return corrected features (n_rows, channels, height, width) or (n_rows, units), float32, of the rows named."""
        rows = self.rows if rows is None else list(rows)
        path = self.paths[layer]
        values = read_array(path, self.test, rows).values
        if self.correction == "none":
            return values
        found = self._factors[layer].take(rows).values
        if not needs_centre(self.correction):
            return correct(values, found)
        trainings = [_text(name) for name in read_array(path, f"{self.test}_training", rows).values]
        for training in dict.fromkeys(trainings):
            mine = np.array([name == training for name in trainings])
            mean = read_array(path, "training_mean", [training]).values[0]
            values[mine] = correct(values[mine], found[mine], mean)
        return values

    def _layer_factors(self, path: str | Path) -> LabelledArray:
        sizes = read_array(path, f"{self.test}_sizes")
        reference = read_array(path, f"{self.test}_reference", sizes.rows)
        columns = dict(zip(SIZES, sizes.values.T, strict=True))
        true = dict(zip(REFERENCES, reference.values.T, strict=True))
        works = possible(columns, true)
        if self.correction in KINDS and self.correction not in works:
            raise ConfigError(
                f"norm_correction '{self.correction}' needs sizes or training means of true features that {path} came "
                f"without; what is known allows {', '.join(works)}."
            )
        return LabelledArray(factors(self.correction, columns, true), sizes.rows)


class TrueFeatures:
    """True features of several layers, read when asked for, with the interface of `DecodedFeatures`.

    Parameters
    ----------
    paths : mapping from layer to file
        Written by ``extract_features`` or ``import_features``.

    Raises
    ------
    LabelMismatchError
        If the layers do not hold the same stimuli in the same order.
    """

    def __init__(self, paths: Mapping[str, str | Path]) -> None:
        self.paths = dict(paths)
        found = {layer: _stimuli(path) for layer, path in self.paths.items()}
        self.rows = next(iter(found.values()))
        for layer, rows in found.items():
            if rows != self.rows:
                raise LabelMismatchError(f"{self.paths[layer]}: the stimuli differ from those of other layers.")

    @property
    def layers(self) -> list[str]:
        """Names of the layers."""
        return list(self.paths)

    def attributes(self, layer: str) -> dict:
        """Return what is known about the features of a layer."""
        return read_array(self.paths[layer], "features", []).attributes

    def read(self, layer: str, rows: Sequence[str] | None = None) -> np.ndarray:
        """Return features of the rows named, as `DecodedFeatures.read` does."""
        return read_array(self.paths[layer], "features", self.rows if rows is None else rows).values


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

    def attributes(self, layer: str) -> dict:
        """Return what is known about the features of a layer."""
        return self._arrays[layer].attributes

    def read(self, layer: str, rows: Sequence[str] | None = None) -> np.ndarray:
        """Return features of the rows named, as `DecodedFeatures.read` does."""
        return self._arrays[layer].take(self.rows if rows is None else rows).values


def _stimuli(path: str | Path) -> list[str]:
    with open_h5(path) as file:
        return [_text(name) for name in file["features_rows"][:]]


def _text(name: str | bytes) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)
