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
from fmri2image.decode.norm import REFERENCES, SIZES, RowSizes, reference_sizes, size_table
from fmri2image.decode.ridge import RidgeDecoder, RidgeSettings
from fmri2image.features.convert.belongs import check_belongs


@dataclass
class _Target:
    """Where the rows of one fold of one test go."""

    test: str
    rows: slice
    responses: np.ndarray


@dataclass
class _Training:
    """One training set with its decoder and everything that is predicted with it."""

    name: str
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
        ``alpha``, ``n_voxels``, ``chunk`` and ``norm_reference``: the stimulus set whose true features say how large
        features are, or ``training``.
    device : torch.device

    Notes
    -----
    Held-out tests that share their training trials share one decoder.
    """

    def __init__(self, samples: Samples, tests: Mapping[str, Mapping], settings: Mapping, device: torch.device) -> None:
        self.reference: str = settings["norm_reference"]
        self.rows: dict[str, list[str]] = {}
        self.trainings: list[_Training] = []
        ridge = RidgeSettings(settings["alpha"], settings["n_voxels"], settings["chunk"])
        by_mask: dict[bytes, _Training] = {}
        for test, test_settings in tests.items():
            self.rows[test] = []
            for fold in folds(samples.trials, test_settings):
                training = by_mask.get(fold.train.tobytes())
                if training is None:
                    training = _Training(f"{test} {fold.name}", *_fit(samples, fold, ridge, device), [])
                    by_mask[fold.train.tobytes()] = training
                    self.trainings.append(training)
                responses, names = test_rows(samples.select(trials=fold.test), test_settings["rows"])
                start = len(self.rows[test])
                self.rows[test] += names
                training.targets.append(_Target(test, slice(start, start + len(names)), responses))

    def decode(self, features: Mapping[str, str | Path], output: str | Path, attributes: Mapping) -> None:
        """Decode one layer for all tests and write it, uncorrected, with what every norm correction needs.

        Parameters
        ----------
        features : mapping from stimulus set to feature file of this layer
            Files that together hold the true features (array ``features``) of all training stimuli and of the stimulus
            set that is the reference of the norm correction.
        output : path
            HDF5 file; per test an array (n_rows, ...) named as the test, and beside it ``<test>_sizes`` (n_rows, 5) and
            ``<test>_reference`` (n_rows, 2), columns as `norm.SIZES` and `norm.REFERENCES`, and ``<test>_training``
            (n_rows,), the row of ``training_mean`` (n_trainings, ...) that holds the training means of its units.
        attributes : mapping
            Attributes of the file.
        """
        with _FeatureRows(features) as source, replacing(output) as partial, h5py.File(partial, "w") as file:
            for key, value in {**source.attributes, **attributes}.items():
                file.attrs[key] = value
            self._allocate(file, source.shape)
            sizes = _Sizes(self.trainings, None if self.reference == "training" else source.names(self.reference))
            for block in source.blocks():
                sizes.add_independent(source, block)
                for i, training in enumerate(self.trainings):
                    true = source.read(training.stimuli, block)
                    mean = true.mean(axis=0, dtype=np.float64).astype(np.float32)
                    file["training_mean"][i, block] = mean
                    sizes.add_training(i, true)
                    decoded = training.decoder.predict(
                        true.reshape(len(true), -1), [target.responses for target in training.targets]
                    )
                    for j, (target, values) in enumerate(zip(training.targets, decoded, strict=True)):
                        values = values.reshape(len(values), *true.shape[1:])
                        file[target.test][target.rows, block] = values
                        sizes.add_decoded(i, j, values, mean)
            for i, training in enumerate(self.trainings):
                for j, target in enumerate(training.targets):
                    decoded, reference = sizes.columns(i, j)
                    file[f"{target.test}_sizes"][target.rows] = decoded
                    file[f"{target.test}_reference"][target.rows] = reference

    def _allocate(self, file: h5py.File, shape: tuple[int, ...]) -> None:
        text = h5py.string_dtype()
        trainings = {test: np.empty(len(rows), dtype=object) for test, rows in self.rows.items()}
        for training in self.trainings:
            for target in training.targets:
                trainings[target.test][target.rows] = training.name
        for test, rows in self.rows.items():
            file.create_dataset(test, (len(rows), *shape), dtype="f4")
            file.create_dataset(f"{test}_sizes", (len(rows), len(SIZES)), dtype="f8").attrs["columns"] = list(SIZES)
            file.create_dataset(f"{test}_reference", (len(rows), len(REFERENCES)), dtype="f8").attrs["columns"] = list(
                REFERENCES
            )
            file.create_dataset(f"{test}_training", data=trainings[test], dtype=text)
            for name in (test, f"{test}_sizes", f"{test}_reference", f"{test}_training"):
                file.create_dataset(f"{name}_rows", data=np.array(rows, dtype=text))
        file.create_dataset("training_mean", (len(self.trainings), *shape), dtype="f4")
        names = [training.name for training in self.trainings]
        file.create_dataset("training_mean_rows", data=np.array(names, dtype=text))


class _Sizes:
    """Sizes of decoded rows and of reference images of one layer, accumulated over blocks of channels."""

    def __init__(self, trainings: Sequence[_Training], independent: Sequence[str] | None) -> None:
        self._independent = independent
        if independent is None:
            self._references = [RowSizes(len(training.stimuli)) for training in trainings]
        else:
            self._references = [RowSizes(len(independent))] * len(trainings)
        lengths = [[len(target.responses) for target in training.targets] for training in trainings]
        self._plain = [[RowSizes(n) for n in row] for row in lengths]
        self._residual = [[RowSizes(n) for n in row] for row in lengths]

    def add_independent(self, source: "_FeatureRows", block: slice) -> None:
        """Add a block of the independent images' true features, if there are any."""
        if self._independent is not None:
            self._references[0].add(source.read(self._independent, block))

    def add_training(self, training: int, true: np.ndarray) -> None:
        """Add a block of the true features of a training set, unless independent images are the reference."""
        if self._independent is None:
            self._references[training].add(true)

    def add_decoded(self, training: int, target: int, values: np.ndarray, mean: np.ndarray) -> None:
        """Add a block of decoded features and of the training mean of its units."""
        self._plain[training][target].add(values)
        self._residual[training][target].add(values - mean)

    def columns(self, training: int, target: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the sizes (n_rows, 5) of decoded rows, and of the reference (2,)."""
        table = size_table(self._plain[training][target], self._residual[training][target])
        reference = reference_sizes(self._references[training])
        return np.stack([table[name] for name in SIZES], axis=1), np.array([reference[name] for name in REFERENCES])


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
        self._names = {
            stimulus_set: [name.decode() for name in file["features_rows"][:]]
            for stimulus_set, file in zip(self._paths, self._files, strict=True)
        }
        self._where: dict[str, tuple[int, int]] = {}
        for number, names in enumerate(self._names.values()):
            for position, name in enumerate(names):
                self._where[name] = (number, position)
        first = self._files[0]["features"]
        self.shape = first.shape[1:]
        self.attributes = dict(first.attrs)
        paths = list(self._paths.values())
        for path, file in zip(paths[1:], self._files[1:], strict=True):
            if "network" in self.attributes:
                check_belongs(self.attributes, file["features"].attrs, f"{paths[0]}", f"the features in {path}")
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def names(self, stimulus_set: str) -> list[str]:
        """Return the stimuli of a set."""
        return self._names[stimulus_set]

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
