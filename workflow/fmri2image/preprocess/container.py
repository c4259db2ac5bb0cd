"""Programs in containers: which engine is there, and running one so that signals reach it and two never share a folder.

Standard library only: the main process of Snakemake asks whether the engine is there before it submits anything.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fmri2image.core.errors import ConfigError, DataError

# What an engine needs on the PATH: of every tuple the first program that is there is used.
ENGINES = {"docker": [("docker",), ("fmriprep-docker",)], "apptainer": [("apptainer", "singularity")]}


def find_programs(engine: str, key: str) -> list[str]:
    """Return the paths of an engine's programs, from the PATH or the environment of this Python.

    Parameters
    ----------
    engine : {"docker", "apptainer"}
    key : str
        The key of the configuration that chose it, for the message.

    Raises
    ------
    ConfigError
        If one is missing.
    """
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    found = []
    for names in ENGINES[engine]:
        program = next((path for name in names if (path := shutil.which(name, path=places))), None)
        if program is None:
            hint = " (pip install fmriprep-docker)" if "fmriprep-docker" in names else ""
            raise ConfigError(
                f"config: {key}: '{engine}' needs the program {' or '.join(names)}, which is not on the PATH; install "
                f"it{hint}, load its module, or choose another engine."
            )
        found.append(program)
    return found


def apptainer_command(
    program: str,
    image: str,
    mounts: Sequence[tuple[str, str]],
    environment: Mapping[str, str],
    arguments: Sequence[str],
) -> list[str]:
    """Return the command line that runs an image's program through Apptainer.

    Parameters
    ----------
    program : str
        ``apptainer`` or ``singularity``.
    image : str
        A ``.sif`` file or a ``docker://`` address.
    mounts : sequence of (str, str)
        Folder or file of this machine, and its place in the container, with ``:ro`` where it is only read.
    environment : mapping
        Variables inside the container; those of this machine stay outside.
    arguments : sequence of str
    """
    binds = [part for host, inside in mounts for part in ("--bind", f"{host}:{inside}")]
    variables = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    return [program, "run", "--cleanenv", *binds, *variables, image, *arguments]


@contextmanager
def locked(path: str | Path, what: str) -> Iterator[IO]:
    """Hold a lock file; yields it open, so that a program that inherits it holds the lock as long as it lives.

    Raises
    ------
    DataError
        If another process holds it, for example a program whose job was killed but which still runs.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{what} still runs elsewhere and holds {path}; wait until it ends, or stop it.") from error
        except OSError:
            pass  # a file system without locks; then only Snakemake keeps two jobs apart
        yield file


def run_program(command: Sequence[str], inherited: IO, grace: float = 60.0) -> int:
    """Run a program to its end and return its status; a signal that ends this process ends the program first.

    The program gets a process group of its own, because a wrapper (fmriprep-docker) does not hand signals on.

    Parameters
    ----------
    command : sequence of str
    inherited : file
        Stays open in the program (see `locked`).
    grace : float
        Seconds that the program has for ending before it is killed.
    """
    program = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=(inherited.fileno(),)
    )

    def stop(number: int, _frame: object) -> None:
        raise _Stopped(number)  # the program is ended outside the handler, where waiting for it is possible

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return program.wait()
    except _Stopped as stopped:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        _end(program, stopped.number, grace)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stopped(SystemExit):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number


def _end(program: subprocess.Popen, number: int, grace: float) -> None:
    """Send a signal to a program and all it started, and kill them if it does not end in time."""
    for step in (number, signal.SIGKILL):
        try:
            os.killpg(program.pid, step)
            program.wait(grace)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return
