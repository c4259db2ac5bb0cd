"""Clean every run of a subject and take its responses: trials × voxels, and what became of every trial and run."""

from fmri2image.core.job import job
from fmri2image.core.samples import write_bdata
from fmri2image.core.tables import read_table, write_table
from fmri2image.samples.build import build_samples
from fmri2image.samples.exclude import TRIAL_COLUMNS
from fmri2image.samples.runs import RUN_COLUMNS, planned_runs
from fmri2image.samples.settings import ResponsiveSettings, SampleSettings
from fmri2image.samples.stimuli import check_stimuli


def main(
    subject: str,
    series: list[str],
    confounds: list[str],
    events: list[str],
    stimuli: str,
    output: str,
    trials: str,
    runs: str,
    settings: dict,
) -> None:
    """Write the samples of one subject in BData layout, and the tables of its trials and runs."""
    found = planned_runs(settings["runs"], series, confounds, events)
    simulated, tested = settings["simulated"], settings.get("tested", ())
    cleaning = SampleSettings(**settings["cleaning"])
    responsive = ResponsiveSettings.of(settings.get("responsive"))
    built = build_samples(found, settings["unions"], subject, simulated, cleaning, tested, responsive)
    files = {(run.session, run.run): run.events for run in found}
    check_stimuli(built.samples.trials, files, read_table(stimuli), stimuli)
    write_table(trials, built.trials, TRIAL_COLUMNS, subject=subject, simulated=simulated)
    write_table(runs, built.runs, RUN_COLUMNS, subject=subject, simulated=simulated)
    write_bdata(output, built.samples)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.wildcards.subject,
            series=list(j.input.series),
            confounds=list(j.input.confounds),
            events=list(j.input.events),
            stimuli=j.input.stimuli,
            output=j.output.samples,
            trials=j.output.trials,
            runs=j.output.runs,
            settings=j.params.settings,
        )
