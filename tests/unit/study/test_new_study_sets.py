"""Stimulus sets of a user's own data: by options, by names, by the events; and what is tested."""

from collections import Counter

import pandas as pd
import pytest
import yaml
from own_folder import VOLUMES, make_folder, write_events, write_image

from fmri2image.core.errors import ConfigError
from fmri2image.study.findings import Findings
from fmri2image.study.new_study import Request, new_study
from fmri2image.study.own_bids import OwnRun
from fmri2image.study.own_sets import ShownSet, Split, assign_sets, choose_tests, guess_set, parse_sets
from fmri2image.study.own_stimuli import parse_folders


@pytest.mark.parametrize(
    ("session", "task", "name"),
    [
        ("perceptionTraining01", "perception", "train"),
        ("perceptionNaturalImageTest02", "perception", "test"),
        ("perceptionLetterImage01", "perception", "letters"),
        ("perceptionArtificialImage03", "perception", "shapes"),
        ("imageryTest01", "imagery", "imagery"),
        ("01", "validation", "test"),
        ("01", "facesLoc", "facesloc"),
        ("01", "loc", "localizer"),
        ("01", "floc2", "floc"),
        ("01", "retinotopy", "localizer"),
        ("image", "objects", "objects"),
        ("01", "imagine", "imagery"),
        ("01", "12", "stimuli"),
    ],
)
def test_names_that_tell_a_set(session, task, name):
    assert guess_set(session, task) == name


def test_options_are_read():
    assert parse_sets(" task-a=train, ses-t*=test ,") == [("task-a", "train"), ("ses-t*", "test")]
    for text in ("task-a", "task-a=Train", "=train", "a=t1"):
        with pytest.raises(ConfigError, match="--sets"):
            parse_sets(text)
    assert parse_folders("/a") == {"": "/a"}
    assert parse_folders("train=/a,test=/b") == {"train": "/a", "test": "/b"}
    assert parse_folders("/odd=name/x") == {"": "/odd=name/x"}
    with pytest.raises(ConfigError, match="two folders"):
        parse_folders("/a,/b")


def run(session: str, task: str, number: str = "01") -> OwnRun:
    return OwnRun("anna", session, task, number, f"sub-anna_ses-{session}_task-{task}_run-{number}_bold.nii.gz")


def test_patterns_come_before_names_and_the_first_counts():
    runs = [run("t1", "see"), run("t2", "see"), run("x", "train")]
    findings = Findings()
    sets = assign_sets(runs, [("ses-t1", "first"), ("t*", "second"), ("*run-07*", "third")], findings)
    assert [one.stimulus_set for one in sets] == ["first", "second", "second"]
    assert len(findings.must_fix) == 1
    assert "'*run-07*=third' fits no run" in findings.must_fix[0]


def test_tasks_that_share_a_set_are_numbered_through():
    findings = Findings()
    runs = assign_sets([run("1", "a"), run("1", "b"), run("2", "a")], [("*", "train")], findings)
    assert [(one.session, one.task, one.run) for one in runs] == [("1", "a", "01"), ("1", "b", "02"), ("2", "a", "01")]
    assert len(findings.worth_knowing) == 1
    apart = assign_sets([run("1", "a"), run("1", "b")], [("a", "train"), ("b", "test")], Findings())
    assert [one.run for one in apart] == ["01", "01"]


def shown(name: str, stimuli: dict, imagined: bool = False, runs: str = "12", sessions: str = "1") -> ShownSet:
    return ShownSet(name, Counter(stimuli), imagined, frozenset(runs), frozenset(sessions))


def chosen(*sets: ShownSet) -> tuple[Split, str]:
    findings = Findings()
    return choose_tests({one.name: one for one in sets}, findings), "\n".join(
        findings.worth_knowing + findings.must_fix
    )


def test_the_set_with_the_most_stimuli_trains():
    small, large = shown("a", {"x": 9, "y": 9}), shown("b", {"p": 1, "q": 1, "r": 1})
    split, said = chosen(small, large, shown("imagery", {"x": 1, "y": 1, "z": 1, "w": 1}, True))
    assert split.training == "b"
    assert split.sets == ("b", "a", "imagery")
    assert split.tests == {name: {"stimuli": name, "training": "b", "rows": "stimulus"} for name in ("a", "imagery")}
    assert said == ""


def test_stimuli_of_two_sets_are_named():
    split, said = chosen(shown("a", {"x": 1, "p": 1}), shown("b", {"p": 1, "q": 1, "r": 1}))
    assert split.training == "b"
    assert said.startswith("1 stimuli of the set a are also in the training set b (p)")


@pytest.mark.parametrize(
    ("runs", "sessions", "column"), [("12", "1", "run"), ("1", "12", "session"), ("1", "1", "stimulus")]
)
def test_one_set_is_cross_validated(runs, sessions, column):
    split, said = chosen(shown("a", {"x": 2, "y": 2}, runs=runs, sessions=sessions), shown("localizer", {"f": 1}))
    assert split.tests == {"a": {"stimuli": "a", "leave_out": column, "rows": "trial"}}
    assert f"cross-validated by {column}" in said
    assert ("shown more than once" in said) == (column != "stimulus")
    assert "nothing is decoded" in said


def test_nothing_that_could_train():
    split, said = chosen(shown("imagery", {"x": 1}, True))
    assert (split.training, split.tests) == ("", {})
    assert "No run shows stimuli that could train" in said


def look(folder, tmp_path, **options) -> tuple[Findings, dict]:
    request = Request(folder, "mine", config=tmp_path / "config", force=True, **options)
    return new_study(request)[0], yaml.safe_load(request.config_file.read_text())


def test_one_set_without_masks_uses_the_brain(tmp_path):
    pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")
    folder = make_folder(tmp_path / "bids", ("anna",), masks=False)
    findings, config = look(folder, tmp_path, sets="*=all")
    assert findings.must_fix == []
    assert config["tests"] == {"all": {"stimuli": "all", "leave_out": "run", "rows": "trial"}}
    assert config["analyses"] == [{"method": "icnn", "rois": ["brain"], "tests": ["all"], "refit_permutations": 19}]
    assert "responsive" not in config["samples"]
    assert any("data come from the whole brain (area brain)" in sentence for sentence in findings.worth_knowing)
    assert "masks" not in config["samples"]


def test_two_sets_without_masks_choose_voxels_by_their_responses(tmp_path):
    pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")
    folder = make_folder(tmp_path / "bids", ("anna",), masks=False)
    findings, config = look(folder, tmp_path)
    assert config["samples"]["responsive"] == {"name": "active", "stimulus_set": "learn", "n_voxels": 2000}
    assert config["report"]["primary"]["roi"] == "active"
    assert any("respond most to the training stimuli (area active)" in sentence for sentence in findings.worth_knowing)


def test_events_may_name_the_set_of_every_block(tmp_path):
    pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")
    folder = make_folder(tmp_path / "bids", ("anna",))
    func = folder / "sub-anna" / "func"
    for number in ("1", "2"):
        path = func / f"sub-anna_task-learn_run-{number}_events.tsv"
        write_events(path, ["owl", "car", "tree"], stimulus_set=["train", "train", "test"])
    for path in func.glob("*quiz*"):
        path.unlink()
    findings, config = look(folder, tmp_path)
    assert findings.must_fix == []
    assert config["stimulus_sets"] == ["train", "test"]
    assert config["acquire"]["run_sets"] == ["learn"]
    assert config["tests"] == {"test": {"stimuli": "test", "training": "train", "rows": "stimulus"}}


def test_brief_stimuli_and_no_rest(tmp_path):
    pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")
    folder = make_folder(tmp_path / "bids", ("anna",))
    for path in (folder / "sub-anna" / "func").glob("*_events.tsv"):
        table = pd.read_csv(path, sep="\t", keep_default_na=False)
        table = table[table["trial_type"] != "rest"].assign(duration=1.0)
        table["onset"] -= 18
        table.to_csv(path, sep="\t", index=False)
    findings, config = look(folder, tmp_path)
    assert findings.must_fix == []
    assert config["samples"]["responses"] == "glm"
    assert config["samples"]["glm"] == {"rows": "trial", "hrf": "spm", "ridge": "auto"}
    assert config["samples"]["baseline"] == "model"
    assert config["preprocess"]["discard_seconds"] == 0


def test_runs_of_other_voxel_sizes_and_fmriprep_are_mentioned(tmp_path):
    pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")
    folder = make_folder(tmp_path / "bids", ("anna",))
    write_image(folder / "sub-anna" / "func" / "sub-anna_task-quiz_bold.nii.gz", (4, 4, 4, VOLUMES), 8.0)
    (folder / "derivatives" / "fmriprep").mkdir()
    (folder / "derivatives" / "fmriprep" / "dataset_description.json").write_text("{}")
    findings, _ = look(folder, tmp_path)
    assert any("runs differ in voxel size" in sentence for sentence in findings.worth_knowing)
    assert f'output: "{folder}/derivatives/fmriprep"' in (tmp_path / "config" / "mine.yaml").read_text()


def test_imagery_takes_the_pictures_of_what_was_seen(tmp_path):
    pytest.importorskip("bids", reason="pybids is not installed (requirements.lock has it)")
    folder = make_folder(tmp_path / "bids", ("anna",), pictures=False)
    func = folder / "sub-anna" / "func"
    write_image(func / "sub-anna_task-mind_bold.nii.gz", (4, 4, 4, VOLUMES), 10.0)
    (folder / "task-mind_bold.json").write_text('{"RepetitionTime": 2.0}')
    write_events(func / "sub-anna_task-mind_events.tsv", ["fox", "owl"])
    path = func / "sub-anna_task-mind_events.tsv"
    path.write_text(path.read_text().replace("picture", "imagery"))
    findings, config = look(folder, tmp_path)
    assert config["stimulus_sets"] == ["learn", "quiz", "mind"]
    assert config["acquire"]["stimuli"]["mind"] == {"from": "sets", "sets": ["learn", "quiz"]}
    assert not any("set mind" in sentence for sentence in findings.must_fix)
    assert any(
        "1 stimuli of the set mind are also in the training set learn (owl)" in s for s in findings.worth_knowing
    )
