"""The jobs that a run would start now, from a dry run of Snakemake in a process of its own.

``python -m fmri2image.study.plan_jobs OUTPUT ARGUMENTS…`` runs Snakemake with these arguments and writes what it logs about
every job. Snakemake announces each job of a dry run as an event of its logger, with rule, wildcards, outputs and resources;
the lines on the terminal do not tell all of this for rules with a message of their own.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import DataError

COLLECTING = ("all", "default")  # targets that make nothing


@dataclass(frozen=True)
class Job:
    """A job that would run.

    Parameters
    ----------
    rule : str
    wildcards : mapping of str to str
    outputs : tuple of str
    threads, mem_mb, runtime, gpu : int
        What the rule asks for; memory in MB, time in minutes, 0 where it asks for nothing.
    """

    rule: str
    wildcards: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    threads: int = 1
    mem_mb: int = 0
    runtime: int = 0
    gpu: int = 0


def pending_jobs(config: Mapping, python: str, snakefile: str, targets: Sequence[str] = ("all",)) -> list[Job]:
    """Return the jobs that a run would start now, in the current folder.

    Parameters
    ----------
    config : mapping
        Configuration in force.
    python : str
        An interpreter that has Snakemake; the one of this process may be that of a rule's own environment.
    snakefile : str
    targets : sequence of str

    Raises
    ------
    DataError
        If the dry run fails; the message ends with what Snakemake said.
    """
    with tempfile.TemporaryDirectory() as folder:
        settings, found = Path(folder) / "config.json", Path(folder) / "jobs.json"
        settings.write_text(json.dumps(config), encoding="utf-8")
        command = [python, "-m", __spec__.name, str(found), *targets, "--snakefile", snakefile]
        command += ["--dry-run", "--nolock", "--cores", "1", "--configfile", str(settings)]
        path = os.pathsep.join([str(WORKFLOW), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not found.is_file():
            raise DataError(f"the dry run failed: {_reason(done.stdout + done.stderr)}")
        rows = json.loads(found.read_text(encoding="utf-8"))
    return [Job(**{**row, "outputs": tuple(row["outputs"])}) for row in rows]


def _reason(text: str) -> str:
    """Return the end of what Snakemake said, as one line."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    apart = ("Using workflow specific profile", "host:")
    return " ".join([line for line in lines if not line.startswith(apart)][-4:]) or "it said nothing"


class _Listener(logging.Filter):
    """Keeps what Snakemake's logger is told about jobs; a filter, because Snakemake replaces all handlers at its start."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[int, Job] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(getattr(record, "event", None), "name", "") == "JOB_INFO" and record.rule_name not in COLLECTING:
            resources = dict(record.resources.items())
            amounts = {key: _whole(resources.get(key)) for key in ("mem_mb", "runtime", "gpu")}
            outputs = tuple(str(output).split(" (")[0] for output in record.output)
            wildcards = {key: str(value) for key, value in record.wildcards.items()}
            self.jobs[record.jobid] = Job(record.rule_name, wildcards, outputs, int(record.threads), **amounts)
        return True


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def main(output: str, arguments: Sequence[str]) -> None:
    """Run Snakemake with some arguments and write the jobs that it announces."""
    from snakemake.cli import main as snakemake
    from snakemake.logging import logger

    listener = _Listener()
    logger.addFilter(listener)
    try:
        snakemake(list(arguments))
    except SystemExit as end:
        if end.code:
            raise
    Path(output).write_text(json.dumps([asdict(job) for job in listener.jobs.values()]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
