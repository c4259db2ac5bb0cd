"""Image sheet: originals above reconstructions, subject by subject."""

from fmri2image.core.job import job
from fmri2image.report.sheets import draw_sheet

if __name__ == "__main__":
    with job(snakemake) as j:
        draw_sheet(list(j.input.images), j.input.stimuli, j.output.figure, dict(j.wildcards), j.params.settings)
