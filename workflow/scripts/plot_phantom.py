"""Figures that explain the simulated subjects."""

import re
from pathlib import Path

from fmri2image.core.job import job
from fmri2image.core.tables import read_table
from fmri2image.report.phantom.budget import draw_budget
from fmri2image.report.phantom.fields import draw_fields
from fmri2image.report.phantom.files import by_subject, read_truth
from fmri2image.report.phantom.heads import draw_heads
from fmri2image.report.phantom.runs import draw_runs
from fmri2image.report.phantom.stimuli import draw_stimuli


def main(files: dict, figures: dict[str, str], settings: dict) -> None:
    """Draw stimuli, heads, receptive fields, runs and the noise budget."""
    draw_stimuli(files["stimuli"], read_table(files["table"]), [figures["stimuli"]], settings)
    of_subject = by_subject(files["truth"])
    truths = [read_truth(of_subject[subject][0]) for subject in settings["subjects"]]
    t1w, first = ({s: paths[0] for s, paths in by_subject(files[key]).items()} for key in ("t1w", "first_bold"))
    draw_heads(truths, t1w, first, [figures["heads"]])
    stimuli = {Path(path).stem: path for path in files["stimuli"]}
    draw_fields(truths[0], stimuli["train"], [figures["fields"]])
    events, bold = (by_run(files[key]) for key in ("events", "bold"))
    draw_runs(truths[0], settings["runs"], events, bold, stimuli, [figures["runs"]])
    draw_budget(truths, settings["scanned"], [figures["budget"]])


def by_run(paths: list[str]) -> dict[str, str]:
    """Return files by the name of their run."""
    return {re.search(r"_(ses-.*_run-[0-9]+)_", Path(path).name)[1]: path for path in paths}


if __name__ == "__main__":
    with job(snakemake) as j:
        main(dict(j.input.items()), dict(j.output.items()), j.params.settings)
