"""One page per subject that shows whether motion correction and coregistration can be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import ndimage

from fmri2image.core.files import replacing
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.reslice import reslice

# Okabe and Ito's palette, readable with any colour vision.
AXIS_COLOURS = ("#0072B2", "#D55E00", "#009E73")
ROI_COLOURS = ("#E69F00", "#56B4E9", "#CC79A7", "#F0E442", "#009E73", "#D55E00")
INK, FAINT = "#222222", "#9a9a9a"
T1W_COLOUR = "#ff4f4f"
N_SLICES = 5
WIDTH = 13.0  # inches


def write_quality(
    path: str | Path,
    subject: str,
    motion: Sequence[tuple[str, str, pd.DataFrame]],
    mean_bold: np.ndarray,
    affine: np.ndarray,
    t1w: np.ndarray,
    t1w_affine: np.ndarray,
    rois: Mapping[str, np.ndarray],
    simulated: bool,
) -> None:
    """Draw motion traces over all runs, and the EPI in T1w space under T1w edges and ROI outlines.

    Parameters
    ----------
    path : path
        Ends in ``.png`` or ``.svg``.
    subject : str
    motion : sequence of (session, run, motion table)
        In the order of acquisition.
    mean_bold : array of shape (X, Y, Z)
        Mean preprocessed BOLD, or the reference resliced to T1w space.
    affine : array of shape (4, 4)
        Of `mean_bold` and the masks.
    t1w : array of shape (X', Y', Z')
    t1w_affine : array of shape (4, 4)
    rois : mapping of str to bool array of shape (X, Y, Z)
        Areas to outline, few enough to tell apart.
    simulated : bool
        Written in the title.
    """
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    row = WIDTH / N_SLICES * mean_bold.shape[1] * zooms[1] / (mean_bold.shape[0] * zooms[0])
    overlay_height, motion_height = 2 * row + 1.0, 5.4
    figure = Figure(figsize=(WIDTH, motion_height + overlay_height), layout="constrained")
    FigureCanvasAgg(figure)
    upper, lower = figure.subfigures(2, 1, height_ratios=[motion_height, overlay_height])
    _draw_motion(upper, motion)
    _draw_overlay(lower, mean_bold, affine, t1w, t1w_affine, rois)
    origin = " (simulated)" if simulated else ""
    figure.suptitle(f"sub-{subject}{origin}: motion and coregistration", fontsize=14, color=INK, x=0.01, ha="left")
    with replacing(path) as partial:
        figure.savefig(partial, dpi=130, facecolor="white")


def _draw_motion(figure: Figure, motion: Sequence[tuple[str, str, pd.DataFrame]]) -> None:
    axes = figure.subplots(3, 1, sharex=True)
    values = np.concatenate([table[list(PARAMETERS)].to_numpy() for _, _, table in motion])
    displacement = np.concatenate([table["framewise_displacement"].to_numpy() for _, _, table in motion])
    lengths = [len(table) for _, _, table in motion]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    panels = (
        (values[:, :3], "translation (mm)"),
        (np.degrees(values[:, 3:]), "rotation (deg)"),
    )
    for axis, (columns, label) in zip(axes[:2], panels, strict=True):
        for name, colour, column in zip("xyz", AXIS_COLOURS, columns.T, strict=True):
            # A gap at run borders: the volumes between two runs are not there.
            axis.plot(*_with_gaps(column, starts), color=colour, linewidth=0.9, label=name)
        axis.set_ylabel(label)
        axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.05), frameon=False, handlelength=1.0)
    axes[2].plot(*_with_gaps(displacement, starts), color=INK, linewidth=0.7)
    axes[2].axhline(0.5, color=AXIS_COLOURS[1], linewidth=0.8, linestyle=(0, (4, 3)))
    above = 100 * np.nanmean(displacement > 0.5)
    axes[2].set_ylabel("framewise\ndisplacement (mm)")
    axes[2].set_ylim(0, max(0.6, 1.05 * np.nanmax(displacement)))
    axes[2].annotate(
        f"mean {np.nanmean(displacement):.2f} mm\n{above:.1f} % above\n0.5 mm",
        (1.008, 0.95),
        xycoords="axes fraction",
        va="top",
        fontsize=9,
        color=INK,
    )
    axes[2].set_xlabel("volume (kept volumes of all runs, in order of acquisition)")
    sessions = [session for session, _, _ in motion]
    for axis in axes:
        _tidy(axis)
        axis.set_xlim(0, starts[-1])
        for i, start in enumerate(starts[1:-1], start=1):
            new_session = sessions[i] != sessions[i - 1]
            axis.axvline(
                start, color=INK if new_session else "#d9d9d9", linewidth=1.0 if new_session else 0.6, zorder=0
            )
    _name_sessions(axes[0], sessions, starts)


def _name_sessions(axis: Axes, sessions: Sequence[str], starts: np.ndarray) -> None:
    first = [i for i, session in enumerate(sessions) if i == 0 or session != sessions[i - 1]]
    for i, j in zip(first, [*first[1:], len(sessions)], strict=True):
        share = (starts[j] - starts[i]) / starts[-1]
        name = sessions[i]
        room = int(140 * share)
        # Long BIDS names lose their middle, never the number at the end.
        text = name if len(name) <= room else name[: max(room - 6, 3)] + "…" + name[-4:]
        axis.annotate(
            text,
            ((starts[i] + starts[j]) / 2, 1.02),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            fontsize=8,
            color=INK,
        )


def _draw_overlay(
    figure: Figure,
    bold: np.ndarray,
    affine: np.ndarray,
    t1w: np.ndarray,
    t1w_affine: np.ndarray,
    rois: Mapping[str, np.ndarray],
) -> None:
    covered = np.any(bold > 0.1 * np.percentile(bold, 99), axis=(0, 1))
    inside = np.flatnonzero(covered)
    slices = np.unique(np.linspace(inside[0] + 1, inside[-1] - 1, N_SLICES).round().astype(int))
    axes = figure.subplots(2, len(slices), squeeze=False)
    # Three times finer than the masks within the slice, so that edges are lines and not stairs.
    factor = 3
    fine = affine @ np.diag([1 / factor, 1 / factor, 1, 1])
    fine[:3, 3] -= affine[:3, :2] @ np.full(2, (1 - 1 / factor) / 2)
    size = (bold.shape[0] * factor, bold.shape[1] * factor, bold.shape[2])
    anatomy, _ = reslice(t1w[None], t1w_affine, np.eye(4)[None], size, fine, order=1)
    smooth = ndimage.gaussian_filter(anatomy[0], (factor, factor, 0.5))
    zooms = np.linalg.norm(affine[:3, :3], axis=0)
    low, high = 0, np.percentile(bold[bold > 0], 99.5)
    extent = (-0.5, bold.shape[0] - 0.5, -0.5, bold.shape[1] - 0.5)
    flip = affine[0, 0] > 0
    threshold = _between_air_and_head(smooth)
    tissue = np.percentile(smooth[smooth > threshold], 60)
    for (above, below), k in zip(axes.T, slices, strict=True):
        for axis in (above, below):
            axis.imshow(bold[:, :, k].T, cmap="gray", vmin=low, vmax=high, origin="lower", extent=extent)
            axis.set_aspect(zooms[1] / zooms[0])
            axis.set_axis_off()
        for level, width in ((threshold, 1.0), (tissue, 0.5)):
            _outline(above, smooth[:, :, k], level, extent, T1W_COLOUR, width)
        for colour, mask in zip(_cycle(ROI_COLOURS, len(rois)), rois.values(), strict=True):
            _mask_outline(below, mask[:, :, k], colour)
        z = (affine @ [bold.shape[0] / 2, bold.shape[1] / 2, k, 1])[2]
        above.set_title(f"z = {z:.0f} mm", fontsize=9, color=INK)
        for axis in (above, below):
            # The subject's left is on the left of the page.
            axis.set_xlim(extent[:2] if flip else extent[1::-1])
    handles = [Line2D([], [], color=T1W_COLOUR, label="T1w edges (upper row)")]
    handles += [
        Line2D([], [], color=colour, linewidth=2, label=name)
        for colour, name in zip(_cycle(ROI_COLOURS, len(rois)), rois, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, fontsize=9)
    figure.suptitle("EPI in T1w space; the subject's left is on the left", fontsize=10, color=INK, x=0.01, ha="left")


def _outline(axis: Axes, plane: np.ndarray, level: float, extent: tuple[float, ...], colour: str, width: float) -> None:
    if plane.min() < level < plane.max():
        axis.contour(plane.T, levels=[level], colors=colour, linewidths=width, extent=extent, origin="lower")


def _mask_outline(axis: Axes, mask: np.ndarray, colour: str) -> None:
    """Draw the borders between voxels inside and outside, exactly along the voxel faces."""
    padded = np.pad(mask.astype(bool), 1)
    across = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    along = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    segments = [[(i - 0.5, j - 0.5), (i - 0.5, j + 0.5)] for i, j in across]
    segments += [[(i - 0.5, j - 0.5), (i + 0.5, j - 0.5)] for i, j in along]
    axis.add_collection(LineCollection(segments, colors=colour, linewidths=1.1, capstyle="round"))


def _between_air_and_head(image: np.ndarray) -> float:
    """Return a level on the rim of the head: a quarter of the way from the darkest to the bright part."""
    low, high = np.percentile(image, [2, 98])
    return float(low + 0.25 * (high - low))


def _with_gaps(values: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    borders = starts[1:-1]
    return np.insert(np.arange(len(values), dtype=float), borders, np.nan), np.insert(values, borders, np.nan)


def _cycle(colours: Sequence[str], length: int) -> list[str]:
    return [colours[i % len(colours)] for i in range(length)]


def _tidy(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(FAINT)
    axis.tick_params(colors=INK, labelsize=9, length=3)
    axis.margins(x=0)
