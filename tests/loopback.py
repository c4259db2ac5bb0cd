"""A server on this machine that plays OpenNeuro's bucket and figshare, with faults on demand and every byte counted.

Paths: ``/openneuro.org/<dataset>/<path>`` as the bucket has them; ``/ndownloader/files/<path>`` answers with a redirect to
``/signed/<token>/<path>``, a new token each time, as figshare's does; ``/plain/<path>`` is a folder of a mirror.
"""

import contextlib
import hashlib
import random
import threading
import time
import urllib.parse
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PREFIXES = ("/openneuro.org/", "/plain/", "/ndownloader/files/")
PAGE = b"<!DOCTYPE html>\n<html><body>Please log in.</body></html>\n" * 20
PIECE = 1 << 14


def content(path: str, size: int, seed: int = 0) -> bytes:
    """Return the synthetic content of a file: a function of path, size and seed."""
    key = hashlib.sha256(f"{seed} {path}".encode()).digest()
    return random.Random(key).randbytes(size)


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class Fault:
    """What is wrong with one answer.

    `cut` closes the connection after so many bytes of the body; `stall` seconds of silence come before the byte `stall_at`;
    `flip` turns a bit of the body's byte with that number in the file; `lie` is the text of Content-Range; `rate` is in
    bytes per second; `shift` sends bytes from so much earlier in the file; `any_validator` ignores If-Range.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: float = 0.0
    stall_at: int = 0
    flip: int | None = None
    rate: float = 0.0
    page: bool = False
    ranges: bool = True
    lie: str = ""
    shift: int = 0
    length: str | None = ""
    chunked: bool = False
    any_validator: bool = False


class Loopback:
    """The server. `files` maps names to contents, `faults` maps a name to the faults of its next answers.

    `always` maps a name to the fault of every answer; `sent` counts the bytes of bodies per name; `requests` holds
    (path, headers) in order; with `new_etags` the validator of a file changes with every answer.
    """

    def __init__(self, new_etags: bool = False) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.always: dict[str, Fault] = {}
        self.sent: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.new_etags, self.n_answers, self.lock = new_etags, 0, threading.Lock()
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802
                with contextlib.suppress(ConnectionError):
                    loopback.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.bucket = f"{self.address}/openneuro.org"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def add_folder(self, folder: Path, name: str) -> None:
        """Serve every file of a folder as ``<name>/<path in it>``."""
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            self.files[f"{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()

    def figshare(self, name: str) -> str:
        """Return the address that redirects to a file."""
        return f"{self.address}/ndownloader/files/{urllib.parse.quote(name)}"

    def plain(self, name: str) -> str:
        """Return the address of a file without redirects."""
        return f"{self.address}/plain/{urllib.parse.quote(name)}"

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        path = urllib.parse.unquote(urllib.parse.urlsplit(handler.path).path)
        with self.lock:
            self.requests.append((handler.path, dict(handler.headers)))
            self.n_answers += 1
            number = self.n_answers
        if path.startswith("/ndownloader/files/"):
            name = urllib.parse.quote(path.removeprefix("/ndownloader/files/"))
            handler.send_response(302)
            handler.send_header("Location", f"/signed/{number}/{name}?X-Amz-Signature=s3cret{number}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        name = path.split("/", 3)[3] if path.startswith("/signed/") else path
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        with self.lock:
            fault = self.faults[name].pop(0) if self.faults[name] else self.always.get(name, Fault())
        if fault.status != 200 or fault.page:
            self._send(handler, name, fault.status, {"Content-Type": "text/html", **fault.headers}, PAGE, Fault())
        elif name not in self.files:
            self._send(handler, name, 404, {"Content-Type": "application/xml"}, b"<Error>NoSuchKey</Error>", fault)
        else:
            self._send_file(handler, name, fault, number)

    def _send_file(self, handler: BaseHTTPRequestHandler, name: str, fault: Fault, number: int) -> None:
        body = self.files[name]
        etag = f'"{md5(body)}-{number}"' if self.new_etags else f'"{md5(body)}"'
        if fault.flip is not None:
            body = bytearray(body)
            body[fault.flip] ^= 4
            body = bytes(body)
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **fault.headers}
        asked = handler.headers.get("Range", "")
        valid = handler.headers.get("If-Range", etag) == etag or fault.any_validator
        if not (asked and valid and fault.ranges):
            self._send(handler, name, 200, headers, body, fault)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= len(body):
            self._send(handler, name, 416, {**headers, "Content-Range": f"bytes */{len(body)}"}, b"", fault)
            return
        headers["Content-Range"] = fault.lie or f"bytes {start}-{len(body) - 1}/{len(body)}"
        rest = body[start - fault.shift : len(body) - fault.shift] if fault.shift else body[start:]
        self._send(handler, name, 206, headers, rest, fault)

    def _count(self, name: str, n_bytes: int) -> None:
        if n_bytes:
            with self.lock:
                self.sent[name] += n_bytes

    def _send(
        self, handler: BaseHTTPRequestHandler, name: str, status: int, headers: dict, body: bytes, fault: Fault
    ) -> None:
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        if fault.chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        elif fault.length is not None:
            handler.send_header("Content-Length", fault.length or str(len(body)))
        handler.end_headers()
        end, at, stalled = len(body) if fault.cut is None else min(fault.cut, len(body)), 0, False
        while at < end:
            if fault.stall and not stalled and at >= fault.stall_at:
                stalled = True
                time.sleep(fault.stall)
            stop = min(end, at + PIECE)
            if fault.stall and not stalled:
                stop = min(stop, max(fault.stall_at, at + 1))
            # Counted before they go out: whoever has all of them may look at the count at once.
            counted = stop - at if status in (200, 206) else 0
            self._count(name, counted)
            try:
                handler.wfile.write(b"%x\r\n%s\r\n" % (stop - at, body[at:stop]) if fault.chunked else body[at:stop])
            except OSError:
                self._count(name, -counted)
                raise
            if fault.rate:
                time.sleep((stop - at) / fault.rate)
            at = stop
        if fault.chunked and end == len(body):
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True
