"""Figure: pairwise identification of all methods on the primary area, beside chance and ceiling."""

from fmri2image.core.job import job
from fmri2image.core.tables import read_table
from fmri2image.report.figures import draw_methods

if __name__ == "__main__":
    with job(snakemake) as j:
        table = read_table(j.input.table, subject=str)
        draw_methods(table, [j.output.figure, j.output.png], j.params.settings)
