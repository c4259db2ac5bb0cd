"""The bytes of one address into a partial file: as many connections as it takes, each going on where the last one ended.

A server may cut, stall, ignore ranges, answer with another range than asked for, or with the page of a login. The size is
compared before any byte is taken; the checksum of the whole is for `fmri2image.acquire.fetch` to judge.
"""

import hashlib
import http.client
import logging
import re
import time
import urllib.error
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fmri2image.acquire.disk import need_space, size_words
from fmri2image.acquire.http_open import (
    BROWSER,
    Access,
    local_path,
    open_url,
    shown_url,
    wants_browser,
    without_secrets,
)
from fmri2image.acquire.http_retry import FetchSettings, Patience
from fmri2image.acquire.partial import BLOCK, Partial

log = logging.getLogger("fmri2image")

LARGE = 20_000_000  # bytes from which progress is told
TELL = 10.0  # seconds between two lines of progress
EXPIRED = (400, 401, 403)  # of an address that is signed and no longer good
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Refusal(ValueError):
    """What this address gives is not the file, and asking again would not change that."""


class _OtherRange(ConnectionError):
    """The server answers with other bytes than those that were asked for."""


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it is fetched.

    Parameters
    ----------
    size : int or None
    checksum : bool
        Whether a checksum of the whole will be compared: then bytes of two addresses may be joined.
    """

    size: int | None = None
    checksum: bool = False


def receive(
    url: str,
    partial: Partial,
    expected: Expected,
    settings: FetchSettings | None = None,
    access: Access | None = None,
) -> None:
    """Bring a partial file to its full length from one address.

    Parameters
    ----------
    url : str
        ``http://``, ``https://``, ``file://`` or a path.
    partial : Partial
        Its bytes are kept where that is safe.
    expected : Expected
    settings : FetchSettings, optional
    access : Access, optional
        Default: `settings.silence` and the environment's proxies.

    Raises
    ------
    Refusal
        If the address gives something else.
    OSError, http.client.HTTPException
        The last fault, when patience is at its end.
    WriteError
        If the disk is full or refuses; the partial file is kept.
    """
    settings = settings or FetchSettings()
    source = local_path(url)
    try:
        if source is not None:
            _copy(source, partial, expected)
            return
        access = access or Access(silence=settings.silence)
        patience, ranges = Patience(settings, shown_url(url)), True
        most = partial.length if expected.size is None else min(partial.length, expected.size)
        while True:
            try:
                _attempt(url, partial, expected, access, ranges)
                return
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, _OtherRange):
                    partial.restart()
                    ranges = False
                patience.failed(error, progress=partial.length > most)
                most = max(most, partial.length)
    finally:
        partial.close()


def _copy(source: Path, partial: Partial, expected: Expected) -> None:
    size = source.stat().st_size  # FileNotFoundError says that it is not there
    _compare_size(size, expected)
    partial.restart()
    need_space(partial.path.parent, size)
    with source.open("rb") as file:
        while block := file.read(BLOCK):
            partial.write(block)
            _refuse_page(partial)
    if partial.length != size:
        raise Refusal(f"{source} changed while it was copied")


def _attempt(url: str, partial: Partial, expected: Expected, access: Access, ranges: bool) -> None:
    continuing = _range(url, partial, expected) if ranges else {}
    start = partial.length
    if continuing and start == expected.size:
        return  # all bytes were there already; the checksum decides
    try:
        answer = open_url(url, {"Accept-Encoding": "identity", **continuing}, access)
    except urllib.error.HTTPError as error:
        # The address that a redirect signs is good for seconds (figshare: 10); the next attempt gets a new one.
        if error.code in EXPIRED and error.url != without_secrets(url) and not wants_browser(error.headers):
            raise ConnectionError(f"HTTP {error.code} {error.reason} at {shown_url(error.url)}") from error
        if error.code != 416 or not continuing:
            raise
        whole = "If-Range" in continuing and error.headers.get("Content-Range", "").strip() == f"bytes */{start}"
        if whole and partial.note.get("size") == start:
            return  # the same file, and we have all of it
        raise _OtherRange(f"the server has no bytes after {start}") from error
    with answer:
        if answer.status == 206 and continuing:
            end = _continued(answer, partial, expected)
        else:
            end = _anew(answer, url, partial, expected)
        _take(answer, partial, end, expected)


def _range(url: str, partial: Partial, expected: Expected) -> dict[str, str]:
    """Return the headers that ask for the rest; none where the bytes that are there cannot be continued."""
    note = partial.note
    same = note.get("url_sha256") == _url_sha256(url)
    etag, modified = str(note.get("etag", "")), str(note.get("last_modified", ""))
    validator = (etag if etag and not etag.startswith("W/") else modified) if same else ""
    too_long = expected.size is not None and partial.length > expected.size
    if not partial.length or too_long or not (validator or expected.checksum):
        return {}
    headers = {"Range": f"bytes={partial.length}-"}
    # A server whose validator changes with every request would never let us go on; a known checksum makes that safe.
    if validator and not (expected.checksum and note.get("unsteady")):
        headers["If-Range"] = validator
    return headers


def _continued(answer: http.client.HTTPResponse, partial: Partial, expected: Expected) -> int:
    """Return where the answered range ends, after checking that it goes on from our last byte."""
    text = answer.headers.get("Content-Range", "")
    match = CONTENT_RANGE.fullmatch(text.strip())
    total = int(match[3]) if match and match[3] != "*" else None
    known = expected.size if expected.size is not None else partial.note.get("size")
    wrong = match is None or int(match[1]) != partial.length or int(match[2]) < partial.length
    if wrong or (total is not None and known is not None and total != known):
        raise _OtherRange(f"asked for the bytes from {partial.length}, the server answers with '{text or 'no range'}'")
    etag = answer.headers.get("ETag")
    if not expected.checksum and etag and partial.note.get("etag", etag) != etag:
        raise _OtherRange("the file on the server has changed")
    if total is None and known is None:
        raise _OtherRange("the server does not say how long the file is")
    partial.resumed = True
    log.info("%s: going on after %s", partial.target.name, size_words(partial.length))
    return total if total is not None else int(known)


def _anew(answer: http.client.HTTPResponse, url: str, partial: Partial, expected: Expected) -> int | None:
    """Return the length of a file that is sent from its first byte, None where the server does not tell it."""
    if answer.status != 200:
        why = f" ({BROWSER})" if wants_browser(answer.headers) else ""
        raise Refusal(f"HTTP {answer.status} instead of the file{why}")
    length = answer.headers.get("Content-Length", "")
    size = int(length) if length.isdigit() and not answer.chunked else None
    other_size = expected.size is not None and size not in (None, expected.size)
    page = answer.headers.get_content_type() == "text/html" and not _may_be_a_page(partial)
    if page and (other_size or not expected.checksum):
        raise Refusal("a web page (a login or an error) instead of the file")
    if size is not None:
        _compare_size(size, expected)
    encoding = answer.headers.get("Content-Encoding", "identity").lower()
    # Apache tells of every .gz file that it is encoded, and sends it as it is.
    compressed = encoding in ("gzip", "x-gzip") and PurePosixPath(partial.target.name).suffix in (".gz", ".tgz")
    if encoding not in ("", "identity") and not compressed and not expected.checksum:
        raise Refusal(f"the server sends it as {encoding} though it was asked not to")
    if size is None and expected.size is None and not expected.checksum and not answer.chunked:
        raise Refusal("neither the registry nor the server says how long the file is, so that a cut would go unseen")
    etag = answer.headers.get("ETag")
    earlier = partial.note
    moved = partial.length > 0 and etag is not None and earlier.get("etag") not in (None, etag)
    same = earlier.get("url_sha256") == _url_sha256(url)
    if partial.length:
        log.info("%s: the server starts anew (%s were there)", partial.target.name, size_words(partial.length))
    partial.restart()
    partial.write_note(
        url=shown_url(url),
        url_sha256=_url_sha256(url),
        etag=etag,
        last_modified=answer.headers.get("Last-Modified"),
        size=size if size is not None else expected.size,
        unsteady=True if same and (moved or earlier.get("unsteady")) else None,
    )
    return size if size is not None else expected.size


def _take(answer: http.client.HTTPResponse, partial: Partial, end: int | None, expected: Expected) -> None:
    """Append the body of an answer up to the byte `end`."""
    if end is not None:
        need_space(partial.path.parent, end - partial.length)
    progress = _Progress(partial, end)
    while end is None or partial.length < end:
        block = answer.read1(BLOCK if end is None else min(BLOCK, end - partial.length))
        if not block:
            break
        partial.write(block)
        _refuse_page(partial)
        progress.tell()
    if end is not None and partial.length < end:
        raise ConnectionError(f"the connection ended after {partial.length} of {end} bytes")
    if end is not None and answer.chunked and answer.read1(1):
        partial.discard()
        raise Refusal(f"the server sends more than the expected {end} bytes")


def _compare_size(size: int, expected: Expected) -> None:
    if expected.size is not None and size != expected.size:
        raise Refusal(
            f"has {size} bytes there and not the expected {expected.size}, so that it is another version of the file"
        )


def _refuse_page(partial: Partial) -> None:
    if partial.length <= 2 * BLOCK and partial.looks_like_a_page and not _may_be_a_page(partial):
        partial.discard()
        raise Refusal("a web page (a login or an error) instead of the file")


def _may_be_a_page(partial: Partial) -> bool:
    return PurePosixPath(partial.target.name).suffix.lower() in (".html", ".htm", ".xhtml", ".xml", ".svg", ".gii")


def _url_sha256(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()


class _Progress:
    """Tells how a large file comes along, at most every `TELL` seconds."""

    def __init__(self, partial: Partial, end: int | None) -> None:
        self.partial, self.end = partial, end
        self.first, self.begin = partial.length, time.monotonic()
        self.shown = self.begin
        if end is not None and end > LARGE:
            log.info("fetching %s (%s)", partial.target.name, size_words(end))

    def tell(self) -> None:
        """Write a line if it is time for one."""
        now = time.monotonic()
        if now - self.shown < TELL or (self.end is not None and self.end <= LARGE):
            return
        self.shown, done = now, self.partial.length
        rate = max((done - self.first) / (now - self.begin), 1.0)
        if self.end is None:
            log.info("%s: %s, %.1f MB/s", self.partial.target.name, size_words(done), rate / 1e6)
            return
        log.info(
            "%s: %.0f %% of %s, %.1f MB/s, %.0f s to go",
            *(self.partial.target.name, 100 * done / self.end, size_words(self.end), rate / 1e6),
            (self.end - done) / rate,
        )
