"""Run fMRIPrep on one subject, or look at output that is there already, and record which files it gave."""

from fmri2image.core.job import job
from fmri2image.preprocess.derivatives import raw_names
from fmri2image.preprocess.fmriprep import check_fmriprep, fmriprep_settings
from fmri2image.preprocess.images import repetition_time
from fmri2image.preprocess.run_fmriprep import run_fmriprep, write_record


def main(subject: str, bold: list[str], record: str, settings: dict, own: dict) -> None:
    """Write the record of a subject's fMRIPrep output; `own` holds what this machine decides: memory and threads."""
    options = fmriprep_settings({**settings["fmriprep"], **own})
    check_fmriprep(options, settings["slice_timing"])
    command, runs = [], [raw_names(path) for path in bold]
    if options.output is None:
        moment = settings["slice_timing_reference"] if settings["slice_timing"] else None
        dropped = {round(settings["discard_seconds"] / repetition_time(path)) for path in bold}
        # fMRIPrep takes one number for all runs.
        dummy_scans = dropped.pop() if len(dropped) == 1 else None
        command = run_fmriprep(options, settings["bids"], settings["tree"], subject, runs, dummy_scans, moment)
    write_record(record, options.output or settings["tree"], subject, runs, command)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.wildcards.subject,
            bold=list(j.input.bold),
            record=j.output.record,
            settings=j.params.settings,
            own={"mem_mb": j.resources.mem_mb, "threads": j.threads},
        )
