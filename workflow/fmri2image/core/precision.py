"""Precision of passes through networks: full, rounded factors on a GPU, or half of the bits."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from fmri2image.core.errors import ConfigError

log = logging.getLogger(__name__)

PRECISIONS = ("float32", "tf32", "bfloat16")


@contextmanager
def computing(precision: str, device: torch.device) -> Iterator[None]:
    """Set how CUDA multiplies float32 numbers while the block runs, and put the former setting back.

    ``float32`` multiplies in full precision, which torch does not do in convolutions unless it is told; ``tf32`` rounds the
    factors to ten bits; ``bfloat16`` is the business of `autocast`.

    Raises
    ------
    ConfigError
        If the precision is unknown.
    """
    known_precision(precision)
    if device.type != "cuda":
        if precision == "tf32":
            log.info("precision tf32 changes nothing on %s; float32 is computed", device.type)
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """Return what surrounds a pass: with ``bfloat16`` its products are of that type; parameters stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def known_precision(precision: str) -> str:
    """Return a precision; raises ConfigError if it is none of `PRECISIONS`."""
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: '{precision}' is unknown; use one of {', '.join(PRECISIONS)}.")
    return precision
