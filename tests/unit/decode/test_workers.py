"""Worker processes: shared arrays, order, errors, and nothing that stays when the run is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import worker_tasks

from fmri2image.core.errors import DataError, Fmri2imageError
from fmri2image.decode.workers import Workers

ROOT = Path(__file__).resolve().parents[3]
# A script as Snakemake runs them: no guard against being imported, the library found through sys.path alone.
SCRIPT = """
import os, sys, time
sys.path[:0] = [{workflow!r}, {tests!r}]
print("began", flush=True)
import numpy as np
import worker_tasks
from fmri2image.decode.workers import Workers
workers = Workers(2, {{"array": np.eye(2000)}})
print(*sorted({{result[3] for result in workers.map(worker_tasks.look, range(40))}}), flush=True)
{end}
"""


def script(tmp_path, end):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(workflow=str(ROOT / "workflow"), tests=str(Path(__file__).parent), end=end))
    return subprocess.Popen([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("n", [1, 2])
def test_tasks_see_the_arrays_and_come_back_in_order(n):
    array = np.arange(12.0).reshape(4, 3)
    with Workers(n, {"array": array, "none": np.empty((0, 3))}) as workers:
        np.testing.assert_array_equal(workers.shared["array"], array)
        results = list(workers.map(worker_tasks.look, iter([2, 0, 1, 2])))
        assert [result[:2] for result in results] == [(2, 8.0), (0, 0.0), (1, 4.0), (2, 8.0)]
        assert all(result[4] == {1} for result in results)
        assert {result[3] == os.getpid() for result in results} == {n == 1}
        assert list(workers.map(worker_tasks.slow_first, range(5))) == list(range(5))
        assert list(workers.map(worker_tasks.look, [])) == []
    if n == 2:
        assert not any(result[2] for result in results)  # read only


def test_two_sets_of_arrays_take_turns():
    with Workers(2, {"array": np.eye(3)}) as first, Workers(2, {"array": 5 * np.eye(3)}) as second:
        for _ in range(3):
            assert {result[1] for result in first.map(worker_tasks.look, range(3))} == {1.0}
            assert {result[1] for result in second.map(worker_tasks.look, range(3))} == {5.0}


@pytest.mark.parametrize("n", [1, 2])
def test_an_error_arrives_as_it_was_raised(n):
    with Workers(n, {"array": np.eye(3)}) as workers, pytest.raises(DataError, match=r"^item 4 of \(3, 3\)$"):
        list(workers.map(worker_tasks.fail, [4]))


@pytest.mark.filterwarnings("ignore:A worker stopped")
def test_a_killed_worker_is_one_sentence_and_the_next_ones_work():
    with Workers(2, {"array": np.eye(3)}) as workers:
        with pytest.raises(Fmri2imageError, match="One of 2 worker processes was killed"):
            list(workers.map(worker_tasks.die, range(3)))
        assert [result[0] for result in workers.map(worker_tasks.look, range(3))] == [0, 1, 2]


def test_a_script_without_a_guard_runs_once(tmp_path):
    process = script(tmp_path, "")
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    began, pids = output.splitlines()
    assert began == "began"
    assert str(process.pid) not in pids.split()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="processes are looked up in /proc")
def test_nothing_stays_of_a_killed_script(tmp_path):
    process = script(tmp_path, "os.kill(os.getpid(), 9)")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -9
    pids = output.splitlines()[1].split()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (any(map(_alive, pids)) or _left(process.pid)):
        time.sleep(0.1)
    assert not any(map(_alive, pids))
    assert _left(process.pid) == []


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _left(pid):
    names = [path.name for path in Path("/dev/shm").iterdir()] if Path("/dev/shm").exists() else []
    return [name for name in names if f"-{pid}-" in name or f"_{pid}_" in name]
