"""Main figure: some images of every test of the primary setting, for every subject and the ceiling."""

from fmri2image.core.job import job
from fmri2image.report.examples import draw_examples

if __name__ == "__main__":
    with job(snakemake) as j:
        outputs = [j.output.figure, j.output.pdf]
        draw_examples(list(j.input.images), list(j.input.stimuli), outputs, j.params.settings)
