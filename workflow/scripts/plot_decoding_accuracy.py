"""Figure: feature decoding accuracy layer by layer, by subject, area and test."""

from fmri2image.core.job import job
from fmri2image.core.tables import read_table
from fmri2image.report.decoding_figures import draw_decoding_accuracy

if __name__ == "__main__":
    with job(snakemake) as j:
        table = read_table(j.input.table, subject=str)
        draw_decoding_accuracy(table, [j.output.figure, j.output.png], j.params.settings)
