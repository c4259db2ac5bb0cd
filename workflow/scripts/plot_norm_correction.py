"""Figure: what each norm correction does to images and scores."""

from fmri2image.core.job import job
from fmri2image.core.tables import read_table
from fmri2image.report.norm import draw_norm_correction

if __name__ == "__main__":
    with job(snakemake) as j:
        draw_norm_correction(
            list(j.input.images),
            j.input.stimuli,
            read_table(j.input.table, subject=str),
            [j.output.figure, j.output.png],
            j.params.settings,
        )
