"""Images: bytes on disk, floats inside, patches that stay sharp."""

import numpy as np
import pytest
from PIL import Image

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import DataError
from fmri2image.core.images import read_images, resize, to_bytes, to_float, write_png


def test_every_byte_survives_the_round_trip():
    pixels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3).copy()
    pixels[..., 1] = 255 - pixels[..., 1]
    images = to_float(pixels)
    assert images.shape == (1, 3, 16, 16)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images[0, 1], (255 - np.arange(256).reshape(16, 16)) / 255, atol=1e-7)
    np.testing.assert_array_equal(to_bytes(images), pixels)


def test_bytes_are_rounded_and_clipped():
    values = np.array([-0.2, 0.4 / 255, 0.6 / 255, 1.7]).reshape(1, 1, 2, 2).repeat(3, axis=1)
    np.testing.assert_array_equal(to_bytes(values)[0, ..., 0], [[0, 0], [1, 255]])


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 4, 4, 3)), np.zeros((2, 3, 4, 4), np.uint8), np.zeros((4, 3), np.uint8)]
)
def test_other_arrays_are_refused(pixels):
    with pytest.raises(DataError, match="8-bit of shape"):
        to_float(pixels)


def test_resize_keeps_patches_exactly():
    patches = np.random.default_rng(0).integers(0, 2, (2, 3, 10, 10)).astype(np.float32)
    large = patches.repeat(6, axis=2).repeat(6, axis=3)
    np.testing.assert_array_equal(resize(large, 10), patches)
    np.testing.assert_array_equal(resize(patches, 60), large)
    assert resize(large, 60) is large


def test_resize_averages_areas():
    images = np.random.default_rng(1).random((1, 3, 12, 12)).astype(np.float32)
    expected = images.reshape(1, 3, 4, 3, 4, 3).mean(axis=(3, 5))
    np.testing.assert_allclose(resize(images, 4), expected, atol=1e-6)


def test_reading_takes_bytes_and_floats(tmp_path):
    pixels = np.random.default_rng(2).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    write_arrays(tmp_path / "bytes.h5", {"images": LabelledArray(pixels, ["a", "b"])})
    write_arrays(tmp_path / "floats.h5", {"images": LabelledArray(to_float(pixels).astype(float), ["a", "b"])})
    first, second = read_images(tmp_path / "bytes.h5", ["b"]), read_images(tmp_path / "floats.h5", ["b"])
    assert first.rows == second.rows == ["b"]
    assert first.values.dtype == second.values.dtype == np.float32
    np.testing.assert_allclose(first.values[0], pixels[1].transpose(2, 0, 1) / 255, atol=1e-7)
    np.testing.assert_array_equal(first.values, second.values)


def test_png_holds_the_pixels(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    write_png(tmp_path / "image.png", pixels)
    with Image.open(tmp_path / "image.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels)
