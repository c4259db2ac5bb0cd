"""Paradigm of the simulated experiment."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from phantom_settings import DEMO, tiny

from fmri2image.acquire.phantom import paradigm
from fmri2image.core.errors import ConfigError


def test_run_table_has_the_lengths_of_the_public_dataset():
    runs = paradigm.run_table(DEMO)
    assert runs.groupby("stimulus_set")["n_volumes"].unique().map(list).to_dict() == {
        "train": [239], "test": [231], "shapes": [195], "letters": [151],
    }  # fmt: skip
    assert runs["n_volumes"].sum() == 3794
    training = runs[runs["stimulus_set"] == "train"]
    assert training["session"].tolist() == [f"perceptionNaturalImageTraining0{n}" for n in (1, 1, 1, 1, 2, 2, 2, 2)]
    assert training["run"].tolist() == ["01", "02", "03", "04"] * 2
    assert len(paradigm.subject_session_runs(DEMO)) == 3 * 18


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 13}, "train.*cannot be shared equally"),
        ({"one_back": 7}, "train.*one_back"),
        ({"block": 7.5}, "train.*whole number of volumes"),
    ],
)
def test_run_table_refuses_what_cannot_be_scanned(change, message):
    settings = tiny()
    settings["stimulus_sets"]["train"] |= change
    with pytest.raises(ConfigError, match=message):
        paradigm.run_table(settings)


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
    assert f"sub-02/{ses}/anat/sub-02_{ses}_inplaneT2.nii.gz" in files
    assert "sourcedata/sub-02/anat/sub-02_mask_RH_hV4.nii.gz" in files


def test_every_stimulus_is_shown_as_often_as_asked_and_never_twice_in_a_row():
    names = [f"s{n}" for n in range(3)]
    for seed in range(20):
        order = paradigm.stimulus_order(names, 4, 2, np.random.default_rng(seed))
        assert [len(run) for run in order] == [6, 6]
        flat = sum(order, [])
        assert pd.Series(flat).value_counts().to_dict() == dict.fromkeys(names, 4)
        assert all(a != b for a, b in zip(flat, flat[1:], strict=False))


@pytest.mark.parametrize("stimulus_set", ["train", "letters"])
def test_events_fill_the_run_without_gaps(stimulus_set):
    settings = tiny()
    run = paradigm.run_table(settings).query("stimulus_set == @stimulus_set").iloc[0].to_dict()
    names = [f"s{n}" for n in range(run["n_blocks"])]
    stimuli = pd.DataFrame({
        "stimulus": names, "category_index": np.arange(len(names)) + 7, "image_index": np.arange(len(names)) + 1,
    })  # fmt: skip
    blocks = names[::-1]
    events = paradigm.run_events(
        blocks, run, stimuli.sample(frac=1, random_state=1), settings, np.random.default_rng(0)
    )
    np.testing.assert_allclose(events["onset"][1:], (events["onset"] + events["duration"])[:-1])
    assert events["onset"].iloc[-1] + events["duration"].iloc[-1] == run["n_volumes"] * settings["repetition_time"]
    assert events["event_type"].iloc[[0, -1]].tolist() == [-1, -2]
    shown = events[events["event_type"].isin([1, 2])].reset_index(drop=True)
    assert shown.query("event_type == 1")["stimulus_name"].tolist() == blocks
    one_back = shown.index[shown["event_type"] == 2]
    assert len(one_back) == 1
    assert (shown["stimulus_name"][one_back].to_numpy() == shown["stimulus_name"][one_back - 1].to_numpy()).all()
    assert shown["response_time"].notna().tolist() == (shown["event_type"] == 2).tolist()
    assert (events["event_type"] == -3).sum() == (len(shown) if run["rest"] else 0)
    joined = shown.merge(stimuli, left_on="stimulus_name", right_on="stimulus")
    assert (joined["image_index_x"] == joined["image_index_y"]).all()
    assert (joined["category_index_x"] == joined["category_index_y"]).all()
