"""The page that says what was found."""

from fmri2image.core.job import job
from fmri2image.report.summary import write_summary

INPUTS = ("identification", "scores", "accuracy", "motion", "recovery", "responses", "examples", "identification_figure",
          "methods_figure", "decoding_figure", "selection_figure", "raw_absolute_figure", "norm_figure", "quality", "sheets",
          "images", "stimuli", "decoded", "ledger")  # fmt: skip

if __name__ == "__main__":
    with job(snakemake) as j:
        inputs = {name: [j.input[name]] if isinstance(j.input[name], str) else list(j.input[name]) for name in INPUTS}
        write_summary(inputs, j.output.page, j.params.settings, dict(j.params.code))
