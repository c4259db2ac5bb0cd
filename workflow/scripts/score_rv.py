"""Modified RV coefficient of reconstructions and true images, for the conditions of a paper."""

from pathlib import Path

from fmri2image.core.arrays import read_attributes
from fmri2image.core.images import read_images
from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.evaluate.rv import RV_COLUMNS, score_relations


def main(images: list[str], stimuli: list[str], output: str, settings: dict) -> None:
    """Write one row per condition and subject."""
    made = {Path(path).parts[-2:]: path for path in images}
    sources = []
    for one in settings["sources"]:
        path = made[one["method"], f"sub-{one['subject']}_roi-{one['roi']}_{one['test']}.h5"]
        keys = {"dataset": settings["dataset"], "simulated": settings["simulated"], **one}
        sources.append((read_images(path), {**keys, "transductive": read_attributes(path)["transductive"]}))
    shown = {Path(path).stem: read_images(path) for path in stimuli}
    table = score_relations(sources, shown, settings["permutations"], settings["seed"])
    write_table(output, table, RV_COLUMNS, simulated=settings["simulated"])


if __name__ == "__main__":
    with job(snakemake) as j:
        main(list(j.input.images), list(j.input.stimuli), j.output.table, j.params.settings)
