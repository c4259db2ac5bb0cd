"""Files from elsewhere: from a mirror or the internet, checked as a whole, whole or absent, and never fetched twice.

The order is: the finished file, its kept second name, the mirror, the addresses. What a run leaves behind when it is
interrupted, the next one continues. docs/reliability.md says what is guaranteed and which faults were tried.
"""

import http.client
import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from urllib.parse import quote

from fmri2image.acquire.disk import need_space, only_one
from fmri2image.acquire.http_open import local_path, reason, shown_url
from fmri2image.acquire.http_resume import Expected, Refusal, receive
from fmri2image.acquire.http_retry import FetchSettings
from fmri2image.acquire.partial import Partial
from fmri2image.acquire.verified import Store
from fmri2image.core.errors import DataError

log = logging.getLogger("fmri2image")

__all__ = ["FetchSettings", "Wanted", "fetch_file", "fetch_files", "missing", "need_space"]
FAULTS = (Refusal, OSError, http.client.HTTPException, ValueError)
SHOWN = 3  # reasons in the message about many files


@dataclass(frozen=True)
class Wanted:
    """One file that must be there.

    Parameters
    ----------
    target : Path
    urls : tuple of str
        In order: ``http://``, ``https://``, ``file://`` or plain paths.
    size : int or None
        Bytes.
    md5, sha256 : str
        Checksums, empty where unknown.
    what : str
        For messages; default the file's name.
    mirror_path : str
        Where a mirror has it; several places are separated by line breaks.
    kept : Path or None
        Its second name (`fmri2image.acquire.verified.Store`).
    """

    target: Path
    urls: tuple[str, ...]
    size: int | None = None
    md5: str = ""
    sha256: str = ""
    what: str = ""
    mirror_path: str = ""
    kept: Path | None = None

    @property
    def checksums(self) -> dict[str, str]:
        """Known checksums by algorithm, in lower case."""
        both = {"md5": self.md5, "sha256": self.sha256}
        return {name: value.strip().lower() for name, value in both.items() if value.strip()}

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.what or self.target.name


def missing(wanteds: Sequence[Wanted]) -> list[Wanted]:
    """Return the files that are not there or have another size; nothing is read."""

    def there(wanted: Wanted) -> bool:
        path = wanted.target
        return path.is_file() and wanted.size in (None, path.stat().st_size)

    return [wanted for wanted in wanteds if not there(wanted)]


def fetch_file(
    wanted: Wanted,
    *,
    mirror: str | None = None,
    mirror_path: str = "",
    offline: bool = False,
    settings: FetchSettings | None = None,
) -> Path:
    """Bring one file, unless it is there and checked.

    Parameters
    ----------
    wanted : Wanted
    mirror : str, optional
        Folder, ``file://`` or ``http://`` address that is asked first.
    mirror_path : str
        Where the mirror has the file; default `wanted.mirror_path`.
    offline : bool
        Use no network at all: only what is there, a folder as mirror, and addresses of this machine.
    settings : FetchSettings, optional

    Returns
    -------
    target : Path

    Raises
    ------
    DataError
        If no place gives the file as it is expected.
    WriteError
        If the disk is full or refuses; what was fetched is kept.
    """
    settings = settings or FetchSettings()
    wanted = replace(wanted, target=Path(wanted.target), mirror_path=mirror_path or wanted.mirror_path)
    store = Store(wanted.target, wanted.kept)
    if _finished(wanted, store, settings):
        return wanted.target
    with only_one(wanted.target):
        # Another run may have fetched it while we waited.
        if _finished(wanted, store, settings) or _restored(wanted, store):
            return wanted.target
        if wanted.target.exists():
            log.warning("%s is not the expected file; it will be replaced", wanted.target)
        reasons = []
        for url in _places(wanted, mirror, offline):
            try:
                _fetch_from(url, wanted, store, settings)
                return wanted.target
            except FAULTS as error:
                reasons.append(f"{shown_url(url)}: {_words(error, url)}")
                log.info("%s: %s", wanted.name, reasons[-1])
    raise DataError(_sentence(wanted, mirror, offline, reasons))


def fetch_files(
    wanteds: Sequence[Wanted],
    parallel: int = 4,
    *,
    mirror: str | None = None,
    offline: bool = False,
    settings: FetchSettings | None = None,
) -> list[Path]:
    """Bring many files, several at a time; a file that fails does not keep the others from coming.

    Parameters
    ----------
    wanteds : sequence of Wanted
    parallel : int
        Most connections at a time.
    mirror, offline, settings
        As for `fetch_file`.

    Returns
    -------
    targets : list of Path

    Raises
    ------
    DataError
        After everything was tried: how many files failed, and the first reasons.
    WriteError
        At once when the disk is full or refuses.
    """
    _need_space_for(wanteds)
    waiting: SimpleQueue[Wanted] = SimpleQueue()
    for wanted in wanteds:
        waiting.put(wanted)
    failures: dict[Path, Exception] = {}
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            try:
                wanted = waiting.get_nowait()
            except Empty:
                return
            try:
                fetch_file(wanted, mirror=mirror, offline=offline, settings=settings)
            except Exception as error:  # told below, by the thread that was asked
                failures[wanted.target] = error
                if not isinstance(error, DataError):
                    stop.set()

    # Daemons: Ctrl-C ends the program at once, and what they had written so far is kept.
    workers = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(parallel, len(wanteds))))]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            while worker.is_alive():
                worker.join(1.0)
    except BaseException:
        stop.set()
        raise
    _report(failures, len(wanteds), [wanted.target for wanted in wanteds])
    return [Path(wanted.target) for wanted in wanteds]


def _report(failures: dict[Path, Exception], n_wanted: int, order: Sequence[Path]) -> None:
    errors = [failures[target] for target in order if target in failures]
    for error in errors:
        if not isinstance(error, DataError):
            raise error
    if n_wanted == 1 and errors:
        raise errors[0]
    if errors:
        first = "; ".join(str(error).rstrip(".") for error in errors[:SHOWN])
        more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        raise DataError(f"{len(errors)} of {n_wanted} files could not be fetched: {first}{more}.")


def _need_space_for(wanteds: Sequence[Wanted]) -> None:
    if not wanteds:
        return
    left = 0
    for wanted in missing(wanteds):
        partial = _partial_path(Path(wanted.target))
        kept = Store(Path(wanted.target), wanted.kept).kept
        there = partial.stat().st_size if partial.is_file() else 0
        left += 0 if kept.is_file() else max(0, (wanted.size or 0) - there)
    need_space(Path(wanteds[0].target).parent, left)


def _partial_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.partial")


def _finished(wanted: Wanted, store: Store, settings: FetchSettings) -> bool:
    """Return whether the file is there and the expected one."""
    checksums = wanted.checksums or store.noted()
    if not store.holds(wanted.target, wanted.size, checksums):
        return False
    if not checksums:
        store.write_note()
    if settings.keep:
        store.keep()
    return True


def _restored(wanted: Wanted, store: Store) -> bool:
    """Return whether the kept second name had the expected file, which then has its own name again."""
    checksums = wanted.checksums or store.noted()
    # Without any checksum nothing vouches for what lies there.
    if not checksums or not store.holds(store.kept, wanted.size, checksums) or not store.restore():
        return False
    log.info("%s was there under its second name %s", wanted.target, store.kept)
    if not wanted.checksums:
        log.info(
            "nobody has published its checksum; to fetch it anew, delete %s, %s and %s",
            *(wanted.target, store.kept, store.note),
        )
    return True


def _places(wanted: Wanted, mirror: str | None, offline: bool) -> Iterator[str]:
    """Yield the addresses in the order in which they are asked."""
    addresses = []
    for path in wanted.mirror_path.splitlines() if mirror else ():
        base = local_path(mirror)
        addresses.append(str(base / path) if base is not None else f"{mirror.rstrip('/')}/{quote(path)}")
    addresses.extend(wanted.urls)
    for address in addresses:
        if not offline or local_path(address) is not None:
            yield address


def _fetch_from(url: str, wanted: Wanted, store: Store, settings: FetchSettings) -> None:
    expected = Expected(wanted.size, bool(wanted.checksums))
    algorithms = tuple(wanted.checksums) or ("sha256",)
    partial = Partial(_partial_path(wanted.target), wanted.target, algorithms)
    try:
        receive(url, partial, expected, settings)
        wrong = _wrong(partial, wanted)
        if wrong and partial.resumed:
            log.warning("%s: %s after going on from an earlier part; fetching all of it again", wanted.name, wrong)
            partial.discard()
            receive(url, partial, expected, settings)
            wrong = _wrong(partial, wanted)
        if wrong:
            partial.discard()
            raise Refusal(wrong)
        earlier, found = store.noted().get("sha256"), partial.digests.get("sha256")
        if not wanted.checksums and earlier not in (None, found):
            partial.discard()
            raise Refusal(
                f"its SHA-256 is {found}, and an earlier download had {earlier}; if the new file is right, delete {store.note}"
            )
        partial.install()
    finally:
        partial.close()
    store.remember(wanted.target, partial.digests)
    if not wanted.checksums:
        store.write_note()
    if settings.keep:
        store.keep()
    log.info(
        "%s fetched from %s%s", wanted.target, shown_url(url), ", checksum as expected" if wanted.checksums else ""
    )


def _wrong(partial: Partial, wanted: Wanted) -> str:
    """Return what is wrong with a complete partial file, nothing if it is the expected one."""
    if wanted.size is not None and partial.length != wanted.size:
        return f"it has {partial.length} bytes and not {wanted.size}"
    if partial.length == 0 and wanted.size is None and not wanted.checksums:
        return "it is empty"
    digests = partial.digests
    for name, value in wanted.checksums.items():
        if digests[name] != value:
            return f"its {name} is {digests[name]} and not {value}, which is expected"
    return ""


def _words(error: Exception, url: str) -> str:
    if isinstance(error, FileNotFoundError) and local_path(url) is not None:
        return "no such file"
    return reason(error)


def _sentence(wanted: Wanted, mirror: str | None, offline: bool, reasons: Sequence[str]) -> str:
    """Return what is missing, why, and where it may be put."""
    places = wanted.mirror_path.splitlines()
    base = local_path(mirror) if mirror else None
    put = f"put it at {places[0]} in a folder and name that folder as `acquire: mirror`" if places else ""
    if base is not None and places:
        put = f"put it at {base / places[0]}"
    tried = f" ({'; '.join(reasons)})" if reasons else ""
    there = "is there with other content" if wanted.target.is_file() else "is not there"
    if offline:
        way = " or ".join(part for part in (put, "allow the network (`acquire: offline: false`)") if part)
        return f"{wanted.name} {there} and `acquire: offline` forbids fetching it{tried}; {way}."
    if not wanted.urls:
        way = put or f"put it at {wanted.target}"
        return f"{wanted.name} cannot be fetched from anywhere by itself{tried}; {way}."
    way = f"; run the same command again later{f', or {put}' if put else ''}"
    return f"{wanted.name} could not be fetched{tried}{way}."
