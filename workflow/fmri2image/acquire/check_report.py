"""What the check of the real files found: rows of a table, and the text to paste into an issue."""

import csv
import io
import platform
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from fmri2image.core.files import replacing

# Verdicts: the first two are well; a failed address is only a warning while another address of the file is well.
AS_EXPECTED, REACHABLE, DIFFERS, FAILED, NOT_ASKED = "as expected", "reachable", "differs", "failed", "not asked"
SHOWN = 60  # rows of faults in the text for an issue; the table has all


@dataclass
class Finding:
    """One row of the result: an address that was probed (``address``), or a file that was fetched and opened (``file``)."""

    step: str
    name: str
    collection: str
    kind: str
    verdict: str
    note: str = ""
    url: str = ""
    status: int = 0
    size: int | None = None
    expected_size: int | None = None
    content_type: str = ""
    etag: str = ""
    md5: str = ""
    expected_md5: str = ""
    sha256: str = ""
    hosts: str = ""
    seconds: float = 0.0


def faults(findings: Sequence[Finding]) -> list[Finding]:
    """Return what is not as it should be: anything that differs, and failures of files that no other address gives."""
    well = {found.name for found in findings if found.step == "address" and found.verdict in (AS_EXPECTED, REACHABLE)}
    return [
        found
        for found in findings
        if found.verdict == DIFFERS or (found.verdict == FAILED and (found.step == "file" or found.name not in well))
    ]


def write_findings(findings: Sequence[Finding], output: Path) -> None:
    """Write all findings as ``.tsv`` and their summary as ``.md``."""
    columns = [field.name for field in fields(Finding)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for found in findings:
        values = [getattr(found, column) for column in columns]
        writer.writerow(["" if value is None else " ".join(str(value).split()) for value in values])
    with replacing(output.with_suffix(".tsv")) as partial:
        partial.write_text(text.getvalue(), encoding="utf-8")
    with replacing(output.with_suffix(".md")) as partial:
        partial.write_text(markdown(findings), encoding="utf-8")


def markdown(findings: Sequence[Finding]) -> str:
    """Return the text to paste into an issue: counts, faults, and what was opened."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    wrong = faults(findings)
    lines = [
        f"check_real on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {system}: {len(wrong)} faults.",
        "",
        "Addresses that were probed:",
        "",
        f"| Collection | Kind | {AS_EXPECTED} | {REACHABLE} | {DIFFERS} | {FAILED} | {NOT_ASKED} |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    addresses = [found for found in findings if found.step == "address"]
    for collection, kind in dict.fromkeys((found.collection, found.kind) for found in addresses):
        counts = [
            sum((found.collection, found.kind, found.verdict) == (collection, kind, verdict) for found in addresses)
            for verdict in (AS_EXPECTED, REACHABLE, DIFFERS, FAILED, NOT_ASKED)
        ]
        lines.append(f"| {collection} | {kind} | {' | '.join(map(str, counts))} |")
    lines += ["", "Faults (an address that failed is one only where no other address gives the file):", ""]
    lines += ["| File | Kind | Verdict | What | Address | Status | Hosts |", "|---|---|---|---|---|---:|---|"]
    alike = _alike(wrong)
    for found, n_more in alike[:SHOWN]:
        name = f"{found.name} and {n_more} more" if n_more else found.name
        cells = (name, found.kind, found.verdict, found.note, found.url, found.status, found.hosts)
        lines.append(f"| {' | '.join(_cell(value) for value in cells)} |")
    if len(alike) > SHOWN:
        lines.append(f"| and {len(alike) - SHOWN} more rows in the table beside this text | | | | | | |")
    lines += ["", "Files that were fetched and opened, the smallest of each kind:", ""]
    lines += ["| Kind | File | Verdict | Bytes | MD5 | SHA-256 | What was found |", "|---|---|---|---:|---|---|---|"]
    for found in findings:
        if found.step == "file":
            size = "" if found.size is None else found.size
            cells = (found.kind, found.name, found.verdict, size, found.md5, found.sha256, found.note)
            lines.append(f"| {' | '.join(_cell(value) for value in cells)} |")
    return "\n".join(lines) + "\n"


def _alike(wrong: Sequence[Finding]) -> list[tuple[Finding, int]]:
    """Return faults with the number of others like them: a host that does not answer is one row, not hundreds."""
    groups: dict[tuple, list[Finding]] = {}
    for number, found in enumerate(wrong):
        alike = found.verdict == FAILED and found.step == "address"
        key = (found.collection, found.kind, found.status, found.hosts) if alike else (number,)
        groups.setdefault(key, []).append(found)
    return [(group[0], len(group) - 1) for group in groups.values()]


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
