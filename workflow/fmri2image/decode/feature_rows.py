"""True features of one layer over several files, read by stimulus name and by chunks of units.

Feature files hold rows of stimuli one after the other (`features.extract` and `features.published` write them without HDF5
chunks), so that a hyperslab of some units reads one piece per stimulus and nothing else: every byte is read once.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import open_h5, row_index
from fmri2image.core.errors import ConfigError
from fmri2image.features.convert.belongs import check_belongs

TRANSFORMS = ("raw", "absolute")


@dataclass(frozen=True)
class Chunk:
    """Units of a layer that are decoded together.

    Parameters
    ----------
    box : tuple of slices, one per axis of the layer
    start, stop : int
        The same units in the flattened layer.
    whole_channels : bool
        Whether the box holds complete channels only.
    """

    box: tuple[slice, ...]
    start: int
    stop: int
    whole_channels: bool

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.stop - self.start

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the box."""
        return tuple(part.stop - part.start for part in self.box)


def plan_chunks(shape: Sequence[int], most: int) -> list[Chunk]:
    """Cut a layer into boxes of at most `most` units, in the order of its units.

    Channels are kept together where they fit; otherwise a channel is cut by rows, and a row only if it is too long itself.
    The pieces of one channel have nearly equal sizes.
    """
    shape, most = tuple(int(size) for size in shape), max(1, most)
    axis = next(axis for axis in range(len(shape)) if prod(shape[axis + 1 :]) <= most or axis == len(shape) - 1)
    inner, size = prod(shape[axis + 1 :]), shape[axis]
    pieces = -(-size // max(1, most // inner))
    step = -(-size // pieces)
    chunks = []
    for leading in np.ndindex(*shape[:axis]):
        first = int(np.ravel_multi_index(leading, shape[:axis])) * size * inner if leading else 0
        for start in range(0, size, step):
            stop = min(start + step, size)
            box = (*(slice(i, i + 1) for i in leading), slice(start, stop), *(slice(0, n) for n in shape[axis + 1 :]))
            whole = axis == 0 or (stop - start == size and axis == 1)
            chunks.append(Chunk(box, first + start * inner, first + stop * inner, whole))
    return chunks


class FeatureRows:
    """True features of one layer; a context manager.

    Parameters
    ----------
    paths : mapping from stimulus set to feature file
    transform : {"raw", "absolute"}
        ``absolute``: features count by their absolute values (Shen et al. 2019, Fig. 5).

    Attributes
    ----------
    shape : tuple of int
        Of the layer.
    attributes : dict
        What the first file says about its features.

    Raises
    ------
    DataError
        If a file cannot be read, or the files come from different networks.
    ConfigError
        If the transform is unknown.
    """

    def __init__(self, paths: Mapping[str, str | Path], transform: str = "raw") -> None:
        if transform not in TRANSFORMS:
            raise ConfigError(f"transform: '{transform}' is unknown; use {' or '.join(TRANSFORMS)}.")
        self._paths, self._absolute = dict(paths), transform == "absolute"

    def __enter__(self) -> "FeatureRows":
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

    def check(self, stimuli: Sequence[str], what: str = "The trial table") -> None:
        """Stop with both sides named unless all these stimuli have features."""
        row_index(list(self._where), stimuli, what)

    def read(self, stimuli: Sequence[str], chunk: Chunk) -> np.ndarray:
        """Return the features of stimuli, float32 (n_stimuli, n_units), reading no other stimulus."""
        out = np.empty((len(stimuli), *chunk.shape), dtype=np.float32)
        places = np.array([self._where[name] for name in stimuli]).reshape(-1, 2)
        for number, file in enumerate(self._files):
            mine = np.flatnonzero(places[:, 0] == number)
            mine = mine[np.argsort(places[mine, 1], kind="stable")]
            for rows in _runs(places[mine, 1], mine):
                first, count = places[rows[0], 1], len(rows)
                source = (slice(first, first + count), *chunk.box)
                if np.array_equal(rows, np.arange(rows[0], rows[0] + count)):
                    file["features"].read_direct(out, source, np.s_[rows[0] : rows[0] + count])
                else:
                    out[rows] = file["features"][source]
        flat = out.reshape(len(stimuli), chunk.n_units)
        return np.abs(flat, out=flat) if self._absolute else flat

    def identity(self) -> dict:
        """Return what tells these files from others without reading them: names of rows, size, time and attributes.

        The features themselves are not digested: that would read a layer (15 GB for conv1_1 of VGG19) once more than
        decoding it does. A file that was written again has another time; one that was only touched makes a chunk that
        could have been kept be decoded again, which is the harmless side.
        """
        found = {}
        for (stimulus_set, path), file in zip(self._paths.items(), self._files, strict=True):
            status = Path(path).stat()
            rows = hashlib.sha256("\n".join(self._names[stimulus_set]).encode()).hexdigest()
            attributes = {key: str(value) for key, value in sorted(file["features"].attrs.items())}
            shape = list(file["features"].shape)
            found[stimulus_set] = [rows, shape, status.st_size, status.st_mtime_ns, attributes]
        return found


def _runs(positions: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    """Cut rows, ordered by their positions in a file, where the positions do not follow on each other."""
    if not len(rows):
        return []
    return np.split(rows, np.flatnonzero(np.diff(positions) != 1) + 1)
