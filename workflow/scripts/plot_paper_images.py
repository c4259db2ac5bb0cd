"""Figure of a paper: images that were seen or imagined, and their reconstructions."""

from fmri2image.core.job import job
from fmri2image.report.paper.pictures import draw_pictures

if __name__ == "__main__":
    with job(snakemake) as j:
        inputs = {name: list(j.input.get(name, [])) for name in ("images", "stimuli", "table", "scores")}
        outputs = {"svg": j.output.svg, "png": j.output.figure, "table": j.output.table}
        draw_pictures(inputs, outputs, j.params.settings)
