"""Clean every run of a subject and average its blocks: trials × voxels."""

from pathlib import Path

from fmri2image.core.job import job
from fmri2image.core.samples import write_bdata
from fmri2image.core.tables import read_table
from fmri2image.preprocess.masks import read_masks
from fmri2image.samples.build import Run, SampleSettings, build_samples
from fmri2image.samples.rois import add_unions
from fmri2image.samples.stimuli import check_stimuli


def main(
    subject: str,
    bold: list[str],
    motion: list[str],
    events: list[str],
    masks: list[str],
    stimuli: str,
    output: str,
    settings: dict,
) -> None:
    """Write the samples of one subject in BData layout."""
    runs = []
    for plan in settings["runs"]:
        name = f"_ses-{plan['session']}_task-{plan['task']}_run-{plan['run']}_"
        files = [next(path for path in paths if name in path) for paths in (bold, motion, events)]
        runs.append(Run(*map(Path, files), plan["stimulus_set"], plan["session"], int(plan["run"])))
    areas = add_unions(read_masks(masks), settings["unions"])
    cleaning = SampleSettings(**settings["cleaning"])
    samples = build_samples(runs, areas, subject, settings["simulated"], cleaning)
    files = {(run.session, run.run): run.events for run in runs}
    check_stimuli(samples.trials, files, read_table(stimuli), stimuli)
    write_bdata(output, samples)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.wildcards.subject,
            bold=list(j.input.bold),
            motion=list(j.input.motion),
            events=list(j.input.events),
            masks=list(j.input.masks),
            stimuli=j.input.stimuli,
            output=j.output.samples,
            settings=j.params.settings,
        )
