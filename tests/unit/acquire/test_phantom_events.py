"""Events of the simulated runs, and what the reader of the samples makes of them."""

import numpy as np
import pandas as pd
import pytest
from phantom_settings import tiny, with_imagery

from fmri2image.acquire.phantom import events as phantom
from fmri2image.acquire.phantom import paradigm
from fmri2image.samples.events import read_events, stimulus_blocks


def laid_out(stimulus_set: str, seed: int = 0, **changes) -> tuple[dict, list[str], pd.DataFrame, pd.DataFrame]:
    """Lay out one run of a set: its plan, the order of the stimuli, their labels and the events."""
    settings = with_imagery(tiny()) | changes
    if stimulus_set == "imagery":
        settings["stimulus_sets"]["imagery"] |= {"from": {"letters": 3}, "repeats": 20}
    run = paradigm.run_table(settings, "01").query("stimulus_set == @stimulus_set").iloc[0].to_dict()
    names = [f"s{n}" for n in range(3 if stimulus_set == "imagery" else run["n_blocks"])]
    stimuli = pd.DataFrame({
        "stimulus": names, "category": [f"kind-{name}" for name in names],
        "category_index": np.arange(len(names)) + 7, "image_index": np.arange(len(names)) + 1,
    })  # fmt: skip
    labels = phantom.stimulus_labels(stimuli.sample(frac=1, random_state=1), names, run["task"])
    rng = np.random.default_rng(seed)
    order = phantom.stimulus_order(names, run["n_blocks"] // len(names), 1, rng)[0]
    return run, order, labels, phantom.run_events(order, run, labels, settings, rng)


def test_every_stimulus_is_shown_as_often_as_asked_and_never_twice_in_a_row():
    names = [f"s{n}" for n in range(3)]
    for seed in range(20):
        order = phantom.stimulus_order(names, 4, 2, np.random.default_rng(seed))
        assert [len(run) for run in order] == [6, 6]
        flat = sum(order, [])
        assert pd.Series(flat).value_counts().to_dict() == dict.fromkeys(names, 4)
        assert all(a != b for a, b in zip(flat, flat[1:], strict=False))


@pytest.mark.parametrize("stimulus_set", ["train", "letters", "imagery"])
def test_events_fill_the_run_without_gaps(stimulus_set):
    run, _, _, events = laid_out(stimulus_set)
    np.testing.assert_allclose(events["onset"][1:], (events["onset"] + events["duration"])[:-1])
    assert events["onset"].iloc[-1] + events["duration"].iloc[-1] == run["n_volumes"] * 2.0
    assert events["event"].iloc[[0, -1]].tolist() == ["initial_rest", "final_rest"]


@pytest.mark.parametrize("stimulus_set", ["train", "letters"])
def test_perception_runs_have_one_back_repetitions(stimulus_set):
    run, order, labels, events = laid_out(stimulus_set)
    shown = events[events["event"].isin(["stimulus", "repetition"])].reset_index(drop=True)
    assert shown.query("event == 'stimulus'")["stimulus_name"].tolist() == order
    one_back = shown.index[shown["event"] == "repetition"]
    assert len(one_back) == 1
    assert (shown["stimulus_name"][one_back].to_numpy() == shown["stimulus_name"][one_back - 1].to_numpy()).all()
    pressed = shown["response_time"] - shown["onset"]  # the public files count from the start of the run
    assert pressed.notna().tolist() == (shown["event"] == "repetition").tolist()
    assert pressed[one_back].between(0.2, run["block"]).all()
    assert (events["event"] == "inter_rest").sum() == (len(shown) if run["rest"] else 0)
    for column in ("category", "category_index", "image_index"):
        assert shown[column].tolist() == labels.loc[shown["stimulus_name"], column].tolist()


def test_imagery_trials_have_a_cue_and_a_score():
    run, order, labels, events = laid_out("imagery")
    trials = events.iloc[1:-1]
    assert trials["event"].tolist() == ["cue", "imagery", "evaluation", "inter_rest"] * len(order)
    assert trials["duration"].tolist() == [4, 8, 3, 1] * len(order)
    imagery = trials[trials["event"] == "imagery"]
    assert imagery["stimulus_name"].tolist() == order
    assert imagery["category_index"].tolist() == [labels.index.get_loc(name) + 1 for name in order]
    scores = trials.groupby("trial_no")["evaluation"].unique()
    assert (scores.map(len) == 1).all()
    assert set(np.concatenate(list(scores))) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    assert np.ptp(np.concatenate(list(scores))) >= 3
    after = imagery["response_time"] - (imagery["onset"] + imagery["duration"])
    assert after.between(0.2, 3).all()


def test_vividness_has_the_mean_that_amplitudes_are_relative_to():
    amplitudes = np.concatenate([
        phantom.response_blocks(laid_out("imagery", seed)[3]).query("kind == 'imagery'")["amplitude"]
        for seed in range(30)
    ])  # fmt: skip
    assert amplitudes.mean() == pytest.approx(1, abs=4 * amplitudes.std() / np.sqrt(len(amplitudes)))
    assert amplitudes.min() < 0.35 < 1.4 < amplitudes.max()


def test_imagery_drives_higher_areas_more_and_cues_drive_all_alike():
    blocks = phantom.response_blocks(laid_out("imagery")[3])
    assert blocks["duration"].tolist() == [4.0, 8.0] * (len(blocks) // 2)
    assert set(blocks.loc[blocks["kind"] == "cue", "stimulus_name"]) == {"cue"}
    areas = np.array(["V1d", "V3v", "hV4", "FFA", "HVC"])
    settings = {"imagery_amplitude": {"LVC": 0.1, "HVC": 0.6, "cue": 0.3}}
    weights = phantom.block_weights(blocks, areas, settings)
    np.testing.assert_allclose(weights[0], 0.3)
    np.testing.assert_allclose(weights[1], [0.1, 0.1, 0.35, 0.6, 0.6])
    perception = phantom.response_blocks(laid_out("train")[3])
    assert (perception["amplitude"] == 1).all()
    assert (phantom.block_weights(perception, areas, settings) == 1).all()
    known = phantom.with_cue(pd.DataFrame([[1.0, 2.0]], index=["s0"]))
    assert known.loc["cue"].tolist() == [0, 0] and known.loc["s0"].tolist() == [1, 2]


COLUMNS = {
    ("ds001506", "perception"): "onset duration event_type stimulus_id stimulus_name category_index image_index "
    "response_time",
    (
        "ds001246",
        "perception",
    ): "onset duration trial_no event_type stimulus_id stimulus_name category_index image_index response_time",
    (
        "ds001506",
        "imagery",
    ): "onset duration trial_no event_type category_id category_name category_index response_time "
    "evaluation stimulus_name",
    (
        "ds001246",
        "imagery",
    ): "onset duration trial_no event_type category_id category_name category_index response_time "
    "evaluation stimulus_name",
}


@pytest.mark.parametrize("dialect", paradigm.DIALECTS)
@pytest.mark.parametrize("stimulus_set", ["train", "letters", "imagery"])
def test_what_is_written_is_read_back(tmp_path, dialect, stimulus_set):
    run, order, _, events = laid_out(stimulus_set)
    path = tmp_path / "events.tsv"
    table = phantom.in_dialect(events, run["task"], {"dialect": dialect})
    assert list(table) == COLUMNS[dialect, run["task"]].split()
    assert pd.api.types.is_numeric_dtype(table["event_type"]) == (dialect == "ds001506")
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    read = read_events(path)
    assert read["event"].tolist() == events["event"].tolist() or dialect == "ds001246"
    blocks = stimulus_blocks(read)
    assert blocks["stimulus_name"].tolist() == order
    kept = events[events["event"].isin(["stimulus", "imagery"])]
    assert blocks["onset"].tolist() == kept["onset"].tolist()
    if stimulus_set == "imagery":
        assert blocks["vividness"].tolist() == kept["evaluation"].tolist()
    else:
        assert (read["event"] == "repetition").sum() == 1
        assert blocks["vividness"].isna().all()
    assert (read["event"] == "initial_rest").sum() == (read["event"] == "final_rest").sum() == 1
