"""fMRIPrep's settings, what is checked before it starts, and its command line; its own parser: tests/workflow."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.preprocess.fmriprep import (
    OWN_OPTIONS,
    VERSION,
    FmriprepSettings,
    check_fmriprep,
    fmriprep_command,
    fmriprep_settings,
)
from fmri2image.preprocess.run_fmriprep import bids_filter, run_fmriprep, write_record

RUNS = [
    {"session": "one", "task": "perception", "run": "01"},
    {"session": "two", "task": "imagery", "run": "01"},
    {"session": "two", "task": "imagery", "run": "02"},
]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with all engines, on which programs do nothing, and settings that fit it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "fmriprep-docker", "apptainer"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    monkeypatch.delenv("FS_LICENSE", raising=False)
    monkeypatch.chdir(tmp_path)
    for folder in ("bids", "work/templateflow", "home"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "license.txt").write_text("a licence")
    return FmriprepSettings(licence="license.txt", work="work", mem_mb=24000, threads=6)


def test_the_chapter_of_the_configuration_is_the_settings():
    assert fmriprep_settings({"engine": "apptainer", "options": ["--notrack"]}) == FmriprepSettings(
        engine="apptainer", options=("--notrack",)
    )
    assert FmriprepSettings().image_name() == f"nipreps/fmriprep:{VERSION}"
    assert FmriprepSettings(engine="apptainer").image_name() == f"docker://nipreps/fmriprep:{VERSION}"


@pytest.mark.parametrize("engine", ["docker", "apptainer"])
def test_a_machine_with_everything_passes(machine, engine):
    check_fmriprep(replace(machine, engine=engine))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"licence": None}, r"licence: fMRIPrep needs FreeSurfer's licence file"),
        ({"licence": "gone.txt"}, r"licence: FreeSurfer's licence file gone.txt does not exist"),
        ({"engine": "apptainer", "image": "gone.sif"}, r"image: the image gone.sif does not exist"),
        ({"templateflow": "gone"}, r"templateflow: gone is no folder"),
        ({"templateflow": "home"}, r"templateflow: fmriprep-docker shows the container only some folders"),
        ({"work": None}, r"work: name a folder"),
        ({"work": "license.txt/work"}, r"work: license.txt/work cannot be written to"),
        ({"output": "gone"}, r"output: gone is no folder"),
        ({"options": ("--mem_mb=3",)}, r"options: --mem_mb=3 follows from other settings"),
    ],
)
def test_what_is_missing_is_one_sentence_before_anything_runs(machine, change, sentence):
    with pytest.raises(ConfigError, match=sentence) as caught:
        check_fmriprep(replace(machine, **change))
    assert str(caught.value).startswith("config: preprocess.fmriprep.")


def test_a_missing_engine_stops(machine, monkeypatch, tmp_path):
    (tmp_path / "bin" / "fmriprep-docker").unlink()
    with pytest.raises(ConfigError, match=r"preprocess.fmriprep.engine: 'docker' needs the program fmriprep-docker"):
        check_fmriprep(machine)


def test_an_empty_licence_is_none(machine, tmp_path):
    (tmp_path / "license.txt").write_text("")
    with pytest.raises(ConfigError, match="does not exist or is empty"):
        check_fmriprep(machine)


def test_the_licence_may_come_from_the_environment(machine, monkeypatch):
    monkeypatch.setenv("FS_LICENSE", "license.txt")
    check_fmriprep(replace(machine, licence=None))


def test_slice_timing_after_realignment_is_not_fmriprep(machine):
    check_fmriprep(machine, "before")
    with pytest.raises(ConfigError, match="preprocess.slice_timing: fMRIPrep corrects slice timing before"):
        check_fmriprep(machine, "after")


def test_finished_output_needs_neither_engine_nor_licence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    check_fmriprep(FmriprepSettings(output=str(tmp_path)))


def test_docker_gets_paths_of_this_machine(machine, tmp_path):
    settings = replace(machine, templateflow="work/templateflow", surfaces=False, options=("--notrack",))
    command = fmriprep_command(settings, "bids", "out", "01", "work/filter.json", 4, None)
    assert command[0] == str(tmp_path / "bin" / "fmriprep-docker")
    assert command[1:] == [
        *("--no-tty", "--image", f"nipreps/fmriprep:{VERSION}", "--user", f"{os.getuid()}:{os.getgid()}"),
        *("--env", "TEMPLATEFLOW_HOME", "/scratch/templateflow"),
        *(f"{tmp_path}/bids", f"{tmp_path}/out", "participant", "--work-dir", f"{tmp_path}/work"),
        *("--fs-license-file", f"{tmp_path}/license.txt", "--bids-filter-file", f"{tmp_path}/work/filter.json"),
        *("--participant-label", "01", "--output-spaces", "T1w", "--output-layout", "bids"),
        *("--nthreads", "6", "--omp-nthreads", "4", "--mem_mb", "24000", "--ignore", "slicetiming"),
        *("--dummy-scans", "4", "--fs-no-reconall", "--notrack"),
    ]


def test_apptainer_gets_paths_of_the_container(machine, tmp_path):
    settings = replace(machine, engine="apptainer", templateflow="home", ignore=("fieldmaps",), skip_validation=True)
    command = fmriprep_command(settings, "bids", "out", "01", "work/filter.json", None, 0.5)
    image = command.index(f"docker://nipreps/fmriprep:{VERSION}")
    assert command[: image + 1] == [
        *(str(tmp_path / "bin" / "apptainer"), "run", "--cleanenv"),
        *(
            "--bind",
            f"{tmp_path}/bids:/data:ro",
            "--bind",
            f"{tmp_path}/out:/out",
            "--bind",
            f"{tmp_path}/work:/scratch",
        ),
        *(
            "--bind",
            f"{tmp_path}/license.txt:/opt/freesurfer/license.txt:ro",
            "--bind",
            f"{tmp_path}/home:/templateflow",
        ),
        *("--env", "TEMPLATEFLOW_HOME=/templateflow", f"docker://nipreps/fmriprep:{VERSION}"),
    ]
    assert command[image + 1 : image + 8] == [
        *("/data", "/out", "participant", "--work-dir", "/scratch", "--bids-filter-file", "/scratch/filter.json")
    ]
    assert command[image + 8 : image + 10] == ["--fs-license-file", "/opt/freesurfer/license.txt"]
    tail = command[command.index("--ignore") :]
    assert tail == ["--ignore", "fieldmaps", "--slice-time-ref", "0.5", "--skip-bids-validation"]


def test_an_image_file_is_named_by_its_full_path(machine, tmp_path):
    (tmp_path / "fmriprep.sif").write_text("")
    settings = replace(machine, engine="apptainer", image="fmriprep.sif")
    check_fmriprep(settings)
    assert str(tmp_path / "fmriprep.sif") in fmriprep_command(settings, "bids", "out", "01")


def test_no_option_is_given_twice(machine):
    settings = replace(machine, surfaces=False, skip_validation=True)
    command = fmriprep_command(settings, "bids", "out", "01", "work/filter.json", 4, 0.5)
    options = [word for word in command if word.startswith("-")]
    assert len(options) == len(set(options))
    ours = set(options) - {"--no-tty", "--user", "--env"}
    assert ours <= set(OWN_OPTIONS)


def test_the_filter_names_tasks_and_sessions():
    query = bids_filter((run["task"] for run in RUNS), (run["session"] for run in RUNS))
    assert query == {
        "bold": {"datatype": "func", "suffix": "bold", "task": ["imagery", "perception"], "session": ["one", "two"]}
    }
    assert bids_filter(["rest"], []) == {"bold": {"datatype": "func", "suffix": "bold", "task": ["rest"]}}


def test_fmriprep_that_fails_is_one_sentence_and_keeps_its_work(machine, tmp_path):
    script = f"mkdir -p {tmp_path}/out/sub-01/log/run_1; echo x > {tmp_path}/out/sub-01/log/run_1/crash-1.txt; exit 1"
    (tmp_path / "bin" / "fmriprep-docker").write_text(f"#!/bin/sh\n{script}\n")
    old = tmp_path / "out" / "sub-01" / "log" / "run_0" / "crash-0.txt"
    old.parent.mkdir(parents=True)
    old.write_text("of an earlier attempt")
    os.utime(old, (1, 1))
    with pytest.raises(DataError) as caught:
        run_fmriprep(machine, "bids", "out", "01", RUNS)
    sentence = str(caught.value)
    assert sentence.startswith("fMRIPrep ended with status 1 for sub-01: ")
    assert "its crash files are in out/sub-01/log/run_1;" in sentence
    assert sentence.endswith("goes on from the work folder work.")
    assert json.loads(Path("work/sub-01_bids-filter.json").read_text())["bold"]["session"] == ["one", "two"]


def test_without_crash_files_the_logs_are_named(machine, tmp_path):
    (tmp_path / "bin" / "fmriprep-docker").write_text("#!/bin/sh\nexit 2\n")
    with pytest.raises(DataError, match="status 2 for sub-01: .* its logs are in out/logs;"):
        run_fmriprep(machine, "bids", "out", "01", RUNS)


def test_output_without_a_run_is_no_success(machine, tmp_path):
    run_fmriprep(machine, "bids", "out", "01", RUNS)
    Path("out/dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fMRIPrep", "Version": "25.2.7"}]}')
    with pytest.raises(DataError, match="out holds no BOLD in T1w space, sub-01_ses-one_task-perception_run-01_"):
        write_record("record.json", "out", "01", RUNS, [])
    assert not Path("record.json").exists()
