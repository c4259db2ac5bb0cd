"""Read a dataset that its users have to ask for, vim-1 or BRAINS: samples and stimuli."""

from fmri2image.acquire import brains, vim1
from fmri2image.core.job import job


def main(samples: list[str], images: list[str], table: str, settings: dict) -> None:
    """Write the samples of every subject, the images of every stimulus set and the table of stimuli."""
    if settings["source"] == "vim1":
        imported = vim1.load(settings["data"], settings["subjects"], settings["split"])
    else:
        imported = brains.load(settings["data"], settings["subjects"])
    imported.write(samples, images, table, show=settings.get("show", False))


if __name__ == "__main__":
    with job(snakemake) as j:
        main(list(j.output.samples), list(j.output.images), j.output.table, j.params.settings)
