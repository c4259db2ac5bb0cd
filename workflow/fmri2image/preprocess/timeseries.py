"""The signal of one run in every area, ``…_desc-areas_timeseries.h5``: what samples are made from, without the BOLD file.

The file holds three arrays whose columns are the voxels: ``signal`` (volumes × voxels), ``areas`` (areas × voxels) and
``voxels`` (i, j, k × voxels). Whatever changes in a setting of samples, no 4-D image is needed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fmri2image.core.arrays import LabelledArray, read_array, read_attributes, write_arrays
from fmri2image.core.errors import DataError

AXES = ("i", "j", "k")


@dataclass(frozen=True)
class TimeSeries:
    """Signals of all voxels of a subject's areas in one run.

    Parameters
    ----------
    signal : array of shape (T, V), float32
        Kept volumes only. A voxel outside the field of view in some volume is NaN in all of them.
    voxels : int array of shape (V, 3)
        Position on the grid.
    areas : dict of str to bool array of shape (V,)
        Masks, hemispheres united.
    shape : tuple of 3 int
        Size of the grid.
    affine : array of shape (4, 4)
        Voxel to T1w world, RAS mm.
    repetition_time : float
        Seconds.
    n_discarded : int
        Volumes dropped from the start; onsets in events.tsv count from the start of the scan.
    units : str
        Unit of the signal, as a rule ``arbitrary``.
    """

    signal: np.ndarray
    voxels: np.ndarray
    areas: dict[str, np.ndarray]
    shape: tuple[int, int, int]
    affine: np.ndarray
    repetition_time: float
    n_discarded: int
    units: str = "arbitrary"

    def __post_init__(self) -> None:
        """Refuse arrays that do not describe the same voxels."""
        n_voxels = self.signal.shape[1] if self.signal.ndim == 2 else -1
        if self.voxels.shape != (n_voxels, 3) or any(area.shape != (n_voxels,) for area in self.areas.values()):
            raise DataError(
                f"A time series of shape {self.signal.shape} does not fit to {len(self.voxels)} voxel positions and "
                f"areas of {sorted({len(area) for area in self.areas.values()})} voxels."
            )

    @classmethod
    def of_masks(
        cls,
        signal: np.ndarray,
        masks: Mapping[str, np.ndarray],
        affine: np.ndarray,
        repetition_time: float,
        n_discarded: int,
        units: str = "arbitrary",
    ) -> "TimeSeries":
        """Label signals (T, V) that were read at `area_voxels` of the masks, bool arrays (X, Y, Z) on one grid."""
        voxels = area_voxels(masks)
        areas = {name: np.asarray(mask, dtype=bool)[tuple(voxels.T)] for name, mask in masks.items()}
        shape = tuple(int(size) for size in next(iter(masks.values())).shape)
        return cls(signal, voxels, areas, shape, np.asarray(affine), repetition_time, n_discarded, units)


def area_voxels(masks: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the positions (V, 3) of all voxels of any mask (X, Y, Z), in the order of the grid."""
    return np.argwhere(np.any(list(masks.values()), axis=0))


def write_timeseries(path: str | Path, series: TimeSeries, attributes: Mapping | None = None) -> None:
    """Write the signals of a run; `attributes` (settings, sources) are kept with the file.

    Rows of ``signal`` are named by the volume's number in the raw file, from 0.
    """
    volumes = [str(series.n_discarded + t) for t in range(len(series.signal))]
    arrays = {
        "signal": LabelledArray(series.signal.astype(np.float32), volumes, {"units": series.units}),
        "voxels": LabelledArray(series.voxels.T.astype(np.int32), list(AXES)),
        "areas": LabelledArray(np.array(list(series.areas.values()), dtype=bool), list(series.areas)),
    }
    own = {
        "shape": np.array(series.shape),
        "affine": np.asarray(series.affine, dtype=float),
        "repetition_time": float(series.repetition_time),
        "n_discarded": int(series.n_discarded),
    }
    write_arrays(path, arrays, {**(attributes or {}), **own})


def read_timeseries(path: str | Path) -> TimeSeries:
    """Read the signals of a run.

    Raises
    ------
    DataError
        If the file is missing, cannot be read or is not of this form.
    """
    signal = read_array(path, "signal")
    voxels = read_array(path, "voxels", AXES).values.T
    areas = read_array(path, "areas")
    attributes = read_attributes(path)
    missing = [name for name in ("shape", "affine", "repetition_time", "n_discarded") if name not in attributes]
    if missing:
        raise DataError(f"{path} lacks {', '.join(missing)}; delete it and run the workflow again.")
    return TimeSeries(
        signal.values,
        voxels.astype(int),
        dict(zip(areas.rows, areas.values.astype(bool), strict=True)),
        tuple(int(size) for size in attributes["shape"]),
        attributes["affine"],
        float(attributes["repetition_time"]),
        int(attributes["n_discarded"]),
        str(signal.attributes.get("units", "arbitrary")),
    )
