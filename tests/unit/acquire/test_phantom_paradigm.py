"""Paradigm of the simulated experiment."""

import subprocess
import sys
from pathlib import Path

import pytest
from phantom_settings import DEMO, tiny, with_imagery

from fmri2image.acquire.phantom import paradigm
from fmri2image.core.errors import ConfigError


def test_run_table_has_the_lengths_of_the_public_dataset():
    runs = paradigm.run_table(DEMO, "01")
    assert runs.groupby("stimulus_set")["n_volumes"].unique().map(list).to_dict() == {
        "train": [239], "test": [231], "shapes": [195], "letters": [151],
    }  # fmt: skip
    assert runs["n_volumes"].sum() == 3794
    training = runs[runs["stimulus_set"] == "train"]
    assert training["session"].tolist() == [f"perceptionNaturalImageTraining0{n}" for n in (1, 1, 1, 1, 2, 2, 2, 2)]
    assert training["run"].tolist() == ["01", "02", "03", "04"] * 2


def test_an_imagery_run_has_the_length_of_the_public_dataset():
    settings = with_imagery(DEMO)
    settings["stimulus_sets"]["imagery"] |= {"from": {"letters": 10, "shapes": 16}, "repeats": 1}
    run = paradigm.run_table(settings, "01").iloc[-1]
    assert (run["task"], run["session"], run["n_blocks"]) == ("imagery", "imagery01", 26)
    assert (run["cue"], run["block"], run["evaluation"], run["rest"]) == (4, 8, 3, 1)
    assert run["n_volumes"] == 227


def test_runs_per_session_differ_between_subjects():
    settings = tiny()
    settings["stimulus_sets"]["train"]["runs"] = {"02": [1, 2], "03": [4], "default": [2]}
    found = {}
    for subject in ("01", "02", "03"):
        runs = paradigm.run_table(settings, subject).query("stimulus_set == 'train'")
        assert runs["run_index"].tolist() == list(range(len(runs)))
        assert (runs["n_blocks"] * len(runs) == 12).all()
        found[subject] = [f"{session[-1]}-{run}" for session, run in zip(runs["session"], runs["run"], strict=True)]
        mine = paradigm.for_subject(settings, subject)
        assert paradigm.run_table(mine, subject).equals(paradigm.run_table(settings, subject))
        assert [f for f in paradigm.bids_files(subject, settings) if "Training02" in f] == [
            f for f in paradigm.bids_files("02", settings) if "Training02" in f and subject == "02"
        ]
    assert found == {"01": ["1-01", "1-02"], "02": ["1-01", "2-01", "2-02"], "03": ["1-01", "1-02", "1-03", "1-04"]}
    settings["stimulus_sets"]["train"]["runs"] = {"02": [1, 2]}
    with pytest.raises(ConfigError, match="train: runs needs the key 'default'"):
        paradigm.run_table(settings, "02")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 13}, "train.*cannot be shared equally.*2 runs of sub-01"),
        ({"runs": {"01": [2, 3], "default": [2]}}, "train.*cannot be shared equally.*5 runs of sub-01"),
        ({"one_back": 7}, "train.*one_back"),
        ({"block": 7.5}, "train.*whole number of volumes"),
        ({"cue": 4.0}, "train: cue: perception has no such key"),
        ({"kind": "imagery", "from": {"test": 3}}, "train: images, one_back, block: imagery has no such key"),
    ],
)
def test_run_table_refuses_what_cannot_be_scanned(change, message):
    settings = tiny()
    settings["stimulus_sets"]["train"] |= change
    with pytest.raises(ConfigError, match=message):
        paradigm.run_table(settings, "01")


def test_listing_files_imports_nothing_heavy():
    code = (
        "import sys; from fmri2image.acquire.phantom import paradigm;"
        "bad = {'torch', 'nibabel', 'nilearn', 'scipy', 'h5py'} & set(sys.modules); assert not bad, bad"
    )
    folder = Path(paradigm.__file__).parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(folder)})


def test_files_follow_the_dialect_of_ds001506():
    files = paradigm.bids_files("02", DEMO)
    assert len(files) == len(set(files)) == 2 + 5 * 2 + 18 * 3 + 22
    ses = "ses-perceptionNaturalImageTest01"
    assert f"sub-02/{ses}/func/sub-02_{ses}_task-perception_run-03_bold.nii.gz" in files
    assert f"sub-02/{ses}/func/sub-02_{ses}_task-perception_run-03_bold.json" in files
    assert f"sub-02/{ses}/anat/sub-02_{ses}_inplaneT2.nii.gz" in files
    assert "sourcedata/sub-02/anat/sub-02_mask_RH_hV4.nii.gz" in files
    assert "sub-02/ses-imagery01/func/sub-02_ses-imagery01_task-imagery_run-01_events.tsv" in paradigm.bids_files(
        "02", with_imagery(DEMO)
    )
    assert not [file for file in paradigm.dataset_files(DEMO) if file.endswith("bold.json") or "imagery" in file]


def test_the_dialect_of_ds001246_has_its_sidecars_at_the_top():
    settings = with_imagery(DEMO) | {"dialect": "ds001246"}
    assert not [file for file in paradigm.bids_files("02", settings) if file.endswith(".json")]
    assert {
        "task-perception_bold.json", "task-imagery_bold.json", "T1w.json", "inplaneT2.json",
    } < set(paradigm.dataset_files(settings))  # fmt: skip
    with pytest.raises(ConfigError, match="'ds1' is unknown.*ds001506, ds001246"):
        paradigm.bids_files("02", settings | {"dialect": "ds1"})
