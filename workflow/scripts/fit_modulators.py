"""Fit images and their values, such as latent variables, to all runs of a stimulus set: regressors × voxels."""

from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata, write_bdata
from fmri2image.samples.modulator_runs import fit_modulators
from fmri2image.samples.modulators import ModulatorSettings, read_values
from fmri2image.samples.runs import planned_runs
from fmri2image.samples.settings import SampleSettings


def main(
    subject: str,
    series: list[str],
    confounds: list[str],
    events: list[str],
    values: str,
    output: str,
    settings: dict,
    like: str | None = None,
) -> None:
    """Write the betas of one subject in BData layout, rows named by modulator."""
    samples = fit_modulators(
        planned_runs(settings["runs"], series, confounds, events),
        read_values(values),
        settings["unions"],
        subject,
        settings["simulated"],
        SampleSettings(**settings["cleaning"]),
        ModulatorSettings(**settings["modulators"]),
        read_bdata(like).voxels if like else None,
    )
    write_bdata(output, samples)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.wildcards.subject,
            list(j.input.series),
            list(j.input.confounds),
            list(j.input.events),
            j.input.values,
            j.output.samples,
            j.params.settings,
            j.input.get("samples"),
        )
