"""An environment of its own for antspyx, which pins older numpy and scipy than the project does."""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Names of PyPI that differ from those of conda-forge.
PYPI = {"pytorch": "torch"}
PYTHON = "FMRI2IMAGE_ANTS_PYTHON"


def requirements(*extra: str) -> list[str]:
    """Return the pins of envs/ants.yaml, as pip writes them, and further packages at the project's versions."""
    text = (ROOT / "envs" / "ants.yaml").read_text(encoding="utf-8")
    found = re.findall(r"^\s+- ([A-Za-z0-9_-]+)=([0-9][^\s=]*)$", text, flags=re.MULTILINE)
    pins = [f"{PYPI.get(name, name)}=={version}" for name, version in found if name != "python"]
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return pins + [re.search(rf'"({name}==[^"]+)"', project).group(1) for name in extra]


def ants_python(folder: Path, *extra: str) -> Path:
    """Return a Python with antspyx: the one that FMRI2IMAGE_ANTS_PYTHON names, or of an environment made in a folder."""
    if os.environ.get(PYTHON):
        return Path(os.environ[PYTHON])
    python = folder / "bin" / "python"
    finished = folder / "finished"
    if not finished.is_file():
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", *requirements(*extra)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        finished.touch()
    return python
