"""The same pins everywhere: pyproject.toml, the conda files of the stages, and the lock file."""

import re
import tomllib
from pathlib import Path

import pytest

from fmri2image.core.digest import read_pins

ROOT = Path(__file__).resolve().parents[2]
CONDA_FILES = sorted((ROOT / "envs").glob("*.yaml"))
# Names of conda-forge that differ from those of PyPI.
PYPI = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
# Packages that are no dependency of the project, and those that they need in older versions than the project.
APART = {"ants": {"antspyx", "numpy", "scipy"}}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    return {normalised(name): version for name, version in (line.split("==") for line in lines)}


def project() -> dict[str, str]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [pin for group in table["optional-dependencies"].values() for pin in group]
    return pins([*table["dependencies"], *extras])


def lock_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_every_stage_has_an_environment():
    no_stage = {"common", "plan"}
    stages = {path.stem for path in (ROOT / "workflow" / "rules").glob("*.smk")} - no_stage
    assert stages <= {path.stem for path in CONDA_FILES}


@pytest.mark.parametrize("path", CONDA_FILES, ids=lambda path: path.stem)
def test_conda_pins_equal_the_project(path):
    found = {PYPI.get(name, name): pin for name, pin in read_pins(path)}
    assert len(found) > 3
    python = found.pop("python")
    assert python.startswith("=3.")
    same = {name: pin for name, pin in found.items() if name not in APART.get(path.stem, ())}
    assert {normalised(name): pin.lstrip("=") for name, pin in same.items()}.items() <= project().items()


def test_lock_holds_every_pin_of_the_project():
    assert project().items() <= pins(lock_lines()).items()


def test_lock_names_no_build_of_torch_and_no_hash():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "+" not in "".join(lock_lines())
    assert "--hash" not in text
    assert "sha256" not in text


def test_lock_pins_every_line_exactly_once():
    names = [normalised(line.split("==")[0]) for line in lock_lines()]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line) for line in lock_lines())
    assert len(names) == len(set(names))
