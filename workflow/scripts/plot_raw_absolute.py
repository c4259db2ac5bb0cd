"""Table and figure: decoding accuracy of raw against absolute features, all units and filter by filter."""

import pandas as pd

from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.evaluate.filters import FILTER_COLUMNS, compare_filters
from fmri2image.report.raw_absolute import draw_raw_absolute


def main(raw: list[str], absolute: list[str], output: dict[str, str], settings: dict) -> None:
    """Compare the unit accuracies of every subject, pairwise in the order of the files, which name their subjects."""
    tables = [
        compare_filters(first, second, settings["layer"], settings["test"])
        for first, second in zip(raw, absolute, strict=True)
    ]
    table = pd.concat(tables, ignore_index=True)
    write_table(output["table"], table, FILTER_COLUMNS, simulated=settings["simulated"])
    draw_raw_absolute(table, [output["figure"], output["png"]], settings)


if __name__ == "__main__":
    with job(snakemake) as j:
        output = {name: j.output[name] for name in ("table", "figure", "png")}
        main(list(j.input.raw), list(j.input.absolute), output, j.params.settings)
