"""Trained Caffe networks (``.caffemodel``) without Caffe: names of layers and their arrays, read where they lie.

Field numbers from BVLC/caffe:src/caffe/proto/caffe.proto. Files of both generations are read: ``layers`` of
V1LayerParameter with four dimensions per array (VGG, CaffeNet as published), and ``layer`` of LayerParameter with shapes.
"""

import math
import mmap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fmri2image.core.errors import DataError
from fmri2image.features.convert.protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, Message

# NetParameter
NET_NAME, NET_V1_LAYERS, NET_LAYER = 1, 2, 100
# V1LayerParameter (its field 1 holds the still older V0LayerParameter) and LayerParameter
V0_LAYER, V1_NAME, V1_TYPE, V1_BLOBS = 1, 4, 5, 6
V2_NAME, V2_TYPE, V2_BLOBS = 1, 2, 7
# BlobProto: legacy dimensions 1 to 4, then the numbers
LEGACY, DATA, SHAPE, DOUBLE_DATA = (1, 2, 3, 4), 5, 7, 8
SHAPE_DIM = 1
# V1LayerParameter.LayerType, those that carry weights; the names are those of LayerParameter.
V1_TYPES = {
    4: "Convolution",
    14: "InnerProduct",
    39: "Deconvolution",
    22: "Split",
    18: "ReLU",
    17: "Pooling",
    15: "LRN",
}


@dataclass(frozen=True)
class Blob:
    """One array in the file.

    Parameters
    ----------
    shape : tuple of int
        As stored; legacy files have four dimensions, the first ones often 1.
    spans : tuple of (first byte, last byte + 1, bytes from one number to the next, dtype)
        Where the numbers lie: one stretch in ordinary files.
    message : Message
    """

    shape: tuple[int, ...]
    spans: tuple[tuple[int, int, int, str], ...]
    message: Message = field(repr=False)

    def array(self) -> np.ndarray:
        """Return the array, float32 of shape `shape`, read-only; no copy if the numbers lie in one stretch."""
        parts = []
        for start, end, step, dtype in self.spans:
            if step == np.dtype(dtype).itemsize:
                parts.append(np.frombuffer(self.message.buffer, dtype, (end - start) // step, start))
            else:  # unpacked: every number behind its tag
                padded = np.dtype({"names": ["value"], "formats": [dtype], "offsets": [0], "itemsize": step})
                count = (end - start + step - 1) // step
                raw = bytes(self.message.buffer[start:end]).ljust(count * step, b"\0")
                parts.append(np.frombuffer(raw, padded)["value"])
        values = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.zeros(0, "<f4")
        return values.astype("<f4", copy=False).reshape(self.shape)


@dataclass(frozen=True)
class CaffeLayer:
    """One layer: its type as LayerParameter spells it, and its arrays (weights, then biases)."""

    type: str
    blobs: tuple[Blob, ...]


@dataclass(frozen=True)
class CaffeModel:
    """A trained network.

    Parameters
    ----------
    name : str
    generation : str
        ``V1`` (layers) or ``V2`` (layer).
    layers : dict from name to CaffeLayer, in the file's order
        Layers without arrays are there too.
    """

    name: str
    generation: str
    layers: dict[str, CaffeLayer]

    def learnable(self) -> dict[str, list[Blob]]:
        """Return the layers that have arrays."""
        return {name: list(layer.blobs) for name, layer in self.layers.items() if layer.blobs}


def read_caffemodel(path: str | Path) -> CaffeModel:
    """Read the structure of a ``.caffemodel``; the arrays stay in the file until they are asked for.

    Raises
    ------
    DataError
        If it cannot be read, is cut or damaged, is no trained network, or an array does not have as many numbers as its
        shape says.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            buffer = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; it should hold a trained Caffe network.") from error
    except ValueError as error:
        raise DataError(f"{path} is empty; it should hold a trained Caffe network.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    net = Message(buffer, 0, len(buffer), str(path))
    name, found = "", {"V1": {}, "V2": {}}
    for entry in net.fields():
        if entry.number == NET_NAME and entry.wire_type == BYTES:
            name = net.text(entry)
        elif entry.number in (NET_V1_LAYERS, NET_LAYER):
            generation = "V1" if entry.number == NET_V1_LAYERS else "V2"
            layer_name, layer = _layer(net.inner(entry), generation)
            known = found[generation].get(layer_name)
            if known is not None and known.blobs and layer.blobs:
                raise DataError(
                    f"{path} holds two layers '{layer_name}' with weights; it cannot be told which is meant."
                )
            if known is None or layer.blobs:  # data layers are there once for training and once for testing
                found[generation][layer_name] = layer
    used = [generation for generation, layers in found.items() if layers]
    if len(used) != 1:
        kind = "layers of both generations" if used else "no layer at all"
        raise DataError(f"{path} holds {kind}; it is no trained Caffe network (.caffemodel).")
    model = CaffeModel(name, used[0], found[used[0]])
    if not model.learnable():
        raise DataError(f"{path} holds {len(model.layers)} layers and no weights; it is no trained Caffe network.")
    return model


def _layer(message: Message, generation: str) -> tuple[str, CaffeLayer]:
    v1 = generation == "V1"
    name_number, type_number, blobs_number = (V1_NAME, V1_TYPE, V1_BLOBS) if v1 else (V2_NAME, V2_TYPE, V2_BLOBS)
    name, kind, blobs = "", "", []
    for entry in message.fields():
        if v1 and entry.number == V0_LAYER:
            raise DataError(
                f"{message.what} is of Caffe's oldest format (V0); convert it with Caffe's upgrade_net_proto_binary first."
            )
        if entry.number == name_number:
            name = message.text(entry)
        elif entry.number == type_number and v1:
            message.want(entry, VARINT)
            kind = V1_TYPES.get(entry.value, f"V1 type {entry.value}")
        elif entry.number == type_number:
            kind = message.text(entry)
        elif entry.number == blobs_number:
            blobs.append(_blob(message.inner(entry), name))
    return name, CaffeLayer(kind, tuple(blobs))


def _blob(message: Message, layer: str) -> Blob:
    legacy: dict[int, int] = {}
    shape: tuple[int, ...] | None = None
    spans: dict[str, list[tuple[int, int, int, str]]] = {"<f4": [], "<f8": []}
    resume: int | None = message.start
    while resume is not None:
        start, resume = resume, None
        for entry in message.fields(start):
            if entry.number in LEGACY and entry.wire_type == VARINT:
                legacy[entry.number] = entry.value
            elif entry.number == SHAPE:
                shape = _shape(message.inner(entry))
            elif entry.number in (DATA, DOUBLE_DATA):
                dtype = "<f4" if entry.number == DATA else "<f8"
                span = _span(message, entry, dtype)
                spans[dtype].append(span)
                if entry.wire_type != BYTES:  # a run of unpacked numbers was taken at once: go on behind it
                    resume = span[1]
                    break
    if shape is None:
        shape = tuple(legacy.get(number, 0) for number in LEGACY) if legacy else None
    dtype = "<f4" if spans["<f4"] else "<f8"
    used = [span for span in spans[dtype] if span[1] > span[0]]
    count = sum((end - start + step - 1) // step for start, end, step, _ in used)
    if shape is None:
        shape = (count,)
    where = f"layer '{layer}'" if layer else "a layer"
    if math.prod(shape) != count:
        raise DataError(
            f"{message.what}: an array of {where} holds {count:,} numbers, but its shape {shape} needs "
            f"{math.prod(shape):,}; fetch the file again."
        )
    return Blob(shape, tuple(used), message)


def _shape(message: Message) -> tuple[int, ...]:
    dims: list[int] = []
    for entry in message.fields():
        if entry.number != SHAPE_DIM:
            continue
        if entry.wire_type == VARINT:
            dims.append(entry.value)
        else:
            at = message.inner(entry).start
            while at < entry.end:
                value, at = Message(message.buffer, at, entry.end, message.what).varint(at)
                dims.append(value)
    return tuple(dims)


def _span(message: Message, entry: Field, dtype: str) -> tuple[int, int, int, str]:
    """Return where numbers lie: a packed field, or the run of equal unpacked fields that begins here."""
    size = np.dtype(dtype).itemsize
    if entry.wire_type == BYTES:
        if (entry.end - entry.start) % size:
            raise message.broken(f"{entry.end - entry.start} bytes are no whole numbers of {size} bytes", entry.start)
        return entry.start, entry.end, size, dtype
    message.want(entry, FIXED32 if size == 4 else FIXED64)
    tag = message.buffer[entry.start - 1]  # field numbers up to 15: one byte
    most = (message.end - entry.start + 1) // (size + 1)
    tags = np.frombuffer(message.buffer, np.uint8, most * (size + 1), entry.start - 1)[:: size + 1]
    others = np.flatnonzero(tags != tag)
    count = int(others[0]) if others.size else most
    return entry.start, entry.start + count * (size + 1) - 1, size + 1, dtype
