"""The disk below downloads: room, one writer at a time, and refusals as one sentence."""

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fmri2image.core.errors import WriteError
from fmri2image.core.files import REFUSALS

log = logging.getLogger("fmri2image")

POLL = 0.2  # seconds between two looks at a lock that another process holds
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


def need_space(folder: str | Path, n_bytes: int) -> None:
    """Check that the disk has room.

    Parameters
    ----------
    folder : path
        Need not exist yet.
    n_bytes : int
        Bytes that will be written there.

    Raises
    ------
    WriteError
        If the disk has less.
    """
    folder = Path(folder).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise WriteError(
            f"{folder} has {size_words(free)} of free disk space and {size_words(n_bytes)} are still to be downloaded "
            "there; make room and run the same command again, which goes on from what is there."
        )


def size_words(n_bytes: int) -> str:
    """Return a number of bytes as people write it."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.2f} {unit}"
    return f"{n_bytes} bytes"


def refused(target: Path, error: OSError) -> WriteError:
    """Return the sentence for a system that refuses to write."""
    what, remedy = REFUSALS.get(error.errno or 0, (f"the system refused ({error.strerror or error})", "look into it"))
    return WriteError(
        f"{target} could not be written because {what}; {remedy} and run the same command again, which goes on from there."
    )


@contextmanager
def only_one(target: Path) -> Iterator[None]:
    """Hold a file's lock, so that two runs never write it at once; the second waits here.

    The lock file is removed at the end, while it is still held: whoever waited sees that the name is gone or names
    another file and takes the new one. A file system that knows no locks gets a line in the log.

    Raises
    ------
    WriteError
        If the folder cannot be written.
    """
    path = target.with_name(f"{target.name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _locked(path)
    except OSError as error:
        raise refused(target, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _locked(path: Path) -> int:
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            if not told:
                log.info("another run is fetching %s; waiting for it", path.name.removesuffix(".lock"))
            told = True
            time.sleep(POLL)
            continue
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(descriptor)
                raise
            log.warning("%s: this file system has no locks; let only one run write here", path.parent)
            return descriptor
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)  # the one before us has removed this name
