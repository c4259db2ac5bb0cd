"""Scan one simulated subject: raw BIDS, with the truth kept aside."""

from pathlib import Path

from fmri2image.acquire.phantom.bids import simulate_subject
from fmri2image.core.arrays import read_array
from fmri2image.core.job import job
from fmri2image.core.tables import read_table


def main(images: list[str], table: str, bids: Path, truth: str, settings: dict) -> None:
    """Write all raw files of the subject and the truth."""
    sets = {Path(path).stem: read_array(path, "images") for path in images}
    simulate_subject(settings["subject"], sets, read_table(table), settings["simulate"], settings["seed"], bids, truth)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            images=list(j.input.images),
            table=j.input.table,
            bids=Path(j.output.truth).parents[1] / "bids",
            truth=j.output.truth,
            settings=j.params.settings,
        )
