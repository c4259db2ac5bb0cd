"""The five figures and the table that show whether the preprocessing of a subject can be trusted."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fmri2image.core.errors import DataError
from fmri2image.core.tables import write_table
from fmri2image.preprocess.brain import carried
from fmri2image.preprocess.images import same_grid
from fmri2image.preprocess.quality_carpet import plot_carpets
from fmri2image.preprocess.quality_motion import plot_motion
from fmri2image.preprocess.quality_overlays import plot_coregistration, plot_rois
from fmri2image.preprocess.quality_runs import read_runs
from fmri2image.preprocess.quality_signal import SIGNAL_COLUMNS, plot_signal, subject_signal

FIGURES = ("motion", "coregistration", "rois", "signal", "carpet")


def write_quality(
    outputs: Mapping[str, str | Path],
    subject: str,
    files: Mapping[str, Sequence[str | Path]],
    images: Mapping[str, tuple[np.ndarray, np.ndarray]],
    areas: Mapping[str, np.ndarray],
    affine: np.ndarray,
    settings: Mapping,
) -> None:
    """Draw the figures of a subject and write the table of its tSNR.

    Parameters
    ----------
    outputs : mapping
        A path for each of `FIGURES`, and ``signal_table`` (TSV).
    subject : str
    files : mapping
        ``confounds`` (one table per run, by stimulus set and session) and ``summaries`` (one per run, any order).
    images : mapping of str to (array, affine)
        ``epi`` (reference in T1w space) and ``brain`` (the mask of its brain), both on the grid of the areas; ``t1w`` and
        ``t1w_brain`` (the mask of its brain), which knows nothing of the EPI.
    areas : mapping of str to bool array of shape (X, Y, Z)
        Few enough to tell their outlines apart.
    affine : array of shape (4, 4)
        Of the areas.
    settings : mapping
        ``motion_limit`` (`plot_motion`; may be None), ``simulated``.

    Raises
    ------
    DataError
        If EPI or brain mask lie on another grid than the areas, or the runs of the two lists of files differ.
    """
    shape = next(iter(areas.values())).shape
    for name in ("epi", "brain"):
        values, own = images[name]
        if not same_grid(values.shape, own, shape, affine):
            raise DataError(
                f"sub-{subject}: the {name} image in T1w space ({values.shape} voxels) lies on another grid than the ROI "
                f"masks ({shape} voxels); delete it and run the workflow again."
            )
    simulated, limit = settings["simulated"], settings["motion_limit"]
    epi, brain = images["epi"][0], images["brain"][0] > 0.5
    runs = read_runs(files["confounds"])
    signal = subject_signal(runs, files["summaries"], brain, areas, affine)
    write_table(outputs["signal_table"], signal.table, SIGNAL_COLUMNS, simulated=simulated)
    plot_motion(outputs["motion"], subject, runs, limit, simulated)
    plot_signal(outputs["signal"], subject, signal, runs, brain, affine, simulated)
    plot_carpets(outputs["carpet"], subject, runs, files["summaries"], limit, simulated)
    plot_rois(outputs["rois"], subject, signal.mean, areas, affine, simulated)
    t1w_brain, own = images["t1w_brain"]
    outline = carried(t1w_brain, np.linalg.inv(own) @ affine, shape)
    plot_coregistration(outputs["coregistration"], subject, epi, outline, affine, *images["t1w"], simulated)
