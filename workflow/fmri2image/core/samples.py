"""Samples (trials × voxels) in the Kamitani Lab's BData HDF5 layout, so that bdpy reads ours and we read theirs.

Layout after bdpy: ``/dataset`` (samples × columns, float64), ``/metadata/{key,description,value}`` (value: keys × columns,
NaN where a column has no value), ``/vmap/<key>/<number>`` = text label, ``/header/*``. One column per voxel, followed by
one design column per trial variable.
"""

from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.bdata import VOXEL_KEY, BDataFile, open_bdata
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

ROWS_AT_ONCE = 256


@dataclass
class Samples:
    """Responses of one subject.

    Parameters
    ----------
    data : array of shape (n_trials, n_voxels), float32
        Block responses, per cent signal change unless `attributes` says otherwise.
    trials : DataFrame, n_trials rows
        Text columns (``stimulus``, ``stimulus_set``, ``session``) and numeric ones (``run``, ``block``, ...).
    voxels : DataFrame, n_voxels rows
        ``voxel_i/j/k`` (index), ``voxel_x/y/z`` (mm) and one 0/1 column ``ROI_<name>`` per area.
    attributes : dict
        Header of the file: subject, units, simulated, settings, ...
    """

    data: np.ndarray
    trials: pd.DataFrame
    voxels: pd.DataFrame
    attributes: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.data.shape != (len(self.trials), len(self.voxels)):
            raise DataError(
                f"Samples of shape {self.data.shape} do not fit {len(self.trials)} trials and {len(self.voxels)} voxels."
            )

    @property
    def rois(self) -> list[str]:
        """Names of the areas, without the ``ROI_`` prefix."""
        return [str(column)[4:] for column in self.voxels.columns if str(column).startswith("ROI_")]

    def select(self, *, roi: str | None = None, trials: np.ndarray | None = None) -> "Samples":
        """Return the voxels of one area and/or the trials of a boolean mask (n_trials,)."""
        data, table, voxels = self.data, self.trials, self.voxels
        if roi is not None:
            if roi not in self.rois:
                raise DataError(f"The samples hold no area '{roi}'; they hold {shorten(self.rois, 30)}.")
            inside = voxels[f"ROI_{roi}"].to_numpy() == 1
            if not inside.any():
                raise DataError(f"Area '{roi}' covers no voxel of these samples.")
            data, voxels = data[:, inside], voxels[inside].reset_index(drop=True)
        if trials is not None:
            trials = np.asarray(trials, dtype=bool)
            data, table = data[trials], table[trials].reset_index(drop=True)
        return Samples(data, table, voxels, dict(self.attributes))

    def keep(self, seen: np.ndarray) -> "Samples":
        """Return the voxels of a boolean mask (n_voxels,), without areas that none of them belongs to."""
        voxels = self.voxels[seen].reset_index(drop=True)
        empty = [f"ROI_{name}" for name in self.rois if not (voxels[f"ROI_{name}"] == 1).any()]
        return Samples(self.data[:, seen], self.trials, voxels.drop(columns=empty), dict(self.attributes))

    def average(self, by: str = "stimulus") -> "Samples":
        """Average the trials that share a value of the column `by`; the order is that of first appearance."""
        groups = pd.factorize(self.trials[by])
        n = len(groups[1])
        total = np.zeros((n, self.data.shape[1]))
        np.add.at(total, groups[0], self.data)
        count = np.bincount(groups[0], minlength=n)
        first = self.trials.groupby(by, sort=False).first().reset_index()
        first["n_trials"] = count
        if "vividness" in first:
            first["vividness"] = self.trials.groupby(by, sort=False)["vividness"].mean().to_numpy()
        return Samples((total / count[:, None]).astype(self.data.dtype), first, self.voxels, dict(self.attributes))


def write_bdata(path: str | Path, samples: Samples) -> None:
    """Write samples in BData layout; text columns of the trial table become numbers with a value map."""
    trials, voxels = samples.trials, samples.voxels
    n_voxels, n_design = len(voxels), trials.shape[1]
    design = np.empty((len(trials), n_design))
    maps: dict[str, dict[str, str]] = {}
    for column, name in enumerate(trials.columns):
        values = trials[name]
        if pd.api.types.is_numeric_dtype(values):
            design[:, column] = values
        else:
            codes, labels = pd.factorize(values.astype(str))
            design[:, column] = codes + 1
            maps[str(name)] = {str(code + 1): label for code, label in enumerate(labels)}
    keys, descriptions, rows = [], [], []

    def add(key: str, description: str, for_voxels: np.ndarray | float, for_design: np.ndarray | float) -> None:
        row = np.full(n_voxels + n_design, np.nan)
        row[:n_voxels] = for_voxels
        row[n_voxels:] = for_design
        keys.append(key)
        descriptions.append(description)
        rows.append(row)

    add(VOXEL_KEY, "1 = voxel", 1, np.nan)
    for name in voxels.columns:
        add(str(name), f"Voxel table: {name}", voxels[name].to_numpy(dtype=float), np.nan)
    for column, name in enumerate(trials.columns):
        add(str(name), f"Trial table: {name}", np.nan, np.where(np.arange(n_design) == column, 1, np.nan))
    text = h5py.string_dtype()
    with replacing(path) as partial, h5py.File(partial, "w") as file:
        dataset = file.create_dataset("dataset", (len(trials), n_voxels + n_design), dtype=np.float64)
        for start in range(0, len(trials), ROWS_AT_ONCE):  # samples can be large, and float64 is twice as large
            part = slice(start, start + ROWS_AT_ONCE)
            dataset[part] = np.hstack([samples.data[part], design[part]])
        file.create_dataset("metadata/key", data=np.array(keys, dtype=text))
        file.create_dataset("metadata/description", data=np.array(descriptions, dtype=text))
        file.create_dataset("metadata/value", data=np.array(rows))
        for name, labels in maps.items():
            for number, label in labels.items():
                file.create_dataset(f"vmap/{name}/{number}", data=label, dtype=text)
        for name, value in samples.attributes.items():
            file.create_dataset(f"header/{name}", data=np.array([str(value)], dtype=text))


def read_bdata(path: str | Path) -> Samples:
    """Read samples from a BData file, ours or the lab's (legacy names ``dataSet`` and ``metaData`` too).

    Voxel columns are those with ``VoxelData`` = 1 or, without that key, those that belong to any ``ROI_`` key. Design
    columns become the trial table, with labels in place of numbers where the file has a value map. The lab's published
    files need more, see `fmri2image.samples.published`.
    """
    with open_bdata(path) as file:
        trials = _trial_table(file)
        voxels = {
            key: np.nan_to_num(values) if key.startswith("ROI_") else values for key, values in file.of_voxels().items()
        }
        data = file.read(file.is_voxel)
        return Samples(data, trials, pd.DataFrame(voxels), dict(file.header))


def read_trials(path: str | Path) -> pd.DataFrame:
    """Read the trial table of a BData file, see `read_bdata`, without its responses."""
    with open_bdata(path) as file:
        return _trial_table(file)


def _trial_table(file: BDataFile) -> pd.DataFrame:
    trials = {}
    for key, columns in file.design().items():
        labels = file.labels(key, columns[0])
        trials[key] = file.column(columns[0]) if labels is None else labels
    return pd.DataFrame(trials)
