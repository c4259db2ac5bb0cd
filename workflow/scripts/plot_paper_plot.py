"""Figure of a paper drawn from tables, with the numbers that it shows."""

from collections.abc import Mapping

from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.report.paper.registry import load_plot
from fmri2image.report.style import save


def main(inputs: Mapping, outputs: Mapping[str, str], settings: Mapping) -> None:
    """Gather the numbers, write them as a table, and draw the figure from that table alone."""
    plot = load_plot(settings["figure"], settings["paper"])
    table = plot.plotted(inputs, settings)
    about = {"figure": settings["figure"], "simulated": settings["simulated"]}
    write_table(outputs["table"], table, plot.COLUMNS, **about)
    save(plot.draw(table, settings), [outputs["figure"], outputs["png"]])


if __name__ == "__main__":
    with job(snakemake) as j:
        outputs = {name: j.output[name] for name in ("table", "figure", "png")}
        main(dict(j.input.items()), outputs, j.params.settings)
