"""Make the grid on which the runs of a subject without masks of areas are interpolated."""

import logging

import numpy as np

from fmri2image.core.job import job
from fmri2image.preprocess.grid import MARGIN, epi_grid
from fmri2image.preprocess.images import open_image, write_image


def main(reference: str, t1w: str, grid: str, settings: dict) -> None:
    """Write the grid as an image of ones in T1w space; only its shape and affine matter."""
    epi, head = ((image.shape, image.affine) for image in map(open_image, (reference, t1w)))
    shape, affine = epi_grid(epi, head, settings.get("grid_voxel_size"), settings.get("grid_margin", MARGIN))
    size = " × ".join(f"{affine[axis, axis]:g}" for axis in range(3))
    logging.getLogger("fmri2image").info("grid of %s voxels of %s mm", " × ".join(map(str, shape)), size)
    write_image(grid, np.ones(shape, dtype=bool), affine)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(reference=j.input.reference, t1w=j.input.t1w, grid=j.output.grid, settings=j.params.settings)
