"""Downloads under faults, with names of the real manifests: nothing damaged is accepted, nothing finished comes twice.

Each fault is played once here; the slow test plays all of them with 20 seeds. docs/reliability.md has the figures.
"""

import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import download_faults  # noqa: E402
from loopback import Fault  # noqa: E402

# Most bytes served per byte needed; faults that damage bytes or forbid going on cost up to a second download.
EXACT, AGAIN = 1.0, 2.0
MOST = {
    "none; everything asked for twice": EXACT,
    "server cuts at random bytes": EXACT,
    "client killed at random moments": 1.5,  # what was under way in each of six kills
    "figshare: redirects, new ETag each time, cuts": AGAIN,
    "wrong bit in a whole answer": AGAIN,
    "wrong bit in an answer that is cut": AGAIN,
    "damaged partial files": AGAIN,
    "404 at mirror and first address": EXACT,
    "storm of 503, 429 and 500": EXACT,
    "silence": EXACT,
    "slow server": EXACT,
    "login page with status 200": 1.2,  # the pages themselves
    "no ranges, and cuts": AGAIN,
    "lies about ranges": 3.0,  # the part before the cut, the false range, the whole
    "three processes at once": EXACT,
    "less room than needed": EXACT,
    "disk fills up": 2.0,
    "outputs removed by the workflow": EXACT,
    "offline": EXACT,
}
LONG = ("none; everything asked for twice",)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def check(fault: str, seeds: int) -> None:
    row = download_faults.run(fault, seeds)
    assert row.damaged == 0, row
    assert row.unfinished == 0, row
    assert row.files >= 4 * seeds
    assert row.faults >= seeds or fault in LONG
    assert 0.5 * row.needed <= row.served <= MOST[fault] * row.needed, row


def test_every_fault_has_a_limit():
    assert set(MOST) == set(download_faults.SCENES)


@pytest.mark.parametrize("fault", [fault for fault in MOST if fault not in LONG])
def test_fault(fault):
    check(fault, 1)


def test_limit_on_file_size_is_like_a_full_disk(monkeypatch):
    monkeypatch.setattr(download_faults, "small_disk", lambda _: nullcontext(False))
    check("disk fills up", 1)


@pytest.mark.slow
@pytest.mark.parametrize("fault", MOST)
def test_fault_with_many_seeds(fault):
    check(fault, 2 if fault in LONG else 20)


def test_damage_would_be_seen(tmp_path):
    scene = download_faults.Scene(tmp_path, 0, n_files=4)
    assert scene.fetch() is None
    assert scene.damaged == 0
    (scene.root / scene.rows[0].path).write_bytes(b"other")
    scene.audit()
    assert scene.damaged == 1
    scene.server.close()


SNAKEFILE = """
rule fetch_bids:
    output:
        {outputs},
    params:
        settings={settings},
    resources:
        address="{address}",
        mirror="",
        offline=0,
    log:
        "fetch.log",
    script:
        "{script}"
"""


@pytest.mark.slow
def test_snakemake_fetches_nothing_twice(tmp_path):
    """Snakemake deletes the outputs of a job that failed, and of one that runs again; they come back without network."""
    scene = download_faults.Scene(tmp_path, 0, n_files=5)
    absent, cut = list(scene.truth)[1:3]
    scene.fault(absent, Fault(status=404))
    scene.fault(cut, Fault(cut=1000), Fault(status=404))
    files = {row.path: [row.size, row.md5] for row in scene.rows}
    settings = {"dataset": scene.dataset, "root": str(scene.root), "files": files}
    outputs = ",\n        ".join(repr(f"{scene.root}/{path}") for path in scene.truth)
    script = download_faults.ROOT / "workflow" / "scripts" / "fetch_bids.py"
    text = SNAKEFILE.format(outputs=outputs, settings=settings, script=script, address=scene.server.bucket)
    (tmp_path / "Snakefile").write_text(text, encoding="utf-8")

    def snakemake(*arguments):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--directory", str(tmp_path), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(download_faults.ROOT / "workflow")}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    failed = snakemake()
    assert failed.returncode != 0
    assert "2 of 5 files could not be fetched" in (tmp_path / "fetch.log").read_text()
    assert not any((scene.root / path).exists() for path in scene.truth)
    assert (scene.root / f"{cut}.partial").stat().st_size == 1000
    done = snakemake()
    assert done.returncode == 0, done.stderr
    scene.audit()
    assert scene.damaged == 0
    assert sum(scene.server.sent.values()) == scene.needed
    assert snakemake("--forceall").returncode == 0
    assert sum(scene.server.sent.values()) == scene.needed
    assert all((scene.root / path).is_file() for path in scene.truth)
    scene.server.close()
