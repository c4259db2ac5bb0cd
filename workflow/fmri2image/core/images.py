"""Images inside the library are float RGB in [0, 1], N×3×H×W; files keep 8-bit N×H×W×3 with one name per image."""

from pathlib import Path

import numpy as np
from PIL import Image

from fmri2image.core.arrays import LabelledArray, read_array
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Turn 8-bit images (n, height, width, 3) into float32 RGB (n, 3, height, width) in [0, 1]."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise DataError(
            f"Images must be 8-bit of shape (n, height, width, 3); these are {pixels.dtype} {pixels.shape}."
        )
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32) / 255


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Turn float RGB (n, 3, height, width) in [0, 1] into 8-bit images (n, height, width, 3), rounded and clipped."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8).transpose(0, 2, 3, 1)


def read_images(path: str | Path, rows: list[str] | None = None) -> LabelledArray:
    """Read an image file as float RGB (n, 3, height, width) in [0, 1], whether it holds 8-bit or float images."""
    array = read_array(path, "images", rows)
    values = to_float(array.values) if array.values.dtype == np.uint8 else array.values.astype(np.float32)
    return LabelledArray(values, array.rows, array.attributes)


def resize(images: np.ndarray, size: int) -> np.ndarray:
    """Resize float images (n, 3, height, width) to size × size by area averaging, which keeps coarse patches sharp."""
    if images.shape[-2:] == (size, size):
        return images
    out = np.empty((*images.shape[:2], size, size), dtype=np.float32)
    for i, image in enumerate(images):
        for c, channel in enumerate(image):
            plane = Image.fromarray(np.asarray(channel, dtype=np.float32))
            out[i, c] = np.asarray(plane.resize((size, size), Image.Resampling.BOX))
    return out


def write_png(path: str | Path, image: np.ndarray) -> None:
    """Write one 8-bit image (height, width, 3) as PNG."""
    with replacing(path) as partial:
        Image.fromarray(image).save(partial, format="PNG")
