"""Describe the simulated BIDS dataset."""

from pathlib import Path

from fmri2image.acquire.phantom.sidecars import write_dataset_files
from fmri2image.core.job import job

if __name__ == "__main__":
    with job(snakemake) as j:
        write_dataset_files(Path(j.output[0]).parent, j.params.settings["subjects"], j.params.settings["simulate"])
