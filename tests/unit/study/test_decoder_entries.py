"""Decoders in a configuration: every kind gives what its module reads, wrong entries are one sentence, jobs are split."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
import yaml
from studies import configuration, study

from fmri2image.core.errors import ConfigError
from fmri2image.decode.decoders import DECODERS, READS_TEST
from fmri2image.decode.in_memory import decode_layer, fit_in_memory
from fmri2image.study import load_study
from fmri2image.study.check import SCHEMA
from fmri2image.study.paths import CHOOSES

# Has every decoder that is fitted; three subjects, all areas.
STUDY = "phantom-decoders"
DECODER, ANALYSES = "decode/decoders", "decode/analyses"
SCHEMAS = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))["$defs"]["decoders"]
# What other modules read: where features come from, what happens to them, and where they go.
AROUND = {"decoder", "network", "layers", "transform", "keep", "norm_reference"}
# Every key of every kind, none with the value that the module takes without it.
COMMON = {"precision": "float64", "standardise": {"voxels": "stimuli", "units": "trials", "ddof": 0}}
CROSS = {"alphas": [1, 10], "folds": 2, "n_voxels": None}
ENTRIES = {
    "ridge": {"alpha": 10, "n_voxels": 3, "intercept": "penalised", "solver": "dual"},
    "slr": {"n_voxels": 3, "iterations": 20, "prune_threshold": 1e-6, "minimum": 1e-12, "converge_after": 5,
            "converge_threshold": 1e-6, "stopping": "corrected", "intercept": "free"},
    "ridge-cv": CROSS,
    "banded-ridge": {**CROSS, "bands": ["V1"], "iterations": 3},
    "one-hot": {"alpha": 10},
    "best-prediction": {},
}  # fmt: skip


class Read(dict):
    """Settings that remember which keys somebody asked for."""

    def __init__(self, settings: Mapping) -> None:
        super().__init__(settings)
        self.asked: set[str] = set()

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)


def with_entry(kind: str) -> dict:
    """Return the settings of a decoder that has every key of its kind."""
    entry = {"decoder": kind, "network": "vgg-small", "norm_reference": "natural", **COMMON, **ENTRIES[kind]}
    analyses = [{"decoder": "mine", "rois": ["VC"], "tests": ["test"]}]
    found = study(STUDY, {f"{DECODER}/mine": entry, ANALYSES: analyses, "report/raw_absolute": None})
    return found.decode_settings("mine", ["fc8"])["decoder"]


def fitted(settings: Mapping) -> np.ndarray:
    """Fit a decoder to 12 trials of 6 voxels and 8 stimuli, and decode 4 units of 3 stimuli."""
    rng = np.random.default_rng(5)
    responses, shown, features = rng.normal(size=(12, 6)), rng.normal(size=(3, 6)), rng.normal(size=(11, 2, 2))
    bands = {"V1": np.arange(6) < 3}
    index = np.array([*range(8), *range(4)])
    decoder = fit_in_memory(responses, index, settings, torch.device("cpu"), bands)
    (values,) = decode_layer(decoder, settings, features[:8], [shown], [features[8:]])
    return values


# What is right ---------------------------------------------------------------------------------------------------------


def test_schema_and_library_know_the_same_decoders():
    assert set(SCHEMAS) == {*DECODERS, "published"} == {*ENTRIES, "published"}
    assert set(READS_TEST) | set(CHOOSES) <= set(DECODERS)


def test_the_comparing_study_has_every_decoder_that_is_fitted():
    assert {entry["decoder"] for entry in study(STUDY).decoders.values()} == set(DECODERS)


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_module_reads_every_key_of_its_entry(kind):
    settings = Read(with_entry(kind))
    values = fitted(settings)
    assert values.shape == (3, 2, 2) and np.isfinite(values).all()
    keys = set(SCHEMAS[kind]["properties"]) - AROUND
    assert set(ENTRIES[kind]) | set(COMMON) == keys
    assert keys - settings.asked == set()


@pytest.mark.parametrize("name", study(STUDY).decoders)
def test_entries_of_the_comparing_study_decode(name):
    settings = {**study(STUDY).decode_settings(name)["decoder"], "bands": ["V1"]}
    if settings.get("n_voxels"):
        settings["n_voxels"] = 4
    assert np.isfinite(fitted(settings)).all()


@pytest.mark.parametrize("kind", ENTRIES)
def test_settings_are_in_order_and_hold_nothing_that_does_not_matter(kind):
    settings = with_entry(kind)
    assert [key for key in settings if key != "seed"] == sorted(set(settings) - {"seed"})
    assert "network" not in settings and "layers" not in settings  # features come as files, layers beside this
    assert settings["seed"] == 2019


# Jobs ------------------------------------------------------------------------------------------------------------------


def test_one_job_decodes_all_layers_unless_they_are_split():
    whole = study(STUDY)
    assert [(word, decoder) for word, decoder, _ in whole.decode_jobs()] == [
        (name.replace("-", "_"), name) for name in whole.decoders
    ]
    assert [layers for *_, layers in whole.decode_jobs()] == [whole.decoder_layers(name) for name in whole.decoders]
    for most, sizes in ((1, [1] * 8), (3, [3, 3, 2]), (8, [8]), (100, [8])):
        jobs = [job for job in study(STUDY, {"decode/layers_per_job": most}).decode_jobs() if job[1] == "ridge"]
        assert [len(layers) for *_, layers in jobs] == sizes
        assert [layer for *_, layers in jobs for layer in layers] == whole.decoder_layers("ridge")
        words = [word for word, *_ in jobs]
        assert len(set(words)) == len(words)
        assert (words == ["ridge"]) == (len(sizes) == 1)
    null = configuration(STUDY)
    null["decode"]["layers_per_job"] = None
    assert load_study(null).decode_jobs() == whole.decode_jobs()


def test_split_jobs_write_the_files_of_one_job_and_read_no_other_layer():
    whole, split = study(STUDY), study(STUDY, {"decode/layers_per_job": 3, f"{DECODER}/ridge/keep": True})
    parts = [layers for _, decoder, layers in split.decode_jobs() if decoder == "ridge"]
    outputs = [file for layers in parts for file in split.decode_outputs("ridge", layers)]
    assert outputs == whole.decode_outputs("ridge", whole.decoder_layers("ridge"))
    assert len(split.kept_outputs("ridge", parts[0])) == 3 and whole.kept_outputs("ridge", parts[0]) == []
    inputs = [set(split.decode_inputs("ridge", layers)) for layers in parts]
    assert set.union(*inputs) == set(whole.training_features("ridge"))
    assert sum(len(files) for files in inputs) == len(set.union(*inputs))
    assert [split.decode_settings("ridge", layers)["layers"] for layers in parts] == parts


RESOURCES = {"decode/memory_gb": 2.5, "decode/workers": 3, "decode/gpu_memory_share": 0.25}


def test_memory_and_processes_are_no_settings():
    before, after = study(STUDY), study(STUDY, RESOURCES)
    for _, decoder, layers in before.decode_jobs():
        assert after.decode_settings(decoder, layers) == before.decode_settings(decoder, layers)
    assert after.decode_jobs() == before.decode_jobs()
    assert after.recovery_settings() == before.recovery_settings()
    assert (before.decode_memory(), before.decode_workers(), before.decode_gpu_memory()) == (4000, 1, 70)
    assert (after.decode_memory(), after.decode_workers(), after.decode_gpu_memory()) == (2500, 3, 25)


# Analyses of decoded features alone ------------------------------------------------------------------------------------


def test_analyses_of_features_bring_areas_tests_and_maps():
    found = study(STUDY)
    assert ("ridge", "FFA") in found.decoded and ("ridge-cv", "VC") in found.decoded
    assert not [row for row in found.analyses if "FFA" in row["rois"]]
    assert set(found.decoder_tests("ridge")) == {"test", "letters"} and set(found.decoder_tests("one-hot")) == {"test"}
    assert found.mapped_decoders() == ["ridge", "slr", "ridge-absolute"]
    files = found.accuracy_files()
    assert "results/phantom-decoders/evaluate/features/ridge/sub-01_roi-FFA_accuracy.tsv" in files
    assert len(files) == 3 * (9 + 6)  # ridge in nine areas, six decoders in one
    # Sets of tests are read by the decoder that projects true features, and by no other.
    assert found.feature_sets("best-prediction") == ["natural", "test", "train"]
    assert found.feature_sets("ridge") == ["natural", "train"]
    none = study(STUDY, {ANALYSES: []})
    assert none.decoded == [("ridge", "VC"), ("slr", "VC")]
    assert {one.what for one in none.skipped} == {"figure of raw and absolute features"}


def test_analyses_of_features_bring_runs_to_download():
    only = {"analyses": [{"method": "icnn", "rois": ["VC"], "tests": ["shapes"]}], "report/raw_absolute": None}
    sets = {test: study("ds001506", {**only, ANALYSES: [{"decoder": "ridge", "rois": ["V1"], "tests": [test]}]}).run_sets
            for test in ("shapes", "letters")}  # fmt: skip
    assert sets == {"shapes": ["train", "shapes"], "letters": ["train", "shapes", "letters"]}


def test_what_has_no_features_is_left_out_and_said():
    rows = [{"decoder": "ridge-leaky", "rois": ["V1"], "tests": ["shapes", "imagery"]},
            {"decoder": "ridge", "rois": ["V2"], "tests": ["test", "imagery"]}]  # fmt: skip
    found = study("ds001506", {ANALYSES: rows, "report/raw_absolute": None})
    assert found.decode_analyses == [{"decoder": "ridge", "rois": ["V2"], "tests": ["test"]}]
    reasons = {one.what: one.reason for one in found.skipped}
    assert "features of the set train in vgg19-leaky" in reasons["decoder ridge-leaky, test shapes"]
    assert "features of the set imagery in vgg19" in reasons["decoder ridge, test imagery"]
    assert not [path for path in found.accuracy_files() if "leaky" in path]


def test_a_projection_of_true_features_needs_those_of_the_test():
    changes = {f"{DECODER}/best": {"decoder": "best-prediction", "network": "vgg19", "norm_reference": "training"},
               "reconstruct/methods/icnn/decoder": "best", "features/networks/vgg19/published/test": None}  # fmt: skip
    found = study("ds001506", changes)
    assert ("icnn", "test") not in found.pairs and ("icnn", "shapes") in found.pairs
    reasons = {one.what: one.reason for one in found.skipped}
    assert "features of the set test in vgg19" in reasons["method icnn, test test"]


def test_published_decoded_features_are_analysed_without_those_of_training():
    row = {"decoder": "paper", "rois": ["V1"], "tests": ["shapes"]}
    found = study("ds001506-decoded", {ANALYSES: [row]})
    assert found.decode_analyses == [row] and ("paper", "V1") in found.decoded


# What is wrong ---------------------------------------------------------------------------------------------------------

ONE_HOT = {"decoder": "one-hot", "network": "vgg-small", "alpha": 1, "norm_reference": "natural", "layers": ["fc6"]}
VGG19 = {"decoder": "ridge", "network": "vgg19", "alpha": 1, "n_voxels": 5, "norm_reference": "training"}
WRONG = {
    "unknown kind": ({f"{DECODER}/ridge/decoder": "lasso"}, ["decoders.ridge", "'lasso'", "banded-ridge"]),
    "no kind": ({f"{DECODER}/ridge/decoder": None}, ["decoders.ridge", "'decoder'"]),
    "alpha of slr": ({f"{DECODER}/slr/alpha": 1}, ["decoders.slr", "alpha", "prune_threshold"]),
    "no alpha of ridge": ({f"{DECODER}/ridge/alpha": None}, ["decoders.ridge", "'alpha'"]),
    "chosen voxels of ridge-cv": ({f"{DECODER}/ridge-cv/n_voxels": 100}, ["ridge-cv.n_voxels", "100", "All voxels"]),
    "chosen voxels of banded ridge": ({f"{DECODER}/banded-ridge/n_voxels": 100}, ["banded-ridge.n_voxels", "100"]),
    "kept decoders of a shortcut": ({f"{DECODER}/one-hot/keep": True}, ["decoders.one-hot", "keep"]),
    "no voxel": ({f"{DECODER}/ridge/n_voxels": 0}, ["ridge.n_voxels", "0"]),
    "voxels in words": ({f"{DECODER}/ridge/n_voxels": "all"}, ["ridge.n_voxels", "'all'", "null takes all"]),
    "no iteration": ({f"{DECODER}/slr/iterations": 0}, ["slr.iterations", "0"]),
    "no penalty": ({f"{DECODER}/ridge-cv/alphas": []}, ["ridge-cv.alphas", "non-empty"]),
    "penalty zero": ({f"{DECODER}/ridge-cv/alphas": [0, 1]}, ["ridge-cv.alphas.0", "Penalties"]),
    "one fold": ({f"{DECODER}/ridge-cv/folds": 1}, ["ridge-cv.folds", "1"]),
    "no band": ({f"{DECODER}/banded-ridge/bands": []}, ["banded-ridge.bands", "non-empty"]),
    "unknown band": ({f"{DECODER}/banded-ridge/bands": ["LVC", "V9"]}, ["banded-ridge.bands", "'V9'", "samples.masks"]),
    "half precision": ({f"{DECODER}/ridge/precision": "float16"}, ["ridge.precision", "float16", "float64"]),
    "statistics of images": ({f"{DECODER}/ridge/standardise": {"voxels": "images"}}, ["standardise.voxels", "images"]),
    "another transform": ({f"{DECODER}/ridge/transform": "square"}, ["ridge.transform", "square", "absolute"]),
    "layer that the network lacks": ({f"{DECODER}/slr/layers": ["conv9_9"]}, ["slr.layers", "'conv9_9'", "fc8"]),
    "no layer": ({f"{DECODER}/slr/layers": []}, ["slr.layers", "non-empty"]),
    "layer that a method needs": ({f"{DECODER}/slr/layers": ["fc8"]}, ["methods.icnn-slr.layers", "'conv3_1'"]),
    "images of absolute features": ({"reconstruct/methods/icnn/decoder": "ridge-absolute",
                                     "reconstruct/methods/icnn/layers": ["conv1_1"]},
                                    ["methods.icnn.decoder", "'ridge-absolute'", "absolute"]),
    "unknown decoder analysed": ({f"{ANALYSES}/1/decoder": "lasso"}, ["decode.analyses.1.decoder", "'lasso'", "slr"]),
    "unknown test analysed": ({f"{ANALYSES}/1/tests": ["exam"]}, ["decode.analyses.1.tests", "'exam'", "letters"]),
    "unknown area analysed": ({f"{ANALYSES}/1/rois": ["V9"]}, ["decode.analyses: rois", "'V9'", "V1d"]),
    "unknown raw decoder": ({"report/raw_absolute/raw": "lasso"}, ["raw_absolute.raw", "'lasso'", "ridge"]),
    "raw for absolute": ({"report/raw_absolute/absolute": "ridge"}, ["raw_absolute.absolute", "transform: absolute"]),
    "absolute for raw": ({"report/raw_absolute/raw": "ridge-absolute"}, ["raw_absolute.raw", "transform: raw"]),
    "raw and absolute layer": ({"report/raw_absolute/layer": "fc8"}, ["raw_absolute.layer", "'fc8'", "conv1_1"]),
    "raw and absolute test": ({"report/raw_absolute/test": "exam"}, ["raw_absolute.test", "'exam'"]),
    "raw and absolute area": ({"report/raw_absolute/roi": "V9"}, ["raw_absolute.roi", "'V9'", "VC"]),
    "no memory": ({"decode/memory_gb": 0}, ["decode.memory_gb", "0", "GB"]),
    "no process": ({"decode/workers": 0}, ["decode.workers", "0"]),
    "more than the GPU": ({"decode/gpu_memory_share": 1.5}, ["decode.gpu_memory_share", "1.5"]),
    "no layer per job": ({"decode/layers_per_job": 0}, ["decode.layers_per_job", "0"]),
    "names that a rule cannot tell apart": ({f"{DECODER}/ridge_cv": ONE_HOT},
                                            ["decode.decoders", "'ridge-cv'", "'ridge_cv'", "another name"]),
    "name of another decoder's layer": ({f"{DECODER}/slr-fc6": ONE_HOT, "decode/layers_per_job": 1},
                                        ["decode.decoders", "'slr'", "'slr-fc6'", "another name"]),
}  # fmt: skip
# The same in other studies.
WRONG_ELSEWHERE = {
    "area that nobody has decoded": ("ds001506-published", {"decoder": "paper", "rois": ["V9"], "tests": ["test"]}, {},
                                     ["decode.analyses: paper: rois", "'V9'", "HVC"]),
    "test that nobody has decoded": ("ds001506-published", {"decoder": "paper", "rois": ["VC"], "tests": ["test"]},
                                     {f"{DECODER}/paper/entries/test": None, "analyses": "without test"},
                                     ["decode.analyses: paper", "'test'", "that decoder's entries"]),
    "responses that are not there": ("ds001506-decoded", {"decoder": "mine", "rois": ["VC"], "tests": ["test"]},
                                     {f"{DECODER}/mine": VGG19, "features/networks/vgg19/published/train":
                                      "true-features-vgg19-train-{layer}"},
                                     ["decoder 'mine' reads samples"]),
}  # fmt: skip


def sentence_of(name: str, changes: dict) -> str:
    with pytest.raises(ConfigError) as error:
        study(name, changes)
    sentence = str(error.value)
    assert sentence.startswith("config: ") and sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_entry_is_one_sentence(changes, words):
    sentence = sentence_of(STUDY, changes)
    assert not [word for word in words if word not in sentence], sentence


@pytest.mark.parametrize(("name", "row", "changes", "words"), WRONG_ELSEWHERE.values(), ids=WRONG_ELSEWHERE.keys())
def test_a_wrong_analysis_of_published_data_is_one_sentence(name, row, changes, words):
    changes = {**changes, ANALYSES: [row]}
    if "analyses" in changes:
        rows = configuration(name)["analyses"]
        changes["analyses"] = [{**one, "tests": [test for test in one["tests"] if test != "test"]} for one in rows]
    sentence = sentence_of(name, changes)
    assert not [word for word in words if word not in sentence], sentence


def test_names_that_a_rule_cannot_tell_apart_are_no_matter_where_layers_share_a_job():
    found = study(STUDY, {f"{DECODER}/slr-fc6": ONE_HOT})
    assert ("slr_fc6", "slr-fc6", ["fc6"]) in found.decode_jobs()


def test_decoders_of_two_networks_cannot_be_compared():
    changes = {f"{DECODER}/other": {**VGG19, "transform": "absolute"}, "report/raw_absolute/absolute": "other",
               "features/networks/vgg19": configuration("ds001506")["features"]["networks"]["vgg19"]}  # fmt: skip
    sentence = sentence_of(STUDY, changes)
    assert "report.raw_absolute" in sentence and "different networks" in sentence
