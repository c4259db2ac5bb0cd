"""What the quality page needs of one run, ``…_desc-quality_bold.h5``: mean, temporal deviation and a carpet."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fmri2image.core.arrays import open_h5
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

AREAS, BRAIN = "areas", "brain"
MOST_ROWS = 600
BATCH = 20000  # voxels looked at together


@dataclass(frozen=True)
class RunSummary:
    """Images and a carpet that show the quality of one preprocessed run.

    Parameters
    ----------
    mean : array of shape (X, Y, Z), float32
        Over the kept volumes; 0 where no signal was computed or the voxel left the field of view.
    deviation : array of shape (X, Y, Z), float32
        Standard deviation over time after a linear trend is removed; tSNR is ``mean / deviation``.
    carpet : array of shape (R, T), float32
        Per cent change from the voxel's mean, linear trend removed, of evenly chosen brain voxels.
    carpet_groups : list of str, length R
        ``areas`` for voxels of the areas, which come first, and ``brain`` for the others.
    affine : array of shape (4, 4)
        Voxel to T1w world, RAS mm.
    repetition_time : float
        Seconds.
    n_volumes : int
        In the raw file.
    n_discarded : int
        Volumes dropped from the start.
    """

    mean: np.ndarray
    deviation: np.ndarray
    carpet: np.ndarray
    carpet_groups: list[str]
    affine: np.ndarray
    repetition_time: float
    n_volumes: int
    n_discarded: int


def summarise(
    signal: np.ndarray,
    voxels: np.ndarray,
    in_areas: np.ndarray,
    shape: tuple[int, ...],
    affine: np.ndarray,
    repetition_time: float,
    n_volumes: int,
    n_discarded: int,
    most_rows: int = MOST_ROWS,
) -> RunSummary:
    """Summarise the signals of a run.

    Parameters
    ----------
    signal : array of shape (T, V)
        Voxels of brain and areas; those that are not finite in some volume are left out.
    voxels : int array of shape (V, 3)
        Their positions on the grid.
    in_areas : bool array of shape (V,)
    shape : tuple of 3 int
        Size of the grid.
    affine : array of shape (4, 4)
    repetition_time : float
    n_volumes, n_discarded : int
        See `RunSummary`.
    most_rows : int
        Most rows of the carpet; the areas get at most half of them while other brain voxels are left.
    """
    level, deviation = np.empty(len(voxels), dtype=np.float32), np.empty(len(voxels), dtype=np.float32)
    for start in range(0, len(voxels), BATCH):
        part = slice(start, start + BATCH)
        level[part], residual = without_trend(signal[:, part])
        # Two degrees of freedom went into the line.
        deviation[part] = np.sqrt((residual**2).sum(axis=0) / max(len(signal) - 2, 1))
    usable = np.isfinite(level) & np.isfinite(deviation)
    level[~usable] = deviation[~usable] = 0
    rows, groups = _carpet_rows(usable & (level > 0), in_areas, most_rows)
    carpet = 100 * without_trend(signal[:, rows])[1] / level[rows]
    index = tuple(np.asarray(voxels).T)
    images = np.zeros((2, *shape), dtype=np.float32)
    images[0][index], images[1][index] = level, deviation
    return RunSummary(
        images[0], images[1], carpet.T.astype(np.float32), groups, affine, repetition_time, n_volumes, n_discarded
    )


def without_trend(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means (V,) of signals (T, V) and what is left of them (T, V) without mean and linear trend."""
    signal = np.asarray(signal, dtype=np.float64)
    mean = signal.mean(axis=0)
    centred = signal - mean
    line = np.arange(len(signal)) - (len(signal) - 1) / 2
    power = float(line @ line)
    return mean, centred - np.outer(line, line @ centred / power) if power else centred


def write_summary(path: str | Path, summary: RunSummary, attributes: Mapping | None = None) -> None:
    """Write the summary of a run; the images are compressed, because most of the grid is not brain.

    `attributes`, such as ``simulated``, are kept with the file.
    """
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        for name in ("mean", "deviation"):
            values = getattr(summary, name).astype(np.float32)
            file.create_dataset(name, data=values, compression="gzip", compression_opts=1)
        file.create_dataset("carpet", data=summary.carpet.astype(np.float32))
        file.create_dataset("carpet_groups", data=np.array(summary.carpet_groups, dtype=h5py.string_dtype()))
        file.attrs.update({**(attributes or {}), **_attributes(summary)})


def read_summary(path: str | Path) -> RunSummary:
    """Read the summary of a run.

    Raises
    ------
    DataError
        If the file is missing, cannot be read or is not of this form.
    """
    with open_h5(path) as file:
        missing = {"mean", "deviation", "carpet", "carpet_groups"} - set(file)
        missing |= {"affine", "repetition_time", "n_volumes", "n_discarded"} - set(file.attrs)
        if missing:
            raise DataError(f"{path} lacks {', '.join(sorted(missing))}; delete it and run the workflow again.")
        return RunSummary(
            file["mean"][:],
            file["deviation"][:],
            file["carpet"][:],
            [name.decode() for name in file["carpet_groups"][:]],
            file.attrs["affine"],
            float(file.attrs["repetition_time"]),
            int(file.attrs["n_volumes"]),
            int(file.attrs["n_discarded"]),
        )


def _attributes(summary: RunSummary) -> Mapping:
    return {
        "affine": np.asarray(summary.affine, dtype=float),
        "repetition_time": float(summary.repetition_time),
        "n_volumes": int(summary.n_volumes),
        "n_discarded": int(summary.n_discarded),
    }


def _carpet_rows(usable: np.ndarray, in_areas: np.ndarray, most: int) -> tuple[np.ndarray, list[str]]:
    """Choose evenly spaced voxels: those of areas first, then the others; return positions and groups."""
    areas, others = np.flatnonzero(usable & in_areas), np.flatnonzero(usable & ~in_areas)
    n_areas = min(len(areas), max(most // 2, most - len(others)))
    n_others = min(len(others), most - n_areas)
    chosen = [
        group[np.linspace(0, len(group) - 1, n).round().astype(int)] if n else group[:0]
        for group, n in ((areas, n_areas), (others, n_others))
    ]
    return np.concatenate(chosen), [AREAS] * n_areas + [BRAIN] * n_others
