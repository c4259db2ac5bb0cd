"""Figure: which areas the decoders of each layer take their voxels from."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from fmri2image.report.style import (
    INK,
    LINE,
    MM,
    PAGE_WIDTH,
    draw_words,
    footnote,
    save,
    subject_label,
    write_below,
)

NOTHING = "No decoder selects voxels, so there is nothing to compare."
ONE_AREA = "Voxels lie in one area only, so there is nothing to compare."
MOST_COLUMNS = 3
CELL, LABELS = 4.2, 22.0  # mm: height of an area, of the names of layers and the title
LARGEST = 3.0  # the colours end where an area is taken 3 times as often as chance, or a third as often
MAP = "PuOr_r"


def draw_voxel_selection(table: pd.DataFrame, outputs: Sequence[str], settings: Mapping) -> None:
    """Draw, per subject, how much more often than chance the decoders of each layer select voxels of each area.

    Chance is the area's share of the voxels that could be selected; its ratio to the area's share of selections is the
    colour (logarithmic, 1 is white). What counts as selected are voxels with a weight, where weights are known: decoders
    that prune keep few of those they chose. A ring marks the area that each layer favours most. Areas can overlap; one that
    holds all voxels says nothing and is left out.

    Parameters
    ----------
    table : DataFrame
        With the columns of `fmri2image.decode.maps.COLUMNS`.
    outputs : sequence of path
    settings : mapping
        ``simulated``; ``decoder``, ``roi`` and ``training`` (the first of the table where they are not there); ``areas``, in
        the order in which they are drawn (all of the table where it is not there).
    """
    if table.empty:
        draw_words(NOTHING, outputs)
        return
    for column in ("decoder", "roi", "training"):
        table = table[table[column] == _present(table[column], settings.get(column))]
    decoder, roi = table["decoder"].iloc[0], table["roi"].iloc[0]
    table = table[table.groupby("area")["voxel_share"].transform("min") < 1]
    selected = "kept_share" if table["kept_share"].notna().all() else "chosen_share"
    subjects, layers, areas = (list(dict.fromkeys(table[column])) for column in ("subject", "layer", "area"))
    areas = [area for area in settings.get("areas") or areas if area in areas]
    if not areas:
        draw_words(ONE_AREA, outputs)
        return
    columns = min(len(subjects), MOST_COLUMNS)
    rows = -(-len(subjects) // columns)
    width = min(PAGE_WIDTH, max(90.0, 34.0 + columns * (18.0 + 3.0 * len(layers))))
    bottom = 4.0 + LINE * (width < 150)
    height = rows * (CELL * len(areas) + LABELS) + bottom + 1.0
    figure, panels = plt.subplots(rows, columns, figsize=(width * MM, height * MM), squeeze=False)
    for subject, axes in zip(subjects, panels.ravel(), strict=False):
        drawn = _draw_areas(axes, table[table["subject"] == subject], layers, areas, selected)
        axes.set_title(subject_label(subject), loc="left")
    for axes in panels.ravel()[len(subjects) :]:
        axes.set_visible(False)
    bar = figure.colorbar(drawn, ax=list(panels.ravel()), aspect=14, pad=0.02, fraction=0.04, extend="both")
    bar.set_ticks([-np.log2(LARGEST), -1, 0, 1, np.log2(LARGEST)], labels=["1/3", "1/2", "1", "2", "3"])
    bar.set_label("selected over chance", size=6.5)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=6.5)
    words = [f"Decoder: {decoder}, {roi}.", "Per cent: share of voxels (chance).", "Ring: favoured most."]
    write_below(figure, [footnote(settings["simulated"], False), *words])
    figure.set_layout_engine("constrained", rect=(0, bottom / height, 1, 1 - (bottom + 0.5) / height), w_pad=0.8 * MM)
    save(figure, outputs)


def _present(column: pd.Series, wanted: str | None) -> str:
    return wanted if wanted in set(column) else column.iloc[0]


def _draw_areas(
    axes: Axes, table: pd.DataFrame, layers: Sequence[str], areas: Sequence[str], selected: str
) -> matplotlib.cm.ScalarMappable:
    def cells(column: str) -> np.ndarray:
        found = table.pivot_table(index="area", columns="layer", values=column)
        return found.reindex(index=areas, columns=layers).to_numpy(dtype=float)

    chance = cells("voxel_share")
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = cells(selected) / chance
        colours = np.log2(ratio)
    limit = np.log2(LARGEST)
    drawn = axes.pcolormesh(
        np.ma.masked_invalid(np.clip(colours, -10, 10)),
        cmap=MAP,
        vmin=-limit,
        vmax=limit,
        edgecolor="white",
        linewidth=0.4,
    )
    for number in np.flatnonzero(np.isfinite(ratio).any(axis=0)):
        best = int(np.nanargmax(ratio[:, number]))
        axes.plot(number + 0.5, best + 0.5, "o", mfc="none", mec=INK, mew=0.7, ms=4.2)
    shares = table.groupby("area")["voxel_share"].first().reindex(areas)
    axes.set_yticks(
        np.arange(len(areas)) + 0.5,
        [f"{area}  {100 * share:.0f} %" if share == share else area for area, share in shares.items()],
        size=6.5,
    )
    axes.set_xticks(np.arange(len(layers)) + 0.5, layers, rotation=90, size=6.5 if len(layers) < 16 else 6)
    axes.set_xlim(0, len(layers))
    axes.set_ylim(len(areas), 0)
    axes.tick_params(length=0)
    axes.set_facecolor("0.93")
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    return drawn
