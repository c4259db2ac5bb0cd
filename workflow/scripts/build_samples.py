"""Clean every run of a subject and average its blocks: trials × voxels."""

from pathlib import Path

from fmri2image.core.job import job
from fmri2image.core.samples import write_bdata
from fmri2image.samples.build import Run, SampleSettings, build_samples
from fmri2image.samples.rois import add_unions, read_masks


def main(
    subject: str, bold: list[str], motion: list[str], events: list[str], masks: list[str], output: str, settings: dict
) -> None:
    """Write the samples of one subject in BData layout."""
    runs = []
    for plan in settings["runs"]:
        name = f"_ses-{plan['session']}_task-{plan['task']}_run-{plan['run']}_"
        files = [next(path for path in paths if name in path) for paths in (bold, motion, events)]
        runs.append(Run(*map(Path, files), plan["stimulus_set"], plan["session"], int(plan["run"])))
    areas = add_unions(read_masks(masks), settings["unions"])
    cleaning = SampleSettings(**settings["cleaning"])
    write_bdata(output, build_samples(runs, areas, subject, settings["simulated"], cleaning))


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.wildcards.subject,
            bold=list(j.input.bold),
            motion=list(j.input.motion),
            events=list(j.input.events),
            masks=list(j.input.masks),
            output=j.output.samples,
            settings=j.params.settings,
        )
