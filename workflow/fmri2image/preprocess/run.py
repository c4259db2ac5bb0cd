"""One raw run to signals on the grid of the masks: slice timing, motion, and one interpolation."""

import importlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.geometry import grid_centre, rigid_matrix
from fmri2image.preprocess.images import (
    read_image,
    read_sidecar,
    read_stored,
    repetition_time,
    same_grid,
    write_bold,
)
from fmri2image.preprocess.masks import Content, RoiMasks, in_named_areas, read_masks
from fmri2image.preprocess.motion import MotionFit
from fmri2image.preprocess.reslice import reslice_voxels
from fmri2image.preprocess.slice_timing import SliceTimes, check_moment, correct_volumes, correct_voxels, slice_times
from fmri2image.preprocess.summary import summarise, write_summary
from fmri2image.preprocess.tables import confounds_table, write_confounds
from fmri2image.preprocess.timeseries import TimeSeries, write_timeseries

log = logging.getLogger("fmri2image")

# Each engine: its module, and the class of its settings there.
ENGINES = {
    "realign": ("fmri2image.preprocess.realign", "RealignSettings"),
    "ants": ("fmri2image.preprocess.ants", "AntsSettings"),
}
ORDERS = (None, "before", "after")
FEWEST_VOLUMES = 3  # a linear trend and what is left of it


@dataclass(frozen=True)
class RunSettings:
    """Settings of the correction of a run.

    Parameters
    ----------
    engine : str
        ``realign`` or ``ants``.
    engine_settings : mapping
        Fields of `RealignSettings` or `AntsSettings`.
    discard_seconds : float
        Dropped from the start of the run, in whole volumes.
    slice_timing : str or None
        Whether slice timing is corrected, and on which side of the realignment: ``before`` (Mozafari et al. 2020) or
        ``after`` (Güçlütürk et al. 2017).
    slice_timing_reference : float
        Moment to which slices are shifted, as a share of the repetition time.
    reslice_order : int
        Degree of the B-spline.
    simulated : bool
        Kept with the files.
    """

    engine: str = "realign"
    engine_settings: Mapping = field(default_factory=dict)
    discard_seconds: float = 8.0
    slice_timing: str | None = None
    slice_timing_reference: float = 0.5
    reslice_order: int = 3
    simulated: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that cannot work."""
        if self.engine not in ENGINES:
            raise ConfigError(f"preprocess.engine '{self.engine}' corrects no motion here; use {' or '.join(ENGINES)}.")
        if self.slice_timing not in ORDERS:
            raise ConfigError(f"preprocess.slice_timing is '{self.slice_timing}'; use null, 'before' or 'after'.")
        if self.slice_timing:
            check_moment(self.slice_timing_reference)


@dataclass(frozen=True)
class RunOutputs:
    """Files that the correction of a run writes; `bold` only where it is not None."""

    series: str | Path
    confounds: str | Path
    summary: str | Path
    bold: str | Path | None = None


def correct_run(
    bold: str | Path,
    reference: str | Path,
    transform: str | Path,
    masks: Sequence[str | Path],
    brain_mask: str | Path,
    outputs: RunOutputs,
    settings: RunSettings | None = None,
    device: str = "cpu",
    threads: int = 1,
    areas: Mapping[str, Content] | None = None,
    grid: str | Path | None = None,
) -> None:
    """Correct a raw run and write its signals, its confounds and its summary.

    Parameters
    ----------
    bold : path
        Raw 4-D BOLD with a sidecar, beside it or inherited.
    reference : path
        Reference volume of the subject's motion correction.
    transform : path
        Matrix (4, 4) as text, T1w world to reference world, mm.
    masks : sequence of paths
        Masks of all areas, in T1w space; none makes the brain the only area.
    brain_mask : path
        On the grid of the masks; together with the areas it says which voxels are computed.
    outputs : RunOutputs
    settings : RunSettings, optional
    device : str
        ``cpu`` or ``cuda``.
    threads : int
    areas : mapping, optional
        What masks of other names hold, see `masks.read_masks`.
    grid : path, optional
        Image on whose grid signals are computed, where masks do not lie on a common one.

    Raises
    ------
    DataError
        If a file does not hold what it should; the message names it.
    """
    settings = settings or RunSettings()
    rois = read_masks(masks or [brain_mask], areas, grid)
    brain = read_brain(brain_mask, rois)
    voxels = np.argwhere(brain | np.any(list(rois.masks.values()), axis=0))
    in_brain = brain[tuple(voxels.T)]
    in_areas = np.any([mask[tuple(voxels.T)] for mask in rois.masks.values()], axis=0)

    seconds = repetition_time(bold)
    n_discarded = round(settings.discard_seconds / seconds)
    volumes, affine = read_stored(bold, n_discarded)
    n_volumes = len(volumes) + n_discarded
    if len(volumes) < FEWEST_VOLUMES:
        raise DataError(
            f"{bold} holds {n_volumes} volumes, of which {n_discarded} are dropped; {len(volumes)} are too few to correct. "
            "Get the whole run, or leave it out."
        )
    log.info("%d volumes of %s voxels, %d dropped", n_volumes, volumes.shape[1:], n_discarded)
    times = None
    if settings.slice_timing:
        times = slice_times(read_sidecar(bold), volumes.shape[1:], seconds, bold)
    if times and settings.slice_timing == "before":
        volumes = correct_volumes(volumes, times, seconds, settings.slice_timing_reference)
        log.info("slice timing corrected before realignment")

    target, target_affine = read_image(reference)
    fit = fit_motion(volumes, affine, target, target_affine, settings, device, threads)
    _warn_of_failures(fit)
    matrices = rigid_matrix(fit.parameters, grid_centre(target.shape, target_affine)) @ _read_transform(transform)
    signal, covered = reslice_voxels(
        volumes, affine, matrices, voxels, rois.affine, settings.reslice_order, threads, device
    )
    del volumes  # a large part of the memory
    _check_coverage(covered, voxels, rois, bold)
    if times and settings.slice_timing == "after":
        position = _slice_positions(matrices, affine, voxels, rois.affine, times)
        correct_voxels(signal, position, times, seconds, settings.slice_timing_reference)
        log.info("slice timing corrected after realignment")
    signal[:, ~covered] = np.nan

    facts = {
        "source": Path(bold).name,
        "engine": settings.engine,
        "simulated": settings.simulated,
        "slice_timing": settings.slice_timing or "none",
        "slice_timing_reference": settings.slice_timing_reference if settings.slice_timing else 0.0,
    }
    series = TimeSeries.of_masks(signal[:, in_areas], rois.masks, rois.affine, seconds, n_discarded)
    write_timeseries(outputs.series, series, facts)
    write_confounds(outputs.confounds, confounds_table(fit, signal if in_brain.all() else signal[:, in_brain]))
    summary = summarise(
        signal, voxels, in_named_areas(rois.masks, voxels), rois.shape, rois.affine, seconds, n_volumes, n_discarded
    )
    write_summary(outputs.summary, summary, {"simulated": settings.simulated})
    if outputs.bold is not None:
        write_bold(
            outputs.bold,
            _on_grid(signal, voxels, rois.shape),
            rois.affine,
            seconds,
            n_discarded,
            {"Sources": [Path(bold).name], **_timing_entries(settings, seconds)},
        )


def fit_motion(
    volumes: np.ndarray,
    affine: np.ndarray,
    reference: np.ndarray,
    reference_affine: np.ndarray,
    settings: RunSettings,
    device: str,
    threads: int,
) -> MotionFit:
    """Estimate the motion of volumes (T, X, Y, Z) relative to the reference by the engine of the settings."""
    name, settings_class = ENGINES[settings.engine]
    engine = importlib.import_module(name)
    options = getattr(engine, settings_class)(**settings.engine_settings)
    where = {"threads": threads} if settings.engine == "ants" else {"device": device}
    return engine.fit_run(volumes, affine, reference, reference_affine, options, **where)


def read_brain(path: str | Path, rois: RoiMasks) -> np.ndarray:
    """Read a brain mask (X, Y, Z) that lies on the grid of the ROI masks.

    Raises
    ------
    DataError
        If it lies on another grid.
    """
    brain, affine = read_image(path)
    if not same_grid(brain.shape, affine, rois.shape, rois.affine):
        raise DataError(
            f"{path} ({brain.shape} voxels) lies on another grid than the ROI masks ({rois.shape} voxels); run coregister "
            "again after the masks have changed."
        )
    return brain > 0.5


def _read_transform(path: str | Path) -> np.ndarray:
    try:
        matrix = np.loadtxt(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a matrix as text ({error}); delete it and run the workflow again.") from error
    if matrix.shape != (4, 4):
        raise DataError(
            f"{path} holds a matrix of shape {matrix.shape}, not (4, 4); delete it and run the workflow again."
        )
    return matrix


def _warn_of_failures(fit: MotionFit) -> None:
    failed = np.flatnonzero(~np.asarray(fit.converged, dtype=bool))
    if len(failed):
        shown = ", ".join(map(str, failed[:8])) + (", …" if len(failed) > 8 else "")
        log.warning(
            "the motion of %d volumes did not converge (counted after the dropped ones): %s", len(failed), shown
        )


def _check_coverage(covered: np.ndarray, voxels: np.ndarray, rois: RoiMasks, bold: str | Path) -> None:
    """Stop if nothing is in view, and warn of areas that are partly out of it."""
    seen = np.zeros(rois.shape, dtype=bool)
    seen[tuple(voxels[covered].T)] = True
    if not any(seen[mask].any() for mask in rois.masks.values()):
        raise DataError(
            f"No voxel of any area lies inside the field of view of {bold} in all volumes; look at the coregistration and "
            "the motion of this run."
        )
    for name, mask in rois.masks.items():
        n_missing = int((~seen[mask]).sum())
        if n_missing:
            log.warning("%d of %d voxels of %s are out of view in some volume", n_missing, int(mask.sum()), name)


def _slice_positions(
    matrices: np.ndarray, affine: np.ndarray, voxels: np.ndarray, target_affine: np.ndarray, times: SliceTimes
) -> np.ndarray:
    """Return where target voxels (V, 3) lie along the slices of the raw volumes, in voxels, averaged over the run."""
    row = (np.linalg.inv(affine) @ matrices.mean(axis=0) @ target_affine)[times.axis]
    return voxels @ row[:3] + row[3]


def _on_grid(signal: np.ndarray, voxels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return volumes (T, X, Y, Z), 0 where there is no signal."""
    volumes = np.zeros((len(signal), *shape), dtype=np.float32)
    index = tuple(voxels.T)
    for volume, values in zip(volumes, signal, strict=True):
        volume[index] = np.nan_to_num(values)
    return volumes


def _timing_entries(settings: RunSettings, seconds: float) -> dict:
    """Return what BIDS-Derivatives say about slice timing."""
    if not settings.slice_timing:
        return {"SliceTimingCorrected": False}
    return {"SliceTimingCorrected": True, "StartTime": settings.slice_timing_reference * seconds}
