"""What trainings that can be stopped share: checkpoints, the order of batches, learning rates.

A step is a function of the settings and its number alone, so that a training which goes on from a checkpoint ends with the
same weights as one that was never stopped. Torch is imported where a checkpoint is read or written, because not every job
has it.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.files import replacing
from fmri2image.core.seeds import generator_for

log = logging.getLogger(__name__)

DIGEST_BYTES = 8


def checkpoint_of(output: str | Path, about: Mapping) -> Path:
    """Return where the training of an output file keeps what it needs to go on.

    The name changes with all that the training depends on, so that a training with other settings or code begins anew.
    Checkpoints that were left by such others are removed.

    Parameters
    ----------
    output : path
        File that will be written when the training is done.
    about : mapping
        What it depends on, in types that JSON knows.
    """
    digest = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=DIGEST_BYTES).hexdigest()
    found = Path(output).with_name(f".unfinished-{Path(output).stem}-{digest}.pt")
    for other in left_checkpoints(output):
        if other != found:
            log.info("%s belongs to other settings or code and is removed", other)
            other.unlink()
    return found


def left_checkpoints(output: str | Path) -> list[Path]:
    """Return the checkpoints that lie beside an output file and belong to it."""
    pattern = "[0-9a-f]" * 2 * DIGEST_BYTES  # a longer stem that begins like this one has checkpoints of its own
    output = Path(output)
    return sorted(output.parent.glob(f".unfinished-{output.stem}-{pattern}.pt"))


def save_checkpoint(path: str | Path, summary: str, state: Mapping[str, Any]) -> None:
    """Write all that a later start needs, in place of an earlier checkpoint.

    Parameters
    ----------
    path : path
    summary : str
        Settings of the training, which `load_checkpoint` compares.
    state : mapping
        Tensors and plain types; ``step`` is the number of steps done.
    """
    import torch

    with replacing(path) as partial:
        torch.save({"settings": summary, **state}, partial)


def load_checkpoint(path: str | Path, summary: str) -> dict[str, Any] | None:
    """Return what `save_checkpoint` wrote, on the CPU; None if there is no such file.

    Raises
    ------
    DataError
        If it belongs to other settings.
    """
    import torch

    if not Path(path).exists():
        return None
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["settings"] != summary:
        raise DataError(
            f"{path} is the checkpoint of a training with other settings; delete it or choose another path."
        )
    log.info("continuing %s at step %d", path, state["step"])
    return state


def cosine_rate(highest: float, steps: int, step: int) -> float:
    """Return the learning rate of a step: linear rise over a twentieth, then a cosine down to a hundredth."""
    rise = max(1, steps // 20)
    if step < rise:
        return highest * (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return float(highest * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * done))))


def halved_rate(first: float, halve_at: Sequence[int], step: int) -> float:
    """Return the learning rate of a step that begins at `first` and is halved from each step of `halve_at` on."""
    return first * 0.5 ** sum(step >= at for at in halve_at)


def reshuffled_batch(seed: int, n: int, batch: int, step: int) -> np.ndarray:
    """Return the numbers (batch,) of a step's batch; each of `n` comes once per round, in an order of the round's own.

    Raises
    ------
    ConfigError
        If a batch is larger than `n`.
    """
    per_round = n // batch
    if per_round == 0:
        raise ConfigError(f"A batch of {batch} is larger than the {n} training images.")
    order = generator_for(seed, "order", step // per_round).permutation(n)
    return order[(step % per_round) * batch :][:batch]


def cycled_batch(order: np.ndarray, batch: int, step: int) -> np.ndarray:
    """Return the numbers (batch,) of a step's batch from one order that begins again at its end, as a Caffe data layer does."""
    return order[(step * batch + np.arange(batch)) % len(order)]
