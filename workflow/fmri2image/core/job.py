"""The frame around every script: its log, its header, and errors that are one sentence where they can be."""

import logging
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from typing import Any, NoReturn

from fmri2image.core.errors import Fmri2imageError

LAST_LINE = "fmri2image: "  # begins the last line of the log of a job that failed
PACKAGES = ("numpy", "scipy", "torch", "nibabel", "nilearn", "scikit-learn", "snakemake")


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run a script's work with its output in the rule's log.

    Everything written to standard output or error goes to the log, from child processes and compiled code too. The log is
    opened for appending, so that a retry keeps the first attempt's messages. Any error ends the job with status 1 and one
    sentence as the last line; errors outside the fmri2image family are unexpected and leave their traceback above it.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake puts into scripts.
    """
    if snakemake.log:
        descriptor = os.open(str(snakemake.log[0]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    log = logging.getLogger("fmri2image")
    log.info("%s %s on %s, %d threads", snakemake.rule, dict(snakemake.wildcards), platform.node(), snakemake.threads)
    log.info("%s", versions())
    _limit_threads(snakemake.threads)
    started = time.monotonic()
    try:
        yield snakemake
    except Fmri2imageError as error:
        _close_log(str(error))
    except Exception as error:
        traceback.print_exc()
        _close_log(f"unexpected {type(error).__name__} in {snakemake.rule}: {error}")
    log.info("done in %.1f s", time.monotonic() - started)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that this environment has, for logs and provenance."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _close_log(sentence: str) -> NoReturn:
    """End the job with a sentence as the last line of its log, where `study.announce` looks for it."""
    with suppress(OSError):  # a disk may be too full even for this
        print(f"\n{LAST_LINE}{' '.join(sentence.split())}", file=sys.stderr, flush=True)
    sys.exit(1)


def _limit_threads(threads: int) -> None:
    """Hold torch to the threads of the rule; numerical libraries read the environment that Snakemake sets."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
