"""What the figures of the simulated subjects read: the truth of a subject, and which file belongs to whom."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from fmri2image.core.arrays import LabelledArray, array_names, open_h5, read_array, read_attributes
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.report.style import FAINT, MM, footnote

# Areas as the figures name them, from low to high, each in a colour of Okabe and Ito.
AREA_COLOURS = {
    "V1": "#0072B2", "V2": "#56B4E9", "V3": "#009E73", "hV4": "#F0E442", "LOC": "#E69F00", "FFA": "#D55E00",
    "PPA": "#CC79A7", "HVC": "#000000",
}  # fmt: skip
RETINOTOPIC = ("V1", "V2", "V3", "hV4")
REST_OF_HVC = "other HVC"
DPI = 180


@dataclass(frozen=True)
class Truth:
    """The truth of one subject, as far as the figures need it; all arrays have one entry per responding voxel.

    Parameters
    ----------
    path : str
    subject : str
        Label without ``sub-``.
    settings : dict
        Of the simulation.
    index : array of shape (n_voxels, 3)
        Place on the grid of the masks.
    affine : array of shape (4, 4)
        Of that grid, to T1w world mm.
    shape : array of shape (3,)
        Of that grid.
    part : array of str, shape (n_voxels,)
        Area as in the masks (``V1d``, …).
    area : array of str, shape (n_voxels,)
        A key of `AREA_COLOURS`; dorsal and ventral parts are joined, ``HVC`` is what is in no other area.
    level : dict from column to array of shape (n_voxels,)
        Per cent.
    volumes_per_block : int
        Volumes in the mean whose noise ``block_noise`` is.
    ceilings : dict from stimulus set to array of shape (n_voxels,)
        Noise ceilings.
    repeats : dict from stimulus set to int
    """

    path: str
    subject: str
    settings: dict
    index: np.ndarray
    affine: np.ndarray
    shape: np.ndarray
    part: np.ndarray
    area: np.ndarray
    level: dict[str, np.ndarray]
    volumes_per_block: int
    ceilings: dict[str, np.ndarray]
    repeats: dict[str, int]

    @property
    def places(self) -> np.ndarray:
        """Voxels in T1w world, (n_voxels, 3) mm."""
        return self.index @ self.affine[:3, :3].T + self.affine[:3, 3]

    def array(self, name: str) -> LabelledArray:
        """Read an array of the file."""
        return read_array(self.path, name)

    def example_voxel(self, area: str, stimulus_set: str) -> int:
        """Return, of the tenth of an area with the highest noise ceilings, the voxel that sees nearest to the middle."""
        mine = np.flatnonzero(self.area == area)
        best = mine[np.argsort(-self.ceilings[stimulus_set][mine], kind="stable")][: -(-len(mine) // 10)]
        centres = self.array("receptive_field").values[best, :2]
        return int(best[np.argmin(np.hypot(*centres.T))])


def axes_at(figure: plt.Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place in mm from the upper left corner of the figure."""
    wide, tall = figure.get_size_inches() / MM
    return figure.add_axes((left / wide, 1 - (top + height) / tall, width / wide, height / tall))


def write_at(figure: plt.Figure, x: float, y: float, text: str, **style: object) -> None:
    """Write text vertically centred at a place in mm from the upper left corner of the figure."""
    wide, tall = figure.get_size_inches() / MM
    figure.text(x / wide, 1 - y / tall, text, **{"va": "center", **style})


def write_note(figure: plt.Figure, *lines: str) -> None:
    """Write the footnote: that all is simulated, and what else must be known; one line of text each."""
    tall = figure.get_size_inches()[1] / MM
    for number, line in enumerate([footnote(True, False, lines[0]), *lines[1:]]):
        y = tall - 2.5 - 2.8 * (len(lines) - 1 - number)
        write_at(figure, 1.0, y, line, size=6, color=FAINT)


def save_figure(
    figure: plt.Figure, outputs: Sequence[str], palette: Image.Quantize | None = Image.Quantize.MAXCOVERAGE
) -> None:
    """Save a figure under several names as PNG, fine enough for print and small enough to be kept with the documentation.

    Parameters
    ----------
    figure : Figure
    outputs : sequence of path
    palette : Quantize, optional
        How to choose the 256 colours that are stored; by default rare colours, such as those of small areas, are kept.
        None stores all colours, in three times the bytes.
    """
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI, facecolor="white")
    plt.close(figure)
    image = Image.open(drawn).convert("RGB")
    if palette is not None:
        image = _with_palette(image, palette)
    for output in outputs:
        with replacing(output) as partial:
            image.save(partial, format="png", optimize=True, dpi=(DPI, DPI))


def _with_palette(image: Image.Image, method: Image.Quantize) -> Image.Image:
    """Reduce an image to 256 colours, dithered but on paper that stays white."""
    colours = image.quantize(256, method=method)
    table = np.array(colours.getpalette()).reshape(-1, 3)
    white = int(table.sum(axis=1).argmax())
    table[white] = 255
    colours.putpalette(table.ravel().tolist())
    index = np.array(image.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG))
    # The nearest colour is looked up coarsely, and may be a very light grey.
    index[(np.asarray(image) == 255).all(axis=-1)] = white
    reduced = Image.fromarray(index)
    reduced.putpalette(table.ravel().tolist())
    return reduced


def subject_of(path: str | Path) -> str:
    """Return the subject whose file this is; raises DataError if the name says none."""
    match = re.match(r"sub-([A-Za-z0-9]+)_", Path(path).name)
    if match is None:
        raise DataError(f"{path} does not say which subject it belongs to; its name must begin with 'sub-<subject>_'.")
    return match[1]


def by_subject(paths: Sequence[str]) -> dict[str, list[str]]:
    """Sort files by subject, in the order given."""
    found: dict[str, list[str]] = {}
    for path in paths:
        found.setdefault(subject_of(path), []).append(path)
    return found


def read_truth(path: str | Path) -> Truth:
    """Read the truth of a subject."""
    attributes = read_attributes(path)
    with open_h5(path) as file:
        sets = [name.removeprefix("response_") for name in array_names(file) if name.startswith("response_")]
    level = read_array(path, "level")
    area = read_array(path, "area", level.rows)
    names = np.array(str(area.attributes["areas"]).split())
    part = names[area.values]
    ceilings = {name: read_array(path, f"noise_ceiling_{name}", level.rows) for name in sets}
    columns = str(level.attributes["columns"]).split()
    return Truth(
        path=str(path),
        subject=str(attributes["subject"]),
        settings=json.loads(attributes["settings"]),
        index=np.array([[int(number) for number in row.split("-")] for row in level.rows]),
        affine=np.asarray(attributes["mask_grid_affine"], dtype=float),
        shape=np.asarray(attributes["mask_grid_shape"], dtype=int),
        part=part,
        area=np.array([whole_area(name) for name in part]),
        level=dict(zip(columns, level.values.T, strict=True)),
        volumes_per_block=int(level.attributes["volumes_per_block"]),
        ceilings={name: array.values for name, array in ceilings.items()},
        repeats={name: int(array.attributes["repeats"]) for name, array in ceilings.items()},
    )


def whole_area(part: str) -> str:
    """Return the area that a dorsal or ventral part belongs to."""
    return part[:2] if part[:2] in ("V1", "V2", "V3") else part


def area_label(area: str) -> str:
    """Return the words for a key of `AREA_COLOURS`."""
    return REST_OF_HVC if area == "HVC" else area
