"""Chunks of a layer that are done, kept beside the output until the layer is finished, so that a kill costs one chunk.

A folder ``.unfinished-<layer>`` beside the output (Snakemake deletes the outputs of a job that failed, and knows nothing
of this folder) holds one file per finished chunk and ``plan.json``. The names in the folder are the journal: a chunk is
written under another name, flushed to the disk and renamed, so that a name stands for a complete file. Every file carries
checksums (zip), which are verified before it counts as done.
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

from fmri2image.core.archives import zip_is_whole
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

log = logging.getLogger(__name__)

FORMAT = 1  # of the files in the folder


class Unfinished:
    """The finished chunks of one layer; a context manager that holds the folder for this process.

    Parameters
    ----------
    output : path
        File that is to be written.
    fingerprint : mapping
        Everything that the result depends on, in types that JSON knows. Chunks of another fingerprint are thrown away.
    most_units : int
        Units that a chunk may have in this run.

    Attributes
    ----------
    most_units : int
        Units that a chunk has at most: as in the run that began the layer, if that is not more than allowed now.

    Raises
    ------
    DataError
        If another process decodes the same layer now.
    """

    def __init__(self, output: str | Path, fingerprint: Mapping, most_units: int) -> None:
        self.output = Path(output)
        self.folder = self.output.with_name(f".unfinished-{self.output.stem}")
        self._plan = self.folder / "plan.json"
        self._fingerprint = json.loads(json.dumps({"format": FORMAT, **fingerprint}, sort_keys=True))
        self.most_units = most_units

    def __enter__(self) -> "Unfinished":
        self._lock = self._hold()
        for name in (self.output.name, f"{self.output.stem}_decoders.h5"):
            for stale in self.output.parent.glob(f".partial-*-{name}"):  # of a process that was killed at the end
                stale.unlink(missing_ok=True)
        plan = self._read_plan()
        self._done: set[str] = set()
        if plan is not None and plan["fingerprint"] == self._fingerprint and plan["most_units"] <= self.most_units:
            self.most_units = plan["most_units"]
            self._done = {path.stem for path in self.folder.glob("chunk-*.npz") if _whole(path)}
            if self._done:
                log.info("%d chunks of %s are done and are kept", len(self._done), self.output.stem)
            return self
        if any(self.folder.glob("chunk-*.npz")):
            log.info(
                "what was done of %s belongs to other data, settings, code or limits; it starts anew", self.output.stem
            )
        self._plan.unlink(missing_ok=True)  # first: without it nothing else in the folder counts
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()
        with replacing(self._plan) as partial:
            _write(partial, json.dumps({"most_units": self.most_units, "fingerprint": self._fingerprint}).encode())
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def done(self, name: str) -> bool:
        """Tell whether a chunk is done."""
        return f"chunk-{name}" in self._done

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep the arrays of a chunk; it counts as done when they are on the disk."""
        with replacing(self._path(name)) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        self._done.add(f"chunk-{name}")

    def load(self, name: str) -> np.lib.npyio.NpzFile:
        """Return the arrays of a chunk, each read when it is asked for; a context manager."""
        return np.load(self._path(name), allow_pickle=False)

    def remove(self) -> None:
        """Remove the folder; the layer is finished."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"chunk-{name}.npz"

    def _hold(self) -> IO[str]:
        self.output.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(exist_ok=True)
        lock = (self.folder / "lock").open("w")
        try:
            # A record lock: worker processes do not inherit it, and the kernel drops it with the process.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            lock.close()
            raise DataError(
                f"{self.output} is being decoded by another process now; wait for it or stop it, then run again."
            ) from error
        except OSError:
            log.info("the file system of %s has no locks", self.folder)
        return lock

    def _read_plan(self) -> dict | None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            plan = json.loads(self._plan.read_text(encoding="utf-8"))
            return {"fingerprint": plan["fingerprint"], "most_units": int(plan["most_units"])}
        return None


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _whole(path: Path) -> bool:
    """Tell whether all checksums of a chunk's file are right."""
    whole = zip_is_whole(path)
    if not whole:
        log.warning("%s is damaged; its chunk is decoded again", path.name)
    return whole
