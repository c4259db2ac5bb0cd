"""When to ask a server again: which faults may pass, how long to wait, and when to give up."""

import email.utils
import errno
import logging
import random
import ssl
import time
import urllib.error
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fmri2image.acquire.http_open import reason

log = logging.getLogger("fmri2image")

# 408 Request Timeout, 425 Too Early, 429 Too Many Requests; every other 4xx stays (RFC 9110, RFC 6585).
PASSING = (408, 425, 429)
LOCAL = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS)  # faults of this machine's disk


@dataclass(frozen=True)
class FetchSettings:
    """How patient a download is.

    Parameters
    ----------
    attempts : int
        Attempts in a row that bring no new byte, before an address is given up.
    pause, longest_pause : float
        Seconds before the second attempt, doubled before every further one, and their limit.
    longest_wait : float
        Seconds that a server may ask us to wait (``Retry-After``).
    silence : float
        Seconds without a single byte before a connection is given up.
    keep : bool
        Keep a second name (hard link, no disk space) of every finished file, so that a workflow that removes its outputs
        before it runs again does not fetch them twice.
    sleep : callable
        Waits some seconds; tests put another in its place.
    """

    attempts: int = 6
    pause: float = 1.0
    longest_pause: float = 60.0
    longest_wait: float = 300.0
    silence: float = 60.0
    keep: bool = True
    sleep: Callable[[float], None] = time.sleep


def may_pass(error: BaseException) -> bool:
    """Return whether the same request may succeed later."""
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= 500 or error.code in PASSING
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    # A reason in words is about the address itself: an unknown scheme, no host.
    return not isinstance(cause, str | FileNotFoundError | ssl.SSLCertVerificationError) and (
        getattr(cause, "errno", None) not in LOCAL
    )


def retry_after(error: BaseException) -> float:
    """Return the seconds that a server asks us to wait, 0 where it does not say (RFC 9110, section 10.2.3)."""
    value = error.headers.get("Retry-After", "") if isinstance(error, urllib.error.HTTPError) and error.headers else ""
    if value.strip().isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


class Patience:
    """Counts the failures in a row at one address and waits between them.

    Parameters
    ----------
    settings : FetchSettings
    where : str
        The address, for the log.
    """

    def __init__(self, settings: FetchSettings, where: str) -> None:
        self.settings, self.where, self.failures = settings, where, 0

    def failed(self, error: Exception, progress: bool = False) -> None:
        """Wait before the next attempt, or raise the error again when there is no point in one.

        Parameters
        ----------
        error : Exception
        progress : bool
            Whether the attempt brought bytes that we never had: then it is the first failure again.
        """
        self.failures = 1 if progress else self.failures + 1
        if self.failures >= self.settings.attempts or not may_pass(error):
            raise error
        pause = min(self.settings.longest_pause, self.settings.pause * 2 ** (self.failures - 1))
        pause *= random.uniform(0.5, 1.0)  # many clients that failed together must not come back together
        pause = max(pause, min(retry_after(error), self.settings.longest_wait))
        log.info(
            "%s: %s; attempt %d of %d in %.1f s",
            *(self.where, reason(error), self.failures + 1, self.settings.attempts, pause),
        )
        self.settings.sleep(pause)
