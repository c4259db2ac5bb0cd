"""The frame around scripts: everything in the log, errors of the family as one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import fmri2image

SCRIPT = """
import os, sys
from types import SimpleNamespace
from fmri2image.core.errors import DataError
from fmri2image.core.job import job

snakemake = SimpleNamespace(log=[sys.argv[1]], rule="fit_decoder", wildcards={"subject": "01"}, threads=2)
with job(snakemake) as j:
    assert j is snakemake
    print("from Python", flush=True)
    os.system("echo from a child process")
    if sys.argv[2] == "family":
        raise DataError("data.h5 lacks a voxel; import the samples again.")
    if sys.argv[2] == "other":
        raise ValueError("a bug")
"""


def run(log, ending):
    environment = {**os.environ, "PYTHONPATH": str(Path(fmri2image.__file__).parents[1])}
    command = [sys.executable, "-c", SCRIPT, str(log), ending]
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.stdout == finished.stderr == ""
    return finished.returncode, log.read_text()


def test_errors_of_the_family_are_one_sentence(tmp_path):
    status, text = run(tmp_path / "log.txt", "family")
    assert status == 1
    assert text.splitlines()[-1] == "fmri2image: data.h5 lacks a voxel; import the samples again."
    assert "Traceback" not in text
    assert "done in" not in text


def test_other_errors_keep_their_traceback(tmp_path):
    status, text = run(tmp_path / "log.txt", "other")
    assert status == 1
    assert "Traceback" in text
    assert "ValueError: a bug" in text


def test_the_log_holds_header_output_and_earlier_attempts(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("first attempt\n")
    status, text = run(log, "well")
    assert status == 0
    assert text.startswith("first attempt\n")
    for part in (
        "fit_decoder {'subject': '01'}",
        "2 threads",
        "'numpy':",
        "from Python",
        "from a child process",
        "done in",
    ):
        assert part in text
