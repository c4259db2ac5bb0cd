"""Runs that another program preprocessed, as this workflow's files: signals of the areas, confounds, summary.

Nothing is interpolated: the masks of the areas are brought to the grid of the BOLD file, not the other way round.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from fmri2image.core.errors import DataError
from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess import images
from fmri2image.preprocess.brain import epi_brain_mask
from fmri2image.preprocess.derivatives import RunFiles
from fmri2image.preprocess.masks import RoiMasks, in_named_areas, on_grid
from fmri2image.preprocess.summary import RunSummary, summarise
from fmri2image.preprocess.tables import dvars, read_confounds
from fmri2image.preprocess.timeseries import TimeSeries

log = logging.getLogger(__name__)
FSL_MOTION = {
    **{
        name: {"Description": f"Translation along {name[-1]} as FSL's mcflirt gives it", "Units": "mm"}
        for name in PARAMETERS[:3]
    },
    **{
        name: {"Description": f"Rotation about {name[-1]} as FSL's mcflirt gives it", "Units": "rad"}
        for name in PARAMETERS[3:]
    },
}


@dataclass(frozen=True)
class Timing:
    """When the volumes of an adopted run were taken.

    Parameters
    ----------
    repetition_time : float
        Seconds.
    n_volumes : int
        In the raw file.
    n_discarded : int
        Volumes missing at the start of what is kept, whoever dropped them.
    n_drop : int
        Those of them that the BOLD file still holds.
    """

    repetition_time: float
    n_volumes: int
    n_discarded: int
    n_drop: int


@dataclass(frozen=True)
class Adopted:
    """What this workflow keeps of a run.

    Parameters
    ----------
    series : TimeSeries
    confounds : DataFrame
        One row per kept volume.
    descriptions : dict
        Sidecar of the confounds.
    summary : RunSummary
    lost : dict of str to float
        Share of every area that lies outside the field of view.
    """

    series: TimeSeries
    confounds: pd.DataFrame
    descriptions: dict
    summary: RunSummary
    lost: dict[str, float]


def adopt_run(
    files: RunFiles,
    masks: RoiMasks,
    brain: tuple[np.ndarray, np.ndarray],
    discard_seconds: float,
    raw: Path | None = None,
) -> Adopted:
    """Read a run that another program preprocessed.

    Parameters
    ----------
    files : RunFiles
    masks : RoiMasks
    brain : tuple of bool array (X, Y, Z) and affine (4, 4)
        The subject's brain, on any grid.
    discard_seconds : float
        Start of the run that is dropped; what the program has dropped counts.
    raw : Path, optional
        The raw BOLD file, which must fit.

    Raises
    ------
    DataError
        If times or numbers of volumes of BOLD, raw file and confounds differ, or an area lies outside the field of view.
    """
    timing = read_timing(files, discard_seconds, raw)
    image = images.open_image(files.bold)
    shape, affine = tuple(image.shape[:3]), image.affine
    areas = {name: on_grid(mask, masks.affine, shape, affine) for name, mask in masks.masks.items()}
    in_brain = on_grid(brain[0] > 0, brain[1], shape, affine)
    wanted = np.any([in_brain, *areas.values()], axis=0)
    signal, covered = _read_signal(files.bold, wanted, timing.n_drop)
    lost = lost_shares(masks, covered, affine)
    _check_lost(lost, areas, covered, files.bold)
    voxels = np.argwhere(wanted)
    in_areas = np.any([mask[tuple(voxels.T)] for mask in areas.values()], axis=0)
    series = TimeSeries.of_masks(signal[:, in_areas], areas, affine, timing.repetition_time, timing.n_discarded)
    kept = timing.repetition_time, timing.n_volumes, timing.n_discarded
    summary = _for_figures(summarise(signal, voxels, in_named_areas(areas, voxels), shape, affine, *kept), masks)
    confounds, descriptions = _read_confounds(files, timing.n_drop, len(signal))
    if confounds.empty:
        columns = dict(zip(("dvars", "std_dvars"), dvars(signal[:, in_brain[tuple(voxels.T)]]), strict=True))
        confounds = pd.DataFrame(columns)
    descriptions |= {
        images.DISCARDED: timing.n_discarded,
        "GeneratedBy": [files.generated_by],
        "Sources": [str(path) for path in (files.bold, files.confounds) if path],
        "LostOutsideFieldOfView": {name: round(share, 4) for name, share in lost.items()},
    }
    return Adopted(series, confounds, descriptions, summary, lost)


def _for_figures(summary: RunSummary, masks: RoiMasks) -> RunSummary:
    """Bring the maps of a summary to the grid of the masks, on which figures are drawn: the nearest voxel's value."""
    if images.same_grid(summary.mean.shape, summary.affine, masks.shape, masks.affine):
        return summary
    to_run = np.linalg.inv(summary.affine) @ masks.affine
    maps = {
        name: ndimage.affine_transform(getattr(summary, name), to_run, output_shape=masks.shape, order=0)
        for name in ("mean", "deviation")
    }
    return replace(summary, affine=masks.affine, **maps)


def read_timing(files: RunFiles, discard_seconds: float, raw: Path | None = None) -> Timing:
    """Return when the volumes of a run were taken; its sidecar, its header and the raw file must agree.

    Raises
    ------
    DataError
        If they do not, no repetition time is known, or no volume is left.
    """
    shape = images.open_image(files.bold).shape
    if len(shape) != 4:
        raise DataError(f"{files.bold} has shape {shape}; a BOLD file has four dimensions.")
    own = images.repetition_time(files.bold) if images.sidecar_path(files.bold).is_file() else None
    n_volumes = shape[3] + files.n_discarded
    if raw is not None:
        time = images.repetition_time(raw)
        found = images.header_time(images.open_image(files.bold)) if own is None else own
        _compare_times(files.bold, found, raw, time)
        n_raw = images.open_image(raw).shape[3]
        if n_raw != n_volumes:
            dropped = f" and {files.n_discarded} dropped" if files.n_discarded else ""
            raise DataError(
                f"{files.bold} holds {shape[3]} volumes{dropped}, but the raw run {raw} has {n_raw}; they are not the same "
                "run, or volumes were dropped that the settings do not tell of."
            )
    elif own is None:
        raise DataError(f"{images.sidecar_path(files.bold)} does not exist, nor a raw file; give RepetitionTime in it.")
    else:
        time = own
    n_discarded = max(round(discard_seconds / time), files.n_discarded)
    if n_discarded >= n_volumes:
        raise DataError(f"{files.bold} keeps no volume: {n_discarded} of {n_volumes} are to be dropped.")
    return Timing(time, n_volumes, n_discarded, n_discarded - files.n_discarded)


def lost_shares(masks: RoiMasks, covered: np.ndarray, affine: np.ndarray) -> dict[str, float]:
    """Return the share of every area whose voxels have no signal: they lie outside the grid or outside what was scanned.

    Parameters
    ----------
    masks : RoiMasks
    covered : bool array of shape (X, Y, Z)
        Voxels of the BOLD grid that have signal in every volume.
    affine : array of shape (4, 4)
        Of the BOLD grid.
    """
    to_bold = np.linalg.inv(affine) @ masks.affine
    shares = {}
    for name, mask in masks.masks.items():
        at = np.rint(np.argwhere(mask) @ to_bold[:3, :3].T + to_bold[:3, 3]).astype(int)
        inside = np.all((at >= 0) & (at < covered.shape), axis=1)
        inside[inside] = covered[tuple(at[inside].T)]
        shares[name] = float(1 - inside.mean())
    return shares


def subject_reference(files: RunFiles, masks: RoiMasks) -> tuple[np.ndarray, np.ndarray]:
    """Return a subject's mean image (X, Y, Z), float32, and brain mask, bool, on the grid of the masks of the areas.

    They are the program's own where it gives them; else the mean of the run, and the brain that stands out in it.
    """
    shape = masks.shape
    if files.reference is not None:
        mean, affine = images.read_image(files.reference)
    else:
        affine = images.open_image(files.bold).affine
        total, n_volumes = None, 0
        for volume in images.read_volumes(files.bold):
            finite = np.nan_to_num(volume.astype(np.float64))
            total, n_volumes = finite if total is None else total + finite, n_volumes + 1
        mean = (total / n_volumes).astype(np.float32)
    if files.mask is not None:
        values, brain_affine = images.read_image(files.mask)
        brain = values > 0.5
    else:
        brain, brain_affine = epi_brain_mask(mean, affine), affine
    on_masks = np.linalg.inv(affine) @ masks.affine
    if not images.same_grid(mean.shape, affine, shape, masks.affine):
        mean = ndimage.affine_transform(mean, on_masks, output_shape=shape, order=1, mode="constant")
    return mean.astype(np.float32), on_grid(brain, brain_affine, shape, masks.affine)


def _read_signal(path: Path, wanted: np.ndarray, n_drop: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the signals (T, V) float32 of the wanted voxels and where there is signal (X, Y, Z) in every volume.

    Programs write 0 or NaN where a volume has no data; such a voxel becomes NaN in all volumes.
    """
    index, covered, rows = np.nonzero(wanted), np.ones(wanted.shape, dtype=bool), []
    for volume in images.read_volumes(path, n_drop):
        covered &= np.isfinite(volume) & (volume != 0)
        rows.append(volume[index])
    signal = np.stack(rows)
    signal[:, ~covered[index]] = np.nan
    return signal, covered


def _check_lost(lost: Mapping[str, float], areas: Mapping[str, np.ndarray], covered: np.ndarray, bold: Path) -> None:
    for name, share in lost.items():
        if share == 1 or not (areas[name] & covered).any():
            raise DataError(
                f"Area {name} has no voxel inside the field of view of {bold}; check that masks and BOLD belong to the same "
                f"T1-weighted image, or take {name} out of samples.masks."
            )
        if share > 0:
            log.info("%.1f %% of area %s lie outside the field of view of %s", 100 * share, name, bold.name)


def _read_confounds(files: RunFiles, n_drop: int, n_kept: int) -> tuple[pd.DataFrame, dict]:
    """Return the program's table of the kept volumes, empty if it gives none, and the descriptions of its columns."""
    if files.confounds is None:
        return pd.DataFrame(), {}
    table = read_confounds(files.confounds)
    if len(table) != n_drop + n_kept:
        raise DataError(
            f"{files.confounds} has {len(table)} rows, but {files.bold} holds {n_drop + n_kept} volumes; they are not of the "
            "same run."
        )
    text = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    if text:
        raise DataError(f"{files.confounds} holds a value that is not a number in column '{text[0]}'.")
    sidecar = images.sidecar_path(files.confounds)
    own = images.read_sidecar(files.confounds) if sidecar.is_file() else {}
    return table.iloc[n_drop:].reset_index(drop=True), {**FSL_MOTION, **own}


def _compare_times(bold: Path, own: float | None, raw: Path, time: float) -> None:
    if own is not None and abs(own - time) > 1e-3:
        raise DataError(
            f"{bold} has a repetition time of {own:g} s and its raw run {raw} one of {time:g} s; they are not of the same run, "
            "or one is wrong."
        )
