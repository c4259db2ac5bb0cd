"""Bring the mean image and the brain mask of another program's first run to the grid of a subject's masks, if any."""

from collections.abc import Mapping

from fmri2image.core.job import job
from fmri2image.preprocess.adopt import subject_reference
from fmri2image.preprocess.derivatives import derivative_run, derivatives_settings, find_run, raw_names
from fmri2image.preprocess.images import write_image
from fmri2image.preprocess.masks import read_masks, whole_grid


def main(run: Mapping[str, str], masks: list[str], reference: str, brain: str, settings: dict) -> None:
    """Write the reference and the brain mask in T1w space; `run` may hold the path ``raw`` of the raw BOLD."""
    if settings["engine"] == "fmriprep":
        files = find_run(settings["tree"], **(raw_names(run["raw"]) if "raw" in run else run))
    else:
        files = derivative_run(derivatives_settings(settings["derivatives"]), run)
    areas = read_masks(masks, settings.get("areas")) if masks else whole_grid(files.bold)
    mean, inside = subject_reference(files, areas)
    write_image(reference, mean, areas.affine)
    write_image(brain, inside, areas.affine)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            run={"subject": j.wildcards.subject, **j.params.settings["run"]},
            masks=list(j.input.get("masks", [])),
            reference=j.output.reference,
            brain=j.output.brain,
            settings=j.params.settings,
        )
