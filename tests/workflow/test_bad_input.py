"""Bad input ends a run with one clear sentence; what was finished stays, and the repaired run goes on from there."""

import json
import os
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nibabel
import numpy as np
import pytest
from checkouts import Checkout

from fmri2image.core.errors import ConfigError
from fmri2image.study.announce import check_profile

RESULTS = "results/tiny"
SAMPLES = f"{RESULTS}/samples/sub-01.h5"
SAMPLES_LOG = "build_samples/tiny_sub-01.log"
FEATURES = f"{RESULTS}/features/vgg-small/test/fc8.h5"
FEATURES_LOG = "extract_features/tiny_vgg-small_test.log"
MARK = "fmri2image: "
FIRST = "fmri2image: executor local, study tiny (simulated), device cpu, 2 cores"
LAST = "fmri2image: 1 job failed; what was finished is kept, and the same command goes on from there."
WEIGHTS = "resources/weights/vgg-small.safetensors"


# What every case has in common ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkout(tiny_run, tmp_path_factory) -> Checkout:
    """A copy of the finished run; every test leaves it as it found it."""
    copy = Checkout(tmp_path_factory.mktemp("bad_input") / "checkout")
    unneeded = shutil.ignore_patterns("__pycache__", ".snakemake")
    shutil.copytree(tiny_run.folder, copy.folder, ignore=unneeded)
    shutil.copytree(tiny_run / ".snakemake/metadata", copy / ".snakemake/metadata")
    return copy


@contextmanager
def damaged(path: Path, damage: Callable[[Path], object]) -> Iterator[None]:
    """Damage a file; afterwards put its contents back, with the time of now, as after a repair."""
    original = path.read_bytes()
    damage(path)
    assert path.read_bytes() != original
    try:
        yield
    finally:
        path.write_bytes(original)


def finished(checkout: Checkout) -> dict[Path, bytes]:
    """Return every finished file with its contents."""
    files = (checkout / RESULTS).rglob("*")
    return {path: path.read_bytes() for path in files if path.is_file() and path.name != ".snakemake_timestamp"}


def run(checkout: Checkout, *targets: str) -> tuple[int, str]:
    done = checkout.snakemake("--cores", "2", "--notemp", "--", *targets)
    return done.returncode, done.stdout


def assert_one_sentence(checkout: Checkout, output: str, log: str, words: list[str]) -> None:
    """Hold terminal and logs to the form of a failure that has one cause."""
    assert "Traceback" not in output
    ours = [line for line in output.splitlines() if line.startswith(MARK)]
    assert len(ours) == 3, output
    assert ours[0] == FIRST
    more = re.search(r" and (\d+) more$", log)  # jobs that fail for the same cause share the sentence
    assert ours[2] == (LAST.replace("1 job ", f"{int(more[1]) + 1} jobs ") if more else LAST)
    assert all(line in output.splitlines()[-7:] for line in ours[1:]), output[-3000:]
    sentence, end, place = ours[1].removeprefix(MARK).rpartition(" (log: ")
    assert (end + place) == f" (log: results/logs/{log})"
    assert sentence.endswith(".")
    assert not re.search(r"\.\s", sentence), sentence  # one sentence
    assert not [word for word in words if word not in sentence], sentence
    text = (checkout / "results/logs" / log.partition(" and ")[0]).read_text(encoding="utf-8")
    assert text.splitlines()[-1] == MARK + sentence
    assert "Traceback" not in text
    assert (checkout / "results/logs/tiny.log").read_text(encoding="utf-8").splitlines() == ours


def assert_stops(
    checkout: Checkout, target: str, log: str, words: list[str], lost: str, damages: dict[Path, Callable] | None = None
) -> None:
    """Run with bad input and repair it: one sentence, nothing partial, nothing lost but outputs of the failed job.

    Parameters
    ----------
    checkout : Checkout
    target : str
        File that is asked for and cannot be made.
    log : str
        Log of the job that must fail.
    words : list of str
        Parts of the sentence.
    lost : str
        Pattern of the outputs of that job.
    damages : mapping from file to the function that damages it
    """
    before = finished(checkout)
    with ExitStack() as stack:
        for path, damage in (damages or {}).items():
            stack.enter_context(damaged(path, damage))
        status, output = run(checkout, target)
    assert status != 0, output
    assert_one_sentence(checkout, output, log, words)
    assert not list(checkout.folder.rglob(".partial-*"))
    assert not (checkout / target).exists(), "an output of the job that failed, or of one after it, looks finished"
    after = finished(checkout)
    gone = {str(path.relative_to(checkout / RESULTS)) for path in before.keys() - after.keys()}
    assert not [name for name in gone if not re.fullmatch(lost, name)], gone
    assert not [path for path in before.keys() & after.keys() if before[path] != after[path]]


def assert_goes_on(checkout: Checkout, target: str, expected: dict[str, int]) -> None:
    """Run after the repair: only what failed is made."""
    output = checkout.make("--notemp", "--", target)
    assert counts(output) == expected
    assert [line for line in output.splitlines() if line.startswith(MARK)] == [FIRST]


def counts(output: str) -> dict[str, int]:
    """Return how many jobs of every rule a run had to do."""
    stats = re.search(r"Job stats:\njob\s+count\n[- ]+\n(.*?)\ntotal\s", output, re.DOTALL)
    return {name: int(count) for name, count in (line.split() for line in stats[1].splitlines())}


def events_file(checkout: Checkout) -> Path:
    found = sorted((checkout / RESULTS).glob("bids/sub-01/ses-perceptionNaturalImageTest*/func/*_events.tsv"))
    return found[0]


def rewritten(edit: Callable[[list[list[str]]], object]) -> Callable[[Path], None]:
    """Return a damage that edits the cells of a table, row 0 its header."""

    def damage(path: Path) -> None:
        cells = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        edit(cells)
        path.write_text("".join("\t".join(row) + "\n" for row in cells), encoding="utf-8")

    return damage


# Events --------------------------------------------------------------------------------------------------------------


def lose_column(cells: list[list[str]]) -> None:
    cells[0][cells[0].index("duration")] = "lenght"


def corrupt_cell(cells: list[list[str]]) -> None:
    cells[2][cells[0].index("onset")] = "4o.0"


def name_a_ghost(cells: list[list[str]]) -> None:
    column = cells[0].index("stimulus_name")
    row = next(row for row in cells[1:] if row[column] != "n/a")
    row[column] = "ghost-of-a-lamp_01"


def end_late(cells: list[list[str]]) -> None:
    cells[-1][cells[0].index("onset")] = "900.0"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        pytest.param(end_late, ["ends at 906 s", "cut short", "incomplete_trials: drop"], id="late"),
        pytest.param(lose_column, ["lacks the column(s) duration", "it has onset, lenght", "rename"], id="column"),
        pytest.param(corrupt_cell, ["line 3", "'4o.0'", "'onset'", "correct the cell"], id="cell"),
        pytest.param(
            name_a_ghost, ["ghost-of-a-lamp_01", "image set 'test'", "stimuli.tsv", "correct the name"], id="stimulus"
        ),
    ],
)
def test_events(checkout, edit, words):
    path = events_file(checkout)
    words = [str(path.relative_to(checkout.folder)), *words]
    damages = {path: rewritten(edit)}
    assert_stops(checkout, SAMPLES, SAMPLES_LOG, words, r"samples/sub-01.*", damages)
    assert_goes_on(checkout, SAMPLES, {"build_samples": 1})


# Images --------------------------------------------------------------------------------------------------------------


def empty(path: Path) -> None:
    image = nibabel.load(path)
    values, affine = np.zeros(image.shape, np.uint8), image.affine
    nibabel.save(nibabel.Nifti1Image(values, affine), path)


def test_area_that_its_masks_do_not_cover(checkout):
    left, right = sorted((checkout / RESULTS).glob("bids/sourcedata/sub-01/anat/*_mask_*_V3v.nii.gz"))
    words = [left.name, right.name, "V3v covers no voxel", "samples.masks"]
    logs = sorted((checkout / "results/logs/correct_motion").glob("*.log"))
    log = f"correct_motion/{logs[0].name} and {len(logs) - 1} more"  # every run says the same
    (checkout / SAMPLES).unlink()
    assert_stops(
        checkout, SAMPLES, log, words, r"(samples/sub-01|preprocess/sub-01/ses).*", {left: empty, right: empty}
    )
    assert_goes_on(checkout, SAMPLES, {"correct_motion": len(logs), "build_samples": 1})


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def test_truncated_nifti(checkout):
    path = events_file(checkout)
    bold = path.with_name(path.name.replace("_events.tsv", "_bold.nii.gz"))
    session, run_number = re.search(r"ses-(\w+?)_.*run-(\d+)", bold.name).groups()
    name = bold.name.removesuffix("_bold.nii.gz")
    log = f"correct_motion/tiny_sub-01_ses-{session}_task-perception_run-{run_number}.log"
    words = [str(bold.relative_to(checkout.folder)), "truncated or corrupt", "get the file again"]
    (checkout / SAMPLES).unlink()
    assert_stops(checkout, SAMPLES, log, words, rf"preprocess/sub-01/.*/{name}_.*", {bold: cut})
    assert_goes_on(checkout, SAMPLES, {"correct_motion": 1, "build_samples": 1})


def slow_down(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "RepetitionTime": 2.5}), encoding="utf-8")


def test_repetition_time_that_disagrees_with_the_header(checkout):
    path = events_file(checkout)
    sidecar = path.with_name(path.name.replace("_events.tsv", "_bold.json"))
    name = path.name.removesuffix("_events.tsv")
    words = ["_bold.nii.gz", "2 s in its header", "2.5 s in its sidecar", "correct one"]
    (checkout / SAMPLES).unlink()
    lost = rf"preprocess/sub-01/.*/{name}_.*"
    assert_stops(checkout, SAMPLES, f"correct_motion/tiny_{name}.log", words, lost, {sidecar: slow_down})
    assert_goes_on(checkout, SAMPLES, {"correct_motion": 1, "build_samples": 1})


# Weights -------------------------------------------------------------------------------------------------------------


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_weights_with_the_wrong_checksum(checkout):
    path = checkout / WEIGHTS
    promised = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["sha256"]
    words = [WEIGHTS, "vgg-small.json", promised[:12], "checksum", "get it again"]
    assert_stops(checkout, FEATURES, FEATURES_LOG, words, r"features/vgg-small/test/.*\.h5", {path: flip_a_bit})
    assert_goes_on(checkout, FEATURES, {"extract_features_vgg_small": 1})


# Disk full -----------------------------------------------------------------------------------------------------------


@contextmanager
def files_at_most(size: int) -> Iterator[None]:
    """Let the system refuse larger files to every child process: write() fails as on a full disk, for no user's rights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_disk_full(checkout):
    """HDF5 by h5py, whose errors name neither the cause nor the file in a clear way."""
    layers = sorted((checkout / FEATURES).parent.glob("*.h5"), key=os.path.getsize)
    largest = layers[-1]
    size = (largest.stat().st_size + layers[-2].stat().st_size) // 2  # one layer only does not fit
    largest.unlink()
    with files_at_most(size):
        words = [str(largest.relative_to(checkout.folder)), "could not be written", "the same command again"]
        target = FEATURES.replace("fc8", largest.stem)
        assert_stops(checkout, target, FEATURES_LOG, words, r"features/vgg-small/test/.*\.h5")
    assert_goes_on(checkout, FEATURES, {"extract_features_vgg_small": 1})


@pytest.mark.slow
def test_disk_full_while_writing_signals(checkout):
    path = events_file(checkout)
    name = path.name.removesuffix("_events.tsv")
    folder = checkout / RESULTS / "preprocess" / path.parent.relative_to(checkout / RESULTS / "bids")
    bold = folder / f"{name}_space-T1w_desc-areas_timeseries.h5"
    session, run_number = re.search(r"ses-(\w+?)_.*run-(\d+)", name).groups()
    size = bold.stat().st_size
    bold.unlink()
    (checkout / SAMPLES).unlink()
    with files_at_most(size // 2):
        words = [str(bold.relative_to(checkout.folder)), "could not be written", "the same command again"]
        log = f"correct_motion/tiny_sub-01_ses-{session}_task-perception_run-{run_number}.log"
        assert_stops(checkout, SAMPLES, log, words, rf"preprocess/sub-01/.*/{name}_.*")
    assert_goes_on(checkout, SAMPLES, {"correct_motion": 1, "build_samples": 1})


# Other jobs, other errors --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_other_jobs_go_on(tiny_copy):
    """The whole workflow with a bad events file: what does not depend on it is made, and the sentence still comes last."""
    path = events_file(tiny_copy)
    ceiling = tiny_copy / f"{RESULTS}/reconstruct/icnn/true-features_test.h5"
    before = ceiling.read_bytes()
    tiny_copy.replace("config/tiny.yaml", "iterations: 8,", "iterations: 9,")
    with damaged(path, rewritten(corrupt_cell)):
        done = tiny_copy.snakemake("--cores", "2")
        assert done.returncode != 0
        both = f"{SAMPLES_LOG} and 1 more"  # samples, and the one-back task
        assert_one_sentence(tiny_copy, done.stdout, both, [path.name, "'4o.0'"])
    assert ceiling.read_bytes() != before
    rest = tiny_copy.jobs()
    assert rest["build_samples"] == 1
    assert not {"simulate_subject_01", "correct_motion", "extract_features_vgg_small"} & set(rest)
    tiny_copy.make()
    assert tiny_copy.jobs() == {}


LINE = '    cleaning = SampleSettings(**settings["cleaning"])\n'  # of the script that is damaged


def break_the_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(LINE, "    cleaning = [] / 0\n"), encoding="utf-8")


@pytest.mark.slow
def test_unexpected_errors_show_their_traceback(checkout):
    with damaged(checkout / "workflow/scripts/build_samples.py", break_the_code):
        status, output = run(checkout, SAMPLES)
    assert status != 0
    assert output.count("Traceback (most recent call last)") == 1
    ours = [line for line in output.splitlines() if line.startswith(MARK)]
    assert ours[0] == FIRST
    assert ours[1].startswith("fmri2image: unexpected TypeError in build_samples: ")
    assert ours[2:] == [LAST]
    assert_goes_on(checkout, SAMPLES, {"build_samples": 1})


def kill_itself(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(LINE, "    __import__('os').kill(__import__('os').getpid(), 9)\n"), encoding="utf-8")


@pytest.mark.slow
def test_job_that_is_killed_is_named(checkout):
    with damaged(checkout / "workflow/scripts/build_samples.py", kill_itself):
        status, output = run(checkout, SAMPLES)
    assert status != 0
    ours = [line for line in output.splitlines() if line.startswith(MARK)]
    assert ours[1].startswith(
        "fmri2image: build_samples was stopped from outside or ran out of memory; see results/logs/"
    )
    assert ours[2:] == [LAST]
    assert_goes_on(checkout, SAMPLES, {"build_samples": 1})


# Before anything starts ----------------------------------------------------------------------------------------------


def test_unknown_key(checkout):
    before = finished(checkout)
    with damaged(checkout / "config/tiny.yaml", lambda path: path.write_text(path.read_text() + "colour: red\n")):
        status, output = run(checkout)
    assert status != 0
    lines = [line for line in output.splitlines() if "colour" in line]
    assert len(lines) == 1, output
    assert lines[0].startswith("config: top level: unknown key colour; known are ")
    assert "Traceback" not in output and 'File "' not in output
    assert lines[0] == output.splitlines()[-1]
    assert finished(checkout) == before


def test_area_without_masks_in_the_configuration(checkout):
    def ask_for_v9(path: Path) -> None:
        path.write_text(re.sub(r"rois: \[VC\]", "rois: [VC, V9]", path.read_text(), count=1))

    with damaged(checkout / "config/tiny.yaml", ask_for_v9):
        status, output = run(checkout)
    assert status != 0
    last = output.splitlines()[-1]
    assert last.startswith("config: ")
    assert "'V9' is not among samples.masks, samples.unions and samples.responsive (" in last
    assert 'File "' not in output


@pytest.mark.parametrize("option", ["--profile", "--workflow-profile"])
def test_wrong_profile(checkout, option):
    before = finished(checkout)
    done = checkout.snakemake("--cores", "2", option, "profiles/gpuu")
    assert done.returncode != 0
    last = done.stdout.splitlines()[-1]
    assert "profiles/gpuu" in last
    assert "no profile" in last  # Snakemake's own sentence for --profile; --workflow-profile it would pass over
    assert "Traceback" not in done.stdout
    assert finished(checkout) == before


def test_profiles_that_exist_pass():
    for name in ("default", "gpu", "slurm", "profiles/gpu", "none"):
        check_profile(["snakemake", "--workflow-profile", name])
        check_profile(["snakemake", f"--workflow-profile={name}", "-n"])
    with pytest.raises(ConfigError, match="no profile 'gpuu'; choose one of default, gpu, slurm"):
        check_profile(["snakemake", "--workflow-profile=gpuu", "-n"])


def test_first_line_is_in_both_logs(tiny_run):
    assert (tiny_run / "results/logs/tiny.log").read_text(encoding="utf-8") == f"{FIRST}\n"
    logs = sorted((tiny_run / ".snakemake/log").glob("*.log"))
    ours = [line for line in logs[0].read_text(encoding="utf-8").splitlines() if line.startswith(MARK)]
    assert ours == [FIRST]
