"""The frame around every script: its log, its header, and errors that are one sentence where they can be."""

import logging
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from fmri2image.core.errors import Fmri2imageError

PACKAGES = ("numpy", "scipy", "torch", "nibabel", "nilearn", "scikit-learn", "snakemake")


@contextmanager
def job(snakemake: Any) -> Iterator[Any]:
    """Run a script's work with its output in the rule's log.

    Everything written to standard output or error goes to the log, from child processes and compiled code too. The log is
    opened for appending, so that a retry keeps the first attempt's messages. An error of the fmri2image family is
    reported as one sentence without a traceback and ends the job with status 1.

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
        print(f"\nfmri2image: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
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


def _limit_threads(threads: int) -> None:
    """Hold torch to the threads of the rule; numerical libraries read the environment that Snakemake sets."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
