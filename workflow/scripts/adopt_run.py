"""Take over a run that fMRIPrep or another program preprocessed: signals of the areas, confounds, summary."""

import json
from collections.abc import Mapping
from pathlib import Path

from fmri2image.core.job import job
from fmri2image.preprocess.adopt import adopt_run
from fmri2image.preprocess.derivatives import (
    derivative_run,
    derivatives_settings,
    find_run,
    fmriprep_version,
    raw_names,
)
from fmri2image.preprocess.images import read_image
from fmri2image.preprocess.masks import read_masks
from fmri2image.preprocess.summary import write_summary
from fmri2image.preprocess.tables import write_confounds
from fmri2image.preprocess.timeseries import write_timeseries


def main(
    run: Mapping[str, str], raw: str | None, masks: list[str], brain: str, output: Mapping, settings: dict
) -> None:
    """Write the time series, the confounds with their sidecar and the summary of a run.

    Without masks the brain is the only area.
    """
    if settings["engine"] == "fmriprep":
        made = fmriprep_version(settings["tree"])
        files = find_run(settings["tree"], **(run if raw is None else raw_names(raw)), generated_by=made)
    else:
        files = derivative_run(derivatives_settings(settings["derivatives"]), run)
    areas = read_masks(masks or [brain], settings.get("areas"))
    adopted = adopt_run(
        files, areas, read_image(brain), settings["discard_seconds"], None if raw is None else Path(raw)
    )
    origin = {"simulated": settings["simulated"]}
    made = json.dumps(files.generated_by, sort_keys=True)
    write_timeseries(output["series"], adopted.series, {"generated_by": made, "source": str(files.bold), **origin})
    write_confounds(output["confounds"], adopted.confounds, adopted.descriptions)
    write_summary(output["summary"], adopted.summary, origin)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            run={name: j.wildcards[name] for name in ("subject", "session", "task", "run")},
            raw=j.input.get("raw"),
            masks=list(j.input.get("masks", [])),
            brain=j.input.brain,
            output=dict(j.output.items()),
            settings=j.params.settings,
        )
