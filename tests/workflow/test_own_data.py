"""A user's own BIDS folder, from `make new-study` to the report: the tiny study under other names and in other dialects.

Subject, sessions, tasks, masks and events of the simulated data are renamed to what a lab might have: no run is called
training, sidecars are inherited, events have the columns of BIDS, masks lie in derivatives, pictures in the dataset.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image

from fmri2image.core.arrays import read_array
from fmri2image.report.stimuli import was_imagined
from fmri2image.study.study import load_study

pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")

# From session of the simulated data to session and task here.
SESSIONS = {
    "perceptionNaturalImageTraining01": ("1", "look"),
    "perceptionNaturalImageTraining02": ("2", "look"),
    "perceptionNaturalImageTest01": ("3", "probe"),
    "imagery01": ("4", "mind"),
    "anatomy": ("0", ""),
}
MASKS = "derivatives/areas/sub-{subject}/{hemisphere}.{area}.nii.gz"
KINDS = {"-1": "rest", "-2": "rest", "1": "picture", "2": "picture"}
IMAGERY_KINDS = {"-1": "rest", "-2": "rest", "1": "cue", "2": "imagery", "3": "evaluation", "4": "rest"}
# A shorter reconstruction than that of the written configuration.
LAYERS = "[conv1_1, conv2_1, fc8]"


def own_events(path: Path, target: Path, task: str) -> None:
    """Write events with trial_type and stim_file, the files in a folder of their set."""
    events = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    kinds = events["event_type"].map(IMAGERY_KINDS if task == "mind" else KINDS)
    shows = kinds.isin(["picture", "imagery"])
    files = events["stimulus_name"].map(lambda name: f"{'probe' if task == 'mind' else task}/{name}.png")
    table = events[["onset", "duration"]].assign(trial_type=kinds, stim_file=files.where(shows, "n/a"))
    table.to_csv(target, sep="\t", index=False)


def own_folder(simulated: Path, folder: Path) -> Path:
    """Write the tiny study's BIDS folder as a lab might have it; `simulated` is results/tiny."""
    bids = simulated / "bids"
    folder.mkdir()
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "Anna's brain", "BIDSVersion": "1.9.0"}))
    for path in sorted(bids.glob("sub-01/**/*.*")):
        session = re.search("ses-([A-Za-z0-9]+)", path.name)[1]
        label, task = SESSIONS[session]
        name = path.name.replace("sub-01", "sub-anna").replace(session, label)
        name = re.sub("task-[a-z]+", f"task-{task}", name)
        target = folder / "sub-anna" / f"ses-{label}" / path.parent.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("_events.tsv"):
            own_events(path, target, task)
        elif name.endswith("_bold.json"):
            content = json.loads(path.read_text()) | {"TaskName": task}
            (folder / f"task-{task}_bold.json").write_text(json.dumps(content))
        else:
            shutil.copy2(path, target)
    for path in sorted(bids.glob("sourcedata/sub-01/anat/*_mask_*.nii.gz")):
        side, area = re.search(r"_mask_(LH|RH)_(\w+)\.nii", path.name).groups()
        target = folder / "derivatives" / "areas" / "sub-anna" / f"{'left' if side == 'LH' else 'right'}.{area}.nii.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    for name, own in (("train", "look"), ("test", "probe")):
        images = read_array(simulated / "stimuli" / f"{name}.h5", "images")
        (folder / "stimuli" / own).mkdir(parents=True)
        for stimulus, picture in zip(images.rows, images.values, strict=True):
            Image.fromarray(picture).save(folder / "stimuli" / own / f"{stimulus}.png")
    return folder


@pytest.fixture(scope="module")
def bids(tiny_run, tmp_path_factory) -> Path:
    return own_folder(tiny_run / "results/tiny", tmp_path_factory.mktemp("lab") / "anna")


@pytest.fixture(scope="module")
def said(bids, repository) -> str:
    """What the command says; manifest and configuration are in `repository`."""
    command = [sys.executable, "-m", "fmri2image.study.new_study", str(bids), "anna", "--masks", MASKS]
    environment = {**os.environ, "PYTHONPATH": "workflow", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, cwd=repository.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def config(said, repository) -> dict:
    return yaml.safe_load((repository / "config/anna.yaml").read_text(encoding="utf-8"))


def test_what_the_command_says(said):
    lines = [line.split() for line in said.splitlines()]
    assert ["look", "trains", "24", "27", "1", "to", "2", "24"] in lines
    assert ["probe", "tested", "6", "13", "2", "to", "3", "6"] in lines
    assert ["mind", "imagined", "3", "6", "2", "3"] in lines
    assert "must be fixed" not in said
    assert "config/anna.yaml -n" in said.splitlines()[-1]


def test_configuration(config, bids):
    assert config["title"] == "Anna's brain"
    assert config["subjects"] == ["anna"]
    assert config["acquire"]["bids"] == {"folder": str(bids), "manifest": "config/anna/manifest.tsv"}
    assert config["acquire"]["stimuli"] == {name: {"from": "bids"} for name in ("look", "probe", "mind")}
    assert config["tests"] == {
        name: {"stimuli": name, "training": "look", "rows": "stimulus"} for name in ("probe", "mind")
    }
    assert config["preprocess"]["coregister"]["path"] == "inplane"
    assert config["samples"]["baseline"] == "initial_rest"
    assert config["samples"]["masks"] == ["V1d", "V1v", "V2d", "V2v", "V3d", "V3v", "hV4", "LOC", "FFA", "PPA", "HVC"]
    assert list(config["samples"]["unions"]) == ["V1", "V2", "V3", "V4", "LVC", "VC"]
    assert config["report"]["primary"] == {"method": "icnn", "roi": "VC"}


def test_a_study_finds_its_files(config, bids, repository, monkeypatch):
    monkeypatch.chdir(repository.folder)
    study = load_study(config)
    runs = [(run.session, run.task, run.run, run.stimulus_set) for run in study.raw_runs["anna"]]
    assert runs == [
        ("1", "look", "01", "look"),
        ("1", "look", "02", "look"),
        ("2", "look", "01", "look"),
        ("3", "probe", "01", "probe"),
        ("4", "mind", "01", "mind"),
    ]
    assert [run.sidecars for run in study.raw_runs["anna"]] == [(f"task-{run[1]}_bold.json",) for run in runs]
    masks = study.layout.masks("anna")
    assert len(masks) == 22
    assert all((bids / path).is_file() for path in masks)


def test_dry_run(config, repository):
    done = repository.snakemake("-n", configfile="config/anna.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"correct_motion +5\n", done.stdout)
    assert re.search(r"build_samples +1\n", done.stdout)


def test_dry_run_of_the_example(repository, tmp_path):
    manifest = pd.read_csv(repository / "config/own-data/manifest.tsv", sep="\t")
    for name in [*manifest["path"], "stimuli/owl.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    acquire = f"acquire={{bids: {{folder: {tmp_path}}}, stimuli: {{test: {{folder: {tmp_path}/stimuli}}}}}}"
    done = repository.snakemake("-n", "--config", acquire, configfile="config/own-data.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"correct_motion +10\n", done.stdout)


@pytest.mark.slow
def test_from_the_folder_to_the_report(config, repository, bids):
    before = {path: path.stat().st_mtime_ns for path in bids.rglob("*")}
    text = (repository / "config/anna.yaml").read_text(encoding="utf-8")
    text = re.sub(r"layers: \[.*\]", f"layers: {LAYERS}", text)
    text = re.sub(r"(?m)^(\s+)iterations: .*", r"\1iterations: 8", text)
    text = re.sub("n_points: [0-9]+, tolerance: [0-9.]+", "n_points: 1000, tolerance: 0.01", text)
    (repository / "config/anna.yaml").write_text(text, encoding="utf-8")
    done = repository.snakemake("--cores", "2", configfile="config/anna.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    scores = pd.read_csv(repository / "results/anna/evaluate/scores.tsv", sep="\t", dtype={"subject": str})
    per_image = scores[(scores["metric"] == "pixel_identification") & (scores["roi"] == "VC")]
    assert set(per_image["subject"]) == {"anna"}
    assert per_image.groupby("stimulus_set")["stimulus"].nunique().to_dict() == {"probe": 6, "mind": 3}
    page = (repository / "results/anna/summary.html").read_text(encoding="utf-8")
    assert "Anna&#39;s brain" in page
    # The events tell what was imagined, whatever the set is called.
    stimuli = repository / "results/anna/stimuli"
    assert [name for name in ("look", "probe", "mind") if was_imagined(stimuli / f"{name}.h5")] == ["mind"]
    assert "Nothing was on the screen" in page
    assert {path: path.stat().st_mtime_ns for path in bids.rglob("*")} == before  # used in place, never written to
