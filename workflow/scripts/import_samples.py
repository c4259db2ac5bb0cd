"""Read the published samples of one subject, whichever files its stimulus sets are in."""

import hashlib
import json
from pathlib import Path

from fmri2image.core.job import job
from fmri2image.core.samples import write_bdata
from fmri2image.samples.published_join import read_subject


def main(subject: str, output: str, settings: dict) -> None:
    """Write the samples in our own dialect; the header tells files, checksums and dialects."""
    files = settings["files"]
    samples = read_subject(
        files,
        subject,
        settings["dialect"],
        labels=settings["labels"],
        unions=settings["unions"],
        rois=settings["rois"],
    )
    samples.attributes["sources"] = json.dumps({name: f"{path}, md5 {md5(path)}" for name, path in files.items()})
    write_bdata(output, samples)


def md5(path: str) -> str:
    """Return the MD5 of a file, as the publishers give it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.wildcards.subject, j.output.samples, j.params.settings)
