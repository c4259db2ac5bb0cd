"""What a downloaded file of weights is: told by its first bytes, taken out of an archive where it lies in one."""

import fnmatch
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fmri2image.core.archives import UNREADABLE, check_rest, one_line
from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

SUFFIXES = (".caffemodel", ".pt", ".pth")
TORCH_INDEX = "data.pkl"  # in every file of torch.save since 1.6, which is a zip archive itself
PICKLE = b"\x80"


def kind(path: str | Path) -> str:
    """Return ``torch``, ``archive`` or ``caffe``: what the first bytes of a file say.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(512)
        if head.startswith(b"PK") and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inner = archive.namelist()
            return "torch" if any(name.endswith(f"/{TORCH_INDEX}") for name in inner) else "archive"
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; it should hold published weights.") from error
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read ({error}); fetch it again.") from error
    if head.startswith(b"PK"):
        raise DataError(f"{path} is a zip archive without its end: it was cut; fetch it again.")
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):  # a .caffemodel begins with a line feed
        raise DataError(f"{path} is a web page, not weights; look at it, then fetch it again.")
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")) or head[257:262] == b"ustar":
        return "archive"
    return "torch" if head.startswith(PICKLE) else "caffe"


@contextmanager
def weights_file(path: str | Path, member: str, folder: str | Path) -> Iterator[tuple[Path, str]]:
    """Yield a file that is no archive, and its kind; what comes out of an archive is removed afterwards.

    Parameters
    ----------
    path : path
        A ``.caffemodel``, a file of ``torch.save``, or a zip or tar archive that holds one.
    member : str
        Path in the archive, or a pattern of it (``*/fc7/generator.caffemodel``); empty if there is only one candidate.
    folder : path
        Where there is room for the unpacked file.

    Yields
    ------
    file : Path
    kind : str
        ``torch`` or ``caffe``.

    Raises
    ------
    DataError
        If the file or archive is damaged, or the member is not there or not the only one.
    """
    path = Path(path)
    found = kind(path)
    if found != "archive":
        yield path, found
        return
    unpacked = Path(folder) / f".unpacked-{path.name}"
    try:
        name = _unpack(path, member, unpacked)
        inner = kind(unpacked)
        if inner == "archive":
            raise DataError(f"{path}: {name} is an archive itself; unpack it by hand and name the file inside.")
        yield unpacked, inner
    finally:
        with suppress(FileNotFoundError):
            unpacked.unlink()


def _unpack(path: Path, member: str, output: Path) -> str:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                name = _choose([info.filename for info in archive.infolist() if not info.is_dir()], member, path)
                with archive.open(name) as stream, replacing(output) as partial, partial.open("wb") as file:
                    shutil.copyfileobj(stream, file, 2**20)
            return name
        with tarfile.open(path, "r:*") as archive:
            files = [info.name for info in archive.getmembers() if info.isfile()]
            name = _choose(files, member, path)
            stream = archive.extractfile(name)
            with replacing(output) as partial, partial.open("wb") as file:
                shutil.copyfileobj(stream, file, 2**20)
                check_rest(archive)
        return name
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read as an archive ({one_line(error)}); fetch it again.") from error


def _choose(names: list[str], member: str, path: Path) -> str:
    weights = [name for name in names if name.endswith(SUFFIXES) and not name.startswith("__MACOSX/")]
    asked_for = [name for name in names if name == member] or fnmatch.filter(names, member)
    candidates = asked_for if member else weights
    if len(candidates) != 1:
        asked = f"files like '{member}'" if member else "files of weights"
        raise DataError(
            f"{path} holds {len(candidates)} {asked} instead of one; name one as the member: {shorten(weights, 12) or 'none'}."
        )
    return candidates[0]
