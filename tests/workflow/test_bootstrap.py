"""envs/bootstrap.py says in one sentence why an environment cannot be built, also under an old Python."""

import ast
import builtins
import importlib.util
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest

BOOTSTRAP = Path(__file__).resolve().parents[2] / "envs" / "bootstrap.py"
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def bootstrap(monkeypatch):
    spec = importlib.util.spec_from_file_location("bootstrap", BOOTSTRAP)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100e9, 0, 100e9))
    return module


def sentence(error: pytest.ExceptionInfo) -> str:
    text = str(error.value)
    assert text.startswith("fmri2image: ")
    assert "\n" not in text
    return text


def test_can_be_read_by_an_old_python():
    ast.parse(BOOTSTRAP.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_passes_where_everything_is_there(bootstrap):
    assert bootstrap.check() is None


def test_old_python(bootstrap, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 8, 10, "final", 0))
    with pytest.raises(SystemExit) as error:
        bootstrap.check()
    assert "Python 3.11 or newer is needed and this is 3.8.10" in sentence(error)


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_missing_venv(bootstrap, monkeypatch, missing):
    ordinary = builtins.__import__

    def refusing(name, *rest, **more):
        if name == missing:
            raise ImportError(name)
        return ordinary(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(SystemExit) as error:
        bootstrap.check()
    assert "python3-venv" in sentence(error)


def test_small_disk(bootstrap, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10e9, 8.8e9, 1.2e9))
    with pytest.raises(SystemExit) as error:
        bootstrap.check()
    assert sentence(error).startswith("fmri2image: 1.2 GB are free here and about")


def test_failing_installation_is_one_sentence(bootstrap):
    with pytest.raises(SystemExit) as error:
        bootstrap.run([sys.executable, "-c", "raise SystemExit(3)"], "the packages could not be installed")
    assert "the packages could not be installed" in sentence(error)


@pytest.mark.parametrize(("torch", "index"), [("cpu", True), ("cuda", False), ("", False)])
def test_torch_build_is_chosen_by_its_index(bootstrap, monkeypatch, tmp_path, torch, index):
    (tmp_path / "requirements.lock").write_text("numpy==1.0\ntorch==9.8.7\n")
    (tmp_path / ".venv").mkdir()
    monkeypatch.chdir(tmp_path)
    commands = []
    monkeypatch.setattr(bootstrap.subprocess, "call", lambda command: commands.append(command) or 0)
    bootstrap.build(torch)
    from_index = [command for command in commands if "--index-url" in command]
    assert len(from_index) == int(index)
    assert all(command[-1] == "torch==9.8.7" and command[-2] == "--no-deps" for command in from_index)
    assert commands[-1][-2:] == ["-r", "requirements.lock"]
    assert (tmp_path / ".venv" / "ready").read_text() == "torch==9.8.7\n"
