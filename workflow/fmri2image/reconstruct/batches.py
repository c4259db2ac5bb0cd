"""How many images are optimised together: from the memory that is free, or as the configuration says.

An image's result does not depend on which others are in its batch, but rounding depends on how many there are. A batch whose
size is given in numbers is therefore always full: the last one is filled up with copies, which are thrown away, and the
result is the same for one image as for a thousand. Batches of automatic size are made equally large instead, so that less is
computed for nothing.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence

import torch

from fmri2image.core.errors import ConfigError

log = logging.getLogger(__name__)

GPU_SHARE = 0.7  # of the memory that is free when a job starts; others may want some, and no measurement is exact
BASE = 700_000_000  # Python, torch and their libraries
DEFAULT_MEMORY = 4_000_000_000  # of a job that does not say what it may take
# What a pass forward and back takes for every byte that it keeps: work space and gradients on the way back (measured:
# VGG19 keeps 290 MB of an image and takes 400, docs/plan.md).
PER_KEPT_BYTE = 1.6
# Larger batches are not faster: one core has enough to do with a few images, a GPU with some hundred.
MOST = {"cpu": 64, "cuda": 512}


def batches(rows: Sequence[str], setting: int | str, most: Callable[[], int]) -> Iterator[tuple[list[str], int]]:
    """Yield the rows of one batch after the other, and how many copies of its last row fill it up.

    Parameters
    ----------
    rows : sequence of str
    setting : int or "auto"
    most : callable
        Returns the largest batch that memory allows; asked for ``auto`` only.
    """
    if not rows:
        return
    size = setting
    if isinstance(size, str):
        size = math.ceil(len(rows) / math.ceil(len(rows) / most()))
        log.info("batches of %d images", size)
    for start in range(0, len(rows), size):
        part = list(rows[start : start + size])
        yield part, size - len(part)


def most_images(
    once: Callable[[], object],
    modules: Sequence[torch.nn.Module],
    kept: int,
    memory: int | None,
    device: torch.device,
) -> int:
    """Return how many images fit into memory at a time.

    Parameters
    ----------
    once : callable
        Evaluates the objective of one image, forward and back.
    modules : sequence of torch.nn.Module
        Network and generator.
    kept : int
        Bytes that the optimiser and the targets keep of every image.
    memory : int or None
        Bytes that the job may take on the CPU; a GPU is asked what is free.
    device : torch.device

    Raises
    ------
    ConfigError
        If not even one image fits.
    """
    once()  # the first evaluation also loads libraries
    parameters = [parameter for module in modules for parameter in module.parameters()]
    if device.type == "cuda":
        allowed, passing = int(GPU_SHARE * _free(device)), _peak(once, device)
    else:
        allowed = (DEFAULT_MEMORY if memory is None else memory) - BASE
        allowed -= sum(parameter.nbytes for parameter in parameters)
        passing = int(PER_KEPT_BYTE * saved_bytes(once, parameters))
    fitting = allowed // max(1, passing + kept)
    log.info(
        "an image takes %.0f MB; %.1f GB of %s memory hold %d",
        (passing + kept) / 1e6,
        allowed / 1e9,
        device.type,
        fitting,
    )
    if fitting < 1:
        more = {"cuda": "take a GPU with more free memory"}.get(
            device.type, "give the job more memory (resource mem_mb)"
        )
        raise ConfigError(
            f"icnn: one image needs {(passing + kept) / 1e9:.2f} GB beside the network, and the {device.type} has "
            f"{max(0, allowed) / 1e9:.2f} GB for it; {more}, match fewer layers or keep fewer snapshots."
        )
    return min(int(fitting), MOST.get(device.type, MOST["cpu"]))


def saved_bytes(once: Callable[[], object], parameters: Sequence[torch.Tensor] = ()) -> int:
    """Return the bytes that a computation keeps for its way back, parameters aside, each storage counted once."""
    kept: dict[int, torch.UntypedStorage] = {}  # held, or another could be met under the address of one that was freed

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        once()
    known = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    return sum(storage.nbytes() for address, storage in kept.items() if address not in known)


def _peak(once: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    once()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _free(device: torch.device) -> int:
    """Return the bytes that are free on a GPU, those included that torch has reserved and does not use."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused
