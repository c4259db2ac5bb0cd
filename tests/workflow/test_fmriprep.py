"""fMRIPrep's own code reads our command line and makes the names and columns that we read; a whole run with its double."""

import json
import os
import re
import subprocess
import venv
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from fake_container import install
from fmriprep_tree import MOTION, confounds, write_run

from fmri2image.preprocess.derivatives import find_run
from fmri2image.preprocess.fmriprep import VERSION, FmriprepSettings, fmriprep_command
from fmri2image.preprocess.run_fmriprep import bids_filter
from fmri2image.preprocess.tables import read_confounds
from fmri2image.preprocess.timeseries import read_timeseries

PACKAGES = [f"fmriprep=={VERSION}", f"fmriprep-docker=={VERSION}"]
# Reads a command line as fMRIPrep does, and prints what it understood.
PARSE = """
import json, sys
from fmriprep.cli.parser import _build_parser
options = vars(_build_parser().parse_args(json.loads(sys.argv[1])))
options["output_spaces"] = [str(space) for space in options["output_spaces"].references]
print(json.dumps(options, default=str))
"""
# Collects, renames and expands confounds as fMRIPrep does, from the headers that its parts write.
EXPAND = """
import json, sys
import pandas as pd
from fmriprep.interfaces.confounds import _gather_confounds
from niworkflows.interfaces.confounds import parse_formula, spike_regressors
files = json.loads(sys.argv[1])
path, _ = _gather_confounds(**files, newpath=sys.argv[2])
table = parse_formula("(dd1(rps + wm + csf + gsr))^^2 + others", pd.read_csv(path, sep="\\t"), unscramble=True)[1]
table = spike_regressors(table, {"framewise_displacement": (">", 0.5), "std_dvars": (">", 1.5)})
table.to_csv(sys.argv[2] + "/expanded.tsv", sep="\\t", index=False, na_rep="n/a")
"""
# Names an output as fMRIPrep does.
NAME = """
import json, sys
from fmriprep.interfaces import DerivativesDataSink
kinds = [dict(desc="preproc", space="T1w", TaskName="rest", RepetitionTime=2.0), dict(suffix="boldref", space="T1w"),
         dict(desc="brain", suffix="mask", space="T1w"), dict(desc="confounds", suffix="timeseries")]
files, raw, out = json.loads(sys.argv[1])
for file, kind in zip(files, kinds, strict=True):
    sink = DerivativesDataSink(base_directory=out, source_file=raw, in_file=file, check_hdr=False, **kind)
    print(json.dumps(sink.run().outputs.out_file))
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """The programs of an environment with fMRIPrep; its own packages are too old for ours."""
    folder = tmp_path_factory.mktemp("fmriprep") / "env"
    venv.create(folder, with_pip=True)
    done = subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *PACKAGES], text=True)
    if done.returncode:
        pytest.skip(f"{' '.join(PACKAGES)} cannot be installed here")
    return folder / "bin"


@pytest.fixture
def study(tmp_path, monkeypatch) -> FmriprepSettings:
    """The folders that a command line names."""
    for folder in ("bids/sub-01", "out", "work/templateflow"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bids" / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    (tmp_path / "license.txt").write_text("a licence")
    (tmp_path / "work" / "filter.json").write_text(json.dumps(bids_filter(["perception"], ["one", "two"])))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAKE_RECORD", str(tmp_path / "called.json"))
    return FmriprepSettings(
        licence="license.txt",
        work="work",
        templateflow="work/templateflow",
        mem_mb=24000,
        threads=6,
        options=("--notrack",),
    )


def ask(programs: Path, code: str, *arguments: str, folder: Path) -> str:
    environment = {**os.environ, "NO_ET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [programs / "python", "-c", code, *arguments], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["docker", "apptainer"])
def test_fmriprep_understands_our_command_line(programs, study, engine, tmp_path, monkeypatch):
    bin_folder = install(tmp_path / "bin", "docker", "apptainer")
    monkeypatch.setenv("PATH", f"{bin_folder}:{programs}:{os.environ['PATH']}")
    settings = replace(study, engine=engine, surfaces=False, ignore=("fieldmaps",), skip_validation=True)
    command = fmriprep_command(settings, "bids", "out", "01", "work/filter.json", 4, 0.25)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    called = json.loads((tmp_path / "called.json").read_text())
    assert called["image"].endswith(f"nipreps/fmriprep:{VERSION}")
    assert (
        called["mounts"].items()
        >= {
            "/data": str(tmp_path / "bids"),
            "/out": str(tmp_path / "out"),
            "/scratch": str(tmp_path / "work"),
            "/opt/freesurfer/license.txt": str(tmp_path / "license.txt"),
        }.items()
    )
    assert called["environment"]["TEMPLATEFLOW_HOME"] == str(tmp_path / "work" / "templateflow")
    understood = json.loads(ask(programs, PARSE, json.dumps(called["outside"]), folder=tmp_path).splitlines()[-1])
    expected = {
        "bids_dir": str(tmp_path / "bids"),
        "output_dir": str(tmp_path / "out"),
        "work_dir": str(tmp_path / "work"),
        "analysis_level": "participant",
        "participant_label": ["01"],
        "output_spaces": ["T1w"],
        "output_layout": "bids",
        "nprocs": 6,
        "omp_nthreads": 4,
        "memory_gb": 24.0,
        "ignore": ["fieldmaps"],
        "slice_time_ref": 0.25,
        "dummy_scans": 4,
        "run_reconall": False,
        "skip_bids_validation": True,
        "notrack": True,
        "bids_filters": bids_filter(["perception"], ["one", "two"]),
    }
    assert {key: understood[key] for key in expected} == expected
    if engine == "apptainer":  # fmriprep-docker only mounts it, where fMRIPrep looks for it
        assert understood["fs_license_file"] == str(tmp_path / "license.txt")


@pytest.mark.slow
def test_fmriprep_refuses_what_it_does_not_know(programs, study, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{install(tmp_path / 'bin', 'apptainer')}:{os.environ['PATH']}")
    settings = replace(study, engine="apptainer", options=("--no-such-option",))
    command = fmriprep_command(settings, "bids", "out", "01", "work/filter.json")
    subprocess.run(command, check=True, capture_output=True)
    words = json.dumps(json.loads((tmp_path / "called.json").read_text())["outside"])
    done = subprocess.run([programs / "python", "-c", PARSE, words], cwd=tmp_path, text=True, capture_output=True)
    assert done.returncode == 2
    assert "unrecognized arguments: --no-such-option" in done.stderr


@pytest.mark.slow
def test_the_columns_of_our_trees_are_fmripreps(programs, tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    motion = rng.normal(0, 0.02, (30, 6))
    motion[12:, 0] += 2
    table = confounds(motion, rng.normal(100, 1, (30, 5)), n_dummy=2)
    groups = {
        "signals": ["global_signal", "csf", "white_matter", "csf_wm", "tcompcor"],
        "std_dvars": ["std_dvars"],
        "dvars": ["dvars"],
        "fdisp": ["FramewiseDisplacement"],
        "rmsd": ["rmsd"],
        "tcompcor": ["t_comp_cor_00"],
        "acompcor": ["c_comp_cor_00", "w_comp_cor_00", "a_comp_cor_00", "a_comp_cor_01"],
        "crowncompcor": ["edge_comp_00"],
        "cos_basis": ["Cosine00", "NonSteadyStateOutlier00", "NonSteadyStateOutlier01"],
        "motion": list(MOTION),
    }
    files = {}
    for name, headers in groups.items():
        columns = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", header).lower() for header in headers]
        part = table[columns].set_axis(headers, axis=1)
        files[name] = str(tmp_path / f"{name}.tsv")
        # DVARS has one row fewer when fMRIPrep collects it.
        part = part.iloc[1:] if "dvars" in name else part
        part.to_csv(files[name], sep="\t", index=False, na_rep="n/a")
    ask(programs, EXPAND, json.dumps(files), str(tmp_path), folder=tmp_path)
    expected = pd.read_csv(tmp_path / "expanded.tsv", sep="\t", na_values="n/a")
    assert set(table.columns) == set(expected.columns)
    assert "motion_outlier00" in table
    for name in table:
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-8, atol=1e-12, err_msg=name)


@pytest.mark.slow
def test_the_names_of_our_trees_are_fmripreps(programs, tmp_path):
    entities = "sub-01_ses-one_task-rest_run-01"
    volumes = np.random.default_rng(0).uniform(1, 2, (4, 3, 3, 3)).astype(np.float32)
    write_run(tmp_path / "ours", entities, volumes, np.eye(4), 2.0)
    ours = find_run(tmp_path / "ours", "01", "one", "rest", "01")
    raw = tmp_path / "bids" / "sub-01" / "ses-one" / "func" / f"{entities}_bold.nii.gz"
    raw.parent.mkdir(parents=True)
    raw.write_bytes(ours.bold.read_bytes())
    (tmp_path / "theirs").mkdir()
    files = [str(file) for file in (ours.bold, ours.reference, ours.mask, ours.confounds)]
    done = ask(programs, NAME, json.dumps([files, str(raw), str(tmp_path / "theirs")]), folder=tmp_path)
    named = [json.loads(line) for line in done.splitlines() if line.startswith(('"', "["))]
    named = [name[0] if isinstance(name, list) else name for name in named]
    assert [Path(name).relative_to(tmp_path / "theirs") for name in named] == [
        Path(file).relative_to(tmp_path / "ours") for file in files
    ]
    theirs = find_run(tmp_path / "theirs", "01", "one", "rest", "01")
    assert theirs.mask is not None
    assert "RepetitionTime" in json.loads(Path(str(theirs.bold).replace(".nii.gz", ".json")).read_text())


# A whole study with fMRIPrep's double ---------------------------------------------------------------------------------

CHAPTER = """  engine: fmriprep
  fmriprep: {engine: apptainer, licence: license.txt, work: work/fmriprep, mem_mb: 4000, threads: 1}
"""
SAMPLES = "results/tiny/samples/sub-01.h5"
RECORD = "results/tiny/preprocess/sub-01/sub-01_fmriprep.json"


@pytest.mark.slow
def test_a_study_goes_through_fmriprep(tiny_run, tiny_copy, tmp_path, monkeypatch):
    bin_folder = install(tmp_path / "bin", "apptainer")
    monkeypatch.setenv("PATH", f"{bin_folder}:{os.environ['PATH']}")
    tiny_copy.replace("config/tiny.yaml", "  engine: realign\n", CHAPTER)
    stopped = tiny_copy.snakemake("--cores", "2", "--", SAMPLES)
    assert stopped.returncode != 0
    assert "FreeSurfer's licence file license.txt does not exist" in stopped.stdout
    assert not (tiny_copy / "results/logs/run_fmriprep").exists()  # nothing was submitted

    (tiny_copy / "license.txt").write_text("a licence")
    monkeypatch.setenv("FAKE_FAILURE", "1")
    failed = tiny_copy.snakemake("--cores", "2", "--", SAMPLES)
    assert failed.returncode != 0
    assert (
        "fMRIPrep ended with status 1 for sub-01: its messages are in this log, its crash files are in "
        in failed.stdout
    )
    assert "Traceback (most recent call last)" not in failed.stdout
    assert not (tiny_copy / RECORD).exists()
    assert (tiny_copy / "work/fmriprep/fmriprep_25_2_wf").is_dir()  # kept: fMRIPrep goes on from it

    monkeypatch.delenv("FAKE_FAILURE")
    tiny_copy.make("--", SAMPLES)
    assert tiny_copy.jobs("--", SAMPLES) == {}
    record = json.loads((tiny_copy / RECORD).read_text())
    assert record["GeneratedBy"] == [{"Name": "fMRIPrep", "Version": VERSION}]
    assert "--dummy-scans" in record["Command"]
    _compare_series(tiny_run.folder, tiny_copy.folder)

    tiny_copy.make()  # to the report
    page = (tiny_copy / "results/tiny/quality/sub-01.html").read_text(encoding="utf-8")
    assert "The preprocessing engine made the coregistration itself" in page
    assert "fMRIPrep" in (tiny_copy / "results/tiny/summary.html").read_text(encoding="utf-8")
    assert tiny_copy.jobs() == {}


def _compare_series(ours: Path, theirs: Path) -> None:
    """Hold what was taken over to the double's files, and its areas to those of our own motion correction."""
    folder = theirs / "results/tiny/preprocess"
    files = sorted(folder.rglob("*_timeseries.h5"))
    assert files
    for file in files:
        series = read_timeseries(file)
        bold = Path(
            str(file)
            .replace("/preprocess/", "/fmriprep/")
            .replace("desc-areas_timeseries.h5", "desc-preproc_bold.nii.gz")
        )
        image = nibabel.load(bold)
        volumes = np.asarray(image.dataobj, dtype=np.float32)[(*series.voxels.T, slice(series.n_discarded, None))].T
        seen = np.isfinite(series.signal)
        assert seen.mean() > 0.8
        np.testing.assert_array_equal(series.signal[seen], volumes[seen])
        np.testing.assert_allclose(series.affine, image.affine)
        own = read_timeseries(ours / file.relative_to(theirs))
        assert own.n_discarded == series.n_discarded
        assert own.areas.keys() == series.areas.keys()
        # The same place in T1w space, on another grid.
        for area in own.areas:
            centres = [
                (one.voxels[one.areas[area]] @ one.affine[:3, :3].T + one.affine[:3, 3]).mean(axis=0)
                for one in (own, series)
            ]
            assert np.linalg.norm(centres[0] - centres[1]) < 5, area  # one voxel
    table = read_confounds(next(folder.rglob("*_desc-confounds_timeseries.tsv")))
    assert {"a_comp_cor_00", "csf", "white_matter", "framewise_displacement", *MOTION} <= set(table)
