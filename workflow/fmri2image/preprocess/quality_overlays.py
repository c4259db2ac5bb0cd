"""Overlays: the EPI in T1w space under outlines of the T1w image, and under outlines of the areas."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import ndimage

from fmri2image.core.errors import DataError
from fmri2image.preprocess.quality_slices import (
    ORIENTATIONS,
    Box,
    Grid,
    Row,
    draw_rows,
    fitting,
    mosaic_height,
    spread,
)
from fmri2image.preprocess.quality_style import (
    OUTLINES,
    TITLE_HEIGHT,
    new_figure,
    note,
    note_height,
    note_lines,
    save,
    styled,
    title,
)

TISSUE_COLOUR, BRAIN_COLOUR = "#FF5A36", "#56B4E9"
SIDES = "The subject's left is on the left."
COLUMNS = 5  # axial slices in a row
BIAS_WIDTH = 20.0  # mm: brightness that changes more slowly than this is no tissue


def plot_coregistration(
    path: str | Path,
    subject: str,
    epi: np.ndarray,
    brain: np.ndarray,
    affine: np.ndarray,
    t1w: np.ndarray,
    t1w_affine: np.ndarray,
    simulated: bool,
) -> None:
    """Draw the reference EPI in T1w space in three orientations under outlines of the T1w image.

    Parameters
    ----------
    path : path
    subject : str
    epi : array of shape (X, Y, Z)
        Reference volume in T1w space.
    brain : bool array of shape (X, Y, Z)
        Brain mask of the T1w image.
    affine : array of shape (4, 4)
        Of EPI and mask.
    t1w : array of shape (X', Y', Z')
    t1w_affine : array of shape (4, 4)
    simulated : bool
    """
    grid = Grid.of(epi.shape, affine)
    epi, brain = grid.turn(epi), grid.turn(brain.astype(bool))
    if not (epi[brain] > 0).any():
        raise DataError(f"sub-{subject}: the EPI covers no voxel of the T1w image's brain; check the coregistration.")
    box = Box.around(_shown(epi))
    fine = grid.finer()
    factors = tuple(int(n) for n in np.array(fine.shape) // grid.shape)
    anatomy = fine.sample(t1w, t1w_affine)
    brain_fine = fine.sample(brain, grid.affine, mode="nearest")
    flat = without_bias(anatomy, brain_fine > 0.5, fine.zooms)
    level = tissue_border(flat[brain_fine > 0.5])
    # Outside of the brain there is no border to draw; a little past its rim, so that no line ends short of it.
    edge = ndimage.gaussian_filter(brain_fine, np.array(factors) * 0.6)
    covered = {name: _covered(epi * brain, axis) for name, axis in ORIENTATIONS.items()}
    axial = spread(*covered["axial"], COLUMNS)
    rows = [
        Row("axial", axial),
        Row("axial", axial),
        *(Row(name, spread(*covered[name], fitting(grid, box, name, COLUMNS))) for name in ("coronal", "sagittal")),
    ]
    limits = (0, np.percentile(epi[epi > 0], 99.5))
    shown = grid.sample(t1w, t1w_affine)
    t1w_limits = (0, np.percentile(shown[brain], 99.5))
    with styled():
        figure, bottom = _new(grid, box, rows, simulated)
        for tile in draw_rows(figure, grid, box, rows, bottom):
            if tile.row == 1:
                tile.image_fine(anatomy, factors, cmap="gray", vmin=t1w_limits[0], vmax=t1w_limits[1])
            else:
                tile.image(epi, cmap="gray", vmin=limits[0], vmax=limits[1])
            tile.contour(np.where(edge > 0.5, flat, np.nan), factors, level, TISSUE_COLOUR, 0.6)
            tile.contour(edge, factors, 0.5, BRAIN_COLOUR, 1.0)
        handles = [
            Line2D([], [], color=BRAIN_COLOUR, label="brain of the T1w image"),
            Line2D([], [], color=TISSUE_COLOUR, label="border of grey and white matter in the T1w image"),
        ]
        _finish(figure, f"sub-{subject}: EPI in T1w space, second row the T1w image", handles, simulated)
        save(figure, path)


def plot_rois(
    path: str | Path,
    subject: str,
    mean: np.ndarray,
    areas: Mapping[str, np.ndarray],
    affine: np.ndarray,
    simulated: bool,
) -> None:
    """Draw areas outlined on the mean EPI: axial slices through them, and one row of each other orientation.

    Parameters
    ----------
    path : path
    subject : str
    mean : array of shape (X, Y, Z)
        Mean preprocessed EPI of all runs.
    areas : mapping of str to bool array of shape (X, Y, Z)
        Few enough to tell apart.
    affine : array of shape (4, 4)
    simulated : bool
    """
    grid = Grid.of(mean.shape, affine)
    mean, turned = grid.turn(mean), {name: grid.turn(mask.astype(bool)) for name, mask in areas.items()}
    if not (mean > 0).any():
        raise DataError(f"sub-{subject}: the mean EPI is empty; check the coregistration.")
    joined = np.logical_or.reduce(list(turned.values()))
    box = Box.around(_shown(mean) | joined)
    axial = _through(joined, 2, 2 * COLUMNS)
    rows = [Row("axial", axial[:COLUMNS])]
    rows += [Row("axial", axial[COLUMNS:])] if axial[COLUMNS:] else []
    rows += [
        Row(name, _through(joined, ORIENTATIONS[name], fitting(grid, box, name, COLUMNS)))
        for name in ("coronal", "sagittal")
    ]
    top = np.percentile(mean[mean > 0], 99.5)
    colours = [OUTLINES[i % len(OUTLINES)] for i in range(len(turned))]
    with styled():
        figure, bottom = _new(grid, box, rows, simulated)
        for tile in draw_rows(figure, grid, box, rows, bottom):
            tile.image(mean, cmap="gray", vmin=0, vmax=top)
            for colour, mask in zip(colours, turned.values(), strict=True):
                tile.outline(mask, colour)
        handles = [
            Line2D([], [], color=colour, linewidth=2, label=f"{name} ({int(mask.sum()):,})")
            for colour, (name, mask) in zip(colours, turned.items(), strict=True)
        ]
        _finish(
            figure, f"sub-{subject}: areas on the mean EPI of all runs; in brackets their voxels", handles, simulated
        )
        save(figure, path)


def without_bias(image: np.ndarray, brain: np.ndarray, zooms: np.ndarray) -> np.ndarray:
    """Divide an image by its smooth brightness inside the brain, so that one level means one tissue everywhere.

    Parameters
    ----------
    image : array of shape (X, Y, Z)
    brain : bool array of shape (X, Y, Z)
    zooms : array of shape (3,)
        mm.
    """
    sigma = BIAS_WIDTH / np.asarray(zooms)
    weight = ndimage.gaussian_filter(brain.astype(np.float32), sigma, truncate=2)
    bright = ndimage.gaussian_filter(np.where(brain, image, 0).astype(np.float32), sigma, truncate=2)
    local = np.divide(bright, weight, out=np.zeros_like(bright), where=weight > 1e-3)
    smooth = ndimage.gaussian_filter(image.astype(np.float32), 0.7)
    return np.divide(smooth, local, out=np.zeros_like(smooth), where=local > 0)


def tissue_border(values: np.ndarray) -> float:
    """Return the level between grey and white matter: the upper of two thresholds of Otsu's method for three classes."""
    image = sitk.GetImageFromArray(np.ravel(values).astype(np.float32)[None])
    filter_ = sitk.OtsuMultipleThresholdsImageFilter()
    filter_.SetNumberOfThresholds(2)
    filter_.Execute(image)
    return float(filter_.GetThresholds()[1])


def _shown(epi: np.ndarray) -> np.ndarray:
    return epi > 0.1 * np.percentile(epi[epi > 0], 99)


def _covered(inside: np.ndarray, axis: int) -> tuple[int, int]:
    """Return first and one past the last slice of which at least a fifth of the fullest slice is filled."""
    filled = np.count_nonzero(inside, axis=tuple({0, 1, 2} - {axis}))
    slices = np.flatnonzero(filled >= 0.2 * filled.max())
    return int(slices[0]), int(slices[-1]) + 1


def _through(joined: np.ndarray, axis: int, number: int) -> tuple[int, ...]:
    """Return at most `number` slices, evenly spaced among those that hold a voxel of an area."""
    held = np.flatnonzero(joined.any(axis=tuple({0, 1, 2} - {axis})))
    return tuple(int(held[i]) for i in spread(0, len(held), min(number, len(held))))


def _new(grid: Grid, box: Box, rows: list[Row], simulated: bool) -> tuple[Figure, float]:
    """Return a figure for rows of slices with its headline, legend and note, and where the rows begin."""
    bottom = note_height(note_lines([SIDES], simulated)) + 0.25
    return new_figure(bottom + mosaic_height(grid, box, rows) + TITLE_HEIGHT), bottom


def _finish(figure: Figure, words: str, handles: list[Line2D], simulated: bool) -> None:
    lines = note_lines([SIDES], simulated)
    title(figure, words)
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, note_height(lines) / figure.get_figheight()), ncols=6,
        handlelength=1.4, columnspacing=1.4, borderaxespad=0.1, borderpad=0.2,
    )  # fmt: skip
    note(figure, lines)
