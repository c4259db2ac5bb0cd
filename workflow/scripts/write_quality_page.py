"""The quality page of a subject: what to know before its samples are trusted."""

from fmri2image.core.job import job
from fmri2image.report.quality_page import write_quality_page

INPUTS = ("figures", "runs", "trials", "signal", "checks", "behaviour")

if __name__ == "__main__":
    with job(snakemake) as j:
        inputs = {name: [j.input[name]] if isinstance(j.input[name], str) else list(j.input[name]) for name in INPUTS}
        write_quality_page(inputs, j.output.page, j.wildcards.subject, j.params.settings)
