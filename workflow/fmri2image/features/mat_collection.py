"""Many small MATLAB files in zip archives or folders, read one by one without unpacking anything to disk."""

import zipfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from fmri2image.core.archives import UNREADABLE
from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.matlab import read_mat, variables

ENDING = ".mat"


@dataclass(frozen=True)
class Member:
    """One MATLAB file of a collection.

    Parameters
    ----------
    source : Path
        The archive or folder as it was given.
    name : str
        Path inside it, with slashes.
    size : int
        Bytes when unpacked.
    """

    source: Path
    name: str
    size: int

    @property
    def folders(self) -> list[str]:
        """Folders on the way to the file, from the outside; for a folder that was given, its own name comes first."""
        inside = list(PurePosixPath(self.name).parts[:-1])
        return [self.source.resolve().name, *inside] if self.source.is_dir() else inside

    @property
    def stem(self) -> str:
        """Name of the file without ``.mat``."""
        return PurePosixPath(self.name).name[: -len(ENDING)]

    def __str__(self) -> str:
        return f"{self.source} ({self.name})"


class MatCollection:
    """The MATLAB files of several sources; a context manager.

    Parameters
    ----------
    sources : paths
        Zip archives, folders (searched with everything below) and single ``.mat`` files.

    Attributes
    ----------
    members : list of Member
        In the order of the sources, and within an archive in its own order.

    Raises
    ------
    DataError
        If a source does not exist, is none of these kinds, or no source holds a MATLAB file.
    """

    def __init__(self, sources: Iterable[str | Path]) -> None:
        self.sources = [Path(source) for source in sources]
        self.members: list[Member] = []
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "MatCollection":
        with ExitStack() as stack:
            for source in self.sources:
                self.members += self._list(source, stack)
            if not self.members:
                raise DataError(
                    f"{shorten(self.sources)} holds no file that ends in {ENDING}; is it the right archive?"
                )
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _list(self, source: Path, stack: ExitStack) -> list[Member]:
        if source.is_dir():
            files = sorted(path for path in source.rglob(f"*{ENDING}") if not path.name.startswith("._"))
            return [Member(source, path.relative_to(source).as_posix(), path.stat().st_size) for path in files]
        if not source.is_file():
            raise DataError(f"{source} does not exist; it should be a zip archive or folder of {ENDING} files.")
        if source.suffix.lower() == ENDING:
            return [Member(source, source.name, source.stat().st_size)]
        try:
            archive = stack.enter_context(zipfile.ZipFile(source))
        except UNREADABLE as error:
            raise DataError(f"{source} cannot be read as a zip archive ({error}); fetch it again.") from error
        self._archives[source] = archive
        found = [info for info in archive.infolist() if _is_mat(info.filename)]
        nested = [info.filename for info in archive.infolist() if info.filename.lower().endswith(".zip")]
        if nested and not found:
            raise DataError(f"{source} holds other archives ({shorten(nested)}); unpack it and give those.")
        return [Member(source, info.filename, info.file_size) for info in found]

    def content(self, member: Member, most: int | None = None) -> bytes | Path:
        """Return what `core.matlab` reads: the path of a file on disk, or the bytes of a member of an archive.

        Parameters
        ----------
        member : Member
        most : int, optional
            Bytes that the unpacked file may have at most.

        Raises
        ------
        DataError
            If it is larger, or the archive is damaged there.
        """
        if most is not None and member.size > most:
            raise DataError(
                f"{member} has {member.size / 1e6:.0f} MB, but the features of one image take at most {most / 1e6:.0f} MB; "
                "one file per image is expected."
            )
        if member.source not in self._archives:
            return member.source if member.source.is_file() else member.source / member.name
        try:
            return self._archives[member.source].read(member.name)
        except UNREADABLE as error:
            raise DataError(f"{member} cannot be unpacked ({error}); fetch the archive again.") from error

    def read(self, member: Member, key: str | None, most: int | None = None) -> np.ndarray:
        """Return one numeric variable of a member, see `fmri2image.core.matlab.read_mat`."""
        value = read_mat(self.content(member, most), key, what=str(member))
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
            raise DataError(f"{member}: the variable '{key}' holds no numbers.")
        return value

    def variables(self, member: Member) -> list[str]:
        """Return the names of the variables of a member."""
        return variables(self.content(member), what=str(member))


def with_folder(members: Sequence[Member], folder: str) -> list[Member]:
    """Return the members that lie in a folder of that name, whatever lies above and below it; case does not count."""
    return [member for member in members if folder.lower() in (part.lower() for part in member.folders)]


def longer_than_one(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the dimensions that are longer than 1."""
    return tuple(int(size) for size in shape if size != 1)


def _is_mat(name: str) -> bool:
    path = PurePosixPath(name)
    return name.lower().endswith(ENDING) and not path.name.startswith("._") and "__MACOSX" not in path.parts
