"""Decoding the layers of a network, streamed over units so that no layer has to fit in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from fmri2image.core.arrays import open_h5, row_index
from fmri2image.core.files import replacing
from fmri2image.core.samples import Samples
from fmri2image.core.splits import Fold, folds, test_rows
from fmri2image.decode.norm import combine_sizes, correction_scale, layer_size
from fmri2image.decode.ridge import RidgeDecoder, RidgeSettings


@dataclass
class _Target:
    """Where the rows of one fold of one test go."""

    test: str
    rows: slice
    responses: np.ndarray


@dataclass
class _Training:
    """One training set with its decoder and everything that is predicted with it."""

    stimuli: list[str]
    decoder: RidgeDecoder
    targets: list[_Target]


class LayerDecoding:
    """Decoders of one subject and area for all tests; layers are decoded one after the other.

    Parameters
    ----------
    samples : Samples
        Trials of training and test sets, voxels of the area.
    tests : mapping from test name to its settings
        See `fmri2image.core.splits.folds`; ``rows`` is "stimulus" or "trial".
    settings : mapping
        ``alpha``, ``n_voxels``, ``chunk``, ``norm_correction``.
    device : torch.device

    Notes
    -----
    Held-out tests that share their training trials share one decoder.
    """

    def __init__(self, samples: Samples, tests: Mapping[str, Mapping], settings: Mapping, device: torch.device) -> None:
        self.kind = settings["norm_correction"]
        self.rows: dict[str, list[str]] = {}
        self.trainings: list[_Training] = []
        ridge = RidgeSettings(settings["alpha"], settings["n_voxels"], settings["chunk"])
        by_mask: dict[bytes, _Training] = {}
        for test, test_settings in tests.items():
            self.rows[test] = []
            for fold in folds(samples.trials, test_settings):
                training = by_mask.get(fold.train.tobytes())
                if training is None:
                    training = _Training(*_fit(samples, fold, ridge, device), [])
                    by_mask[fold.train.tobytes()] = training
                    self.trainings.append(training)
                responses, names = test_rows(samples.select(trials=fold.test), test_settings["rows"])
                start = len(self.rows[test])
                self.rows[test] += names
                training.targets.append(_Target(test, slice(start, start + len(names)), responses))

    def decode(self, features: Mapping[str, str | Path], output: str | Path, attributes: Mapping) -> None:
        """Decode one layer for all tests and write it.

        Parameters
        ----------
        features : mapping from stimulus set to feature file of this layer
            Files that together hold the true features of all training stimuli (array ``features``).
        output : path
            HDF5 file; per test an array (n_rows, ...) named as the test and ``<test>_scale`` (n_rows,).
        attributes : mapping
            Attributes of the file.
        """
        with _FeatureRows(features) as source, replacing(output) as partial, h5py.File(partial, "w") as file:
            text = h5py.string_dtype()
            for key, value in {**source.attributes, **attributes}.items():
                file.attrs[key] = value
            for test, rows in self.rows.items():
                file.create_dataset(test, (len(rows), *source.shape), dtype="f4")
                file.create_dataset(f"{test}_rows", data=np.array(rows, dtype=text))
            sizes = {test: [] for test in self.rows}
            references: list[list[np.ndarray]] = [[] for _ in self.trainings]
            channels = []
            for block in source.blocks():
                channels.append(block.stop - block.start)
                size = {test: np.zeros(len(rows)) for test, rows in self.rows.items()}
                for i, training in enumerate(self.trainings):
                    true = source.read(training.stimuli, block)
                    references[i].append(layer_size(true, self.kind))
                    decoded = training.decoder.predict(
                        true.reshape(len(true), -1), [t.responses for t in training.targets]
                    )
                    for target, values in zip(training.targets, decoded, strict=True):
                        values = values.reshape(len(values), *true.shape[1:])
                        file[target.test][target.rows, block] = values
                        size[target.test][target.rows] = layer_size(values, self.kind)
                for test in self.rows:
                    sizes[test].append(size[test])
            for test, rows in self.rows.items():
                scale = np.ones(len(rows))
                for i, training in enumerate(self.trainings):
                    reference = combine_sizes(references[i], channels, self.kind).mean()
                    for target in training.targets:
                        if target.test == test:
                            whole = combine_sizes([s[target.rows] for s in sizes[test]], channels, self.kind)
                            scale[target.rows] = correction_scale(whole, reference, self.kind)
                file.create_dataset(f"{test}_scale", data=scale)
                file.create_dataset(f"{test}_scale_rows", data=np.array(rows, dtype=text))


def _fit(samples: Samples, fold: Fold, ridge: RidgeSettings, device: torch.device) -> tuple[list[str], RidgeDecoder]:
    train = samples.select(trials=fold.train)
    names = train.trials["stimulus"].astype(str)
    stimuli = list(dict.fromkeys(names))
    index = row_index(stimuli, list(names))
    return stimuli, RidgeDecoder(train.data, index, ridge, device)


class _FeatureRows:
    """True features of one layer over several files, read by stimulus name and block of channels."""

    def __init__(self, paths: Mapping[str, str | Path], block_bytes: int = 200_000_000) -> None:
        self._paths, self._block_bytes = dict(paths), block_bytes

    def __enter__(self) -> "_FeatureRows":
        self._files = [open_h5(path) for path in self._paths.values()]
        self._where: dict[str, tuple[int, int]] = {}
        for number, file in enumerate(self._files):
            for position, name in enumerate(file["features_rows"][:]):
                self._where[name.decode()] = (number, position)
        first = self._files[0]["features"]
        self.shape = first.shape[1:]
        self.attributes = dict(first.attrs)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def blocks(self) -> Iterator[slice]:
        """Yield slices of the first unit axis; fully connected layers come in one piece."""
        n_rows = sum(len(file["features"]) for file in self._files)
        per_channel = n_rows * int(np.prod(self.shape[1:], dtype=int)) * 8
        step = self.shape[0] if len(self.shape) == 1 else max(1, self._block_bytes // per_channel)
        for start in range(0, self.shape[0], step):
            yield slice(start, min(start + step, self.shape[0]))

    def read(self, stimuli: Sequence[str], block: slice) -> np.ndarray:
        row_index(list(self._where), stimuli, "The trial table")
        out = np.empty((len(stimuli), block.stop - block.start, *self.shape[1:]), dtype=np.float32)
        places = np.array([self._where[name] for name in stimuli])
        for number, file in enumerate(self._files):
            mine = np.flatnonzero(places[:, 0] == number)
            if len(mine):
                values = file["features"][:, block]
                out[mine] = values[places[mine, 1]]
        return out
