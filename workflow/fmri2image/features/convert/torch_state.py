"""State dictionaries that ``torch.save`` wrote, read without running code."""

import pickle
from pathlib import Path

import torch

from fmri2image.core.errors import DataError

# A dictionary around the state dictionary, as training scripts save it.
WRAPPERS = ("state_dict", "model", "model_state_dict", "net")
PREFIX = "module."  # of torch.nn.DataParallel
COUNTERS = "num_batches_tracked"


def read_state(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a file by name; in memory-mapped files they stay there until they are used.

    Parameters
    ----------
    path : path
        Of a state dictionary, perhaps wrapped in another dictionary, or with names that begin with ``module.``.

    Returns
    -------
    state : dict from name to tensor, counters of batch normalisation left out

    Raises
    ------
    DataError
        If the file is damaged, holds other objects than tensors, or no dictionary of tensors.
    """
    loaded = _load(Path(path))
    if isinstance(loaded, dict) and not any(isinstance(value, torch.Tensor) for value in loaded.values()):
        inner = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), dict)), None)
        loaded = loaded if inner is None else inner
    if not isinstance(loaded, dict) or not any(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise DataError(
            f"{path} holds a {type(loaded).__name__} without tensors, not the weights of a network by name."
        )
    state = {str(name): value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
    if all(name.startswith(PREFIX) for name in state):
        state = {name.removeprefix(PREFIX): value for name, value in state.items()}
    return {name: value for name, value in state.items() if not name.endswith(COUNTERS)}


def _load(path: Path) -> object:
    try:
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            return torch.load(path, map_location="cpu", weights_only=True)  # as PyTorch saved before 1.6
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; it should hold weights that torch.save wrote.") from error
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise DataError(
                f"{path} holds Python objects besides tensors, and reading them would run their code; save only "
                "the state dictionary (torch.save(network.state_dict(), ...)) where you trust the file."
            ) from error
        raise DataError(f"{path} is cut, damaged or no file of torch.save; fetch it again.") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError) as error:
        detail = " ".join(str(error).split())[:120]
        raise DataError(f"{path} is cut, damaged or no file of torch.save ({detail}); fetch it again.") from error
