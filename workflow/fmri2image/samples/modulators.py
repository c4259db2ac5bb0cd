"""Parametric modulators: how the response to an image depends on each of its values, fitted to whole time series.

Mozafari et al. 2020 (IJCNN, "Decoding and Reconstruction") give the 120 latent variables of every training image to the
general linear model as modulators of one regressor for images. The result, one row per latent variable and one for
images, is the matrix W of their equation 1. Modulators are fitted jointly: none is orthogonalised to those before it, which
SPM does unless told otherwise, so that decoded values are those of the latent variables themselves.

All runs share the betas of images and modulators; every run has its own mean, drifts, confounds, one-back repetitions and
autoregressive noise.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import read_array, shorten
from fmri2image.core.errors import ConfigError, DataError, LabelMismatchError
from fmri2image.core.samples import Samples
from fmri2image.core.tables import read_table
from fmri2image.samples.design import (
    ORDINARY,
    BlockDesign,
    GlmSettings,
    autocorrelation,
    block_design,
    orthonormal,
    residual,
    whiten,
)

IMAGE = "image"
KIND = "modulator"
CHUNK = 256  # voxels whose normal equations are unpacked together


@dataclass(frozen=True)
class ModulatorSettings:
    """Settings of the model of a stimulus set.

    Parameters
    ----------
    hrf : {"spm", "glover"}
    noise_model : {"ar1", "ols"}
        Autoregressive noise of order 1, estimated for every voxel and run; or independent noise.
    high_pass : float, optional
        Drifts of this and longer periods, in seconds, are columns of the design; None leaves only the mean.
    """

    hrf: str = "spm"
    noise_model: str = "ar1"
    high_pass: float | None = 128.0

    def __post_init__(self) -> None:
        """Refuse what `GlmSettings` refuses, and derivatives."""
        if self.hrf not in ("spm", "glover"):
            raise ConfigError(f"samples: modulators: hrf is '{self.hrf}'; it can be spm, glover.")
        try:
            self.of_run()
        except ConfigError as error:
            raise ConfigError(str(error).replace("samples: glm:", "samples: modulators:")) from error

    def of_run(self) -> GlmSettings:
        """Return the settings of a run's design."""
        return GlmSettings(hrf=self.hrf, noise_model=self.noise_model, high_pass=self.high_pass)


@dataclass(frozen=True)
class ModulatorRun:
    """One run of the stimulus set; the arrays are those of `glm.block_betas`.

    Parameters
    ----------
    signal : array of shape (T, V)
        In the same voxels and units in every run. A voxel that is not finite in some volume is lost for all runs.
    blocks, events : DataFrame
    times : array of shape (T,)
    confounds : array of shape (T, K), optional
    name : str
        For messages.
    """

    signal: np.ndarray
    blocks: pd.DataFrame
    events: pd.DataFrame
    times: np.ndarray
    confounds: np.ndarray | None = None
    name: str = "a run"


def read_values(path: str | Path) -> pd.DataFrame:
    """Read the values of every stimulus, (stimuli, K), from a features file (.h5) or a table with a column ``stimulus``.

    Raises
    ------
    DataError
        If the file holds no such values, or a stimulus twice.
    """
    if Path(path).suffix in (".h5", ".hdf5"):
        features = read_array(path, "features")
        values = features.values.reshape(len(features.rows), -1).astype(float)
        names = [f"unit_{unit:0{len(str(values.shape[1] - 1))}d}" for unit in range(values.shape[1])]
        table = pd.DataFrame(values, index=features.rows, columns=names)
    else:
        table = read_table(path, stimulus=str)
        if "stimulus" not in table.columns:
            raise DataError(
                f"{path} has no column 'stimulus', by which values are joined; it has {shorten(table.columns)}."
            )
        table = table.set_index("stimulus")
    if table.index.has_duplicates:
        raise DataError(f"{path} names the stimulus {table.index[table.index.duplicated()][0]} twice; keep one row.")
    numeric = [pd.api.types.is_numeric_dtype(table[name]) for name in table.columns]
    if not all(numeric) or not np.isfinite(table.to_numpy(dtype=float)).all():
        raise DataError(f"{path} holds a value that is missing or not a number; correct it.")
    return table.astype(float)


def modulator_betas(
    runs: Iterable[ModulatorRun], values: pd.DataFrame, settings: ModulatorSettings | None = None
) -> np.ndarray:
    """Fit images and modulators to all runs together, by generalised least squares.

    Parameters
    ----------
    runs : iterable of ModulatorRun
        It is gone through twice: a list, or an object whose iteration reads one run at a time.
    values : DataFrame of shape (n_stimuli, K), index stimulus
        Modulators; they are centred with their mean over the stimuli that the runs show. Further stimuli do no harm.
    settings : ModulatorSettings, optional

    Returns
    -------
    betas : array of shape (1 + K, V), float64
        Response to an image of average values, that an endless block would reach, and its change per unit of each
        modulator. NaN in voxels that some run did not see.

    Raises
    ------
    LabelMismatchError
        If a run shows a stimulus that `values` lacks.
    DataError
        If there is no run, runs differ in their voxels, or the stimuli cannot tell the modulators apart.
    """
    settings = settings or ModulatorSettings()
    if iter(runs) is runs:
        runs = list(runs)
    # Any centre gives the same modulators; that of the shown stimuli is put in at the end.
    centre = values.mean()
    centred = values - centre
    shown: dict[str, None] = {}
    normal, right, finite = 0.0, 0.0, None
    for run in runs:
        design = _shared_design(run, centred, settings)
        shown |= dict.fromkeys(run.blocks["stimulus_name"].astype(str))
        seen = np.isfinite(run.signal).all(axis=0)
        if finite is not None and len(finite) != len(seen):
            raise DataError(f"{run.name} has {len(seen)} voxels, but the runs before have {len(finite)}.")
        finite = seen if finite is None else finite & seen
        rows, free = residual(design.rows, design.nuisance), residual(_zeroed(run.signal), design.nuisance)
        normal, right = normal + rows.T @ rows, right + rows.T @ free
    if finite is None:
        raise DataError("There is no run to fit modulators to.")
    _check_told_apart(normal, values.loc[list(shown)])
    betas = np.linalg.solve(normal, right)
    if settings.noise_model != ORDINARY:
        betas = _generalised(runs, centred, settings, betas)
    betas[0] += (values.loc[list(shown)].mean() - centre).to_numpy() @ betas[1:]
    betas[:, ~finite] = np.nan
    return betas


def modulator_samples(
    betas: np.ndarray, values: pd.DataFrame, voxels: pd.DataFrame, stimulus_set: str, attributes: dict
) -> Samples:
    """Lay betas out as samples, one row per regressor, so that they are written and read as averages over blocks are.

    Parameters
    ----------
    betas : array of shape (1 + K, V)
        From `modulator_betas`; voxels with NaN are left out.
    values : DataFrame with K columns
    voxels : DataFrame, V rows
        Voxel table.
    stimulus_set : str
    attributes : dict
        Header: subject, simulated, units of the signal, settings.

    Returns
    -------
    samples : Samples
        ``stimulus`` names the regressor: ``image`` or the column of `values`; ``kind`` is ``modulator``.
    """
    names = [IMAGE, *map(str, values.columns)]
    if len(set(names)) < len(names):
        raise DataError(f"A modulator is called '{IMAGE}' or as another one; give every column a name of its own.")
    trials = pd.DataFrame({"stimulus": names, "stimulus_set": stimulus_set, "session": "all", "run": 0})
    trials["block"] = np.arange(1, len(names) + 1)
    trials["kind"] = KIND
    seen = np.isfinite(betas).all(axis=0)
    about = attributes | {"n_voxels_without_signal": int((~seen).sum())}
    return Samples(betas[:, seen].astype(np.float32), trials, voxels[seen].reset_index(drop=True), about)


def _shared_design(run: ModulatorRun, centred: pd.DataFrame, settings: ModulatorSettings) -> BlockDesign:
    """Return the design of a run with rows (T, 1 + K): images, and images times each modulator."""
    names = run.blocks["stimulus_name"].astype(str)
    missing = [name for name in dict.fromkeys(names) if name not in centred.index]
    if missing:
        raise LabelMismatchError(
            f"{run.name} shows {shorten(missing)}, for which the modulators have no values; they have "
            f"{shorten(centred.index)}."
        )
    blocks = block_design(run.blocks, run.events, run.times, run.confounds, settings.of_run())
    modulation = np.column_stack([np.ones(len(names)), centred.loc[names].to_numpy()])
    return BlockDesign(blocks.rows @ modulation, blocks.nuisance, blocks.row_of_block)


def _generalised(
    runs: Iterable[ModulatorRun], centred: pd.DataFrame, settings: ModulatorSettings, ordinary: np.ndarray
) -> np.ndarray:
    """Weigh every run by the noise that ordinary betas leave in it, voxel by voxel.

    The normal equations differ between voxels; only their upper triangles are kept, (V, P (P + 1) / 2).
    """
    n_regressors, n_voxels = ordinary.shape
    upper = np.triu_indices(n_regressors)
    normal, right = np.zeros((n_voxels, len(upper[0]))), np.zeros((n_voxels, n_regressors))
    for run in runs:
        design, signal = _shared_design(run, centred, settings), _zeroed(run.signal)
        left = residual(signal - design.rows @ ordinary, design.nuisance)
        values, group = np.unique(autocorrelation(left), return_inverse=True)
        for position, rho in enumerate(values):
            voxels = np.flatnonzero(group == position)
            nuisance = orthonormal(whiten(design.nuisance, rho))
            rows = residual(whiten(design.rows, rho), nuisance)
            normal[voxels] += (rows.T @ rows)[upper]
            right[voxels] += whiten(signal[:, voxels], rho).T @ rows
    betas = np.empty(ordinary.shape)
    for start in range(0, n_voxels, CHUNK):
        part = slice(start, start + CHUNK)
        full = np.empty((len(right[part]), n_regressors, n_regressors))
        full[:, upper[0], upper[1]] = full[:, upper[1], upper[0]] = normal[part]
        betas[:, part] = np.linalg.solve(full, right[part][..., None])[..., 0].T
    return betas


def _check_told_apart(normal: np.ndarray, shown: pd.DataFrame) -> None:
    """Stop where the normal equations (P, P) have no single solution; `shown` are the values of the stimuli shown."""
    constant = np.ptp(shown.to_numpy(), axis=0) <= 1e-9 * np.abs(shown.to_numpy()).max(axis=0)
    if constant.any():
        raise DataError(f"The modulator {shown.columns[constant][0]} is the same for all stimuli shown; leave it out.")
    size = np.sqrt(np.diag(normal))
    strength = np.linalg.eigvalsh(normal / np.outer(size, size))
    if strength[0] < 1e-10 * strength[-1]:
        raise DataError(
            f"{shown.shape[1]} modulators and the mean cannot be told apart with {len(shown)} stimuli: some are sums of "
            "others; use fewer modulators or more stimuli."
        )


def _zeroed(signal: np.ndarray) -> np.ndarray:
    signal = np.asarray(signal, dtype=float)
    return np.where(np.isfinite(signal).all(axis=0), signal, 0.0)
