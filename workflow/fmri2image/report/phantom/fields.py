"""What voxels see: receptive fields on the image, where they lie in the brain, and the images that two voxels prefer."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Circle, Polygon, Rectangle

from fmri2image.core.arrays import LabelledArray, read_array
from fmri2image.report.phantom.files import (
    AREA_COLOURS,
    RETINOTOPIC,
    Truth,
    area_label,
    axes_at,
    save_figure,
    write_at,
    write_note,
)
from fmri2image.report.style import FAINT, INK, MM, PAGE_WIDTH

# Where a voxel lies; areas without a dorsal and a ventral part bear the colour of their hemisphere's first.
QUARTERS = {
    "left hemisphere, dorsal part": "#D55E00", "left, ventral part": "#E69F00",
    "right hemisphere, dorsal part": "#0072B2", "right, ventral part": "#56B4E9",
}  # fmt: skip
PANELS = {**{area: (area,) for area in RETINOTOPIC}, "LOC, FFA, PPA, HVC": ("LOC", "FFA", "PPA", "HVC")}
SLICED = ("V1", "V2", "V3")
# Voxels whose receptive field is drawn as a circle of one standard deviation.
CIRCLES = 8
PREFERRED = 4
EXAMPLES = ("V1", "LOC")
VIEW = 1.15  # half width of the panels of the image, in half image widths


def draw_fields(truth: Truth, train: str | Path, outputs: Sequence[str]) -> dict[str, list[str]]:
    """Draw receptive fields by area, their map in the brain, their sizes, and two example voxels.

    Parameters
    ----------
    truth : Truth
    train : path
        Images of the set ``train``.
    outputs : sequence of path

    Returns
    -------
    preferred : dict from example area to the names of the training images to which its voxel responds most
    """
    fields = truth.array("receptive_field")
    figure = plt.figure(figsize=(PAGE_WIDTH * MM, 152 * MM))
    for letter, y in (("a", 3.5), ("b", 51.0), ("c", 105.0)):
        write_at(figure, 1, y, letter, size=9, weight="bold")
    for number, title in enumerate(PANELS):
        write_at(figure, 20.5 + 35 * number, 3.5, title, size=8, weight="bold", ha="center")
        _centres(axes_at(figure, 4.5 + 35 * number, 6, 32, 32), PANELS[title], fields.values, truth)
    handles = [plt.Line2D([], [], marker="o", ls="", ms=3, color=colour) for colour in QUARTERS.values()]
    figure.legend(handles, list(QUARTERS), ncols=4, fontsize=6.5, loc="center", bbox_to_anchor=(0.5, 1 - 42 / 152),
                  handletextpad=0.1, columnspacing=1.5)  # fmt: skip
    centres = fields.values[:, :2]
    angle = np.rad2deg(np.arctan2(centres[:, 1], np.abs(centres[:, 0])))
    write_at(figure, 6, 51, "V1, V2, V3 in a slice, from behind", size=8, weight="bold")
    _slice(figure, (8, 54, 52, 40), truth, 1, angle, ("RdYlBu", -90, 90, "angle above horizontal (°)"))
    write_at(figure, 80, 51, "… and from the right", size=8, weight="bold")
    eccentricity = np.hypot(*centres.T)
    _slice(figure, (80, 54, 35, 40), truth, 0, eccentricity, ("cividis", 0, 1, "eccentricity (half image widths)"))
    write_at(figure, 139, 51, "Size of the fields", size=8, weight="bold")
    _widths(axes_at(figure, 143, 54, 35, 38), eccentricity, fields.values[:, 2], truth)
    images, response = read_array(train, "images"), truth.array("response_train")
    names = truth.array("stimulus_train").rows
    preferred = {}
    for area, left in zip(EXAMPLES, (4.5, 93.5), strict=True):
        voxel = truth.example_voxel(area, "train")
        write_at(figure, left + 1.5, 105, f"A voxel of {area}", size=8, weight="bold")
        _centre_surround(axes_at(figure, left, 109, 26, 26), fields, voxel)
        order = np.argsort(-response.values[voxel], kind="stable")
        for row, (words, part) in enumerate({"strongest": order[:PREFERRED], "weakest": order[-PREFERRED:]}.items()):
            top = 109 + 18.5 * row
            write_at(figure, left + 29, top - 1.5, f"{words} responses to training images (SD)", size=6)
            for column, number in enumerate(part):
                axes = axes_at(figure, left + 29 + 14 * column, top, 13.3, 13.3)
                _seen(axes, images.take([names[number]]).values[0], fields.values[voxel])
                value = f"{response.values[voxel, number]:+.1f}".replace("-", "−")
                write_at(figure, left + 35.5 + 14 * column, top + 14.6, value, size=6, ha="center")
        preferred[area] = [names[number] for number in order[:PREFERRED]]
    write_note(
        figure,
        f"Subject {truth.subject}. Circles: one standard deviation (SD) of the receptive field.",
        "c: of the tenth of the area with the highest noise ceilings, the voxel that sees nearest to the middle.",
    )
    save_figure(figure, outputs)
    return preferred


def _centres(axes: Axes, areas: Sequence[str], fields: np.ndarray, truth: Truth) -> None:
    """Draw the centres of an area on the image, coloured by where the voxels lie."""
    mine = np.flatnonzero(np.isin(truth.area, areas))
    ventral = np.char.endswith(truth.part[mine].astype(str), "v")
    quarter = 2 * (truth.places[mine, 0] >= 0) + ventral
    axes.scatter(*fields[mine, :2].T, s=3, color=np.array(list(QUARTERS.values()))[quarter], lw=0, zorder=3)
    # Evenly by eccentricity, so that its effect on the size is seen.
    by_eccentricity = mine[np.argsort(np.hypot(*fields[mine, :2].T), kind="stable")]
    for voxel in by_eccentricity[np.linspace(0, len(mine) - 1, min(CIRCLES, len(mine))).round().astype(int)]:
        axes.add_patch(Circle(fields[voxel, :2], fields[voxel, 2], fill=False, ec=INK, lw=0.4, zorder=2))
    _image_frame(axes)


def _slice(
    figure: plt.Figure, place: tuple[float, ...], truth: Truth, axis: int, values: np.ndarray, style: tuple
) -> None:
    """Draw the voxels of V1 to V3 in the slice that holds most of them: fill by value, edge by area."""
    mine = np.isin(truth.area, SLICED)
    if axis == 0:
        # One hemisphere, or the slice between them would win.
        mine &= truth.places[:, 0] > 0
    numbers = truth.index[mine, axis]
    here = np.flatnonzero(mine & (truth.index[:, axis] == np.bincount(numbers).argmax()))
    across, name, low, high, words = 0 if axis == 1 else 1, *style
    corners = np.zeros((4, 3))
    corners[:, [across, 2]] = [(-0.42, -0.42), (0.42, -0.42), (0.42, 0.42), (-0.42, 0.42)]
    points = (truth.index[here, None] + corners) @ truth.affine[:3, :3].T + truth.affine[:3, 3]
    patches = PatchCollection([Polygon(part) for part in points[..., [across, 2]]], cmap=name, lw=1.1)
    patches.set_array(values[here])
    patches.set_clim(low, high)
    patches.set_edgecolor([AREA_COLOURS[area] for area in truth.area[here]])
    left, top, width, height = place
    axes = axes_at(figure, left + 3, top, width - 3, height - 2)
    axes.add_collection(patches)
    axes.autoscale_view()
    axes.set_aspect("equal", anchor="NW")
    axes.set_xlabel("left – right (mm)" if axis == 1 else "back – front (mm)", size=6.5, labelpad=1)
    axes.set_ylabel("down – up (mm)", size=6.5, labelpad=0)
    axes.tick_params(labelsize=6)
    bar = figure.colorbar(
        patches, cax=axes_at(figure, left + width + 2, top, 1.6, 28), ticks=[low, (low + high) / 2, high]
    )
    bar.set_label(words, size=6, labelpad=1)
    bar.ax.tick_params(labelsize=6, length=1.5)
    bar.outline.set_visible(False)
    if axis == 1:
        handles = [Rectangle((0, 0), 1, 1, fc="white", ec=AREA_COLOURS[area], lw=1.1) for area in SLICED]
        axes.legend(handles, SLICED, fontsize=6, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.24), handlelength=0.8,
                    handletextpad=0.4, columnspacing=1.0, borderpad=0)  # fmt: skip


def _widths(axes: Axes, eccentricity: np.ndarray, width: np.ndarray, truth: Truth) -> None:
    for area in AREA_COLOURS:
        mine = truth.area == area
        axes.scatter(eccentricity[mine], width[mine], s=3, lw=0, color=AREA_COLOURS[area], label=area_label(area))
    axes.set_xlim(0, 1.3)
    axes.set_ylim(0, 1.35 * width.max())
    axes.set_xlabel("eccentricity (half image widths)", size=6.5, labelpad=1)
    axes.set_ylabel("SD (half image widths)", size=6.5, labelpad=1)
    axes.tick_params(labelsize=6)
    axes.legend(ncols=3, fontsize=5.5, markerscale=2, handletextpad=0, columnspacing=0.3, loc="upper right", borderpad=0,
                labelspacing=0.2)  # fmt: skip


def _centre_surround(axes: Axes, fields: LabelledArray, voxel: int) -> None:
    """Draw the weights with which a voxel pools luminance and colour: the field less its surround."""
    x, y = np.meshgrid(*[np.linspace(-1, 1, 128)] * 2)
    right, up, width = fields.values[voxel]
    distance = (x - right) ** 2 + (y - up) ** 2
    parts = [np.exp(-distance / (2 * (times * width) ** 2)) for times in (1.0, float(fields.attributes["surround"]))]
    weights = parts[0] / parts[0].sum() - parts[1] / parts[1].sum()
    # Below zero on a scale of its own, because the surround is wide and weak.
    weights = np.where(weights < 0, weights / -min(weights.min(), -1e-12), weights / weights.max())
    axes.imshow(weights, cmap="RdBu_r", vmin=-1, vmax=1, origin="lower", extent=(-1, 1, -1, 1))
    axes.add_patch(Circle((right, up), width, fill=False, ec=INK, lw=0.5))
    _image_frame(axes)
    words = "weights of luminance and\ncolour: centre (red)\nless surround (blue)"
    axes.text(0.5, 0.0, words, size=5.5, ha="center", va="top", transform=axes.transAxes)


def _seen(axes: Axes, image: np.ndarray, field: np.ndarray) -> None:
    axes.imshow(image, extent=(-1, 1, -1, 1), interpolation="nearest")
    for colour, width in (("white", 1.4), ("black", 0.5)):
        axes.add_patch(Circle(field[:2], field[2], fill=False, ec=colour, lw=width))
    axes.set_xlim(-1, 1)
    axes.set_ylim(-1, 1)
    axes.set_axis_off()


def _image_frame(axes: Axes) -> None:
    axes.add_patch(Rectangle((-1, -1), 2, 2, fill=False, ec=FAINT, lw=0.7))
    axes.plot([-1, 1], [0, 0], color=FAINT, lw=0.3, zorder=1)
    axes.plot([0, 0], [-1, 1], color=FAINT, lw=0.3, zorder=1)
    axes.set_xlim(-VIEW, VIEW)
    axes.set_ylim(-VIEW, VIEW)
    axes.set_aspect("equal")
    axes.set_axis_off()
