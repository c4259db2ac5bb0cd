"""Accuracy by layer, its relation to the quality of images, and vividness: against computations of their own."""

import h5py
import numpy as np
import pandas as pd
import paper_tables
import pytest
from scipy import stats

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.samples import Samples, write_bdata
from fmri2image.evaluate.unit_kinds import part_accuracies
from fmri2image.report.paper import accuracy, relation, vividness

LAYERS = ("conv1", "fc2")
SHAPES = {"conv1": (2, 3, 3), "fc2": (5,)}
SUBJECTS = ("01", "02")
SEEN = [f"seen-{i}" for i in range(6)]
NATURAL, ARTIFICIAL = [f"natural-{i}" for i in range(5)], [f"shape-{i}" for i in range(4)]
IMAGINED = [*NATURAL, *ARTIFICIAL]


def column_correlation(a, b):
    """Return r of every column, NaN where one does not vary."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    return np.array(
        [stats.pearsonr(x, y)[0] if np.ptp(x) and np.ptp(y) else np.nan for x, y in zip(a.T, b.T, strict=True)]
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return files of two subjects: units and chance of a seen test, decoded and true features of an imagined one."""
    root, generator = tmp_path_factory.mktemp("study"), np.random.default_rng(1)
    decoded, true, units, permuted = {}, {}, {}, []
    for layer, shape in SHAPES.items():
        values = generator.standard_normal((len(IMAGINED), *shape)).astype(np.float32)
        true[layer] = root / f"true/{layer}.h5"
        write_arrays(true[layer], {"features": LabelledArray(values, IMAGINED)})
        for subject in SUBJECTS:
            noisy = values + generator.standard_normal(values.shape).astype(np.float32)
            noisy.reshape(len(IMAGINED), -1)[:5, 0] = 1.0  # a unit that is constant over the natural images
            rows = IMAGINED[::-1]  # joined by name, never by position
            path = root / f"sub-{subject}_roi-VC/{layer}.h5"
            write_arrays(path, {"imagery": LabelledArray(noisy[::-1], rows)}, {"transform": "raw"})
            decoded[subject, layer] = path
    for subject in SUBJECTS:
        units[subject] = root / f"sub-{subject}_units.h5"
        with h5py.File(units[subject], "w") as file:
            for layer, shape in SHAPES.items():
                values = generator.uniform(-0.2, 0.6, shape).astype(np.float32)
                values.flat[0] = np.nan if subject == "01" else 0.5
                file.create_dataset(f"{layer}/test", data=values).attrs["subject"] = subject
                one = {"subject": subject, "layer": layer, "test": "test", "metric": "unit_correlation", "n_rows": 6}
                permuted.append({**one, "chance_p01": -0.1 * int(subject), "chance_p99": 0.1, "transductive": False})
    stimuli = pd.DataFrame({"stimulus": IMAGINED, "stimulus_set": "imagery", "colour": None, "shape": None})
    stimuli["kind"] = ["natural"] * len(NATURAL) + ["shape"] * len(ARTIFICIAL)
    inputs = paper_tables.write(root, accuracy=pd.DataFrame(permuted), stimuli=stimuli)
    return {
        **{**inputs, "accuracy": [inputs["accuracy"]]},
        "units": [str(path) for path in units.values()],
        "decoded": [str(path) for path in decoded.values()],
        "true": [str(path) for path in true.values()],
    }


SERIES = [
    {"label": "Natural images", "test": "test", "kind": "", "stimuli": ""},
    {"label": "Imagined natural images", "test": "imagery", "kind": "natural", "stimuli": "imagery"},
    {"label": "Imagined artificial shapes", "test": "imagery", "kind": "shape", "stimuli": "imagery"},
]
ACCURACY = {"series": SERIES, "layers": list(LAYERS), "permutations": 50, "seed": 3, "simulated": True}


def test_accuracy_averages_units_over_subjects_first(study):
    table = accuracy.plotted(study, ACCURACY)
    for layer in LAYERS:
        arrays = []
        for path in study["units"]:
            with h5py.File(path) as file:
                arrays.append(file[layer]["test"][()].ravel().astype(float))
        averaged = np.nanmean(arrays, axis=0)
        row = table[(table["series"] == "Natural images") & (table["layer"] == layer)].set_index("subject")
        low, high = stats.t.interval(0.95, len(averaged) - 1, averaged.mean(), stats.sem(averaged))
        assert row.loc["mean", ["mean", "ci_low", "ci_high"]].tolist() == pytest.approx([averaged.mean(), low, high])
        assert row.loc["01", "mean"] == pytest.approx(np.nanmean(arrays[0]))
        assert row.loc["01", "n_units"] == len(averaged) - 1
        assert row.loc["mean", ["chance_p01", "chance_p99"]].tolist() == [-0.2, 0.1]


@pytest.mark.parametrize(("label", "names"), [(SERIES[1]["label"], NATURAL), (SERIES[2]["label"], ARTIFICIAL)])
def test_imagined_images_are_told_apart_by_kind(study, label, names):
    table = accuracy.plotted(study, ACCURACY)
    for path in study["decoded"]:
        layer, subject = path.split("/")[-1][:-3], path.split("sub-")[1][:2]
        with h5py.File(path) as file, h5py.File(study["true"][LAYERS.index(layer)]) as other:
            rows = [row.decode() for row in file["imagery_rows"][:]]
            mine = np.stack([file["imagery"][rows.index(name)] for name in names])
            shown = np.stack([other["features"][IMAGINED.index(name)] for name in names])
        r = column_correlation(mine, shown)
        row = table[(table["series"] == label) & (table["layer"] == layer) & (table["subject"] == subject)].iloc[0]
        assert row["mean"] == pytest.approx(np.nanmean(r), abs=1e-6)
        assert (row["n_units"], row["n_rows"]) == (np.isfinite(r).sum(), len(names))
        assert row["chance_p01"] < 0 < row["chance_p99"]


def test_permutations_of_a_part_are_of_its_own_labels(study):
    """Every exchange of three labels: the distribution is that of refitting the correlation by hand."""
    chosen = NATURAL[:3]
    found = part_accuracies(
        study["decoded"][0], study["true"][0], "imagery", {"three": chosen}, 400, np.random.default_rng(0)
    )["three"]
    with h5py.File(study["decoded"][0]) as file, h5py.File(study["true"][0]) as other:
        rows = [row.decode() for row in file["imagery_rows"][:]]
        mine = np.stack([file["imagery"][rows.index(name)] for name in chosen])
        shown = np.stack([other["features"][IMAGINED.index(name)] for name in chosen])
    orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
    every = [np.nanmean(column_correlation(mine, shown[order])) for order in orders]
    assert found.test.value == pytest.approx(every[0], abs=1e-6)
    assert np.unique(found.test.null.round(6)) == pytest.approx(np.sort(every), abs=2e-6)


def test_too_few_images_of_a_kind_are_left_out(study):
    parts = {"two": NATURAL[:2], "none": [], "all": NATURAL}
    found = part_accuracies(study["decoded"][0], study["true"][0], "imagery", parts, 5, np.random.default_rng(0))
    assert list(found) == ["all"]


def test_accuracy_is_drawn_panel_by_panel(study, tmp_path):
    table = accuracy.plotted(study, ACCURACY)
    figure = accuracy.draw(table, ACCURACY)
    heights = [axes.containers[1].patches[0].get_height() for axes in figure.axes[:3]]
    first = table[(table["subject"] == "mean") & (table["layer"] == "conv1")]["mean"]
    assert heights == pytest.approx(first.tolist())
    text = paper_tables.printed(figure, tmp_path)
    for words in ("Natural images (n = 6)", "Imagined natural images (n = 5)", "fc2", "Subject 02", "Simulated"):
        assert words in text


def test_accuracy_of_one_subject_without_imagery(study, tmp_path):
    one = {key: [paths[0]] if key == "units" else paths for key, paths in study.items() if key in ("units", "accuracy")}
    settings = {**ACCURACY, "series": SERIES[:1]}
    table = accuracy.plotted(one, settings)
    assert set(table["subject"]) == {"mean", "01"}
    assert "mean of subjects" not in paper_tables.words(accuracy.draw(table, settings), tmp_path)


def relation_tables(folder, subjects=SUBJECTS):
    """Return the paths of made-up scores and accuracies, in different orders of the images."""
    generator, scores, found = np.random.default_rng(5), [], []
    for subject in subjects:
        for name in SEEN:
            for method in ("icnn", "icnn-dgn"):
                value = generator.uniform()
                scores.append((method, "VC", "test", "pixel_identification", subject, name, value))
            for layer in LAYERS:
                found.append(("ridge", subject, "VC", layer, "test", name, generator.uniform()))
    names = ["method", "roi", "test", "metric", "subject", "stimulus", "value"]
    scores = pd.DataFrame(scores, columns=names).assign(transductive=False)
    names = ["decoder", "subject", "roi", "layer", "test", "stimulus", "pattern_correlation"]
    found = pd.DataFrame(found[::-1], columns=names).assign(transductive=False)
    return scores, found, lambda: paper_tables.write(folder, scores=scores, stimuli=found)


RELATION = {
    "methods": [
        {"label": "With the DGN", "method": "icnn-dgn", "decoder": "ridge"},
        {"label": "Without the DGN", "method": "icnn", "decoder": "ridge"},
    ],
    "metrics": ["pixel_identification", "feature_identification_none"],
    "layers": list(LAYERS), "subjects": list(SUBJECTS), "roi": "VC", "test": "test", "permutations": 500, "seed": 1,
    "simulated": True,
}  # fmt: skip


def related(paths):
    return relation.plotted({"scores": paths["scores"], "accuracy": [paths["stimuli"]]}, RELATION)


def test_relation_is_pearsons_r_over_images(tmp_path):
    scores, found, write = relation_tables(tmp_path)
    table = related(write()).set_index(["method", "layer", "subject"])
    wide = found.pivot(index=["subject", "stimulus"], columns="layer", values="pattern_correlation")
    wide[relation.ALL_LAYERS] = wide.mean(axis=1)
    for method in ("icnn", "icnn-dgn"):
        for layer in wide:
            every = []
            for subject in SUBJECTS:
                quality = scores[(scores["method"] == method) & (scores["subject"] == subject)].set_index("stimulus")
                r = stats.pearsonr(wide.loc[subject, layer].loc[SEEN], quality.loc[SEEN, "value"])[0]
                assert table.loc[(method, layer, subject), "mean"] == pytest.approx(r)
                assert table.loc[(method, layer, subject), "n"] == 6
                every.append(r)
            assert table.loc[(method, layer, "mean"), "mean"] == pytest.approx(np.mean(every))
    assert (table["chance_p01"] < 0).all() and (table["chance_p99"] > 0).all()


def test_relation_without_a_judge_or_a_subject(tmp_path):
    scores, _, write = relation_tables(tmp_path)
    scores.loc[scores["subject"] == "02", "subject"] = "03"
    table = related(write())
    assert set(table["subject"]) == {"mean", "01"} and set(table["metric"]) == {"pixel_identification"}
    figure = relation.draw(table, RELATION)
    assert len(figure.axes) == 2
    text = paper_tables.printed(figure, tmp_path)
    assert "With the DGN (n = 6)" in text and "mean of layers" in text


def test_layer_whose_accuracy_does_not_vary_has_no_relation(tmp_path):
    _, found, write = relation_tables(tmp_path)
    found.loc[found["layer"] == "fc2", "pattern_correlation"] = 0.25
    table = related(write())
    assert table.loc[table["layer"] == "fc2", "mean"].isna().all()
    assert table.loc[table["layer"] != "fc2", "mean"].notna().all()
    relation.draw(table, RELATION)


def samples(folder, scores):
    """Write samples of imagery trials with scores of vividness: subject → image → scores."""
    for subject, images in scores.items():
        trials = [(name, "imagery", score) for name, given in images.items() for score in given]
        trials.append(("natural-0", "test", np.nan))
        table = pd.DataFrame(trials, columns=["stimulus", "stimulus_set", "vividness"])
        voxels = pd.DataFrame({"voxel_x": [0.0], "ROI_VC": [1]})
        write_bdata(folder / f"sub-{subject}.h5", Samples(np.zeros((len(table), 1), np.float32), table, voxels))
    stimuli = pd.DataFrame({"stimulus": IMAGINED, "stimulus_set": "test", "colour": None, "shape": None})
    stimuli["kind"] = ["natural"] * len(NATURAL) + ["shape"] * len(ARTIFICIAL)
    paths = paper_tables.write(folder, stimuli=stimuli)
    return {"samples": [str(folder / f"sub-{subject}.h5") for subject in scores], **paths}


VIVID = {
    "01": {"natural-1": [4, 5, np.nan], "shape-0": [2, 3, 1], "shape-1": [3, 4, 5]},
    "02": {"natural-1": [2, 1, 3], "shape-0": [2, 2, 2], "shape-1": [1, 1, 4]},
}
VIVIDNESS = {"stimulus_set": "imagery", "simulated": True}


def test_vividness_in_descending_order(tmp_path):
    table = vividness.plotted(samples(tmp_path, VIVID), VIVIDNESS)
    first = table[table["subject"] == "01"]
    assert list(first["stimulus"]) == ["natural-1", "shape-1", "shape-0", "artificial", "natural"]
    assert first["mean"].tolist() == pytest.approx([4.5, 4.0, 2.0, 3.0, 4.5])
    assert first["n_trials"].tolist() == [2, 3, 3, 6, 2]
    low, high = stats.t.interval(0.95, 2, 4.0, stats.sem([3, 4, 5]))
    assert first.iloc[1][["ci_low", "ci_high"]].tolist() == pytest.approx([low, high])


def test_vividness_of_all_subjects_is_of_scores_standardised_in_each(tmp_path):
    table = vividness.plotted(samples(tmp_path, VIVID), VIVIDNESS)
    pooled = table[table["subject"] == "pooled"].set_index("stimulus")
    z = {}
    for subject, images in VIVID.items():
        known = np.concatenate(list(images.values()))
        centre, spread = np.nanmean(known), np.nanstd(known, ddof=1)
        z[subject] = {name: (np.array(given) - centre) / spread for name, given in images.items()}
    for name in VIVID["01"]:
        both = np.concatenate([z[subject][name] for subject in z])
        assert pooled.loc[name, "mean"] == pytest.approx(np.nanmean(both))
        assert pooled.loc[name, "n_trials"] == np.isfinite(both).sum()


def test_vividness_is_drawn(tmp_path):
    table = vividness.plotted(samples(tmp_path, VIVID), VIVIDNESS)
    figure = vividness.draw(table, VIVIDNESS)
    heights = [bar.get_height() for axes in figure.axes[:3] for bar in axes.patches]
    assert heights == pytest.approx(table["mean"].tolist())
    text = paper_tables.printed(figure, tmp_path)
    for words in ("Subject 02", "Pooled", "Vividness (z)", "n = 2 to 3", "artificial", "Simulated"):
        assert words in text


def test_one_subject_is_not_pooled(tmp_path):
    table = vividness.plotted(samples(tmp_path, {"01": VIVID["01"]}), VIVIDNESS)
    assert set(table["subject"]) == {"01"}


def test_no_score_of_vividness_is_said_in_words(tmp_path):
    table = vividness.plotted(samples(tmp_path, {"01": {"natural-1": [np.nan, np.nan]}}), VIVIDNESS)
    assert table.empty
    assert "score of vividness" in paper_tables.words(vividness.draw(table, VIVIDNESS), tmp_path)
