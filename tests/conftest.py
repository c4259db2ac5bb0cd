"""A finished run of the smallest study, made once for all tests and all workers, and copies of the repository to edit."""

import fcntl
import shutil
from pathlib import Path

import pytest
from checkouts import Checkout, copy_repository


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory, request) -> Checkout:
    """The finished run of tests/end_to_end/tiny.yaml. Read it or copy it; never change it."""
    base = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        base = base.parent  # shared by the workers of pytest-xdist
    folder, output = base / "tiny_run", base / "tiny_run.txt"
    with (base / "tiny_run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            done = copy_repository(folder).snakemake("--cores", "2")
            output.write_text(f"{done.returncode}\n{done.stdout}", encoding="utf-8")
    status, _, text = output.read_text(encoding="utf-8").partition("\n")
    if status != "0":
        reason = text[-3000:]
        pytest.fail(f"The tiny run failed (all of it is in {output}):\n{reason}", pytrace=False)
    return Checkout(folder)


@pytest.fixture
def tiny_copy(tiny_run, tmp_path) -> Checkout:
    """A copy of the finished run, to edit and to run again; times are kept."""

    def ignore(folder: str, names: list[str]) -> list[str]:
        unneeded = ("locks", "log", "scripts", "incomplete") if Path(folder).name == ".snakemake" else ("__pycache__",)
        return [name for name in names if name in unneeded]

    shutil.copytree(tiny_run.folder, tmp_path / "checkout", ignore=ignore)
    return Checkout(tmp_path / "checkout")


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Checkout:
    """A copy of the repository in which nothing has run."""
    return copy_repository(tmp_path_factory.mktemp("repository") / "checkout")


@pytest.fixture(scope="module")
def no_proxy():
    """Servers of the tests are on this machine, whatever proxy the environment names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture
def one_thread():
    """Torch computes in one thread: sums over more of them may differ in the last bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
