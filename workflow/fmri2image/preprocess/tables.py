"""Tables of one run in BIDS-Derivatives form: ``…_desc-confounds_timeseries.tsv`` with a JSON sidecar."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.images import write_sidecar
from fmri2image.preprocess.motion import MotionFit

HEAD_RADIUS = 50.0  # mm; Power et al. 2012, NeuroImage 59:2142
MEDIAN = 1000.0  # the signal's median is scaled to this before DVARS, as in FSL, nipype and fMRIPrep
IQR_OF_NORMAL = 1.349  # interquartile range of a standard normal variable
BATCH = 20000  # voxels looked at together

COLUMNS = {
    **{name: {"Description": f"Translation along {name[-1]} (RAS)", "Units": "mm"} for name in PARAMETERS[:3]},
    **{name: {"Description": f"Rotation about {name[-1]} (RAS)", "Units": "rad"} for name in PARAMETERS[3:]},
    "framewise_displacement": {
        "Description": "Sum of the absolute changes of the six parameters from the volume before, rotations as arcs on "
        "a sphere of 50 mm radius (Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018)",
        "Units": "mm",
    },
    "dvars": {
        "Description": "Root mean square over the brain of the change from the volume before, the brain's median signal "
        "scaled to 1000 (Power et al. 2012; Nichols 2013)"
    },
    "std_dvars": {
        "Description": "DVARS divided by the standard deviation that the change has in a run without artefacts: robust "
        "standard deviation and lag-1 autocorrelation of each voxel (Nichols 2013, as in nipype's compute_dvars); 1 is "
        "expected"
    },
    "correlation": {"Description": "Correlation with the reference volume after alignment"},
    "converged": {"Description": "1 where the motion estimate converged"},
}


def framewise_displacement(parameters: np.ndarray) -> np.ndarray:
    """Return framewise displacement in mm (T,) of parameters (T, 6), NaN for the first volume (Power et al. 2012)."""
    steps = np.abs(np.diff(np.asarray(parameters, dtype=float), axis=0))
    return np.concatenate([[np.nan], steps[:, :3].sum(axis=1) + HEAD_RADIUS * steps[:, 3:].sum(axis=1)])


def dvars(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return DVARS and standardised DVARS as nipype's ``compute_dvars`` and fMRIPrep define them.

    T. Nichols, "Notes on creating a standardized version of DVARS" (2013): the expected change of a voxel of standard
    deviation s and lag-1 autocorrelation r has the standard deviation s √(2 (1 − r)); s is the interquartile range over
    1.349 with quartiles rounded down, r the Yule-Walker estimate, and their product is averaged over the brain.

    Parameters
    ----------
    signal : array of shape (T, V)
        Voxels of the brain; those that are constant or not finite take no part.

    Returns
    -------
    plain, standardised : arrays of shape (T,)
        NaN for the first volume, and everywhere if no voxel varies.
    """
    n_volumes, n_voxels = signal.shape
    plain = standardised = np.full(n_volumes, np.nan)
    squares, expected, used = np.zeros(n_volumes - 1), 0.0, []
    for start in range(0, n_voxels, BATCH):
        part = np.asarray(signal[:, start : start + BATCH], dtype=np.float64)
        quartiles = np.percentile(part, [25, 75], axis=0, method="lower")
        spread = (quartiles[1] - quartiles[0]) / IQR_OF_NORMAL
        varies = np.isfinite(part).all(axis=0) & (spread > 1e-7)
        part, spread = part[:, varies], spread[varies]
        centred = part - part.mean(axis=0)
        autocorrelation = (centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0)
        squares += (np.diff(part, axis=0) ** 2).sum(axis=1)
        expected += float((np.sqrt(2 * (1 - autocorrelation)) * spread).sum())
        used.append(varies)
    varies = np.concatenate(used) if used else np.zeros(0, dtype=bool)
    if not varies.any():
        return plain, standardised
    change = np.sqrt(squares / varies.sum())
    median = float(np.median(signal if varies.all() else signal[:, varies]))
    plain = np.concatenate([[np.nan], MEDIAN / median * change if median > 0 else change])
    standardised = np.concatenate([[np.nan], change / (expected / varies.sum())])
    return plain, standardised


def confounds_table(fit: MotionFit, brain: np.ndarray | None = None) -> pd.DataFrame:
    """Return one row per kept volume with the columns of `COLUMNS`; DVARS only with the brain's signals (T, V)."""
    table = pd.DataFrame(fit.parameters, columns=list(PARAMETERS))
    table["framewise_displacement"] = framewise_displacement(fit.parameters)
    if brain is not None:
        table["dvars"], table["std_dvars"] = dvars(brain)
    table["correlation"] = fit.correlation
    table["converged"] = np.asarray(fit.converged).astype(int)
    return table


def write_confounds(path: str | Path, table: pd.DataFrame, sidecar: Mapping | None = None) -> None:
    """Write a run's table; missing values as ``n/a``, columns described in the sidecar beside the entries given."""
    with replacing(path) as partial:
        table.to_csv(partial, sep="\t", index=False, na_rep="n/a", float_format="%.8g")
    described = {name: COLUMNS[name] for name in table.columns if name in COLUMNS}
    write_sidecar(path, {**described, **(sidecar or {})})


def read_confounds(path: str | Path) -> pd.DataFrame:
    """Read a run's table, whichever columns its engine gives; ``n/a`` becomes NaN.

    Raises
    ------
    DataError
        If the file is missing or not a table.
    """
    try:
        return pd.read_csv(path, sep="\t", na_values=["n/a"])
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of tab-separated values ({error}).") from error


def read_motion(path: str | Path) -> pd.DataFrame:
    """Read a run's table for its motion.

    Raises
    ------
    DataError
        If the file is missing, or one of the six parameters is missing or not a number.
    """
    table = read_confounds(path)
    missing = [name for name in PARAMETERS if name not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the motion column(s) {', '.join(missing)}.")
    for name in PARAMETERS:
        if not pd.api.types.is_numeric_dtype(table[name]) or table[name].isna().any():
            raise DataError(f"{path} holds a value that is missing or not a number in column '{name}'.")
    return table
