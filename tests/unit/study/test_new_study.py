"""The command new-study on small BIDS folders: manifest, configuration, sentences and exit status."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from own_folder import SEEN, VOLUMES, make_folder, write_events, write_image, write_picture

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.study.check import check_config
from fmri2image.study.new_study import Request, main, new_study

pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """A folder without a fault; tests do not change it."""
    return make_folder(tmp_path_factory.mktemp("good") / "bids")


def look(folder: Path, tmp_path: Path, **options):
    request = Request(folder, "mine", config=tmp_path / "config", force=True, **options)
    findings, lines = new_study(request)
    manifest = pd.read_csv(request.manifest, sep="\t", dtype=str, keep_default_na=False)
    return findings, lines, yaml.safe_load(request.config_file.read_text()), manifest


def test_a_good_folder_needs_no_fix(good, tmp_path):
    findings, lines, config, manifest = look(good, tmp_path)
    assert findings.must_fix == []
    assert check_config(config) == config
    assert config["dataset"] == "mine"
    assert config["title"] == "Owls and cars"
    assert config["subjects"] == ["anna", "ben"]
    assert config["acquire"]["bids"]["folder"] == str(good)
    assert config["stimulus_sets"] == ["learn", "quiz"]
    assert config["tests"] == {"quiz": {"stimuli": "quiz", "training": "learn", "rows": "stimulus"}}
    assert config["acquire"]["stimuli"] == {"learn": {"from": "bids"}, "quiz": {"from": "bids"}}
    assert "run_sets" not in config["acquire"]
    assert config["samples"]["masks"] == ["V1", "V2"]
    assert config["preprocess"]["coregister"]["path"] == "direct"
    assert config["preprocess"]["discard_seconds"] == 8
    assert (config["samples"]["responses"], config["samples"]["baseline"]) == ("blocks", "initial_rest")
    assert lines[-1].startswith(f"Next: .venv/bin/snakemake --configfile {tmp_path / 'config' / 'mine.yaml'} -n")


def test_manifest_has_every_file_that_is_used_and_labels_for_those_without(good, tmp_path):
    _, _, _, manifest = look(good, tmp_path)
    bold = manifest[(manifest["suffix"] == "bold") & manifest["path"].str.endswith(".nii.gz")]
    assert len(bold) == 6
    assert set(bold["session"]) == {"01"}
    labels = bold[bold["subject"] == "ben"].set_index("path")[["task", "run", "stimulus_set"]]
    found = {Path(path).name: tuple(row) for path, *row in labels.itertuples()}
    assert found == {
        "sub-ben_task-learn_run-1_bold.nii.gz": ("learn", "1", "learn"),
        "sub-ben_task-learn_run-2_bold.nii.gz": ("learn", "2", "learn"),
        "sub-ben_task-quiz_bold.nii.gz": ("quiz", "01", "quiz"),
    }
    events = manifest[manifest["suffix"] == "events"]
    keys = ["subject", "session", "task", "run", "stimulus_set"]
    assert sorted(map(tuple, events[keys].to_numpy())) == sorted(map(tuple, bold[keys].to_numpy()))
    assert {"dataset_description.json", "task-learn_bold.json", "task-quiz_bold.json"} <= set(manifest["path"])
    assert not manifest["path"].duplicated().any()
    sizes = [(good / path).stat().st_size for path in manifest["path"]]
    assert manifest["size"].astype(int).tolist() == sizes
    masks = manifest[manifest["suffix"] == "mask"]
    assert masks.groupby(["subject", "area"])["path"].count().to_dict() == {
        (subject, area): 2 for subject in ("anna", "ben") for area in ("V1", "V2")
    }


def test_summary_counts(good, tmp_path):
    _, lines, _, _ = look(good, tmp_path)
    text = "\n".join(lines)
    assert f"2 subjects, 6 runs, {6 * VOLUMES} volumes" in text
    table = [line.split() for line in text.splitlines()]
    assert ["learn", "trains", "4", "8", "2", "4"] in table  # stimuli, presentations, of each, pictures
    assert ["quiz", "tested", "2", "8", "4", "2"] in table
    assert ["V1", "16", "16"] in table
    assert (tmp_path / "config" / "mine" / "report.txt").read_text() == text + "\n"


def test_command_line(good, tmp_path, capsys):
    arguments = [str(good), "mine", "--config", str(tmp_path)]
    assert main(arguments) == 0
    assert "must be fixed" not in capsys.readouterr().out
    before = (tmp_path / "mine.yaml").read_bytes()
    assert main(arguments) == 1
    assert "mine.yaml exists; give another NAME" in capsys.readouterr().err
    assert (tmp_path / "mine.yaml").read_bytes() == before
    assert main([*arguments, "--force"]) == 0
    (tmp_path / "mine.yaml").rename(tmp_path / "renamed.yaml")
    assert main(arguments) == 1
    assert "renamed.yaml has the dataset mine" in capsys.readouterr().err


def test_what_must_be_fixed_gives_status_1_and_is_written_all_the_same(tmp_path, capsys):
    folder = make_folder(tmp_path / "bids", ("anna",), pictures=False)
    assert main([str(folder), "mine", "--config", str(tmp_path / "c")]) == 1
    assert "must be fixed (2)" in capsys.readouterr().out
    assert check_config(yaml.safe_load((tmp_path / "c" / "mine.yaml").read_text()))


@pytest.mark.parametrize("name", ["My-study", "my study", "-x", ""])
def test_names_that_cannot_be(good, tmp_path, name):
    with pytest.raises(ConfigError, match="lower-case letters, digits and hyphens"):
        new_study(Request(good, name, config=tmp_path))


def test_folder_that_is_no_dataset(good, tmp_path):
    with pytest.raises(DataError, match="is not a folder"):
        new_study(Request(tmp_path / "nowhere", "mine", config=tmp_path))
    with pytest.raises(DataError, match=r"has no dataset_description.json.*did you mean its folder bids\?"):
        new_study(Request(good.parent, "mine", config=tmp_path))
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    with pytest.raises(DataError, match="no functional run that can be used.*bids-validator-deno"):
        new_study(Request(tmp_path / "empty", "mine", config=tmp_path))
    (tmp_path / "empty" / "dataset_description.json").write_text("{")
    with pytest.raises(DataError, match="pybids cannot read"):
        new_study(Request(tmp_path / "empty", "mine", config=tmp_path))
    assert not list(tmp_path.glob("*.yaml"))


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with one subject, to break."""
    return make_folder(tmp_path / "bids", ("anna",))


def func(folder: Path, name: str) -> Path:
    return folder / "sub-anna" / "func" / f"sub-anna_{name}"


def fixes(folder: Path, tmp_path: Path, **options) -> str:
    return "\n".join(look(folder, tmp_path, **options)[0].must_fix)


def test_events_that_are_missing_or_wrong(folder, tmp_path):
    func(folder, "task-quiz_events.tsv").unlink()
    path = func(folder, "task-learn_run-1_events.tsv")
    path.write_text(path.read_text().replace("stimulus_name", "thing"))
    write_events(func(folder, "task-learn_run-2_events.tsv"), ["tree", "cup"], block=0.0)
    text = fixes(folder, tmp_path)
    assert "sub-anna_task-quiz_bold.nii.gz has no events.tsv" in text
    assert "task-learn_run-1_events.tsv lacks a column that names stimuli" in text
    assert "task-learn_run-2_events.tsv, line 3: a stimulus block has no duration" in text
    assert "No run shows stimuli that could train" in text


def test_events_beyond_the_scan(folder, tmp_path):
    write_events(func(folder, "task-quiz_events.tsv"), ["fox", "bus"], start=20000.0)
    assert "2 stimuli begin after the end of sub-anna_task-quiz_bold.nii.gz (40 volumes, 80 s" in fixes(
        folder, tmp_path
    )


def test_trials_at_the_end_that_are_not_scanned_are_dropped(folder, tmp_path):
    write_events(func(folder, "task-quiz_events.tsv"), ["fox", "bus"] * 4, start=20.0)
    findings, _, config, _ = look(folder, tmp_path)
    assert findings.must_fix == []
    assert config["samples"]["incomplete_trials"] == "drop"
    assert any(sentence.startswith("1 trials are not scanned") for sentence in findings.worth_knowing)


def test_repetition_times_that_differ(folder, tmp_path):
    (folder / "task-learn_bold.json").write_text(json.dumps({"RepetitionTime": 2.5, "TaskName": "learn"}))
    (folder / "task-quiz_bold.json").unlink()
    text = fixes(folder, tmp_path)
    assert "task-learn_run-1_bold.nii.gz has a repetition time of 2 s in its header and 2.5 s in its sidecar" in text
    assert "task-quiz_bold" in text


def test_images_that_cannot_be_used(folder, tmp_path):
    write_image(func(folder, "task-quiz_bold.nii.gz"), (4, 4, 4), 10.0)
    func(folder, "task-learn_run-1_bold.nii.gz").write_bytes(b"cut")
    write_image(func(folder, "task-learn_run-2_bold.nii.gz"), (4, 4, 4, 5), 10.0)
    for path in (folder / "sub-anna" / "anat").iterdir():
        path.unlink()
    text = fixes(folder, tmp_path)
    assert "task-quiz_bold.nii.gz" in text
    assert "task-learn_run-1_bold.nii.gz cannot be read as NIfTI" in text
    assert "task-learn_run-2_bold.nii.gz has 5 volumes" in text
    assert "sub-anna has no T1w image" in text


def test_files_that_are_left_out(folder, tmp_path):
    for name in (
        "task-quiz_run-8_part-phase_bold.nii.gz",
        "task-restingstate_bold.nii.gz",
        "task-quiz_run-9_sbref.nii.gz",
    ):
        write_image(func(folder, name), (4, 4, 4, VOLUMES), 10.0)
    for echo in (1, 2):
        write_image(func(folder, f"task-quiz_run-7_echo-{echo}_bold.nii.gz"), (4, 4, 4, VOLUMES), 10.0)
    write_image(func(folder, "quiz_bold.nii.gz"), (4, 4, 4, VOLUMES), 10.0)
    findings, _, _, manifest = look(folder, tmp_path)
    assert len(manifest[manifest["path"].str.endswith("bold.nii.gz")]) == 3
    assert "echo-2_bold.nii.gz are single echoes" in findings.must_fix[1]
    assert "sub-anna_quiz_bold.nii.gz is not named as BIDS wants it" in findings.must_fix[0]
    known = "\n".join(findings.worth_knowing)
    assert "part-phase_bold.nii.gz are phase images" in known
    assert "task-restingstate_bold.nii.gz are runs at rest" in known
    assert "sbref" not in known


def test_other_entities_and_endings_are_kept_and_runs_told_apart(folder, tmp_path):
    old = func(folder, "task-quiz_bold.nii.gz")
    for direction in ("AP", "PA"):
        new = func(folder, f"task-quiz_acq-mb_dir-{direction}_bold.nii")
        write_image(new, (4, 4, 4, VOLUMES), 10.0)
    old.unlink()
    findings, _, _, manifest = look(folder, tmp_path)
    assert findings.must_fix == []
    quiz = manifest[manifest["path"].str.contains("task-quiz.*_bold.nii$")]
    found = {Path(path).name: run for path, run in zip(quiz["path"], quiz["run"], strict=True)}
    assert found == {
        "sub-anna_task-quiz_acq-mb_dir-AP_bold.nii": "01",
        "sub-anna_task-quiz_acq-mb_dir-PA_bold.nii": "02",
    }
    assert "2 runs are told apart by other parts of their names" in "\n".join(findings.worth_knowing)
    # Both inherit the events of the task, which belong to no run of the manifest.
    events = manifest[manifest["path"].str.endswith("task-quiz_events.tsv")]
    assert events[["subject", "session", "run"]].to_numpy().tolist() == [["anna", "", ""]]


def test_inherited_events_of_a_task(folder, tmp_path):
    func(folder, "task-quiz_events.tsv").rename(folder / "task-quiz_events.tsv")
    findings, _, _, manifest = look(folder, tmp_path)
    assert findings.must_fix == []
    assert "task-quiz_events.tsv" in set(manifest["path"])


def test_several_anatomical_images_and_inplane(tmp_path):
    folder = make_folder(tmp_path / "bids", ("anna",), session="day1")
    anat = folder / "sub-anna" / "ses-day1" / "anat"
    write_image(anat / "sub-anna_ses-day1_run-2_T1w.nii.gz", (12, 12, 12), 4.0, -24.0)
    write_image(anat / "sub-anna_ses-day1_inplaneT2.nii.gz", (12, 12, 4), 4.0, -24.0)
    findings, _, config, manifest = look(folder, tmp_path)
    assert config["preprocess"]["coregister"]["path"] == "inplane"
    assert manifest.loc[manifest["suffix"] == "T1w", "path"].tolist() == [
        "sub-anna/ses-day1/anat/sub-anna_ses-day1_T1w.nii.gz"
    ]
    assert any("has 2 T1w images" in sentence for sentence in findings.worth_knowing)
    assert manifest.loc[manifest["suffix"] == "inplaneT2", "session"].tolist() == ["day1"]


def test_stimuli_in_a_folder_of_ones_own(tmp_path):
    folder = make_folder(tmp_path / "bids", ("anna",), pictures=False)
    for name in SEEN["learn"]:
        write_picture(tmp_path / "pictures" / "all" / f"{name}.jpg")
    write_picture(tmp_path / "pictures" / "fox.png")
    findings, _, config, _ = look(folder, tmp_path, stimuli=str(tmp_path / "pictures"))
    assert findings.must_fix == [
        "1 of 2 stimuli of the set quiz have no picture (bus; all in missing.tsv); add them, or leave these "
        "stimuli out with samples: leave_out."
    ]
    assert (tmp_path / "config" / "mine" / "missing.tsv").read_text() == "stimulus_set\tstimulus\nquiz\tbus\n"
    chapter = {"from": "folder", "folder": str(tmp_path / "pictures"), "show": True}
    assert config["acquire"]["stimuli"] == {"learn": chapter, "quiz": chapter}
    text = fixes(folder, tmp_path, stimuli=f"learn={tmp_path / 'pictures'},faces=/x")
    assert "no run shows a set 'faces'" in text
    assert "The 2 stimuli of the set quiz (fox, bus) have no pictures" in text
    (tmp_path / "others").mkdir()
    write_picture(tmp_path / "others" / "cat.png")
    assert "stimuli are called owl, car, tree and 1 more, files cat.png" in fixes(
        folder, tmp_path, stimuli=str(tmp_path / "others")
    )
