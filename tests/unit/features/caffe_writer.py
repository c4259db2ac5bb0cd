"""Writes .caffemodel files field by field, independently of the reader; and small networks with plausible activations."""

import struct
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from fmri2image.features.convert.golden import describe, golden_input
from fmri2image.features.convert.steps import run
from fmri2image.features.convert.tables import VGG19_SD, Table, vgg_table
from fmri2image.features.networks.vgg import architecture

V1_NUMBERS = {"Convolution": 4, "InnerProduct": 14, "Deconvolution": 39, "ReLU": 18, "Data": 5}
KINDS = {"convolution": "Convolution", "linear": "InnerProduct", "deconvolution": "Deconvolution"}

TINY_SETTINGS = {"name": "vgg19", "size": 32, "widths": [6, 8, 8, 10, 10], "units": [24, 20, 16]}
TINY = vgg_table("vgg19", TINY_SETTINGS, "vgg19-caffe", architecture(TINY_SETTINGS), published_sd=VGG19_SD)


def varint(value: int) -> bytes:
    out = []
    while value > 127:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def tagged(number: int, wire_type: int, content: bytes) -> bytes:
    return varint(number * 8 + wire_type) + content


def nested(number: int, content: bytes) -> bytes:
    return tagged(number, 2, varint(len(content)) + content)


def blob(values: np.ndarray, style: str = "shape") -> bytes:
    """Return a BlobProto: `style` is legacy, shape, unpacked, double or split."""
    values = np.asarray(values)
    if style == "legacy":
        dims = (1,) * (4 - values.ndim) + values.shape
        head = b"".join(tagged(number, 0, varint(dim)) for number, dim in enumerate(dims, start=1))
        return head + nested(5, values.astype("<f4").tobytes())
    head = nested(7, nested(1, b"".join(varint(dim) for dim in values.shape)))
    if style == "double":
        return head + nested(8, values.astype("<f8").tobytes())
    if style == "unpacked":
        return b"".join(tagged(5, 5, struct.pack("<f", value)) for value in values.ravel()) + head
    if style == "split":  # a repeated field may come in several packed stretches
        flat = values.astype("<f4").ravel()
        return nested(5, flat[:3].tobytes()) + head + nested(5, flat[3:].tobytes())
    return nested(5, values.astype("<f4").tobytes()) + nested(6, b"") + head  # data, an empty diff, the shape


def layer(name: str, kind: str, blobs: list[bytes], generation: str) -> bytes:
    """Return one field of NetParameter."""
    text = name.encode()
    if generation == "V1":
        fields = nested(2, b"data") + nested(3, text) + nested(4, text)
        fields += tagged(5, 0, varint(V1_NUMBERS[kind])) + b"".join(nested(6, one) for one in blobs)
        return nested(2, fields + tagged(7, 5, struct.pack("<f", 1.0)))  # blobs_lr
    fields = nested(1, text) + nested(2, kind.encode()) + nested(3, b"data") + nested(4, text)
    fields += nested(6, tagged(3, 5, struct.pack("<f", 1.0)))  # ParamSpec
    return nested(100, fields + b"".join(nested(7, one) for one in blobs) + tagged(10, 0, varint(1)))


def caffe_chunks(table: Table, arrays: Mapping, generation: str = "V1", style: str = "legacy") -> Iterator[bytes]:
    """Yield the parts of a .caffemodel."""
    yield nested(1, b"a network")
    yield layer("data", "Data", [], generation)
    yield layer("data", "Data", [], generation)  # once for training, once for testing
    for one in table.layers:
        blobs = [blob(np.asarray(arrays[f"{one.name}.{part}"]), style) for part in ("weight", "bias")]
        yield layer(one.name, KINDS[one.kind], blobs, generation)
        yield layer(f"relu_{one.name}", "ReLU", [], generation)


def caffe_bytes(table: Table, arrays: Mapping, generation: str = "V1", style: str = "legacy") -> bytes:
    return b"".join(caffe_chunks(table, arrays, generation, style))


def torch_names(table: Table, which: int = 1) -> dict[str, str]:
    """Return the name in a PyTorch file of every array."""
    names = {}
    for array in table.arrays:
        name, _, part = array.rpartition(".")
        known = table.torch_names.get(name, (name,))
        names[array] = f"{known[min(which, len(known) - 1)]}.{part}"
    return names


def plausible_arrays(table: Table, sds: Mapping[str, float], seed: int = 0) -> dict[str, torch.Tensor]:
    """Return random weights whose activations for the fixed picture have the given SD in every layer."""
    generator = torch.Generator().manual_seed(seed)
    arrays = {}
    for name, shape in table.arrays.items():
        noise = torch.randn(shape, generator=generator)
        fan_in = noise[0].numel()
        arrays[name] = noise * (2 / fan_in) ** 0.5 if len(shape) > 1 else torch.zeros(shape)
    before = 1.0
    # Without biases a factor on one layer's weights is a factor on all layers behind it.
    for name, values in run(table.steps, arrays.copy().__getitem__, golden_input(table)):
        factor = sds[name] / describe(values[0])["channel_sd"]
        arrays[f"{name}.weight"] = arrays[f"{name}.weight"] * (factor / before)
        before = factor
        arrays[f"{name}.bias"] = torch.randn(table.arrays[f"{name}.bias"], generator=generator) * sds[name] * 0.02
    return arrays
