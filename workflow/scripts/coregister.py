"""Coregister the reference volume and the T1w image, check the result, and bring both to the subject's grid."""

import numpy as np

from fmri2image.core.files import replacing
from fmri2image.core.job import job
from fmri2image.preprocess.brain import carried
from fmri2image.preprocess.coregister import CoregisterSettings, coregister, describe
from fmri2image.preprocess.grid import GRID_NAME, check_inside
from fmri2image.preprocess.images import open_image, read_image, write_image, write_sidecar
from fmri2image.preprocess.reslice import reslice

MEANING = "T1w world mm to boldref world mm"


def main(inputs: dict[str, str], outputs: dict[str, str], settings: dict) -> None:
    """Write the 4×4 matrix that moves T1w world points (mm) to points of the reference volume, and what was checked."""
    options = CoregisterSettings(**settings["coregister"])
    epi, t1w = read_image(inputs["reference"]), read_image(inputs["t1w"])
    inplane = read_image(inputs["inplane"]) if inputs["inplane"] and options.path == "inplane" else None
    result = coregister(epi, t1w, inplane, options)
    grid = open_image(inputs["grid"])
    resliced, _ = reslice(epi[0][None], epi[1], result.matrix[None], grid.shape[:3], grid.affine)
    if inputs["grid"].endswith(GRID_NAME):  # made for this subject; masks of areas may leave out parts of the brain
        to_grid = np.linalg.inv(result.matrix @ grid.affine) @ epi[1]
        check_inside(result.epi_brain, to_grid, grid.shape, inputs["grid"])
    brain = carried(result.epi_brain, np.linalg.inv(epi[1]) @ result.matrix @ grid.affine, grid.shape[:3])
    write_image(outputs["reference_t1w"], resliced[0], grid.affine)
    write_image(outputs["brain_mask"], brain, grid.affine)
    write_sidecar(
        outputs["checks"].removesuffix(".json"),
        {"Description": MEANING, **result.checks, "settings": describe(options)},
    )
    with replacing(outputs["transform"]) as partial:
        np.savetxt(partial, result.matrix, fmt="%.10f", header=MEANING)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            inputs={"reference": j.input.reference, "inplane": next(iter(j.input.inplane), None), "t1w": j.input.t1w,
                    "grid": j.input.grid},
            outputs={name: j.output[name] for name in ("transform", "checks", "reference_t1w", "brain_mask")},
            settings=j.params.settings,
        )  # fmt: skip
