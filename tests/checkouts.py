"""Copies of the repository in which tests run workflows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TINY = ROOT / "tests" / "end_to_end" / "tiny.yaml"
SOURCES = ("Snakefile", "workflow", "config", "envs", "profiles", "resources")
UNTRACKED = shutil.ignore_patterns("__pycache__", "*.pyc", "downloaded")


class Checkout:
    """A copy of the repository in which workflows run."""

    def __init__(self, folder: Path, configfile: str = "config/tiny.yaml") -> None:
        self.folder, self.configfile = folder, configfile

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def snakemake(self, *arguments: str, configfile: str | None = None) -> subprocess.CompletedProcess:
        """Run Snakemake; output and errors come back as one text in `stdout`."""
        command = [sys.executable, "-m", "snakemake", "--configfile", configfile or self.configfile, *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        environment.pop("PYTHONPATH", None)
        return subprocess.run(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def make(self, *arguments: str) -> str:
        """Run the workflow, which must succeed."""
        done = self.snakemake("--cores", "2", *arguments)
        assert done.returncode == 0, done.stdout[-6000:]
        return done.stdout

    def jobs(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of every rule a dry run lists, targets that only collect aside."""
        done = self.snakemake("-n", *arguments)
        assert done.returncode == 0, done.stdout[-6000:]
        if "Nothing to be done" in done.stdout:
            return {}
        stats = re.search(r"Job stats:\njob\s+count\n[- ]+\n(.*?)\ntotal\s+(\d+)\n", done.stdout, re.DOTALL)
        assert stats, done.stdout[-6000:]
        counts = {name: int(count) for name, count in (line.split() for line in stats.group(1).splitlines())}
        assert sum(counts.values()) == int(stats.group(2))
        return {name: count for name, count in counts.items() if name not in ("default", "all")}

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace a text that occurs exactly once in a file."""
        text = (self / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{name} has {text.count(old)} times: {old}"
        (self / name).write_text(text.replace(old, new), encoding="utf-8")

    def append(self, name: str, text: str) -> None:
        """Append to a file."""
        with (self / name).open("a", encoding="utf-8") as file:
            file.write(text)

    def sources(self) -> list[Path]:
        """Return every file that git would hold."""
        found = [path for name in SOURCES for path in [self / name, *(self / name).rglob("*")]]
        return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def copy_repository(folder: Path) -> Checkout:
    folder.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=UNTRACKED)
        else:
            shutil.copy2(ROOT / name, folder / name)
    shutil.copy2(TINY, folder / "config" / "tiny.yaml")
    return Checkout(folder)
