"""Ask a server about a file without fetching it: is it there, how large, of which kind, with which checksum."""

import base64
import http.client
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from fmri2image.acquire.http_open import AGENT, Access, _certificates, local_path, reason, shown_url
from fmri2image.acquire.http_retry import FetchSettings, Patience

OK = (200, 206)
GIVE_UP = 3  # failed connections in a row to a host that is then left alone
PER_HOST = 4  # requests at a time


@dataclass
class Answer:
    """What a server said of one address.

    Parameters
    ----------
    status : int
        Of HTTP, 0 without an answer.
    size : int or None
        Bytes of the whole file.
    content_type, etag, md5 : str
        As the server says; ``md5`` only where the server is known to give one.
    hosts : list of str
        The host that was asked and those that it sent us to.
    seconds : float
    fault : str
        Why there is no file to be had, empty if there is.
    """

    status: int = 0
    size: int | None = None
    content_type: str = ""
    etag: str = ""
    md5: str = ""
    hosts: list[str] = field(default_factory=list)
    seconds: float = 0.0
    fault: str = ""


class Prober:
    """Asks servers, a few requests at a time each, and leaves alone a host that cannot be reached.

    Parameters
    ----------
    silence : float
        Seconds without an answer before a request is given up.
    attempts : int
        For faults that may pass.
    access : Access, optional
        Proxy and certificates.
    """

    def __init__(self, silence: float = 20.0, attempts: int = 2, access: Access | None = None) -> None:
        self.silence, self.access = silence, access or Access()
        self.settings = FetchSettings(attempts=attempts, pause=1.0, longest_wait=10.0, silence=silence)
        self._unreachable: Counter[str] = Counter()
        self._slots: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    def ask(self, url: str) -> Answer:
        """Return what an address answers; every fault is told in the answer, none is raised."""
        started = time.monotonic()
        answer = Answer()
        try:
            path = local_path(url)
            if path is not None:
                answer.hosts, answer.status, answer.size = ["this machine"], 200, path.stat().st_size
            else:
                self._ask(url, answer)
        except Exception as error:  # a server may answer anything; one address must not end the check of the others
            answer.status = error.code if isinstance(error, urllib.error.HTTPError) else answer.status
            answer.fault = reason(error)
        answer.seconds = time.monotonic() - started
        return answer

    def _ask(self, url: str, answer: Answer) -> None:
        host = urllib.parse.urlsplit(url).hostname or ""
        with self._lock:
            slot = self._slots.setdefault(host, threading.BoundedSemaphore(PER_HOST))
        with slot:
            if self._unreachable[host] >= GIVE_UP:
                answer.hosts = [host]
                answer.fault = f"{host} could not be reached {GIVE_UP} times and was not asked again"
                return
            try:
                self._patiently(url, answer)
            except urllib.error.HTTPError:
                raise
            except OSError:
                self._unreachable[host] += 1
                raise
            self._unreachable[host] = 0

    def _patiently(self, url: str, answer: Answer) -> None:
        patience = Patience(self.settings, shown_url(url))
        while True:
            try:
                self._both(url, answer)
                return
            except (OSError, http.client.HTTPException) as error:
                patience.failed(error)

    def _both(self, url: str, answer: Answer) -> None:
        """Ask for the header, and for one byte where that does not say enough."""
        with suppress(urllib.error.HTTPError, http.client.HTTPException):
            self._request(url, "HEAD", answer)  # addresses that are signed for GET, and some servers, refuse it
        if answer.status not in OK or answer.size is None:
            self._request(url, "GET", answer)

    def _request(self, url: str, method: str, answer: Answer) -> None:
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        if method == "GET":
            headers["Range"] = "bytes=0-0"
        request = urllib.request.Request(url, headers=headers, method=method)
        answer.hosts, answer.fault = [urllib.parse.urlsplit(url).hostname or ""], ""
        handlers: list[urllib.request.BaseHandler] = [
            urllib.request.HTTPSHandler(context=_certificates(self.access.cert)),
            _Redirects(method, answer.hosts),
        ]
        if self.access.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": self.access.proxy, "https": self.access.proxy}))
        with urllib.request.build_opener(*handlers).open(request, timeout=self.silence) as reply:
            answer.status = reply.status
            answer.content_type = reply.headers.get("Content-Type", "")
            answer.etag = reply.headers.get("ETag", "").strip('"').removeprefix('W/"')
            answer.md5 = _md5(reply.headers, answer.etag)
            answer.size = _size(reply.headers, reply.status)
            if reply.headers.get("x-amzn-waf-action"):
                answer.fault = "the server asks for a check in a browser (x-amzn-waf-action) instead of giving the file"
            elif reply.status not in OK:
                answer.fault = f"HTTP {reply.status} {reply.reason}"


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects with the same method, and notes where they lead."""

    def __init__(self, method: str, hosts: list[str]) -> None:
        self.method, self.hosts = method, hosts

    def redirect_request(
        self, req: urllib.request.Request, fp: object, code: int, msg: str, headers: object, newurl: str
    ) -> urllib.request.Request | None:
        """Make the request of the address that the server named."""
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None:
            request.method = self.method
            self.hosts.append(urllib.parse.urlsplit(newurl).hostname or "")
        return request


def _size(headers: http.client.HTTPMessage, status: int) -> int | None:
    """Return the size of the whole file: RFC 9110, sections 8.6 and 14.4."""
    total = headers.get("Content-Range", "").rpartition("/")[2] if status == 206 else headers.get("Content-Length", "")
    return int(total) if total.strip().isdecimal() else None


def _md5(headers: http.client.HTTPMessage, etag: str) -> str:
    """Return the MD5 that a server states; an ETag is one on S3 unless the file was uploaded in parts or encrypted by key."""
    for value in (headers.get("Content-MD5", ""), *_google(headers)):
        if value:
            return base64.b64decode(value).hex()
    amazon = "AmazonS3" in headers.get("Server", "") or any(name.lower().startswith("x-amz-") for name in headers)
    by_key = "kms" in headers.get("x-amz-server-side-encryption", "").lower()
    digits = len(etag) == 32 and all(character in "0123456789abcdef" for character in etag)
    return etag if amazon and digits and not by_key else ""


def _google(headers: http.client.HTTPMessage) -> list[str]:
    values = ",".join(headers.get_all("x-goog-hash", [])).split(",")
    return [value.strip().removeprefix("md5=") for value in values if value.strip().startswith("md5=")]
