"""Test what a paper tested, and set its published numbers beside ours."""

from collections.abc import Mapping

import pandas as pd

from fmri2image.core.job import job
from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.ledger import LEDGER_COLUMNS, Found, ledger_table
from fmri2image.evaluate.paper_tests import statistics_table
from fmri2image.evaluate.papers import load_paper
from fmri2image.evaluate.published import published_table
from fmri2image.evaluate.winning import winning_table


def main(inputs: Mapping[str, list[str]], outputs: Mapping[str, str], settings: dict) -> None:
    """Write the tables of statistics and winning percentages, and the ledger."""
    paper = load_paper(settings["paper"])
    scores = read_table(inputs["scores"][0], subject=str)
    chances = read_table(inputs["identification"][0], subject=str)
    stimuli = read_table(*inputs["stimuli"]) if inputs["stimuli"] else pd.DataFrame()
    rated = read_table(*inputs["rated"], subject=str) if inputs["rated"] else None
    behaviour = [read_table(path, subject=str) for path in inputs["behaviour"]]
    found = Found(
        settings,
        statistics_table(scores, chances, stimuli, settings, paper.tests),
        winning_table(scores, rated, settings, paper.WINNING),
        read_table(*inputs["rv"], subject=str) if inputs["rv"] else None,
        pd.concat(behaviour) if behaviour else None,
    )
    published = published_table(inputs["published"][0])
    ledger = ledger_table(published, found, paper.MEASURES, settings["paper"], settings["simulated"])
    tables = {
        "statistics": (found.statistics, paper.STATISTICS),
        "winning": (found.winning, paper.WINNING.columns),
        "ledger": (ledger, LEDGER_COLUMNS),
    }
    for name, (table, columns) in tables.items():
        write_table(outputs[name], table, columns, simulated=settings["simulated"])


if __name__ == "__main__":
    with job(snakemake) as j:
        names = ("scores", "identification", "published", "stimuli", "rated", "rv", "behaviour")
        inputs = {name: [j.input[name]] if isinstance(j.input[name], str) else list(j.input[name]) for name in names}
        main(inputs, {name: j.output[name] for name in ("statistics", "winning", "ledger")}, j.params.settings)
