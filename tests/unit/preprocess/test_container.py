"""Programs in containers: finding the engine, running it, stopping it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.container import apptainer_command, find_programs, locked, run_program

WORKFLOW = Path(__file__).resolve().parents[3] / "workflow"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH of which the test decides what is on it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    def install(name: str) -> str:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
        return str(tmp_path / name)

    return install


def test_docker_needs_its_wrapper_too(programs):
    with pytest.raises(ConfigError, match="'docker' needs the program docker, which is not on the PATH"):
        find_programs("docker", "preprocess.fmriprep.engine")
    docker = programs("docker")
    with pytest.raises(ConfigError, match=r"needs the program fmriprep-docker.*pip install fmriprep-docker"):
        find_programs("docker", "preprocess.fmriprep.engine")
    wrapper = programs("fmriprep-docker")
    assert find_programs("docker", "preprocess.fmriprep.engine") == [docker, wrapper]


def test_singularity_serves_where_apptainer_is_missing(programs):
    with pytest.raises(ConfigError, match="config: some.key: 'apptainer' needs the program apptainer or singularity"):
        find_programs("apptainer", "some.key")
    singularity = programs("singularity")
    assert find_programs("apptainer", "some.key") == [singularity]
    apptainer = programs("apptainer")
    assert find_programs("apptainer", "some.key") == [apptainer]


def test_apptainer_sees_mounts_and_only_the_given_variables():
    command = apptainer_command(
        "apptainer", "image.sif", [("/a b", "/data:ro"), ("/c", "/out")], {"X": "1"}, ["/data", "-w"]
    )
    assert command == [
        *("apptainer", "run", "--cleanenv", "--bind", "/a b:/data:ro", "--bind", "/c:/out", "--env", "X=1"),
        *("image.sif", "/data", "-w"),
    ]


def test_two_cannot_hold_the_same_work_folder(tmp_path):
    path = tmp_path / "work" / "sub-01.lock"
    with locked(path, "fMRIPrep of sub-01"), pytest.raises(DataError, match="fMRIPrep of sub-01 still runs elsewhere"):
        locked(path, "fMRIPrep of sub-01").__enter__()
    with locked(path, "fMRIPrep of sub-01"):
        pass


def test_the_status_of_the_program_is_returned(tmp_path):
    with locked(tmp_path / "lock", "it") as lock:
        assert run_program([sys.executable, "-c", "raise SystemExit(7)"], lock) == 7


HOST = """
import sys
sys.path.insert(0, {workflow!r})
from fmri2image.preprocess.container import locked, run_program
with locked({lock!r}, "it") as lock:
    run_program(["sh", "-c", {wrapper!r}], lock)
"""
# A wrapper that hands no signal on, as fmriprep-docker, around a program that ends well when it is asked to.
INNER = "trap 'echo asked > {said}; exit 0' TERM; echo up > {up}; while true; do sleep 0.05; done"


def _start(tmp_path: Path, inner: str) -> subprocess.Popen:
    (tmp_path / "inner.sh").write_text(inner)
    code = HOST.format(
        workflow=str(WORKFLOW), lock=str(tmp_path / "lock"), wrapper=f"sh {tmp_path / 'inner.sh'} & wait $!; exit 3"
    )
    host = subprocess.Popen([sys.executable, "-c", code])
    _wait(lambda: (tmp_path / "up").exists())
    return host


def _wait(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_signal_reaches_the_program_behind_its_wrapper(tmp_path):
    host = _start(tmp_path, INNER.format(said=tmp_path / "said", up=tmp_path / "up"))
    host.send_signal(signal.SIGTERM)
    assert host.wait(20) == 128 + signal.SIGTERM
    _wait(lambda: (tmp_path / "said").exists())
    assert (tmp_path / "said").read_text() == "asked\n"


def test_a_program_that_outlives_its_job_keeps_the_lock(tmp_path):
    host = _start(tmp_path, f"echo $$ > {tmp_path / 'up'}; exec sleep 30")
    _wait(lambda: (tmp_path / "up").read_text().strip())
    program = int((tmp_path / "up").read_text())
    host.kill()
    host.wait()
    try:
        with pytest.raises(DataError, match="still runs elsewhere"):
            locked(tmp_path / "lock", "it").__enter__()
    finally:
        os.killpg(os.getpgid(program), signal.SIGKILL)
    _wait(lambda: _free(tmp_path / "lock"))


def _free(path: Path) -> bool:
    try:
        with locked(path, "it"):
            return True
    except DataError:
        return False
