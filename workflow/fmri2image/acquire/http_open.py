"""Open addresses: proxies and certificates of this machine, passwords that stay on their host and out of every message."""

import base64
import http.client
import importlib.util
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path

AGENT = "fmri2image"
BROWSER = "the server asks for a check in a browser, where the file can be fetched by hand"


@dataclass(frozen=True)
class Access:
    """How this machine reaches the internet; without values, as the environment says (``https_proxy``, ``no_proxy``).

    Parameters
    ----------
    cert, proxy : str or None
        File of certificates; address of a proxy.
    silence : float
        Seconds without a single byte before a connection is given up.
    """

    cert: str | None = None
    proxy: str | None = None
    silence: float = 60.0


def open_url(url: str, headers: dict[str, str] | None = None, access: Access | None = None) -> http.client.HTTPResponse:
    """Open an address and follow its redirects; a name and password in it go to its own host only.

    Raises
    ------
    OSError, http.client.HTTPException
        Whatever goes wrong; `reason` says it in words.
    """
    access = access or Access()
    parts = urllib.parse.urlsplit(url)
    request = urllib.request.Request(without_secrets(url), headers={"User-Agent": AGENT, **(headers or {})})
    if parts.username:  # urllib does not take a name and password out of an address; a redirect must not carry them on
        secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode())
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=_certificates(access.cert))]
    if access.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": access.proxy, "https": access.proxy}))
    return urllib.request.build_opener(*handlers).open(request, timeout=access.silence)


@cache
def _certificates(cert: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cert)
    if cert is None and importlib.util.find_spec("certifi"):  # Python of python.org on macOS brings none of its own
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def local_path(url: str) -> Path | None:
    """Return the path that a plain path or a ``file://`` address names, None for an address on a network."""
    if url.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlsplit(url).path))
    return None if "://" in url else Path(url).expanduser()


def without_secrets(url: str) -> str:
    """Return an address without the name and password that it may hold."""
    parts = urllib.parse.urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def shown_url(url: str) -> str:
    """Return an address for logs and messages: without name and password, and without a query, which may be a signature."""
    if "://" not in url:
        return url
    parts = urllib.parse.urlsplit(without_secrets(url))
    return parts._replace(query="…" if parts.query else "", fragment="").geturl()


def with_secrets(url: str, base: str) -> str:
    """Return an address with the name and password of `base`, if it is on the same host."""
    ours, theirs = urllib.parse.urlsplit(base), urllib.parse.urlsplit(without_secrets(url))
    same = (theirs.scheme, theirs.netloc) == (ours.scheme, ours.netloc.rpartition("@")[2])
    return theirs._replace(netloc=ours.netloc if same else theirs.netloc).geturl()


def wants_browser(headers: http.client.HTTPMessage | None) -> bool:
    """Return whether a server takes us for a robot: figshare's answers 202, 403 and 405 of Amazon's firewall."""
    return bool(headers and headers.get("x-amzn-waf-action"))


def reason(error: BaseException) -> str:
    """Return in a few words what a server or a connection answered."""
    words = getattr(error, "reason", None) or error
    code = f"HTTP {error.code} " if isinstance(error, urllib.error.HTTPError) else ""
    if code and wants_browser(error.headers):
        words = f"{words} ({BROWSER})"
    return " ".join(f"{code}{words}".split()) or type(error).__name__
