"""Build .venv from requirements.lock, or say in one sentence why that cannot be (also under an old Python)."""

import argparse
import os
import shutil
import subprocess
import sys

NEEDED_GB = 6
INDEX = {"cpu": "https://download.pytorch.org/whl/cpu", "cuda": ""}


def stop(sentence):
    """End with one sentence."""
    sys.exit("fmri2image: " + sentence)


def check():
    """Check Python, venv and disk before anything is downloaded."""
    if sys.version_info < (3, 11):
        found = ".".join(str(part) for part in sys.version_info[:3])
        stop("Python 3.11 or newer is needed and this is %s; name another with 'make demo PYTHON=python3.12'." % found)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop("the module venv is missing; install it (Debian and Ubuntu: apt install python3-venv) and run make again.")
    free = shutil.disk_usage(os.getcwd()).free / 1e9
    if free < NEEDED_GB:
        stop("%.1f GB are free here and about %d GB are needed; make room or clone elsewhere." % (free, NEEDED_GB))


def build(torch):
    """Create the environment and install the locked packages."""
    python = os.path.join(".venv", "bin", "python")
    run([sys.executable, "-m", "venv", ".venv"], "the virtual environment could not be made")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    with open("requirements.lock") as lock:
        pin = next(line.strip() for line in lock if line.startswith("torch=="))
    if torch in INDEX and INDEX[torch]:
        run(pip + ["--index-url", INDEX[torch], "--no-deps", pin], "torch (%s) could not be installed" % torch)
    print(
        "fmri2image: installing the packages of requirements.lock into .venv (some minutes the first time)", flush=True
    )
    run(pip + ["-r", "requirements.lock"], "the packages could not be installed")
    with open(os.path.join(".venv", "ready"), "w") as ready:
        ready.write(pin + "\n")


def run(command, failure):
    """Run a command; one sentence if it fails, below what it printed."""
    if subprocess.call(command) != 0:
        stop(failure + "; the reason stands above. Check the network and the free disk, then run make again.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", default="", choices=["", "cpu", "cuda"])
    arguments = parser.parse_args()
    check()
    build(arguments.torch)
