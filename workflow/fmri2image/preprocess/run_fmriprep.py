"""Running fMRIPrep on one subject, and what is kept to say that it ran."""

import json
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fmri2image.core.errors import DataError
from fmri2image.core.files import replacing
from fmri2image.preprocess.container import locked, run_program
from fmri2image.preprocess.derivatives import RunFiles, find_run, fmriprep_version
from fmri2image.preprocess.fmriprep import FmriprepSettings, fmriprep_command


def bids_filter(tasks: Iterable[str], sessions: Iterable[str]) -> dict:
    """Return the content of ``--bids-filter-file`` that keeps fMRIPrep to the BOLD of some tasks and sessions."""
    query: dict = {"datatype": "func", "suffix": "bold"}
    for name, values in (("task", tasks), ("session", sessions)):
        if chosen := sorted(set(values)):
            query[name] = chosen
    return {"bold": query}


def run_fmriprep(
    settings: FmriprepSettings,
    bids: str | Path,
    output: str | Path,
    subject: str,
    runs: Sequence[Mapping[str, str]],
    dummy_scans: int | None = None,
    slice_time_ref: float | None = None,
) -> list[str]:
    """Run fMRIPrep on one subject, or go on where an earlier attempt stopped, and return the command line.

    Parameters
    ----------
    settings, bids, output, subject, dummy_scans, slice_time_ref
        As in `fmriprep_command`.
    runs : sequence of mapping
        The runs wanted, each with ``session`` and ``task``.

    Raises
    ------
    DataError
        If it fails, or another one runs on this subject.
    """
    work = Path(settings.work or "work")
    filters = work / f"sub-{subject}_bids-filter.json"
    Path(output).mkdir(parents=True, exist_ok=True)
    command = fmriprep_command(settings, bids, output, subject, filters, dummy_scans, slice_time_ref)
    with locked(work / f"sub-{subject}.lock", f"fMRIPrep of sub-{subject}") as lock:
        with replacing(filters) as partial:
            query = bids_filter((run["task"] for run in runs), (run["session"] for run in runs if run.get("session")))
            partial.write_text(json.dumps(query, indent=2) + "\n", encoding="utf-8")
        started = time.time()
        print(shlex.join(command), flush=True)
        status = run_program(command, lock)
    if status:
        raise DataError(
            f"fMRIPrep ended with status {status} for sub-{subject}: its messages are in this log, {_crashes(output, started)}; "
            f"correct the cause and run the same command again, which goes on from the work folder {work}."
        )
    return command


def write_record(
    path: str | Path, tree: str | Path, subject: str, runs: Sequence[Mapping[str, str]], command: Sequence[str]
) -> None:
    """Write what ran on a subject and which files it gave, after a look that every run is there.

    Parameters
    ----------
    path : path
        JSON file.
    tree : path
        fMRIPrep's output folder.
    subject : str
    runs : sequence of mapping
        Runs with ``session``, ``task`` and ``run``.
    command : sequence of str
        Empty where fMRIPrep had run before.

    Raises
    ------
    DataError
        If a run is missing from the output.
    """
    made = fmriprep_version(tree)
    found = [
        find_run(tree, subject, run.get("session"), run["task"], run.get("run"), made, run.get("other")) for run in runs
    ]
    files = {str(file.relative_to(tree)): file.stat().st_size for files in found for file in _present(files)}
    content = {"GeneratedBy": [made], "Subject": subject, "Folder": str(tree), "Command": list(command), "Files": files}
    with replacing(path) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _present(files: RunFiles) -> list[Path]:
    return [file for file in (files.bold, files.confounds, files.reference, files.mask) if file is not None]


def _crashes(output: str | Path, since: float) -> str:
    """Say where fMRIPrep left its crash files, or its logs if it wrote none after `since`."""
    found = [
        file
        for pattern in ("sub-*/log/*/crash-*", "sub-*/*/log/*/crash-*", "logs/crash-*")
        for file in Path(output).glob(pattern)
    ]
    fresh = sorted(file for file in found if file.stat().st_mtime >= since - 1)
    return f"its crash files are in {fresh[0].parent}" if fresh else f"its logs are in {Path(output) / 'logs'}"
