"""A file that is being downloaded: its bytes so far, their checksums, and a note of where they come from."""

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fmri2image.acquire.disk import refused

BLOCK = 1 << 18
HEAD = 64
# A web page, or what S3 and figshare answer instead of a file: XML or JSON about an error.
PAGE = (b"<!doctype html", b"<html", b"<?xml", b"<error")
JSON = (b'{"',)


class Partial:
    """Bytes of a file so far, in ``<target>.partial``, and what is known of them, in ``<target>.partial.json``.

    Bytes go to the system at once, so that whatever kills the process loses none of them. What is there is read once, for
    its checksums, when the download goes on.

    Parameters
    ----------
    path : Path
        Of the partial file; the note lies beside it.
    target : Path
        For messages.
    algorithms : iterable of str
        Names of checksums (``md5``, ``sha256``).
    """

    def __init__(self, path: Path, target: Path, algorithms: Iterable[str]) -> None:
        self.path, self.target, self.algorithms = path, target, tuple(algorithms)
        self.about = path.with_name(f"{path.name}.json")
        self.note: dict[str, object] = {}
        self.resumed = False
        self._empty()
        if path.is_file():
            self._read()

    @property
    def looks_like_a_page(self) -> bool:
        """Whether the content begins as HTML, or as the XML or JSON of an error, does."""
        return (
            self.head.lstrip(b"\xef\xbb\xbf \t\r\n")
            .lower()
            .startswith(PAGE if self.target.suffix.lower() == ".json" else PAGE + JSON)
        )

    @property
    def digests(self) -> dict[str, str]:
        """Checksums of all bytes so far."""
        return {name: digest.hexdigest() for name, digest in self._digests.items()}

    def write(self, block: bytes) -> None:
        """Append bytes.

        Raises
        ------
        WriteError
            If the system refuses; what is there stays.
        """
        view = memoryview(block)
        while view:
            try:
                if self._file is None:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    self._file = self.path.open("r+b" if self.length else "wb", buffering=0)
                    self._file.seek(self.length)
                n_written = self._file.write(view)
            except OSError as error:
                self.close()
                raise refused(self.target, error) from error
            self._count(view[:n_written])
            view = view[n_written:]

    def restart(self) -> None:
        """Forget all bytes."""
        self.discard()

    def close(self) -> None:
        """Bring the bytes to the disk itself and close the file."""
        if self._file is not None:
            with suppress(OSError):
                os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def discard(self) -> None:
        """Remove the file and its note."""
        self.close()
        with suppress(OSError):
            self.path.unlink()
        self.forget_note()
        self._empty()
        self.resumed = False

    def forget_note(self) -> None:
        """Remove the note."""
        self.note = {}
        with suppress(OSError):
            self.about.unlink()

    def write_note(self, **note: object) -> None:
        """Remember where the bytes that follow come from.

        Raises
        ------
        WriteError
            If the system refuses.
        """
        self.note = {key: value for key, value in note.items() if value is not None}
        text = json.dumps(self.note, indent=1) + "\n"
        new = self.about.with_name(f"{self.about.name}.new")
        try:
            self.about.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(text, encoding="utf-8")
            os.replace(new, self.about)
        except OSError as error:
            raise refused(self.target, error) from error

    def install(self) -> None:
        """Give the file its final name.

        Raises
        ------
        WriteError
            If the system refuses.
        """
        try:
            if self.length == 0:
                self.path.touch()
            self.close()
            os.replace(self.path, self.target)
        except OSError as error:
            raise refused(self.target, error) from error
        self.forget_note()

    def _empty(self) -> None:
        self.length, self.head, self._file = 0, b"", None
        self._digests = {name: hashlib.new(name, usedforsecurity=False) for name in self.algorithms}

    def _count(self, block: bytes | memoryview) -> None:
        for digest in self._digests.values():
            digest.update(block)
        if len(self.head) < HEAD:
            self.head += bytes(block[: HEAD - len(self.head)])
        self.length += len(block)

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            note = json.loads(self.about.read_text(encoding="utf-8"))
            self.note = note if isinstance(note, dict) else {}
        with self.path.open("rb") as file:
            while block := file.read(BLOCK):
                self._count(block)
        self.resumed = self.length > 0


def digests_of(path: Path, algorithms: Iterable[str]) -> dict[str, str]:
    """Return checksums of a file, read once."""
    found = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            for digest in found.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in found.items()}
