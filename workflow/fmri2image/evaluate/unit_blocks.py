"""Features and decoded features of one layer, read in blocks of units, joined by the names of stimuli."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.arrays import open_h5
from fmri2image.core.errors import DataError, LabelMismatchError

Block = tuple[slice, ...]
# What a decoder may have been fitted to in place of the raw features (Shen et al. 2019, Fig. 5: luminance has no sign in
# fMRI); the true features that it is compared with are changed alike.
TRANSFORMS = {"raw": np.asarray, "absolute": np.abs}


def unit_blocks(shape: tuple[int, ...], n_rows: int, n_bytes: int) -> Iterator[Block]:
    """Yield index tuples that together cover a layer once, in C order, each of at most `n_bytes` where it can be.

    Parameters
    ----------
    shape : tuple of int
        Shape of the layer: (channels, height, width) or (units,).
    n_rows : int
        Rows that are held of each unit, 8 bytes each.
    n_bytes : int
        A single row of the last axis is the least that is read; one unit where that is the only axis.
    """
    per_step = n_rows * int(np.prod(shape[1:], dtype=int)) * 8
    if per_step <= n_bytes or len(shape) == 1:
        step = max(1, n_bytes // per_step)
        for start in range(0, shape[0], step):
            yield (slice(start, min(start + step, shape[0])),)
        return
    for first in range(shape[0]):
        for rest in unit_blocks(shape[1:], n_rows, n_bytes):
            yield (slice(first, first + 1), *rest)


class LayerFeatures:
    """True features of one layer over several stimulus sets, open for reading.

    Parameters
    ----------
    paths : mapping from stimulus set to feature file
    transform : str
        One of `TRANSFORMS`, applied to all that is read.

    Raises
    ------
    DataError
        If the transform is unknown.
    """

    def __init__(self, paths: Mapping[str, str | Path], transform: str = "raw") -> None:
        if transform not in TRANSFORMS:
            raise DataError(f"transform '{transform}' of decoded features is unknown; use {', '.join(TRANSFORMS)}.")
        self._paths, self._change = dict(paths), TRANSFORMS[transform]

    def __enter__(self) -> "LayerFeatures":
        with ExitStack() as files:
            self._files = {name: files.enter_context(open_h5(path)) for name, path in self._paths.items()}
            self._opened = files.pop_all()
        self.names = {name: [row.decode() for row in file["features_rows"][:]] for name, file in self._files.items()}
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def check_shape(self, shape: tuple[int, ...], decoded: str | Path) -> None:
        """Refuse features whose layer has another shape than the decoded one."""
        for name, file in self._files.items():
            if file["features"].shape[1:] != shape:
                raise LabelMismatchError(
                    f"{self._paths[name]} holds a layer of shape {file['features'].shape[1:]}, {decoded} one of {shape}."
                )

    def read(self, stimulus_set: str, block: Block) -> np.ndarray:
        """Return features (n_stimuli, n_units) of a block, in the order of `names`."""
        return self._change(flat(self._files[stimulus_set]["features"], block))


def flat(dataset: h5py.Dataset, block: Block) -> np.ndarray:
    """Return a block of all rows of a dataset (n_rows, ...) as an array (n_rows, n_units)."""
    return dataset[(slice(None), *block)].reshape(len(dataset), -1)
