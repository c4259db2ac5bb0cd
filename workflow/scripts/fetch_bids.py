"""Fetch files of a public BIDS dataset: from the mirror, or from OpenNeuro's bucket."""

from collections.abc import Sequence
from pathlib import Path

from fmri2image.acquire.fetch import fetch_files
from fmri2image.acquire.manifests import RemoteFile
from fmri2image.acquire.openneuro import wanted_files
from fmri2image.core.errors import ConfigError
from fmri2image.core.job import job


def main(outputs: Sequence[str], settings: dict) -> None:
    """Bring every file that `settings` lists below its root; the rule's outputs must be these files or their folder."""
    root = Path(settings["root"])
    rows = [RemoteFile(path, int(size), md5, *[""] * 6) for path, (size, md5) in settings["files"].items()]
    expected, listed = {Path(output) for output in outputs}, {root / row.path for row in rows}
    if len(expected) == 1 and all(path.is_relative_to(folder) for path in listed for folder in expected - listed):
        expected = listed
    if expected != listed:
        odd = ", ".join(sorted(str(path) for path in expected ^ listed)[:3])
        raise ConfigError(f"fetch_bids: outputs and `files` below {root} differ ({odd}); this is a fault of the rule.")
    wanted = wanted_files(rows, root, settings["dataset"], settings["url"])
    fetch_files(wanted, settings.get("parallel", 4), mirror=settings["mirror"], offline=settings["offline"])


if __name__ == "__main__":
    with job(snakemake) as j:
        # Where files come from is among the resources, because a change of parameters would fetch them again.
        place = {"url": j.resources.address, "mirror": j.resources.mirror or None, "offline": bool(j.resources.offline)}
        main(list(j.output), {**j.params.settings, **place})
