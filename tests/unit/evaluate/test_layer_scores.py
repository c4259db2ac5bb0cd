"""Scores of whole layers from files: joins by name, blocks, what is left out, ceilings, zero-shot identification."""

import json
import runpy
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import DataError, LabelMismatchError
from fmri2image.core.tables import read_table
from fmri2image.evaluate import layers
from fmri2image.evaluate.feature_columns import LAYER_COLUMNS, STIMULUS_COLUMNS
from fmri2image.evaluate.layers import score_layer

SCRIPTS = Path(__file__).resolve().parents[3] / "workflow" / "scripts"
KEYS = {"dataset": "phantom", "decoder": "ridge", "subject": "01", "roi": "VC", "layer": "conv1_1"}
SHAPE = (5, 3, 2)
TRAIN, SHOWN = [f"t{i}" for i in range(60)], list("dbcafe")
SETTINGS = {
    "tests": {"held": {"training": "train", "stimuli": "shapes", "rows": "stimulus"}},
    "permutations": 200,
    "seed": 1,
    "simulated": True,
}


@pytest.fixture
def study(tmp_path):
    """Features of two sets and what was decoded of one; unit (0, 0, 1) is constant over the test, (1, 0, 0) in training."""
    rng = np.random.default_rng(3)
    train, shown = (rng.standard_normal((n, *SHAPE)).astype(np.float32) * 2 + 5 for n in (len(TRAIN), len(SHOWN)))
    shown[:, 0, 0, 1] = 0.1
    train[:, 1, 0, 0] = 0.7
    names = sorted(SHOWN)
    decoded = LabelledArray(shown, SHOWN).take(names).values + rng.standard_normal((len(names), *SHAPE)).astype("f4")
    return Study(tmp_path, LabelledArray(train, TRAIN), LabelledArray(shown, SHOWN), LabelledArray(decoded, names))


class Study:
    def __init__(self, folder, train, shown, decoded):
        self.folder, self.train, self.shown, self.decoded = folder, train, shown, decoded
        self.extra, self.attributes = {}, {"transductive": "False"}

    def score(self, settings=SETTINGS, sets=("train", "shapes"), units=None):
        arrays = {"train": self.train, "shapes": self.shown}
        for name in sets:
            write_arrays(self.folder / f"{name}.h5", {"features": arrays[name]})
        test = next(iter(settings["tests"]))
        path = self.folder / "decoded.h5"
        write_arrays(path, {test: self.decoded}, self.attributes)
        with h5py.File(path, "a") as file:
            for name, values in self.extra.items():
                file[f"{test}_{name}"] = values
        return score_layer(path, {name: self.folder / f"{name}.h5" for name in sets}, KEYS, settings, units)

    def flat(self):
        """Return decoded, own true and training features (n, n_units), rows of the first two alike."""
        own = self.shown.take(self.decoded.rows).values
        return (
            values.reshape(len(values), -1).astype(float) for values in (self.decoded.values, own, self.train.values)
        )


def by_metric(scores):
    return scores.accuracy.set_index("metric")


def test_scores_equal_loops_over_units_and_stimuli(study):
    scores = study.score()
    assert list(scores.accuracy.columns) == list(LAYER_COLUMNS)
    assert list(scores.stimuli.columns) == list(STIMULUS_COLUMNS)
    decoded, own, train = study.flat()
    table, stimuli = by_metric(scores), scores.stimuli.set_index("stimulus")
    units = [np.corrcoef(a, b)[0, 1] for a, b in zip(decoded.T, own.T, strict=True) if np.ptp(b) > 0]
    assert table.loc["unit_correlation", "value"] == pytest.approx(np.mean(units))
    assert table.loc["unit_correlation", ["n_units", "n_counted", "n_left_out"]].tolist() == [30, 29, 1]
    kept = train.std(0) > 1e-6
    scale = [(values[:, kept] - train[:, kept].mean(0)) / train[:, kept].std(0) for values in (decoded, own, train)]
    assert table.loc["pattern_correlation", ["n_counted", "n_left_out"]].tolist() == [29, 1]
    r = np.corrcoef(np.vstack(scale))
    n, m = len(decoded), len(SHOWN)
    for i, name in enumerate(study.decoded.rows):
        mine, others, lures = r[i, n + i], np.delete(r[i, n : n + m], i), r[i, n + m :]
        row = stimuli.loc[name]
        assert row["pattern_correlation"] == pytest.approx(mine)
        assert row["pattern_correlation_raw"] == pytest.approx(np.corrcoef(decoded[i], own[i])[0, 1])
        assert row["identification"] == pytest.approx(np.mean(others < mine))
        assert row["zero_shot_rank"] == 1 + np.sum(lures > mine)
        assert row["zero_shot_pairwise"] == pytest.approx(np.mean(lures < mine))
        assert row["n_training"] == len(TRAIN)
    for metric, column in (
        ("pattern_correlation", "pattern_correlation"),
        ("pattern_correlation_raw", "pattern_correlation_raw"),
        ("pattern_identification", "identification"),
        ("zero_shot_pairwise", "zero_shot_pairwise"),
    ):
        assert table.loc[metric, "value"] == pytest.approx(stimuli[column].mean())
    for k in (1, 10, 50):
        assert table.loc[f"zero_shot_top{k}", "value"] == pytest.approx((stimuli["zero_shot_rank"] <= k).mean())
    assert scores.accuracy[["noise_ceiling", "normalised"]].isna().all(axis=None)


def test_scores_do_not_depend_on_blocks(study, monkeypatch):
    study.extra = {
        "unit_reliability": np.random.default_rng(0).uniform(0.2, 0.9, SHAPE),
        "pattern_reliability": np.random.default_rng(1).uniform(0.2, 0.9, 6),
    }
    results = []
    for block_bytes in (1, 3000, 10**8):
        monkeypatch.setattr(layers, "BLOCK_BYTES", block_bytes)
        with h5py.File(study.folder / f"{block_bytes}.h5", "w") as units:
            scores = study.score(units=units)
            results.append((scores, units["held"][:]))
    numbers = ["value", "noise_ceiling", "normalised", "n_counted", "n_reliable", "p_value"]
    for scores, units in results[1:]:
        np.testing.assert_allclose(scores.accuracy[numbers], results[0][0].accuracy[numbers], atol=1e-9)
        columns = ["pattern_correlation", "zero_shot_rank", "identification"]
        np.testing.assert_allclose(scores.stimuli[columns], results[0][0].stimuli[columns], atol=1e-9)
        np.testing.assert_array_equal(units, results[0][1])
    assert by_metric(results[0][0]).loc["unit_correlation", "normalised"] > 0


def test_units_keep_the_shape_of_the_layer_and_say_what_they_are(study):
    with h5py.File(study.folder / "units.h5", "w") as units:
        study.score(units=units)
        found = units["held"]
        decoded, own, _ = study.flat()
        assert found.shape == SHAPE
        assert np.isnan(found[0, 0, 1])
        assert np.isfinite(found[:]).sum() == 29
        assert found[4, 2, 1] == pytest.approx(np.corrcoef(decoded[:, 29], own[:, 29])[0, 1], rel=1e-6)
        labels = {**KEYS, "test": "held", "stimulus_set": "shapes", "n_rows": 6, "transform": "raw"}
        assert {key: found.attrs[key] for key in labels} == labels


def test_absolute_features_are_compared_with_absolute_ones(study):
    for array in (study.train, study.shown):
        array.values[...] -= 5
    study.decoded.values[...] = np.abs(study.shown.take(study.decoded.rows).values)
    study.attributes["transform"] = "absolute"
    table = by_metric(study.score())
    assert table.loc["unit_correlation", "value"] == pytest.approx(1)
    assert table.loc["pattern_correlation", "value"] == pytest.approx(1)
    study.attributes["transform"] = "raw"
    assert by_metric(study.score()).loc["unit_correlation", "value"] < 0.9
    study.attributes["transform"] = "squared"
    with pytest.raises(DataError, match="'squared'"):
        study.score()


def test_without_training_features_only_what_needs_none_is_told(study):
    scores = study.score(sets=("shapes",))
    assert scores.accuracy["metric"].tolist() == ["unit_correlation", "pattern_correlation_raw"]
    assert scores.stimuli[["pattern_correlation", "identification", "zero_shot_rank"]].isna().all(axis=None)
    assert scores.stimuli["pattern_correlation_raw"].notna().all()


def test_single_trials_under_cross_validation_have_no_zero_shot(study):
    rows = [f"{name}|ses-a_run-0{run}_block-1" for name in "abcdef" for run in (1, 2)]
    study.decoded = LabelledArray(np.repeat(study.decoded.values, 2, axis=0), rows)
    settings = SETTINGS | {"tests": {"cv": {"leave_out": "run", "stimuli": "shapes", "rows": "trial"}}}
    scores = study.score(settings, sets=("shapes",))
    assert scores.stimuli["stimulus"].tolist() == rows
    assert not scores.accuracy["metric"].str.startswith("zero_shot").any()
    assert by_metric(scores).loc["pattern_identification", "n_rows"] == 12
    assert scores.stimuli["identification"].notna().all()


def test_one_stimulus_has_patterns_but_nothing_over_stimuli(study):
    study.shown, study.decoded = study.shown.take(["c"]), study.decoded.take(["c"])
    scores = study.score()
    table = by_metric(scores)
    assert np.isnan(table.loc["unit_correlation", ["value", "p_value"]].astype(float)).all()
    assert "pattern_identification" not in table.index
    assert 0 <= table.loc["zero_shot_pairwise", "value"] <= 1
    assert scores.stimuli["pattern_correlation"].notna().all()


def test_stimuli_that_training_saw_are_no_zero_shot(study):
    study.train = LabelledArray(study.train.values, ["c", *TRAIN[1:]])
    scores = study.score()
    stimuli = scores.stimuli.set_index("stimulus")
    assert stimuli.index[stimuli["zero_shot_rank"].isna()].tolist() == ["c"]
    assert by_metric(scores).loc["zero_shot_pairwise", "n_rows"] == 5
    assert by_metric(scores).loc["pattern_correlation", "n_rows"] == 6


def test_layers_of_another_shape_are_refused(study):
    study.decoded = LabelledArray(np.zeros((6, 5, 2, 3), np.float32), study.decoded.rows)
    with pytest.raises(LabelMismatchError, match="shape"):
        study.score()


def test_units_that_are_not_finite_are_counted_out(study):
    study.decoded.values[2, 3, 1, 1] = np.nan
    study.train.values[0, 4, 2, 1] = np.nan
    table = by_metric(study.score())
    assert table.loc["unit_correlation", "n_left_out"] == 2
    assert table.loc["pattern_correlation", "n_left_out"] == 3
    assert table["value"].notna().all()


def test_the_script_writes_tables_and_units_of_all_layers(study):
    write_arrays(study.folder / "decoded" / "conv1_1.h5", {"held": study.decoded}, {"transductive": "False"})
    for name, array in (("train", study.train), ("shapes", study.shown)):
        write_arrays(study.folder / name / "conv1_1.h5", {"features": array})
    script = runpy.run_path(str(SCRIPTS / "score_features.py"))
    keys = {key: value for key, value in KEYS.items() if key != "layer"}
    outputs = {name: str(study.folder / f"out.{name}") for name in ("accuracy", "units")}
    outputs["stimuli"] = str(study.folder / "stimuli.tsv")
    settings = SETTINGS | {"layers": ["conv1_1"], "sets": ["train", "shapes"]}
    true = [str(study.folder / name / "conv1_1.h5") for name in ("train", "shapes")]
    script["main"]([str(study.folder / "decoded" / "conv1_1.h5")], true, keys, outputs, settings)
    expected = study.score()
    pd.testing.assert_frame_equal(
        read_table(outputs["accuracy"], subject=str)[["metric", "value", "p_value"]],
        expected.accuracy[["metric", "value", "p_value"]],
    )
    assert len(read_table(outputs["stimuli"])) == 6
    described = json.loads((study.folder / "stimuli.json").read_text())
    assert described["simulated"] is True
    assert list(described["columns"]) == list(STIMULUS_COLUMNS)
    with h5py.File(outputs["units"]) as units:
        assert units["conv1_1/held"].shape == SHAPE
        assert units.attrs["subject"] == "01"
