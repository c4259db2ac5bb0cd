"""Time to parse the largest study and to list its jobs; `make bench` prints it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_dry_run_of_ds001506_with_every_experiment(tmp_path):
    """All subjects and experiments, imagery too, as for somebody who has the pictures."""
    config = yaml.safe_load((ROOT / "config/ds001506.yaml").read_text(encoding="utf-8"))
    for name in ("train", "test"):
        config["acquire"]["stimuli"][name]["folder"] = str(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", "-n", "all", "--nolock", "--quiet", "all", "--configfile", str(path)]
    before, started = os.times(), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    jobs = next(line.split()[1] for line in (done.stdout + done.stderr).splitlines() if line.startswith("total"))
    print(f"\nds001506, every experiment: {jobs} jobs, {wall:.1f} s of wall time, {cpu:.1f} s of processor time")
    assert int(jobs) > 1400
    assert cpu < 10  # other work on the machine stretches wall time
