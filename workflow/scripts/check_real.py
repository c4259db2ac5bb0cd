"""Probe the addresses of all external files, open the smallest of each kind, and write what differs."""

from pathlib import Path

from fmri2image.acquire.check_real import check_real, manifest_files, registry_files
from fmri2image.acquire.registry import read_registry
from fmri2image.core.job import job

if __name__ == "__main__":
    with job(snakemake) as j:
        # Faults are results here: a job that failed because of them would leave no table.
        check_real(
            registry_files(read_registry().values()) + manifest_files(),
            Path(j.output.table).with_suffix(""),
            limit=j.params.settings["limit"],
            threads=j.threads,
        )
