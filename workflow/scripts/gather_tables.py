"""Gather all scores into one long table and the tables for people."""

from fmri2image.core.job import job
from fmri2image.report.tables import gather

if __name__ == "__main__":
    with job(snakemake) as j:
        gather(
            scores=list(j.input.scores),
            permutations=list(j.input.permutations),
            accuracy=list(j.input.accuracy),
            motion=list(j.input.motion),
            recovery=list(j.input.recovery),
            long_table=j.output.scores,
            outputs=list(j.output.tables),
            settings=j.params.settings,
        )
