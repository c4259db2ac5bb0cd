"""Time to parse the largest study and to list its jobs, beside a bare workflow of as many jobs; `make bench` prints it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BARE = """rule all:
    input: expand("out/{i}.txt", i=range(N_JOBS))
rule one:
    input: "data/source.txt"
    output: "out/{i}.txt"
    shell: "cp {input} {output}"
"""


def dry_run(folder: Path, *more: str) -> tuple[int, float, float]:
    """Return jobs, seconds and seconds of processor time of a dry run in a folder."""
    command = [sys.executable, "-m", "snakemake", "-n", "all", "--nolock", "--quiet", "all", *more]
    before, started = os.times(), time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed[-3000:]
    return int(next(line.split()[1] for line in printed.splitlines() if line.startswith("total"))), wall, cpu


@pytest.mark.slow
def test_dry_run_of_ds001506_with_every_experiment(tmp_path):
    """All subjects and experiments, imagery too, as for somebody who has the pictures."""
    config = yaml.safe_load((ROOT / "config/ds001506.yaml").read_text(encoding="utf-8"))
    for name in ("train", "test"):
        config["acquire"]["stimuli"][name]["folder"] = str(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    jobs, wall, cpu = dry_run(ROOT, "--configfile", str(path))
    bare = tmp_path / "bare"
    (bare / "data").mkdir(parents=True)
    (bare / "data/source.txt").write_text("", encoding="utf-8")
    (bare / "Snakefile").write_text(BARE.replace("N_JOBS", str(jobs - 1)), encoding="utf-8")
    same, _, least = dry_run(bare)
    assert same == jobs > 1400
    line = {"name": "plan", "jobs": jobs, "seconds": round(wall, 1), "cpu_seconds": round(cpu, 1)}
    print("\n" + json.dumps({**line, "bare_cpu_seconds": round(least, 1), "ratio": round(cpu / least, 2)}))
