"""The arrays of a published file under our names, each checked against the table of its network."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.features.convert.caffe import Blob, read_caffemodel
from fmri2image.features.convert.tables import Table
from fmri2image.features.convert.torch_state import read_state

PAIR = ("weight", "bias")


class PublishedArrays(Mapping[str, np.ndarray]):
    """Arrays of a file by our names, float32, each read only when it is asked for.

    Parameters
    ----------
    shapes : mapping from our name to shape
    read : callable
        From our name to array.
    form : str
        What the file was, for people.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], read: Callable[[str], np.ndarray], form: str) -> None:
        self.shapes, self.form = dict(shapes), form
        self._read = read

    def __getitem__(self, name: str) -> np.ndarray:
        return self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.shapes)

    def __len__(self) -> int:
        return len(self.shapes)


def caffe_arrays(path: str | Path, table: Table, what: str = "") -> PublishedArrays:
    """Return the arrays of a ``.caffemodel``.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a layer, has one too many, or an array of another shape.
    """
    what = what or str(path)
    model = read_caffemodel(path)
    learnable = model.learnable()
    if not table.steps:
        raise DataError(f"{what} is a Caffe file, but the weights of '{table.name}' are known as PyTorch's only.")
    names = [layer.name for layer in table.layers]
    _same_layers(what, table, names, list(learnable))
    blobs: dict[str, Blob] = {}
    for name in names:
        if len(learnable[name]) != len(PAIR):
            raise DataError(
                f"{what}: layer '{name}' has {len(learnable[name])} arrays, but '{table.name}' needs weights and biases."
            )
        blobs |= {f"{name}.{part}": blob for part, blob in zip(PAIR, learnable[name], strict=True)}
    _same_shapes(what, table, {name: blob.shape for name, blob in blobs.items()})

    def read(name: str) -> np.ndarray:
        return _finite(blobs[name].array().reshape(table.arrays[name]), name, what)

    return PublishedArrays(table.arrays, read, f"Caffe ({model.generation} layers)")


def torch_arrays(path: str | Path, table: Table, what: str = "") -> PublishedArrays:
    """Return the arrays of a file of ``torch.save``; further names of the same array are left out.

    Raises
    ------
    DataError
        As `caffe_arrays`.
    """
    what = what or str(path)
    state = read_state(path)
    chosen: dict[str, str] = {}
    for name in table.arrays:
        layer, _, part = name.rpartition(".")
        candidates = [f"{theirs}.{part}" for theirs in table.torch_names.get(layer, (layer,))]
        theirs = next((candidate for candidate in candidates if candidate in state), None)
        if theirs is not None:
            chosen[name] = theirs
    used = {theirs: state[theirs] for theirs in chosen.values()}
    spare = [theirs for theirs in state if theirs not in used and not _is_among(state[theirs], used)]
    wanted = list(table.arrays)
    _same_layers(what, table, wanted, [*chosen, *spare])
    _same_shapes(what, table, {name: tuple(state[theirs].shape) for name, theirs in chosen.items()})
    turned = f"{table.torch_reversed}.weight"

    def read(name: str) -> np.ndarray:
        values = state[chosen[name]].to(torch.float32).numpy()
        return _finite(values[:, ::-1] if name == turned else values, name, what)

    return PublishedArrays(table.arrays, read, "PyTorch state dictionary")


def _is_among(tensor: torch.Tensor, used: Mapping[str, torch.Tensor]) -> bool:
    """Say whether a tensor is there under another name: bdpy's generators keep every layer twice."""
    alike = [other for other in used.values() if other.shape == tensor.shape]
    return any(other.data_ptr() == tensor.data_ptr() or torch.equal(other, tensor) for other in alike)


def _same_layers(what: str, table: Table, wanted: list[str], found: list[str]) -> None:
    missing = [name for name in wanted if name not in found]
    extra = [name for name in found if name not in wanted]
    if missing or extra:
        parts = [f"lacks {shorten(missing, 6)}"] if missing else []
        parts += [f"has {shorten(extra, 6)} besides"] if extra else []
        raise DataError(
            f"{what} does not hold the weights of '{table.name}': it {' and '.join(parts)}; the network has "
            f"{shorten(wanted, 6)}, the file {shorten(found, 6)}."
        )


def _same_shapes(what: str, table: Table, found: Mapping[str, tuple[int, ...]]) -> None:
    wrong = [name for name, shape in table.arrays.items() if _long(shape) != _long(found[name])]
    if wrong:
        detail = [f"{name} (network: {table.arrays[name]}, file: {tuple(found[name])})" for name in wrong]
        raise DataError(f"{what} does not fit '{table.name}': {shorten(detail, 3)}.")


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without its leading ones, which Caffe's older files add."""
    first = next((position for position, size in enumerate(shape) if size != 1), len(shape))
    return tuple(shape[first:])


def _finite(values: np.ndarray, name: str, what: str) -> np.ndarray:
    values = np.require(values, np.float32, ["C", "A"])  # numbers of a .caffemodel begin at any byte
    if not np.isfinite(values).all():
        raise DataError(f"{what}: {name} has values that are not finite; fetch the file again.")
    return values
