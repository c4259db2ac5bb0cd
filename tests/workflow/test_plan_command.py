"""`snakemake plan`: it prints and writes the budget of every configuration, without a network, and runs again when asked."""

import csv
import json
import re
import shutil

import pytest
from checkouts import ROOT

CONFIGS = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))
QUICK = ("ds000255.yaml", "ds001506.yaml")


def plan(checkout, configfile: str | None = None, *arguments: str):
    done = checkout.snakemake(*arguments, "--cores", "1", "plan", configfile=configfile)
    return done.returncode, done.stdout


def table(checkout, dataset: str, name: str) -> list[dict[str, str]]:
    with (checkout / f"results/{dataset}/plan/{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def listed_jobs(checkout, configfile: str) -> int:
    done = checkout.snakemake("-n", "all", "--nolock", configfile=configfile)
    assert done.returncode == 0, done.stdout[-3000:]
    return int(re.search(r"^total\s+(\d+)$", done.stdout, re.MULTILINE)[1]) - 1  # the target itself makes nothing


def test_plan_of_the_smallest_study(repository):
    status, text = plan(repository)
    assert status == 0, text[-4000:]
    assert "Plan of tiny: The smallest study" in text
    assert "Nothing is downloaded." in text
    written = (repository / "results/tiny/plan/plan.txt").read_text(encoding="utf-8")
    assert written.strip() in text
    stages = table(repository, "tiny", "stages")
    assert sum(int(row["jobs"]) for row in stages) == listed_jobs(repository, "config/tiny.yaml")
    assert not [row for row in table(repository, "tiny", "rules") if row["stage"] == "other"]
    for name in ("downloads", "stages", "rules"):
        described = json.loads((repository / f"results/tiny/plan/{name}.json").read_text(encoding="utf-8"))
        assert described["simulated"] is True
        assert all(described["columns"].values())
    # The result depends on what is there, so that the rule runs whenever it is asked for; and nothing else ran.
    status, text = plan(repository)
    assert status == 0
    assert "Plan of tiny" in text
    assert sorted(path.name for path in (repository / "results/tiny").iterdir()) == ["plan"]


def test_plan_of_a_finished_study(tiny_copy):
    status, text = plan(tiny_copy)
    assert status == 0, text[-4000:]
    assert "Nothing is left to do." in text
    assert table(tiny_copy, "tiny", "rules") == []
    assert tiny_copy.jobs() == {}  # a plan starts nothing again


def test_other_targets_print_no_plan(repository):
    plan(repository)
    done = repository.snakemake("--cores", "1", "results/tiny/stimuli/stimuli.tsv")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Plan of tiny" not in done.stdout


@pytest.mark.parametrize(
    "configfile", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS]
)
def test_plan_of_every_configuration(repository, configfile):
    status, text = plan(repository, f"config/{configfile}")
    if configfile == "own-data.yaml":  # an example whose folder nobody has
        assert status != 0
        assert "acquire.bids.folder: /data/my-study does not exist" in text
        return
    assert status == 0, text[-4000:]
    dataset = configfile.removesuffix(".yaml")
    dataset = "phantom" if dataset == "config" else dataset
    assert f"Plan of {dataset}: " in text
    assert "jobs are not known" not in text
    stages = table(repository, dataset, "stages")
    assert sum(int(row["jobs"]) for row in stages) == listed_jobs(repository, f"config/{configfile}")
    assert sum(float(row["cpu_hours"]) for row in stages) > 0
    assert not [row["rule"] for row in table(repository, dataset, "rules") if row["stage"] == "other"]


def test_one_subject_and_bytes_of_the_manifest(repository):
    status, text = plan(repository, "config/ds000255.yaml", "--config", "subjects=['01']")
    assert status == 0, text[-4000:]
    rows = [row for row in table(repository, "ds000255", "downloads") if row["collection"] == "ds000255"]
    with (ROOT / "resources/manifests/ds000255.tsv").open(encoding="utf-8", newline="") as file:
        known = list(csv.DictReader(file, delimiter="\t"))
    bold = [
        int(row["size"])
        for row in known
        if row["subject"] == "01" and row["suffix"] == "bold" and ".nii" in row["path"]
    ]
    found = next(row for row in rows if row["what"] == "BOLD")
    assert (int(found["files"]), float(found["gb"])) == (len(bold), pytest.approx(sum(bold) / 1e9))
    assert float(found["gb_left"]) == pytest.approx(sum(bold) / 1e9)


def test_a_dry_run_that_fails_is_told_and_the_downloads_stay(repository, tmp_path):
    """Weights that are gone break the dry run of everything but not the rule `plan`."""
    weights = repository / "resources/weights/vgg-small.safetensors"
    shutil.move(weights, tmp_path / weights.name)
    try:
        status, text = plan(repository, "config/ds000255.yaml")
    finally:
        shutil.move(tmp_path / weights.name, weights)
    assert status == 0, text[-3000:]
    said = " ".join(text.split())
    assert "jobs are not known: the dry run failed: " in said
    assert "vgg-small.safetensors" in said
    assert "Still to be fetched: 1.4" in said
    assert {row["jobs"] for row in table(repository, "ds000255", "stages")} == {"0"}
