"""Estimate a run's motion and interpolate it once onto the mask grid."""

from fmri2image.core.device import device_name
from fmri2image.core.job import job
from fmri2image.preprocess.run import RunOutputs, RunSettings, correct_run


def main(inputs: dict, outputs: RunOutputs, settings: dict, threads: int) -> None:
    """Write the signals of the areas, the confounds and the summary of a run, and the run itself where it is kept.

    Without masks the brain is the only area.
    """
    shared = ("engine", "discard_seconds", "slice_timing", "slice_timing_reference", "reslice_order", "simulated")
    given = {name: settings[name] for name in shared if name in settings}
    options = RunSettings(**given, engine_settings=settings.get(settings["engine"], {}))
    where = {"device": device_name(settings["device"]), "threads": threads}
    correct_run(**inputs, outputs=outputs, settings=options, areas=settings.get("areas"), **where)


if __name__ == "__main__":
    with job(snakemake) as j:
        kept = [j.output.bold] if isinstance(j.output.bold, str) else [*j.output.bold]
        main(
            {
                **{name: j.input[name] for name in ("bold", "reference", "transform", "brain_mask")},
                "masks": list(j.input.get("masks", [])),
                "grid": j.input.get("grid") or None,
            },
            RunOutputs(j.output.series, j.output.confounds, j.output.summary, *kept),
            settings=j.params.settings,
            threads=j.threads,
        )
