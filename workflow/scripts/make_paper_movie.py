"""Movie of a paper: images that were seen or imagined beside their reconstructions after more and more iterations."""

from fmri2image.core.job import job
from fmri2image.report.paper.movies import make_movie

if __name__ == "__main__":
    with job(snakemake) as j:
        outputs = {"movie": j.output.movie, "table": j.output.table}
        make_movie(j.input.images, j.input.stimuli, outputs, j.params.settings)
