"""Choice of the device that tensors live on."""

import torch

from fmri2image.core.errors import ConfigError


def choose_device(name: str = "auto") -> torch.device:
    """Return the torch device for the setting `name`: ``auto`` (CUDA when there is one), ``cpu`` or ``cuda``."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda was asked for, but torch sees no CUDA device; use 'auto' or 'cpu'.")
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device: '{name}' is unknown; use 'auto', 'cpu' or 'cuda'.")
    return torch.device(name)
