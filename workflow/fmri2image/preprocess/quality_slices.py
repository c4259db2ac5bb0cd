"""Rows of slices through a head in three orientations, with outlines; one scale in millimetres per figure."""

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from nibabel.processing import resample_from_to

from fmri2image.preprocess.quality_style import WIDTH, inches

ORIENTATIONS = {"axial": 2, "coronal": 1, "sagittal": 0}  # the axis across the slices, in right-anterior-superior order
FINE = 1.2  # mm: outlines of images are drawn on at most this spacing, so that they are lines and not stairs
GAP, TITLE = 0.03, 0.2  # inches


@dataclass(frozen=True)
class Grid:
    """A grid turned so that its axes run, as nearly as can be, to the right, to the front and up.

    Parameters
    ----------
    affine : array of shape (4, 4)
        Voxel to world of the turned grid, RAS mm.
    shape : tuple of 3 int
    source : array of shape (4, 4)
        Voxel to world before turning.
    """

    affine: np.ndarray
    shape: tuple[int, int, int]
    source: np.ndarray

    @classmethod
    def of(cls, shape: Sequence[int], affine: np.ndarray) -> "Grid":
        """Return the turned grid of an image of `shape` with `affine`."""
        turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(np.zeros(shape, np.uint8), affine))
        return cls(turned.affine, turned.shape, np.asarray(affine, dtype=float))

    @property
    def zooms(self) -> np.ndarray:
        """Voxel sizes in mm (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def turn(self, values: np.ndarray) -> np.ndarray:
        """Return an array of the grid before turning (X, Y, Z) in the turned order of axes."""
        kind = np.uint8 if values.dtype == bool else np.float32
        turned = nibabel.as_closest_canonical(nibabel.Nifti1Image(values.astype(kind), self.source))
        return np.asarray(turned.dataobj).astype(values.dtype)

    def finer(self) -> "Grid":
        """Return the same field of view at a spacing of at most `FINE` mm."""
        factor = np.maximum(np.ceil(self.zooms / FINE), 1).astype(int)
        affine = self.affine @ np.diag([*(1 / factor), 1])
        affine[:3, 3] = self.affine[:3, 3] - self.affine[:3, :3] @ ((1 - 1 / factor) / 2)
        return Grid(affine, tuple(int(n) for n in np.array(self.shape) * factor), affine)

    def sample(self, values: np.ndarray, affine: np.ndarray, mode: str = "constant") -> np.ndarray:
        """Return an image of another grid interpolated linearly on this one; outside 0, or with ``nearest`` its rim."""
        image = nibabel.Nifti1Image(np.asarray(values, dtype=np.float32), affine)
        return np.asarray(resample_from_to(image, (self.shape, self.affine), order=1, mode=mode).dataobj)

    def millimetres(self, axis: int, index: int) -> float:
        """Return the world coordinate of the middle of a slice along its own axis."""
        middle = (np.array(self.shape) - 1) / 2
        middle[axis] = index
        return float((self.affine @ [*middle, 1])[axis])


@dataclass(frozen=True)
class Box:
    """The part of a grid that is shown: first and one past the last voxel along each axis."""

    first: tuple[int, int, int]
    stop: tuple[int, int, int]

    @classmethod
    def around(cls, inside: np.ndarray, margin: int = 2) -> "Box":
        """Return the box around a bool array (X, Y, Z) with some voxels of margin."""
        ranges = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        first = tuple(max(int(r[0]) - margin, 0) for r in ranges)
        stop = tuple(min(int(r[-1]) + 1 + margin, n) for r, n in zip(ranges, inside.shape, strict=True))
        return cls(first, stop)


@dataclass(frozen=True)
class Row:
    """One row of a mosaic: an orientation, the slices, and the words above each."""

    orientation: str
    slices: tuple[int, ...]


@dataclass(frozen=True)
class Tile:
    """One drawn slice.

    Parameters
    ----------
    axis : matplotlib Axes
        In voxels of the grid.
    row : int
    orientation : str
    index : int
        Slice number of the grid.
    extent : tuple of 4 float
        Of the whole slice, in voxels of the grid: left, right, bottom, top.
    """

    axis: Axes
    row: int
    orientation: str
    index: int
    extent: tuple[float, float, float, float]

    def plane(self, values: np.ndarray) -> np.ndarray:
        """Return this slice of an array (X, Y, Z) of the grid, rows upwards."""
        return np.take(values, self.index, axis=ORIENTATIONS[self.orientation]).T

    def image(self, values: np.ndarray, **options: object) -> object:
        """Draw the slice of an array (X, Y, Z) of the grid."""
        return self.axis.imshow(
            self.plane(values), origin="lower", extent=self.extent, interpolation="nearest", aspect="auto", **options
        )

    def image_fine(self, values: np.ndarray, factors: Sequence[int], **options: object) -> object:
        """Draw the slice of a finer array; `factors` says how much finer along each axis of the grid."""
        return self.axis.imshow(
            self._plane_fine(values, factors), origin="lower", extent=self.extent, aspect="auto", **options
        )

    def contour(self, values: np.ndarray, factors: Sequence[int], level: float, colour: str, width: float) -> None:
        """Draw the contour of a finer array; `factors` says how much finer along each axis of the grid."""
        plane = self._plane_fine(values, factors)
        # Lines end where the array is NaN.
        if np.any(plane < level) and np.any(plane > level):
            self.axis.contour(
                plane, levels=[level], colors=colour, linewidths=width, extent=self.extent, origin="lower"
            )

    def _plane_fine(self, values: np.ndarray, factors: Sequence[int]) -> np.ndarray:
        across = ORIENTATIONS[self.orientation]
        return np.take(values, self.index * factors[across] + factors[across] // 2, axis=across).T

    def outline(self, mask: np.ndarray, colour: str, width: float = 1.2) -> None:
        """Draw the borders between voxels inside and outside of a mask, exactly along the faces of voxels."""
        padded = np.pad(self.plane(mask).T.astype(bool), 1)
        across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
        along = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
        segments = [[(i - 0.5, j - 0.5), (i - 0.5, j + 0.5)] for i, j in across]
        segments += [[(i - 0.5, j - 0.5), (i + 0.5, j - 0.5)] for i, j in along]
        if segments:
            # A dark rim sets the line off from bright voxels.
            for shade, thick in (("black", width + 1.0), (colour, width)):
                self.axis.add_collection(LineCollection(segments, colors=shade, linewidths=thick, capstyle="round"))


def spread(first: int, stop: int, number: int) -> tuple[int, ...]:
    """Return at most `number` slices spaced evenly inside a range, none at its very rim."""
    places = first + (stop - first) * (np.arange(number) + 0.5) / number
    return tuple(sorted({min(int(place), stop - 1) for place in places}))


def fitting(grid: Grid, box: Box, orientation: str, columns: int) -> int:
    """Return how many slices of an orientation fill the width that `columns` axial slices fill."""
    width, _ = _size(grid, box, orientation)
    axial, _ = _size(grid, box, "axial")
    return int(np.clip(round(columns * axial / width), 3, 8))


def mosaic_height(grid: Grid, box: Box, rows: Sequence[Row], width: float = WIDTH) -> float:
    """Return the height in inches that rows of slices need."""
    scale = _scale(grid, box, rows, width)
    return sum(scale * _size(grid, box, row.orientation)[1] + TITLE + GAP for row in rows)


def draw_rows(
    figure: Figure, grid: Grid, box: Box, rows: Sequence[Row], bottom: float, left: float = 0.0, width: float = WIDTH
) -> list[Tile]:
    """Make the axes of a mosaic, upwards from `bottom`, all at one scale in millimetres; the subject's left is on the left.

    Parameters
    ----------
    figure : Figure
    grid : Grid
    box : Box
    rows : sequence of Row
    bottom, left, width : float
        Inches.

    Returns
    -------
    tiles : list of Tile
        In the order of rows and slices.
    """
    scale = _scale(grid, box, rows, width)
    tiles = []
    top = bottom + mosaic_height(grid, box, rows, width)
    for number, row in enumerate(rows):
        across, up = (scale * size for size in _size(grid, box, row.orientation))
        top -= up + TITLE
        spare = width - len(row.slices) * across
        gap = spare / max(len(row.slices) - 1, 1) if spare < 0.25 * width else GAP
        depth = ORIENTATIONS[row.orientation]
        h, v = (axis for axis in range(3) if axis != depth)
        extent = (-0.5, grid.shape[h] - 0.5, -0.5, grid.shape[v] - 0.5)
        for place, index in enumerate(row.slices):
            axis = inches(figure, left + place * (across + gap), top, across, up)
            axis.set_axis_off()
            axis.set_facecolor("black")
            axis.text(
                0.5, 1.02, f"{'xyz'[depth]} = {grid.millimetres(depth, index):.0f} mm", transform=axis.transAxes,
                ha="center", va="bottom", fontsize=8,
            )  # fmt: skip
            tile = Tile(axis, number, row.orientation, index, extent)
            tiles.append(tile)
            axis.set_xlim(box.first[h] - 0.5, box.stop[h] - 0.5)
            axis.set_ylim(box.first[v] - 0.5, box.stop[v] - 0.5)
            axis.set_autoscale_on(False)
        top -= GAP
    return tiles


def _size(grid: Grid, box: Box, orientation: str) -> tuple[float, float]:
    extent = (np.array(box.stop) - box.first) * grid.zooms
    h, v = (axis for axis in range(3) if axis != ORIENTATIONS[orientation])
    return float(extent[h]), float(extent[v])


def _scale(grid: Grid, box: Box, rows: Sequence[Row], width: float) -> float:
    """Return inches per millimetre at which the widest row fills the width."""
    needed = max(len(row.slices) * _size(grid, box, row.orientation)[0] for row in rows)
    most = max(len(row.slices) for row in rows)
    return (width - GAP * (most - 1)) / needed
