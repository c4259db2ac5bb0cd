"""Motion tables in BIDS-Derivatives form: ``…_desc-confounds_timeseries.tsv`` with a JSON sidecar."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.images import write_sidecar
from fmri2image.preprocess.realign import MotionFit

HEAD_RADIUS = 50.0  # mm; Power et al. 2012, NeuroImage 59:2142

COLUMNS = {
    **{name: {"Description": f"Translation along {name[-1]} (RAS)", "Units": "mm"} for name in PARAMETERS[:3]},
    **{name: {"Description": f"Rotation about {name[-1]} (RAS)", "Units": "rad"} for name in PARAMETERS[3:]},
    "framewise_displacement": {
        "Description": "Sum of the absolute changes of the six parameters from the volume before, rotations as arcs on "
        "a sphere of 50 mm radius (Power et al. 2012, doi:10.1016/j.neuroimage.2011.10.018)",
        "Units": "mm",
    },
    "correlation": {"Description": "Correlation with the reference volume after alignment"},
    "converged": {"Description": "1 where the motion estimate converged"},
}


def framewise_displacement(parameters: np.ndarray) -> np.ndarray:
    """Return framewise displacement in mm (T,) of parameters (T, 6), NaN for the first volume (Power et al. 2012)."""
    steps = np.abs(np.diff(np.asarray(parameters, dtype=float), axis=0))
    return np.concatenate([[np.nan], steps[:, :3].sum(axis=1) + HEAD_RADIUS * steps[:, 3:].sum(axis=1)])


def motion_table(fit: MotionFit) -> pd.DataFrame:
    """Return one row per kept volume with the columns of `COLUMNS`."""
    table = pd.DataFrame(fit.parameters, columns=list(PARAMETERS))
    table["framewise_displacement"] = framewise_displacement(fit.parameters)
    table["correlation"] = fit.correlation
    table["converged"] = fit.converged.astype(int)
    return table


def write_motion(path: str | Path, table: pd.DataFrame, sidecar: Mapping | None = None) -> None:
    """Write a motion table; missing values as ``n/a``, columns described in the sidecar beside the entries given."""
    with replacing(path) as partial:
        table.to_csv(partial, sep="\t", index=False, na_rep="n/a", float_format="%.8g")
    described = {name: COLUMNS[name] for name in table.columns if name in COLUMNS}
    write_sidecar(path, {**(sidecar or {}), **described})


def read_motion(path: str | Path) -> pd.DataFrame:
    """Read a motion table.

    Raises
    ------
    DataError
        If the file is missing, or one of the six parameters is missing or not a number.
    """
    try:
        table = pd.read_csv(path, sep="\t", na_values=["n/a"])
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist.") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a table of tab-separated values ({error}).") from error
    missing = [name for name in PARAMETERS if name not in table.columns]
    if missing:
        raise DataError(f"{path} lacks the motion column(s) {', '.join(missing)}.")
    for name in PARAMETERS:
        if not pd.api.types.is_numeric_dtype(table[name]) or table[name].isna().any():
            raise DataError(f"{path} holds a value that is missing or not a number in column '{name}'.")
    return table
