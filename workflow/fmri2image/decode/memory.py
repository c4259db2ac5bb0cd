"""How many units are decoded at a time, from the memory that the job may take.

Everything counts: Python with its libraries, samples, training sets with their Gram matrices, workers, and what a chunk of
units needs while it is read, fitted and written. Only the last part grows with the number of units in a chunk, and that
number follows from what is left, not from the size of the layer.
"""

from dataclasses import dataclass

import torch

from fmri2image.core.errors import ConfigError

BASE = 450_000_000  # Python, torch, h5py, pandas and their buffers, measured
CUDA_BASE = 2_000_000_000  # what CUDA's context and libraries take on the host beside that, estimated
# A worker process without what it shares with the others, measured: 45 MB, and 165 MB where it needs torch.
WORKER, WORKER_WITH_TORCH = 60_000_000, 180_000_000
LEAST_UNITS = 64
LEAST_BLOCK = 32_000_000
# More units at a time are not faster, and a kill would cost more; a GPU wants larger pieces.
MOST_UNITS = {"cpu": 4096, "cuda": 65_536}
MOST_BLOCK = {"cpu": 1_000_000_000, "cuda": 32_000_000_000}


@dataclass(frozen=True)
class Limits:
    """Memory that a job may take.

    Parameters
    ----------
    memory_gb : float
        Of the whole job with its workers, in GB of 10^9 bytes.
    gpu_memory_share : float
        Share of the memory of the GPU that is free when the job starts.
    """

    memory_gb: float = 4.0
    gpu_memory_share: float = 0.7

    def __post_init__(self) -> None:
        if not self.memory_gb > 0 or not 0 < self.gpu_memory_share <= 1:
            raise ConfigError(
                f"memory_gb must be positive and gpu_memory_share above 0 and at most 1; they are {self.memory_gb} and "
                f"{self.gpu_memory_share}."
            )


@dataclass(frozen=True)
class Need:
    """Bytes that a job needs on the host and, with one, on the GPU.

    Parameters
    ----------
    fixed, per_unit : int
        On the host: whatever the chunk, and for every unit of a chunk.
    gpu_fixed, gpu_per_unit : int
    what : str
        What the fixed part is, for the message.
    """

    fixed: int
    per_unit: int
    gpu_fixed: int = 0
    gpu_per_unit: int = 0
    what: str = "samples and Gram matrix"


@dataclass(frozen=True)
class Allowance:
    """What a chunk may take.

    Parameters
    ----------
    units : int
    block : int
        Bytes for the decoder's own work, beside the chunk.
    """

    units: int
    block: int


def allow(need: Need, limits: Limits, device: torch.device) -> Allowance:
    """Share out what the fixed parts leave.

    Raises
    ------
    ConfigError
        If they leave too little; the sentence says how much would do.
    """
    host = _share(need.fixed, need.per_unit, int(limits.memory_gb * 1e9), device.type, "memory_gb", need.what)
    if device.type != "cuda":
        return host
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    said = f"gpu_memory_share of {free / 1e9:.1f} GB free"
    gpu = _share(need.gpu_fixed, need.gpu_per_unit, int(free * limits.gpu_memory_share), "cuda", said, need.what)
    return Allowance(min(host.units, gpu.units), gpu.block)


def _share(fixed: int, per_unit: int, limit: int, device: str, said: str, what: str) -> Allowance:
    least = fixed + LEAST_BLOCK + LEAST_UNITS * per_unit
    if limit < least:
        raise ConfigError(
            f"decode: {said} allows {limit / 1e9:.2f} GB, but {what} and the smallest chunk of units need "
            f"{least / 1e9:.2f} GB; raise it to that or more."
        )
    spare = limit - fixed
    units = min(MOST_UNITS[device], (spare - max(LEAST_BLOCK, spare // 4)) // per_unit)
    units = max(LEAST_UNITS, units)
    block = 8 * (spare - units * per_unit) // 10  # the rest is for what no formula knows
    return Allowance(int(units), int(min(block, MOST_BLOCK[device])))
