"""Coregister the reference volume to the T1-weighted image, by way of the in-plane T2."""

import numpy as np

from fmri2image.core.files import replacing
from fmri2image.core.job import job
from fmri2image.preprocess.coregister import CoregisterSettings, epi_from_t1w
from fmri2image.preprocess.images import read_image


def main(reference: str, inplane: str, t1w: str, transform: str, settings: dict) -> None:
    """Write the 4×4 matrix that moves T1w world points (mm) to points of the reference volume."""
    options = CoregisterSettings(**settings["coregister"])
    matrix = epi_from_t1w(read_image(reference), read_image(t1w), [read_image(inplane)], options)
    with replacing(transform) as partial:
        np.savetxt(partial, matrix, fmt="%.10f", header="T1w world mm to boldref world mm")


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.input.reference, j.input.inplane, j.input.t1w, j.output.transform, j.params.settings)
