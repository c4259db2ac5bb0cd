"""Which finished files have been checked: a small record of each, and a second name that survives a workflow's cleaning.

A record holds size, time of change and checksums; a file that still has that size and time is trusted, any other one is
read once. The second name is a hard link: it takes no disk space, and where a workflow removes the outputs of a job
before it runs the job again, the file is there without another download. A file whose checksum nobody has published gets
``<name>.sha256`` beside it, which later downloads must match.
"""

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from fmri2image.acquire.partial import digests_of
from fmri2image.core.files import replacing

log = logging.getLogger("fmri2image")

FOLDER = ".fetched"


class Store:
    """Record and second name of one file.

    Parameters
    ----------
    target : Path
        The finished file.
    kept : Path or None
        Its second name; default ``.fetched/<name>`` beside it. The record is that name and ``.record``.
    """

    def __init__(self, target: Path, kept: Path | None = None) -> None:
        self.target = target
        self.kept = kept or target.parent / FOLDER / target.name
        self.record = self.kept.with_name(f"{self.kept.name}.record")
        self.note = target.with_name(f"{target.name}.sha256")

    def holds(self, path: Path, size: int | None, checksums: Mapping[str, str]) -> bool:
        """Return whether a file is there, complete and the expected one; it is read only if no record vouches for it.

        Parameters
        ----------
        path : Path
            The target or its second name.
        size : int or None
        checksums : mapping of str to str
            Expected checksums by algorithm.
        """
        try:
            status = path.stat()
        except OSError:
            return False
        if size is not None and status.st_size != size:
            return False
        found = self._recorded(status)
        if any(name not in found for name in checksums):
            found = digests_of(path, checksums or ("sha256",))
            if all(found[name] == value for name, value in checksums.items()):
                self.remember(path, found)
        return all(found[name] == value for name, value in checksums.items())

    def remember(self, path: Path, checksums: Mapping[str, str]) -> None:
        """Write the record of a file that has just been read; a folder that refuses only costs a second reading later."""
        with suppress(OSError):
            status = path.stat()
            self.record.parent.mkdir(parents=True, exist_ok=True)
            about = {"size": status.st_size, "mtime_ns": status.st_mtime_ns, **checksums}
            new = self.record.with_name(f"{self.record.name}.new")
            new.write_text(json.dumps(about) + "\n", encoding="utf-8")
            os.replace(new, self.record)

    def keep(self) -> None:
        """Give the target its second name, where the file system knows hard links."""
        with suppress(OSError):
            if self.kept.exists() and self.kept.samefile(self.target):
                return
            new = self.kept.with_name(f"{self.kept.name}.new")
            new.parent.mkdir(parents=True, exist_ok=True)
            new.unlink(missing_ok=True)
            os.link(self.target, new)
            os.replace(new, self.kept)

    def restore(self) -> bool:
        """Give the kept file the target's name again."""
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            new = self.target.with_name(f"{self.target.name}.partial.link")
            new.unlink(missing_ok=True)
            os.link(self.kept, new)
            os.replace(new, self.target)
        except OSError:
            return False
        return True

    def noted(self) -> dict[str, str]:
        """Return the SHA-256 that an earlier download found, as ``{"sha256": …}``, or nothing."""
        try:
            words = self.note.read_text(encoding="utf-8").split()
        except (OSError, ValueError):
            return {}
        return {"sha256": words[0].lower()} if words and len(words[0]) == 64 else {}

    def write_note(self) -> None:
        """Write the target's SHA-256 beside it, as ``sha256sum`` does, and tell it; an earlier note stays.

        Raises
        ------
        WriteError
            If the system refuses.
        """
        if self.noted():
            return
        found = digests_of(self.target, ("sha256",))
        self.remember(self.target, found)
        with replacing(self.note) as path:
            path.write_text(f"{found['sha256']}  {self.target.name}\n", encoding="utf-8")
        log.info("%s: no checksum is known; later runs compare its SHA-256, %s", self.target.name, found["sha256"])

    def _recorded(self, status: os.stat_result) -> dict[str, str]:
        """Return the checksums of the record if it is about this very file."""
        try:
            about = json.loads(self.record.read_text(encoding="utf-8"))
            same = (about.pop("size"), about.pop("mtime_ns")) == (status.st_size, status.st_mtime_ns)
        except (OSError, ValueError, KeyError, AttributeError):
            return {}
        return about if same else {}
