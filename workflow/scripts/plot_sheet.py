"""Image sheet: originals above reconstructions, subject by subject."""

from fmri2image.core.job import job
from fmri2image.report.sheets import draw_sheet

if __name__ == "__main__":
    with job(snakemake) as j:
        outputs = [j.output.figure, j.output.pdf]
        draw_sheet(list(j.input.images), j.input.stimuli, outputs, dict(j.wildcards), j.params.settings)
