"""Estimate a run's motion and interpolate it once onto the mask grid."""

import numpy as np

from fmri2image.core.device import choose_device
from fmri2image.core.geometry import PARAMETERS, grid_centre, rigid_matrix
from fmri2image.core.job import job
from fmri2image.preprocess.images import read_bold, read_image, repetition_time, write_bold
from fmri2image.preprocess.realign import RealignSettings, fit_motion
from fmri2image.preprocess.reslice import reslice
from fmri2image.preprocess.tables import motion_table, write_motion


def main(bold: str, reference: str, transform: str, grid: str, output: str, motion: str, settings: dict) -> None:
    """Write the motion table and the run on the grid of the masks, motion and coregistration undone."""
    time = repetition_time(bold)
    n_discard = round(settings["discard_seconds"] / time)
    volumes, affine = read_bold(bold, n_discard)
    target, target_affine = read_image(reference)
    options, device = RealignSettings(**settings["realign"]), choose_device(settings["device"])
    fit = fit_motion(volumes, affine, target, target_affine, options, device=str(device))
    table = motion_table(fit)
    moved = rigid_matrix(table[list(PARAMETERS)].to_numpy(), grid_centre(target.shape, target_affine))
    mask, mask_affine = read_image(grid)
    matrices = moved @ np.loadtxt(transform)
    resliced, _ = reslice(volumes, affine, matrices, mask.shape, mask_affine, settings["reslice_order"])
    write_bold(output, resliced, mask_affine, time, n_discard)
    write_motion(motion, table)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.input.bold,
            j.input.reference,
            j.input.transform,
            j.input.grid,
            output=j.output.bold,
            motion=j.output.motion,
            settings=j.params.settings,
        )
