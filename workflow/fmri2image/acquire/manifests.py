"""Which files a public dataset has: one table per dataset in ``resources/manifests``, so that a plan needs no network.

``python -m fmri2image.acquire.manifests FOLDER`` writes the tables anew from the git trees of the datasets: per dataset
``small-files.tar.gz`` (what git itself holds) and ``manifest.tsv.gz`` (path, size and md5 of the annexed files), or the
annexed files' link targets in ``MISSING_ANNEX_FILES.tsv``.
"""

import csv
import gzip
import hashlib
import io
import re
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path, PurePosixPath

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing

MANIFESTS = WORKFLOW.parent / "resources" / "manifests"
# From the name of a session without its number, or of a task, to the stimulus set that is shown there.
STIMULUS_SETS = {
    "ds001506": {
        "perceptionNaturalImageTraining": "train",
        "perceptionNaturalImageTest": "test",
        "perceptionArtificialImage": "shapes",
        "perceptionLetterImage": "letters",
        "imagery": "imagery",
    },
    "ds001246": {"perceptionTraining": "train", "perceptionTest": "test", "imageryTest": "imagery"},
    "ds000255": {"viewRandom": "random", "viewFigure": "figures"},
    "ds001761": {"faces": "faces", "loc": "localizer"},
}
ENTITY = re.compile(r"(?:^|_)(ses|task|run)-([A-Za-z0-9]+)")
SUBJECT = re.compile(r"(?:^|/)sub-([A-Za-z0-9]+)[_/]")
ANNEX_KEY = re.compile(r"MD5E-s(?P<size>\d+)--(?P<md5>[0-9a-f]{32})")
MD5 = re.compile(r"[0-9a-f]{32}")
UNWANTED = ("MISSING_ANNEX_FILES.tsv", ".gitattributes", ".gitignore", ".gitmodules", ".bidsignore")


@dataclass(frozen=True)
class RemoteFile:
    """One file of a public dataset.

    Parameters
    ----------
    path : str
        Inside the dataset.
    size : int
        Bytes.
    md5 : str
    subject, session, task, run, suffix : str
        BIDS entities of the name; empty where it has none.
    stimulus_set : str
        What is shown in that run; empty for other files.
    area : str
        Area of a mask whose name does not tell it; a manifest may leave the column out.
    """

    path: str
    size: int
    md5: str
    subject: str
    session: str
    task: str
    run: str
    suffix: str
    stimulus_set: str
    area: str = ""


COLUMNS = [field.name for field in fields(RemoteFile) if field.name != "area"]


def describe(dataset: str, path: str, size: int, md5: str) -> RemoteFile:
    """Return a file with the BIDS entities of its name and the stimulus set of its run."""
    name = PurePosixPath(path).name
    stem = name.split(".", 1)[0]
    found = dict(ENTITY.findall(stem))
    subject = SUBJECT.search(path)
    suffix = stem.rsplit("_", 1)[-1] if "_" in stem and subject else ""
    sets = STIMULUS_SETS.get(dataset, {})
    session = re.sub(r"\d+$", "", found.get("ses", ""))
    shown = sets.get(session) or sets.get(found.get("task", ""), "")
    return RemoteFile(
        path,
        size,
        md5,
        subject[1] if subject else "",
        found.get("ses", ""),
        found.get("task", ""),
        found.get("run", ""),
        suffix,
        shown if "run" in found else "",
    )


@cache
def read_manifest(path: str | Path) -> tuple[RemoteFile, ...]:
    """Return all files of a manifest, in its order.

    Raises
    ------
    DataError
        If there is no such table, its columns are not those of `RemoteFile`, or a path is there twice or leads out of the
        dataset.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))
    except OSError as error:
        known = ", ".join(sorted(other.name for other in MANIFESTS.glob("*.tsv")))
        raise DataError(f"{path} cannot be read ({error.strerror}); resources/manifests has {known}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table of text; give a manifest.") from error
    columns = rows[0] if rows else []
    if columns not in (COLUMNS, [*COLUMNS, "area"]) or any(len(row) != len(columns) for row in rows):
        raise DataError(
            f"{path}: every row needs the columns {', '.join(COLUMNS)} and perhaps area, separated by tabs."
        )
    try:
        files = tuple(RemoteFile(row[0], int(row[1]), *row[2:]) for row in rows[1:])
    except ValueError as error:
        raise DataError(f"{path}: a size is not a whole number ({error}).") from error
    if not files:
        raise DataError(f"{path} lists no file; write it anew.")
    seen: set[str] = set()
    for file in files:
        if file.path in seen:
            raise DataError(f"{path}: {file.path} is there twice.")
        if not _inside(file.path):
            raise DataError(f"{path}: {file.path!r} is no path inside a dataset.")
        if file.size < 0 or (file.md5 and not MD5.fullmatch(file.md5)):
            raise DataError(f"{path}: size {file.size} or md5 '{file.md5}' of {file.path} cannot be; write it anew.")
        seen.add(file.path)
    return files


def _inside(path: str) -> bool:
    """Return whether a path names one file below a folder, in one way only."""
    parts = path.split("/")
    return not (set(parts) & {"", ".", ".."}) and path.isprintable()


def write_manifest(path: str | Path, files: Iterable[RemoteFile]) -> None:
    """Write a manifest, ordered by path."""
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        entries = sorted(files, key=lambda entry: entry.path)
        columns = [*COLUMNS, "area"] if any(entry.area for entry in entries) else COLUMNS
        writer.writerow(columns)
        writer.writerows(astuple(entry)[: len(columns)] for entry in entries)


def from_git_tree(dataset: str, folder: str | Path) -> list[RemoteFile]:
    """Return all files of a dataset from its git tree.

    Parameters
    ----------
    dataset : str
        OpenNeuro's number, for example ``ds001506``.
    folder : path
        Holds ``small-files.tar.gz`` and, unless that names the annexed files itself, ``manifest.tsv.gz``.
    """
    folder = Path(folder)
    files = {path: (size, md5) for path, size, md5 in _held_by_git(folder / "small-files.tar.gz")}
    annexed = folder / "manifest.tsv.gz"
    if annexed.is_file():
        with gzip.open(annexed, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                files[row["path"]] = (int(row["size_bytes"]), row["md5"])
    return [describe(dataset, path, *about) for path, about in sorted(files.items())]


def from_folder(dataset: str, folder: str | Path) -> list[RemoteFile]:
    """Return all files of a BIDS folder that is here.

    Parameters
    ----------
    dataset : str
        Number or name of the dataset; `STIMULUS_SETS` says what its runs show.
    folder : path
    """
    folder = Path(folder)
    found = []
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        found.append(describe(dataset, path.relative_to(folder).as_posix(), path.stat().st_size, md5))
    return found


def _held_by_git(archive: Path) -> Iterator[tuple[str, int, str]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile():
                continue
            content = tar.extractfile(member).read()
            parts = PurePosixPath(member.name).parts
            # The root is "." in some archives and the dataset's number in others.
            path = PurePosixPath(*parts[1:] if parts[0] in (archive.parent.name, ".") else parts).as_posix()
            if PurePosixPath(path).name == "MISSING_ANNEX_FILES.tsv":
                yield from _links(content)
            if PurePosixPath(path).name not in UNWANTED and not path.startswith((".git/", ".datalad/")):
                yield path, len(content), hashlib.md5(content, usedforsecurity=False).hexdigest()


def _links(content: bytes) -> Iterator[tuple[str, int, str]]:
    for path, target in csv.reader(io.StringIO(content.decode()), delimiter="\t"):
        key = ANNEX_KEY.search(target)
        if key is None:
            raise DataError(f"MISSING_ANNEX_FILES.tsv: the target of {path} names no size and md5.")
        yield path, int(key["size"]), key["md5"]


def main(folder: str) -> None:
    """Write the manifests of all datasets whose git trees a folder holds."""
    for dataset in sorted(STIMULUS_SETS):
        files = from_git_tree(dataset, Path(folder) / dataset)
        write_manifest(MANIFESTS / f"{dataset}.tsv", files)
        print(f"{dataset}: {len(files)} files, {sum(entry.size for entry in files) / 1e9:.2f} GB")


if __name__ == "__main__":
    main(sys.argv[1])
