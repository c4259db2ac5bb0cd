"""Rows that are done, kept beside the output until all are, so that a kill costs one batch.

A hidden file ``.unfinished-<output>.npz`` holds the arrays of the rows done so far (Snakemake deletes the outputs of a job
that failed, and knows nothing of this file), with checksums (zip), which are verified before it counts. Every row carries a
key, a digest of all that its result depends on; a row whose key is another now is computed again.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fmri2image.core.archives import zip_is_whole
from fmri2image.core.arrays import LabelledArray
from fmri2image.core.files import replacing

log = logging.getLogger(__name__)

FORMAT = 2
ROWS, KEYS = "rows", "keys"


def unfinished_path(output: str | Path) -> Path:
    """Return where the finished rows of an output are kept until it is written."""
    return Path(output).with_name(f".unfinished-{Path(output).name}.npz")


class UnfinishedRows:
    """The finished rows of one output.

    Parameters
    ----------
    output : path or None
        File that is to be written; None keeps nothing on the disk.
    fingerprint : mapping
        What all results depend on, in types that JSON knows.
    """

    def __init__(self, output: str | Path | None, fingerprint: Mapping) -> None:
        self.path = None if output is None else unfinished_path(output)
        self._fingerprint = json.dumps({"format": FORMAT, **fingerprint}, sort_keys=True).encode()
        self._arrays: dict[str, LabelledArray] = {}

    def key(self, row: str, inputs: Sequence[np.ndarray]) -> str:
        """Return the key of a row from what it is made of."""
        digest = hashlib.blake2b(self._fingerprint, digest_size=20)
        digest.update(row.encode())
        for values in inputs:
            digest.update(str((values.dtype.str, values.shape)).encode())
            digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def load(self) -> dict[str, str]:
        """Read what an earlier process left; return the key of every row that it finished."""
        if self.path is None or not self.path.exists():
            return {}
        # Of a process that was killed while writing.
        for stale in self.path.parent.glob(f".partial-*-{self.path.name}"):
            stale.unlink(missing_ok=True)
        if not zip_is_whole(self.path):
            log.warning("%s is damaged; what was done is done again", self.path.name)
            return {}
        with np.load(self.path, allow_pickle=False) as file:
            rows, keys = ([str(text) for text in file[name]] for name in (ROWS, KEYS))
            self._arrays = {name: LabelledArray(file[name], rows) for name in file.files if name not in (ROWS, KEYS)}
        return dict(zip(rows, keys, strict=True))

    def keep_only(self, rows: Sequence[str], total: int) -> None:
        """Drop all rows but those named, which are still right; `total` are wanted in all."""
        held = sum(len(array.rows) for array in list(self._arrays.values())[:1])
        if held > len(rows):
            log.info("%d images belong to other features, settings or code; they are made anew", held - len(rows))
        if rows:
            log.info("%d of %d images are done and are kept", len(rows), total)
        self._arrays = {name: array.take(rows) for name, array in self._arrays.items()} if rows else {}

    def add(self, arrays: Mapping[str, LabelledArray], keys: Mapping[str, str]) -> None:
        """Add the arrays of finished rows and write all that is done.

        Parameters
        ----------
        arrays : mapping from name to LabelledArray
            The same names and rows every time.
        keys : mapping from row to key
            Of all rows that are done.
        """
        for name, array in arrays.items():
            before = self._arrays.get(name)
            values = array.values if before is None else np.concatenate([before.values, array.values])
            rows = array.rows if before is None else [*before.rows, *array.rows]
            self._arrays[name] = LabelledArray(values, rows)
        if self.path is not None:
            rows = next(iter(self._arrays.values())).rows
            arrays = {name: array.values for name, array in self._arrays.items()}
            known = np.array([keys[row] for row in rows])
            with replacing(self.path) as partial, partial.open("wb") as file:
                np.savez(file, **arrays, **{ROWS: np.array(rows), KEYS: known})
                file.flush()
                os.fsync(file.fileno())

    def take(self, rows: Sequence[str]) -> dict[str, LabelledArray]:
        """Return the arrays of the rows named, in that order."""
        return {name: array.take(rows) for name, array in self._arrays.items()}
