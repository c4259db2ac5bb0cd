"""What a run would download, write and take: downloads, disk, jobs and hours, before anything is started."""

from pathlib import Path

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.study import load_study
from fmri2image.study.plan import make_plan
from fmri2image.study.plan_jobs import pending_jobs
from fmri2image.study.plan_rates import read_rates
from fmri2image.study.plan_text import (
    DOWNLOAD_COLUMNS,
    RULE_COLUMNS,
    STAGE_COLUMNS,
    download_table,
    plan_text,
    rule_table,
    stage_table,
)


def main(settings: dict, outputs: dict[str, str]) -> None:
    """Write the plan as text and as tables; a dry run that fails leaves the downloads and a sentence."""
    study = load_study(settings["config"])
    jobs, failure = None, ""
    try:
        jobs = pending_jobs(settings["config"], settings["python"], settings["snakefile"])
    except DataError as error:
        failure = str(error)
    plan = make_plan(study, jobs, read_rates(), failure)
    about = {"dataset": study.dataset, "simulated": study.simulated}
    write_table(outputs["downloads"], download_table(plan.downloads), DOWNLOAD_COLUMNS, **about)
    write_table(
        outputs["stages"], stage_table(plan), STAGE_COLUMNS, **about, warnings=plan.warnings, skipped=plan.skipped
    )
    write_table(outputs["rules"], rule_table(plan.rules), RULE_COLUMNS, **about)
    with replacing(outputs["text"]) as partial:
        Path(partial).write_text(plan_text(plan), encoding="utf-8")


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.params.settings, dict(j.output.items()))
