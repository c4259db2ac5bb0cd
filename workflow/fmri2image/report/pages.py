"""Self-contained HTML pages from templates: pictures inside, no scripts, nothing fetched."""

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from fmri2image.core.files import replacing
from fmri2image.core.images import to_bytes

TEMPLATES = Path(__file__).resolve().parent / "templates"
SHEET_WIDTH = 1500  # pixels of an embedded image sheet: twice the width of the page
JPEG_QUALITY = 92
# The order of the stages, for people; the settings arrive in alphabetical order.
CHAPTERS = (
    "dataset",
    "title",
    "seed",
    "device",
    "subjects",
    "stimulus_sets",
    "acquire",
    "preprocess",
    "samples",
    "tests",
)


def render(template: str, output: str | Path, context: Mapping) -> None:
    """Render a template of this folder to a file; a name that the context lacks is an error.

    Parameters
    ----------
    template : str
        For example ``summary.html.j2``.
    output : path
    context : mapping
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(context)
    with replacing(output) as partial:
        partial.write_text(page, encoding="utf-8")


def _unbroken(value: object) -> object:
    # A number and its per cent sign stay on one line; text with line breaks of its own (settings) is left as it is.
    return value.replace(" %", "\u00a0%") if type(value) is str and "\n" not in value else value


def embed(path: str | Path, width: int | None = None) -> str:
    """Return an image file as a data address; with `width`, scaled down to that many pixels as JPEG."""
    if width is None:
        return f"data:image/png;base64,{base64.b64encode(Path(path).read_bytes()).decode()}"
    with Image.open(path) as image:
        picture = image.convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def embed_pixels(image: np.ndarray) -> str:
    """Return an image (height, width, 3) in [0, 1] as a data address, pixel by pixel."""
    buffer = io.BytesIO()
    Image.fromarray(to_bytes(image.transpose(2, 0, 1)[None])[0]).save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def settings_text(config: Mapping) -> str:
    """Return the settings in force as YAML, the chapters in the order of the stages."""
    ordered = {name: config[name] for name in CHAPTERS if name in config}
    ordered |= {name: value for name, value in config.items() if name not in ordered}
    return yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
