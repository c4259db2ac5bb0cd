"""Quality page of a subject: head motion, and the alignment of EPI, T1-weighted image and areas."""

import re
from pathlib import Path

import numpy as np

from fmri2image.core.job import job
from fmri2image.preprocess.images import read_image
from fmri2image.preprocess.masks import read_masks
from fmri2image.preprocess.quality import write_quality
from fmri2image.preprocess.reslice import reslice
from fmri2image.preprocess.tables import read_motion
from fmri2image.samples.rois import add_unions


def main(
    subject: str,
    motion: list[str],
    reference: str,
    transform: str,
    t1w: str,
    masks: list[str],
    figure: str,
    settings: dict,
) -> None:
    """Draw motion over all runs, and the reference volume in T1w space with the outlines of areas."""
    runs = []
    for path in motion:
        session, run = re.search(r"_ses-([A-Za-z0-9]+)_.*run-(\d+)_", Path(path).name).groups()
        runs.append((session, run, read_motion(path)))
    areas = add_unions(read_masks(masks), settings["unions"])
    epi, affine = read_image(reference)
    aligned, _ = reslice(epi[None], affine, np.loadtxt(transform)[None], areas.shape, areas.affine)
    shown = {name: areas.masks[name] for name in settings["outlines"]}
    write_quality(figure, subject, runs, aligned[0], areas.affine, *read_image(t1w), shown, settings["simulated"])


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.wildcards.subject,
            list(j.input.motion),
            j.input.reference,
            j.input.transform,
            j.input.t1w,
            list(j.input.masks),
            j.output.figure,
            j.params.settings,
        )
