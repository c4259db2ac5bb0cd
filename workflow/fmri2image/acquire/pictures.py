"""Stimulus pictures of any common format as square 8-bit RGB."""

import io
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from fmri2image.core.errors import ConfigError, DataError

FITS = ("crop", "stretch")
BEHIND = (255, 255, 255)  # seen through transparent pixels, as viewers show them


def decode(data: bytes, size: int, fit: str = "crop", what: str | Path = "a picture") -> np.ndarray:
    """Return a picture as 8-bit RGB (size, size, 3).

    Grey, palette, CMYK and 16-bit pictures become 8-bit RGB without colour profiles; transparent pixels show white. The
    orientation that a camera noted (EXIF) is ignored, as experiments that read pixels ignore it. Of an animation the
    first frame is taken. Resizing is bicubic over the area of a new pixel (Pillow).

    Parameters
    ----------
    data : bytes
        Of the file.
    size : int
        Pixels along a side.
    fit : {"crop", "stretch"}
        What becomes of a picture that is not square: its central square, or all of it, squeezed.
    what : path
        For messages.

    Raises
    ------
    ConfigError
        If `fit` is unknown.
    DataError
        If the file is no picture, is damaged, or has values whose range is unknown.
    """
    if fit not in FITS:
        raise ConfigError(f"fit is '{fit}'; give {' or '.join(FITS)}.")
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
            picture = _rgb(opened, what)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{what} cannot be read as a picture ({error}); get the file again.") from error
    if fit == "crop" and picture.width != picture.height:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, top, left + side, top + side))
    if picture.size != (size, size):
        picture = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(picture, dtype=np.uint8)


def _rgb(picture: Image.Image, what: str | Path) -> Image.Image:
    if picture.mode.startswith("I") or picture.mode == "F":  # 16-bit, or 32-bit in which some programs store 8 or 16
        values = np.asarray(picture, dtype=np.float64)
        most = 255 if values.max() <= 255 and not picture.mode.startswith("I;16") else 65535
        if values.min() < 0 or values.max() > most or picture.mode == "F":
            raise DataError(
                f"{what} holds numbers from {values.min():g} to {values.max():g}, not 8 or 16 bits per colour; convert it "
                "to PNG."
            )
        return Image.fromarray(np.rint(values * 255 / most).astype(np.uint8)).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        behind = Image.new("RGBA", picture.size, (*BEHIND, 255))
        return Image.alpha_composite(behind, picture).convert("RGB")
    return picture.convert("RGB")
