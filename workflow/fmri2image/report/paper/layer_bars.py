"""Bars over the layers of a network, with the subjects as marks and the band of chance behind."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from fmri2image.report.paper import marks
from fmri2image.report.style import BAND, FAINT, INK

MEAN = "mean"  # in the column of subjects: over all of them


def draw_layers(axes: Axes, table: pd.DataFrame, layers: Sequence[str], subjects: Sequence[str], colour: str) -> None:
    """Draw the value of every layer.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        ``layer``, ``subject`` (`MEAN` for the bars), ``mean``, ``ci_low``, ``ci_high`` (NaN for none), ``chance_p01``,
        ``chance_p99``.
    layers, subjects : sequences of str
        In their order along the axis, and of their marks.
    colour : str
    """
    bars = table[table["subject"] == MEAN].set_index("layer").reindex(layers)
    x, mean = np.arange(len(layers)), bars["mean"].to_numpy(dtype=float)
    band = bars[["chance_p01", "chance_p99"]].to_numpy(dtype=float)
    known = np.isfinite(band).all(axis=1)
    axes.bar(x[known], (band[:, 1] - band[:, 0])[known], 1.0, bottom=band[known, 0], color=BAND, lw=0, zorder=0)
    axes.bar(x, np.nan_to_num(mean), 0.66, color=colour, alpha=0.85, lw=0, zorder=2)
    ends = np.abs(bars[["ci_low", "ci_high"]].to_numpy(dtype=float).T - mean)
    known = np.isfinite(ends).all(axis=0)
    axes.errorbar(
        x[known], mean[known], ends[:, known], fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.5, zorder=5,
    )  # fmt: skip
    points = table[table["subject"].isin(subjects)]
    if points["subject"].nunique() > 1:
        places = points["layer"].map(dict(zip(layers, x, strict=True))).to_numpy(dtype=float)
        marks.draw_subjects(axes, places, points["subject"], points["mean"], subjects, 0.6)
    axes.axhline(0, color=FAINT, lw=0.6, zorder=3)
    axes.grid(axis="y", lw=0.4, color="0.92", zorder=-1)
    axes.set_axisbelow(True)
    axes.set_xlim(-0.7, len(layers) - 0.3)
    axes.set_xticks(x, layers, rotation=90, size=6)
    axes.tick_params(axis="x", length=0, pad=1)
    axes.tick_params(axis="y", labelsize=6.5)
