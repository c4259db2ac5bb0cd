"""True features of stimulus images, one file per layer, in bounded memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.files import replacing
from fmri2image.core.images import to_float
from fmri2image.features.networks.base import Network

ARRAY = "features"


def extract(
    network: Network, images: LabelledArray, layers: Sequence[str], batch: int
) -> Iterator[tuple[str, LabelledArray]]:
    """Yield the features of one batch of images after the other, layer by layer.

    Parameters
    ----------
    network : Network
        On the device where the work is to be done.
    images : LabelledArray, values uint8 (n, height, width, 3)
    layers : sequence of str
    batch : int
        Images per pass; it bounds the memory and does not change the features.

    Yields
    ------
    layer : str
    features : LabelledArray, float32 (n_batch, channels, height, width) or (n_batch, units)
        Before rectification.
    """
    device = next(network.parameters()).device
    for start in range(0, len(images.rows), batch):
        rows = images.rows[start : start + batch]
        pixels = torch.as_tensor(to_float(images.values[start : start + batch]), device=device)
        with torch.no_grad():
            found = network.features(pixels, layers)
        for layer in layers:
            yield layer, LabelledArray(found[layer].cpu().numpy(), rows, layer_attributes(network, layer))


def write_features(
    paths: Mapping[str, str | Path],
    network: Network,
    images: LabelledArray,
    batch: int,
    attributes: Mapping | None = None,
) -> None:
    """Write the features of images, one HDF5 file per layer (array ``features``), streaming over batches.

    Parameters
    ----------
    paths : mapping from layer to file
    network : Network
    images : LabelledArray, values uint8 (n, height, width, 3)
    batch : int
    attributes : mapping, optional
        Further attributes of the files, for example ``simulated``.
    """
    text = h5py.string_dtype()
    with ExitStack() as stack:
        datasets = {}
        for layer, path in paths.items():
            file = stack.enter_context(h5py.File(stack.enter_context(replacing(path)), "w"))
            shape = (len(images.rows), *network.layer_shapes[layer])
            datasets[layer] = file.create_dataset(ARRAY, shape, dtype=np.float32)
            datasets[layer].attrs.update(layer_attributes(network, layer))
            file.create_dataset(f"{ARRAY}_rows", data=np.array(images.rows, dtype=text))
            file.attrs.update(dict(attributes or {}))
        filled = dict.fromkeys(paths, 0)
        for layer, features in extract(network, images, list(paths), batch):
            start = filled[layer]
            filled[layer] = start + len(features.rows)
            datasets[layer][start : filled[layer]] = features.values


def layer_attributes(network: Network, layer: str) -> dict:
    """Return what a feature file says about its layer."""
    return {
        **network.attributes,
        "layer": layer,
        "shape": list(network.layer_shapes[layer]),
        "units": "activation before rectification",
        "image_domain": json.dumps(asdict(network.domain)),
    }
