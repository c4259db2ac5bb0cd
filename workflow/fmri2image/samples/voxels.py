"""The voxels that the runs of a subject share: joined by their position on the grid, never by their place in a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.images import same_grid
from fmri2image.preprocess.masks import BRAIN
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

    Attributes
    ----------
    areas : dict of str to bool array of shape (V,)
        Those of the run's file, and what `add_area` adds.
    seen, wanted : bool arrays of shape (V,)
        Voxels that all runs so far have seen; and those that samples are made of, all unless `leave_out_brain` is called.
    values : dict of str to array of shape (V,)
        Further columns of the voxel table.
    """

    def __init__(self, series: TimeSeries, path: Path) -> None:
        keys = _keys(series)
        order = np.argsort(keys)
        self.keys, self.voxels, self.path = keys[order], series.voxels[order], path
        self.areas = {name: inside[order] for name, inside in series.areas.items()}
        self.shape, self.affine = series.shape, series.affine
        self.measured = set(self.areas)
        self.seen = np.ones(len(order), dtype=bool)
        self.wanted = np.ones(len(order), dtype=bool)
        self.values: dict[str, np.ndarray] = {}
        self._elsewhere: set[int] = set()
        self._brain_hidden = False

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
        if set(series.areas) != self.measured:
            raise DataError(
                f"{path} has the areas {shorten(list(series.areas), 30)}, but {self.path} has "
                f"{shorten(sorted(self.measured), 30)}; preprocess both runs with the same ROI masks."
            )
        keys = _keys(series)
        columns = np.full(len(self.keys), -1)
        position = np.clip(np.searchsorted(self.keys, keys), 0, len(self.keys) - 1)
        known = self.keys[position] == keys
        columns[position[known]] = np.flatnonzero(known)
        self._elsewhere.update(keys[~known].tolist())
        shared = columns >= 0
        for name in self.measured:
            if not np.array_equal(series.areas[name][columns[shared]], self.areas[name][shared]):
                raise DataError(
                    f"The area {name} covers other voxels in {path} than in {self.path}; preprocess both runs with the same "
                    "ROI masks."
                )
        return columns

    def add_area(self, name: str, inside: np.ndarray) -> None:
        """Add an area (V,), bool.

        Raises
        ------
        ConfigError
            If there is one of that name.
        """
        if name in self.areas:
            raise ConfigError(f"samples.responsive: there is an area '{name}' already; choose another name.")
        self.areas[name] = inside

    def leave_out_brain(self, unions: Mapping[str, Sequence[str]]) -> None:
        """Want only voxels of other areas than the brain mask, if there is one, and forget that area."""
        others = {name: inside for name, inside in unite(self.areas, unions).items() if name != BRAIN}
        if BRAIN in self.areas:
            self.wanted = np.logical_or.reduce(list(others.values()))
            self._brain_hidden = True

    @property
    def kept(self) -> np.ndarray:
        """Which voxels (V,) are wanted and seen in every run."""
        return self.wanted & self.seen

    @property
    def n_unseen(self) -> int:
        """Number of wanted voxels that some run holds and some run did not see."""
        return int((self.wanted & ~self.seen).sum()) + len(self._elsewhere)

    def table(self, unions: Mapping[str, Sequence[str]], subject: str) -> pd.DataFrame:
        """Return the voxel table of all common voxels, unions included.

        Raises
        ------
        DataError
            If an area or union has no voxel that every run has seen.
        """
        areas = unite(self.areas, unions)
        if self._brain_hidden:
            del areas[BRAIN]
        table = voxel_table(self.voxels, self.affine, areas).assign(**self.values)
        lost = [name for name, inside in areas.items() if not np.any(inside & self.seen)]
        if lost:
            raise DataError(
                f"Subject {subject}: no voxel of {', '.join(lost)} was inside the field of view in every run; check the "
                "coregistration, or leave out the run that misses it."
            )
        return table


def _keys(series: TimeSeries) -> np.ndarray:
    return np.ravel_multi_index(tuple(series.voxels.T), series.shape)
