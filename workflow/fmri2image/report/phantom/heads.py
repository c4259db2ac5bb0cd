"""Heads of the subjects: anatomy, slab, areas and raw images side by side."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import nibabel
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from scipy.ndimage import map_coordinates

from fmri2image.preprocess.images import open_image, read_image
from fmri2image.report.phantom.files import AREA_COLOURS, Truth, area_label, axes_at, save_figure, write_at, write_note
from fmri2image.report.style import MM, PAGE_WIDTH, subject_label

# Planes of the T1w image, mm in T1w world: fixed axis and its place, then the limits of the two others.
PLANES = {
    "sagittal": (0, -9.0, (-128, 98), (-78, 104)),
    "coronal": (1, -80.0, (-80, 80), (-60, 76)),
    "axial": (2, -12.0, (-80, 80), (-122, 14)),
}
AXES = ("x", "y", "z")
STEP = 0.5  # mm between the points of a plane
SLAB_COLOUR = "white"
LEFT, TOP, TALL, ROW, FOOT = 5.0, 5.0, 26.5, 27.5, 5.0  # mm


def draw_heads(
    truths: Sequence[Truth], t1w: dict[str, str], bold: dict[str, str], outputs: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Draw one row per subject: three planes of the T1w image with areas and slab, a raw EPI slice, sizes of areas.

    Parameters
    ----------
    truths : sequence of Truth
    t1w, bold : dict from subject to path
        T1-weighted image, and a raw run, whose first volume is shown.
    outputs : sequence of path

    Returns
    -------
    sizes : dict from subject to voxels per area
    """
    height = TOP + ROW * len(truths) + FOOT
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, height * MM))
    sizes = {truth.subject: {area: int((truth.area == area).sum()) for area in AREA_COLOURS} for truth in truths}
    largest = max(size for of_subject in sizes.values() for size in of_subject.values())
    for number, truth in enumerate(truths):
        image, affine = read_image(t1w[truth.subject])
        top, left = TOP + number * ROW, LEFT
        write_at(
            figure, 2.5, top + TALL / 2, subject_label(truth.subject), size=8, weight="bold", rotation=90, ha="center"
        )
        for name, (axis, place, across, along) in PLANES.items():
            wide = TALL * (across[1] - across[0]) / (along[1] - along[0])
            if number == 0:
                write_at(figure, left, TOP - 2, f"{name}, {AXES[axis]} = {place:g} mm".replace("-", "−"), size=7)
            _plane(axes_at(figure, left, top, wide, TALL), name, image, affine, truth)
            left += wide + 1.0
        bold_image = open_image(bold[truth.subject])
        wide = TALL * truth.shape[0] / truth.shape[1]
        _epi(axes_at(figure, left, top, wide, TALL), bold_image)
        _sizes(axes_at(figure, left + wide + 1, top, PAGE_WIDTH - left - wide - 2, TALL), sizes[truth.subject], largest)
        if number == 0:
            write_at(figure, left, TOP - 2, "raw EPI, middle slice", size=7)
            write_at(figure, PAGE_WIDTH - 2, TOP - 2, "voxels per area", size=7, ha="right")
    write_note(figure, "T1w planes are the same in all subjects; dashed: the functional slab; left is left.")
    save_figure(figure, outputs)
    return sizes


def _plane(axes: Axes, name: str, image: np.ndarray, affine: np.ndarray, truth: Truth) -> None:
    axis, place, *limits = PLANES[name]
    free = [number for number in range(3) if number != axis]
    first, second = (np.arange(low, high, STEP) for low, high in limits)
    points = np.empty((len(second), len(first), 3))
    points[..., axis], points[..., free[0]] = place, first[None]
    points[..., free[1]] = second[:, None]
    extent = (*limits[0], *limits[1])
    grey = _sample(image, affine, points, order=1)
    axes.imshow(grey, cmap="gray", origin="lower", extent=extent, vmin=0, vmax=np.percentile(image, 99.5))
    areas = np.zeros(truth.shape)
    areas[tuple(truth.index.T)] = [list(AREA_COLOURS).index(area) + 1 for area in truth.area]
    label = _sample(areas, truth.affine, points, order=0)
    colours = ListedColormap(list(AREA_COLOURS.values()))
    axes.imshow(
        np.ma.masked_equal(label, 0), cmap=colours, origin="lower", extent=extent, vmin=0.5, vmax=len(AREA_COLOURS) + 0.5,
        interpolation="nearest", alpha=0.85,
    )  # fmt: skip
    inside = _sample(np.ones(truth.shape), truth.affine, points, order=0)
    if inside.any():
        axes.contour(first, second, inside, [0.5], colors=SLAB_COLOUR, linewidths=0.9, linestyles="dashed")
    axes.set_xlim(*limits[0])
    axes.set_ylim(*limits[1])
    _bare(axes)


def _epi(axes: Axes, bold: nibabel.Nifti1Image) -> None:
    volume = np.asarray(bold.dataobj[..., 0], dtype=float)
    zooms = bold.header.get_zooms()
    # The first axis runs from right to left.
    middle = volume[::-1, :, volume.shape[2] // 2].T
    axes.imshow(middle, cmap="gray", origin="lower", aspect=zooms[1] / zooms[0], vmin=0, interpolation="nearest")
    _bare(axes)


def _sizes(axes: Axes, sizes: dict[str, int], largest: int) -> None:
    places = np.arange(len(sizes))[::-1]
    axes.barh(places, list(sizes.values()), color=[AREA_COLOURS[area] for area in sizes], height=0.78)
    for place, (area, size) in zip(places, sizes.items(), strict=True):
        axes.text(size + 0.02 * largest, place, str(size), va="center", size=6)
        axes.text(-0.03 * largest, place, area_label(area), va="center", ha="right", size=6)
    axes.set_xlim(-0.95 * largest, 1.3 * largest)
    axes.set_yticks([])
    axes.set_xticks([])
    for side in axes.spines.values():
        side.set_visible(False)


def _sample(values: np.ndarray, affine: np.ndarray, points: np.ndarray, order: int) -> np.ndarray:
    inverse = np.linalg.inv(affine)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    return map_coordinates(np.asarray(values, dtype=float), np.moveaxis(index, -1, 0), order=order, cval=0.0)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(False)
