"""Writing files so that nothing half written ever looks finished, and a full disk is one clear sentence."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fmri2image.core.errors import Fmri2imageError, WriteError

# Why the system refuses to write, and what helps.
REFUSALS = {
    errno.ENOSPC: ("the disk is full", "make room"),
    errno.EDQUOT: ("your disk quota is used up", "make room"),
    errno.EFBIG: ("it is larger than a file may be here", "raise the limit (ulimit -f)"),
    errno.EACCES: ("writing is not permitted there", "change the permissions"),
    errno.EPERM: ("writing is not permitted there", "change the permissions"),
    errno.EROFS: ("the disk is mounted read-only", "mount it for writing"),
    errno.EIO: ("the disk reports an error", "check the disk"),
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Libraries that write by themselves put the number into their message: HDF5, safetensors, Python.
NUMBER = re.compile(r"(?:errno = |os error |\[Errno )(\d+)")
TORCH = re.compile(r"PytorchStreamWriter|inline_container|iostream error")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends without an error.

    The temporary name keeps the suffixes of `path` (``.nii.gz``, ``.h5``) because writers choose the format by them.
    On an error the temporary file is removed and an earlier `path` stays as it was.

    Raises
    ------
    WriteError
        If the system refuses to write, whatever the library that wrote made of it.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except Fmri2imageError:
        raise
    except Exception as error:
        refusal = _refusal(error, partial)
        if refusal is None:
            raise
        what, remedy = refusal
        raise WriteError(
            f"{path} could not be written because {what}; {remedy} and run the same command again, which goes on from "
            "there."
        ) from error
    finally:
        with suppress(OSError):  # absent after the renaming; a system that refuses must not hide the sentence above
            partial.unlink()


def _refusal(error: BaseException, partial: Path) -> tuple[str, str] | None:
    """Return why the system refused to write `partial` and what helps, None if the error is another."""
    chain: list[BaseException] = []
    waiting: BaseException | None = error
    while waiting is not None and waiting not in chain:
        chain.append(waiting)
        waiting = waiting.__cause__ or waiting.__context__
    named = [name for one in chain for name in re.findall(r"\.partial-\d+-[^'\"\s]+", str(one))]
    if named and partial.name not in named:
        return None  # several files are open, and this error is about another one
    for one in chain:
        number = one.errno if isinstance(one, OSError) else None
        if number is None and (match := NUMBER.search(str(one))):
            number = int(match[1])
        if number in FULL:
            return REFUSALS[number]
        # These also come from files that are only read: the name must be that of the file or its folder.
        if number in REFUSALS and str(getattr(one, "filename", None)) in (str(partial), str(partial.parent)):
            return REFUSALS[number]
    if any(isinstance(one, RuntimeError) and TORCH.search(str(one)) for one in chain):
        return "the disk is probably full", "make room"  # torch does not say why its stream failed
    return None
