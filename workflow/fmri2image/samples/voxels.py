"""The voxels that the runs of a subject share: joined by their position on the grid, never by their place in a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.preprocess.images import same_grid
from fmri2image.preprocess.timeseries import TimeSeries
from fmri2image.samples.rois import unite, voxel_table


class CommonVoxels:
    """The voxels of a subject's first run, in the order of the grid, and which of them every run has seen.

    Parameters
    ----------
    series : TimeSeries
        Of the first run.
    path : path
        Its file, for messages.
    """

    def __init__(self, series: TimeSeries, path: Path) -> None:
        keys = _keys(series)
        order = np.argsort(keys)
        self.keys, self.voxels, self.path = keys[order], series.voxels[order], path
        self.areas = {name: inside[order] for name, inside in series.areas.items()}
        self.shape, self.affine = series.shape, series.affine
        self.seen = np.ones(len(order), dtype=bool)
        self._elsewhere: set[int] = set()

    def columns(self, series: TimeSeries, path: Path) -> np.ndarray:
        """Return the column (V,) of each common voxel in another run's signal, -1 where the run lacks it.

        Raises
        ------
        DataError
            If the run lies on another grid or has other areas; both files are named.
        """
        if not same_grid(series.shape, series.affine, self.shape, self.affine):
            raise DataError(
                f"{path} ({tuple(series.shape)} voxels) lies on another grid than {self.path} ({tuple(self.shape)} voxels): "
                "shape or affine differ; preprocess both runs with the same ROI masks."
            )
        if set(series.areas) != set(self.areas):
            raise DataError(
                f"{path} has the areas {shorten(list(series.areas), 30)}, but {self.path} has "
                f"{shorten(list(self.areas), 30)}; preprocess both runs with the same ROI masks."
            )
        keys = _keys(series)
        columns = np.full(len(self.keys), -1)
        position = np.clip(np.searchsorted(self.keys, keys), 0, len(self.keys) - 1)
        known = self.keys[position] == keys
        columns[position[known]] = np.flatnonzero(known)
        self._elsewhere.update(keys[~known].tolist())
        shared = columns >= 0
        for name, inside in self.areas.items():
            if not np.array_equal(series.areas[name][columns[shared]], inside[shared]):
                raise DataError(
                    f"The area {name} covers other voxels in {path} than in {self.path}; preprocess both runs with the same "
                    "ROI masks."
                )
        return columns

    @property
    def n_unseen(self) -> int:
        """Number of voxels that some run holds and some run did not see."""
        return int((~self.seen).sum()) + len(self._elsewhere)

    def table(self, unions: Mapping[str, Sequence[str]], subject: str) -> pd.DataFrame:
        """Return the voxel table of all common voxels, unions included.

        Raises
        ------
        DataError
            If an area or union has no voxel that every run has seen.
        """
        areas = unite(self.areas, unions)
        table = voxel_table(self.voxels, self.affine, areas)
        lost = [name for name, inside in areas.items() if not np.any(inside & self.seen)]
        if lost:
            raise DataError(
                f"Subject {subject}: no voxel of {', '.join(lost)} was inside the field of view in every run; check the "
                "coregistration, or leave out the run that misses it."
            )
        return table


def _keys(series: TimeSeries) -> np.ndarray:
    return np.ravel_multi_index(tuple(series.voxels.T), series.shape)
