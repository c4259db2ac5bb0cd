"""Choice of the device that tensors live on; torch is imported only where it is asked for, because not every job has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fmri2image.core.errors import ConfigError

if TYPE_CHECKING:
    import torch


def device_name(name: str = "auto") -> str:
    """Return ``cpu`` or ``cuda`` for the setting `name`: ``auto`` (CUDA when there is one), ``cpu`` or ``cuda``."""
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device: '{name}' is unknown; use 'auto', 'cpu' or 'cuda'.")
    if name == "cpu":
        return name
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise ConfigError("device: cuda was asked for, but torch sees no CUDA device; use 'auto' or 'cpu'.")
    return "cpu"


def choose_device(name: str = "auto") -> torch.device:
    """Return the torch device for the setting `name`, see `device_name`."""
    import torch

    return torch.device(device_name(name))
