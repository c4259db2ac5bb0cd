"""The page that says what was found."""

from fmri2image.core.job import job
from fmri2image.report.summary import write_summary

if __name__ == "__main__":
    with job(snakemake) as j:
        write_summary(
            identification=j.input.identification,
            motion=list(j.input.motion),
            accuracy=list(j.input.accuracy),
            sheets=list(j.input.sheets),
            output=j.output.page,
            settings=j.params.settings,
        )
