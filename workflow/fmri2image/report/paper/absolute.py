"""Figure 5 of Shen et al. 2019: decoding accuracy of raw and of absolute features, all units and filter by filter."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from fmri2image.core.intervals import confidence_interval
from fmri2image.core.tables import read_table
from fmri2image.evaluate.filters import FILTER_COLUMNS
from fmri2image.report.raw_absolute import raw_absolute_figure

MEAN = "mean"
KINDS = ("raw", "absolute")
COLUMNS = {
    **FILTER_COLUMNS,
    "subject": "Subject label, mean over subjects",
    **{f"{kind}_ci": f"Half the 95 % confidence interval of {kind} over subjects (Student's t)" for kind in KINDS},
}


def plotted(inputs: Mapping[str, str], settings: Mapping) -> pd.DataFrame:
    """Return the accuracy of every subject and, below, the mean over subjects with its confidence interval.

    Parameters
    ----------
    inputs : mapping
        ``raw_absolute``: table of the study.
    settings : mapping
        Not used.

    Returns
    -------
    table : DataFrame with `COLUMNS`
    """
    table = read_table(inputs["raw_absolute"], subject=str, filter=str)
    found = []
    for _, rows in table.groupby("filter", sort=False):
        values = rows[list(KINDS)].to_numpy(dtype=float)
        known = np.isfinite(values).any(axis=0)
        mean, half = np.full(len(KINDS), np.nan), confidence_interval(values)
        mean[known] = np.nanmean(values[:, known], axis=0)
        one = {**rows.iloc[0].to_dict(), "subject": MEAN, "n_units": int(rows["n_units"].sum())}
        one |= dict(zip(KINDS, mean, strict=True)) | {f"{kind}_ci": h for kind, h in zip(KINDS, half, strict=True)}
        found.append(one)
    return pd.concat([table, pd.DataFrame(found)], ignore_index=True).reindex(columns=list(COLUMNS))


def draw(table: pd.DataFrame, settings: Mapping) -> plt.Figure:
    """Draw the figure from the rows of the subjects.

    Returns
    -------
    figure : Figure
    """
    return raw_absolute_figure(table[table["subject"] != MEAN], settings)
