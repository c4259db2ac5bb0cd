"""Weights of networks in safetensors files that say what they belong to."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.features.networks import SAME_WEIGHTS
from fmri2image.features.networks.base import Network

KEY = "fmri2image"


def write_weights(path: str | Path, network: Network, about: Mapping) -> None:
    """Write a network's weights; `about` (training settings, seed, …) travels in the file's metadata."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    # One JSON entry: safetensors does not keep the order of several, and equal weights must give equal files.
    metadata = {KEY: json.dumps({"network": network.name, **about}, sort_keys=True)}
    with replacing(path) as partial:
        save_file(state, partial, metadata=metadata)


def read_weights(network: Network, path: str | Path) -> dict:
    """Put the weights of a file into a network (also one built on the meta device).

    Returns
    -------
    attributes : dict
        ``weights`` (file name), ``weights_sha256``, and ``arrays_sha256`` (see `arrays_sha256`: the same for equal weights
        in any file); of converted weights ``belongs_to`` too (`fmri2image.features.convert.belongs`).

    Raises
    ------
    DataError
        If the file cannot be read, is not the one that its sidecar describes, or does not fit the network.
    """
    path = Path(path)
    checksum = checked_sha256(path, network.name)
    try:
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            metadata = json.loads((file.metadata() or {}).get(KEY, "{}"))
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path} cannot be read as safetensors ({error}); fetch or train it again.") from error
    owner = metadata.get("network", network.name)
    if owner not in (network.name, SAME_WEIGHTS.get(network.name)):
        raise DataError(f"{path} holds the weights of network '{owner}', not of '{network.name}'.")
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in stored.items()}
    if wanted != given:
        names = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
        detail = shorten(
            [f"{n} (network: {wanted.get(n, 'absent')}, file: {given.get(n, 'absent')})" for n in names], 3
        )
        raise DataError(f"{path} does not fit network '{network.name}' as configured: {detail}.")
    network.load_state_dict({name: value.to(torch.float32) for name, value in stored.items()}, assign=True)
    digest = arrays_sha256(stored)
    if metadata.get("arrays_sha256", digest) != digest:
        raise DataError(f"{path} holds other arrays than were converted; delete it and convert the weights again.")
    attributes = {"weights": path.name, "weights_sha256": checksum, "arrays_sha256": digest}
    return attributes | ({"belongs_to": metadata["belongs_to"]} if "belongs_to" in metadata else {})


def checked_sha256(path: Path, network: str) -> str:
    """Return the checksum of a weights file, which must be the one in the JSON sidecar where there is a sidecar.

    Raises
    ------
    DataError
        If the file does not exist, or is not the one that its sidecar describes.
    """
    try:
        found = sha256(path)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; it should hold the weights of network '{network}'.") from error
    sidecar = path.with_suffix(".json")
    promised = json.loads(sidecar.read_text(encoding="utf-8")).get("sha256") if sidecar.is_file() else None
    if promised not in (None, found):
        raise DataError(
            f"{path} has the SHA-256 checksum {found[:12]}…, but {sidecar} promises {promised[:12]}…: the file is damaged "
            "or was exchanged; get it again (git checkout, or train it anew), or use weights without that sidecar."
        )
    return found


def sha256(path: str | Path) -> str:
    """Return the SHA-256 checksum of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrays_sha256(arrays: Mapping[str, np.ndarray | torch.Tensor]) -> str:
    """Return the SHA-256 of named float32 arrays: names, shapes and numbers, whatever file they are kept in."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        values = np.ascontiguousarray(np.asarray(arrays[name]), dtype="<f4")
        digest.update(f"{name} {list(values.shape)}\n".encode())
        digest.update(values.reshape(-1).view(np.uint8))  # no copy: fc6 of VGG19 alone has 411 MB
    return digest.hexdigest()
