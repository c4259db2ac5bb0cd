"""The reader of .caffemodel files against files written byte by byte, whole, cut, and of other formats."""

import zipfile

import numpy as np
import pytest
from caffe_writer import TINY, blob, caffe_bytes, layer, nested, tagged, varint

from fmri2image.core.errors import DataError
from fmri2image.features.convert.caffe import read_caffemodel
from fmri2image.features.convert.protobuf import Message

VALUES = np.random.default_rng(0).normal(size=(3, 2, 4, 4)).astype(np.float32)
BIAS = np.array([1.5, -2.0, np.pi], dtype=np.float32)


def write(tmp_path, content: bytes):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("generation", "style"),
    [("V1", "legacy"), ("V1", "unpacked"), ("V2", "shape"), ("V2", "unpacked"), ("V2", "double"), ("V2", "split")],
)
def test_every_way_of_writing_numbers(tmp_path, generation, style):
    content = nested(1, b"name") + layer("conv1", "Convolution", [blob(VALUES, style), blob(BIAS, style)], generation)
    model = read_caffemodel(write(tmp_path, content + layer("relu1", "ReLU", [], generation)))
    assert (model.name, model.generation) == ("name", generation)
    assert list(model.layers) == ["conv1", "relu1"]
    assert model.layers["conv1"].type == "Convolution"
    weights, bias = model.learnable()["conv1"]
    assert bias.shape == ((1, 1, 1, 3) if style == "legacy" else (3,))
    np.testing.assert_array_equal(weights.array(), VALUES)
    np.testing.assert_array_equal(bias.array().ravel(), BIAS)


def test_ordinary_files_are_not_copied(tmp_path):
    content = nested(1, b"x") + layer("ip", "InnerProduct", [blob(VALUES.reshape(6, 16), "legacy")], "V1")
    (weights,) = read_caffemodel(write(tmp_path, content)).learnable()["ip"]
    values = weights.array()
    assert not values.flags.owndata
    assert not values.flags.writeable
    assert np.shares_memory(values, np.frombuffer(weights.message.buffer, np.uint8))
    assert values.shape == (1, 1, 6, 16)


def test_unpacked_numbers_next_to_other_fields(tmp_path):
    # Two runs of unpacked numbers with another field between them.
    first = b"".join(tagged(5, 5, np.float32(value).tobytes()) for value in (1, 2, 3))
    second = b"".join(tagged(5, 5, np.float32(value).tobytes()) for value in (4, 5))
    content = nested(100, nested(1, b"a") + nested(7, first + nested(7, nested(1, varint(5))) + second))
    (array,) = read_caffemodel(write(tmp_path, content)).learnable()["a"]
    np.testing.assert_array_equal(array.array(), [1, 2, 3, 4, 5])


def test_a_file_cut_anywhere_is_refused_or_has_fewer_layers(tmp_path):
    arrays = {name: np.full(shape, 0.5, dtype=np.float32) for name, shape in TINY.arrays.items()}
    whole = caffe_bytes(TINY, arrays)
    layers = list(read_caffemodel(write(tmp_path, whole)).layers)
    refused = 0
    cuts = np.random.default_rng(1).integers(0, len(whole), 300)
    for cut in cuts:
        try:
            found = list(read_caffemodel(write(tmp_path, whole[:cut])).layers)
        except DataError as error:
            refused += 1
            assert "net.caffemodel" in str(error)
        else:  # exactly at the end of a layer: what a table of names then finds
            assert found == layers[: len(found)]
            assert len(found) < len(layers)
    assert refused > 280


def test_damaged_bytes_never_raise_anything_else(tmp_path):
    generator = np.random.default_rng(2)
    whole = caffe_bytes(TINY, {name: np.zeros(shape) for name, shape in TINY.arrays.items()})
    survived = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for position in generator.integers(0, 400, 5):  # where tags and lengths lie
            damaged[position] = generator.integers(0, 256)
        try:
            read_caffemodel(write(tmp_path, bytes(damaged)))
            survived += 1  # a byte of a name or number
        except DataError as error:
            assert "\n" not in str(error)
    assert survived < 290


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>404</html>", "cut, damaged or no protobuf file"),
        (nested(1, b"only a name"), "no layer at all"),
        (nested(100, nested(1, b"relu")), "no weights"),
        (nested(2, nested(1, nested(1, b"old"))), "oldest format"),
        (layer("a", "Convolution", [blob(BIAS)], "V1") + layer("b", "ReLU", [], "V2"), "both generations"),
        (layer("a", "Convolution", [blob(BIAS)], "V2") * 2, "two layers 'a'"),
        (
            nested(100, nested(1, b"a") + nested(7, nested(5, BIAS.tobytes()) + nested(7, nested(1, varint(4))))),
            "3 numbers",
        ),
        (nested(100, nested(1, b"a") + nested(7, nested(5, b"12345"))), "no whole numbers"),
        (tagged(100, 3, b""), "is a group"),
        (b"\xff" * 12, "more than 10 bytes"),
        (nested(100, tagged(1, 0, varint(3))), "wire type 0 instead of 2"),
    ],
)
def test_other_files_are_named_in_one_sentence(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as raised:
        read_caffemodel(write(tmp_path, content))
    assert "net.caffemodel" in str(raised.value)


def test_a_missing_file():
    with pytest.raises(DataError, match="does not exist"):
        read_caffemodel("absent.caffemodel")


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_varints(value):
    coded = varint(value)
    assert Message(coded, 0, len(coded), "x").varint(0) == (value, len(coded))


def test_a_zip_is_no_caffemodel(tmp_path):
    path = tmp_path / "net.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(DataError, match="protobuf"):
        read_caffemodel(path)
