"""The page of one subject, and the table of its trials, voxels and reliability."""

import pandas as pd

from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata
from fmri2image.core.tables import write_table
from fmri2image.evaluate.reliability import RESPONSE_COLUMNS, describe_responses
from fmri2image.report.subject_page import write_subject_page

INPUTS = ("identification", "scores", "accuracy", "motion", "quality", "images", "trainings", "stimuli")

if __name__ == "__main__":
    with job(snakemake) as j:
        settings, outputs = j.params.settings, {"page": j.output.page, "responses": j.output.responses}
        responses = pd.DataFrame(columns=list(RESPONSE_COLUMNS))  # a study may enter after them
        for path in [j.input.samples] if isinstance(j.input.samples, str) else j.input.samples:
            responses = describe_responses(read_bdata(path), settings["dataset"], settings["simulated"])
        write_table(j.output.responses, responses, RESPONSE_COLUMNS, simulated=settings["simulated"])
        inputs = {name: [j.input[name]] if isinstance(j.input[name], str) else list(j.input[name]) for name in INPUTS}
        write_subject_page(inputs, responses, outputs, j.wildcards.subject, settings)
