"""What imports are handed: names and pictures of stimuli, features and decoded features of others, and sizes of features."""

import pytest
from studies import study, wildcards

from fmri2image.core.errors import ConfigError

PAPER = "decode/decoders/paper"
FILES = "resources/downloaded/files"


def of(stimulus_set: str):
    return wildcards(stimulus_set=stimulus_set)


# Stimuli --------------------------------------------------------------------------------------------------------------


def test_names_come_from_the_events_of_the_runs_that_show_them():
    shen = study("ds001506", {"subjects": ["01", "02"]})
    shown = {name: shen.stimulus_inputs(of(name))["events"] for name in ("train", "shapes")}
    assert all("NaturalImageTraining" in path for path in shown["train"])
    assert {path.split("/sub-")[1][:2] for path in shown["train"]} == {"01", "02"}
    assert all("ArtificialImage" in path for path in shown["shapes"])
    assert shen.import_stimuli_settings(of("shapes"))["run_sets"] == dict.fromkeys(shown["shapes"], "shapes")


def test_names_come_from_the_events_of_all_runs_where_these_tell_the_set():
    miyawaki = study("ds000255")
    n_runs = sum(len(runs) for runs in miyawaki.raw_runs.values())
    assert len(miyawaki.stimulus_inputs(of("letters"))["events"]) == n_runs
    assert set(miyawaki.import_stimuli_settings(of("letters"))["run_sets"].values()) == {"random", "figures"}
    random = miyawaki.stimulus_inputs(of("random"))["events"]
    assert 0 < len(random) < n_runs and all("viewRandom" in path for path in random)


def test_names_come_from_samples_where_there_are_no_runs():
    inputs = study("ds001246-published").stimulus_inputs(of("test"))
    assert inputs == {"samples": [f"results/ds001246-published/samples/sub-0{n}.h5" for n in range(1, 6)]}


def test_names_come_from_a_table_or_the_archive_where_nobody_has_responses():
    decoded = study("ds001506-decoded")
    assert not decoded.sampled
    assert set(decoded.stimulus_inputs(of("test"))) == {"names"}
    assert set(decoded.stimulus_inputs(of("shapes"))) == {"archive"}


def test_pictures_of_other_sets_are_waited_for():
    shen = study("ds001506", {"acquire/stimuli/test/folder": "/pictures"})
    assert shen.stimulus_inputs(of("imagery"))["sets"] == [
        "results/ds001506/stimuli/shapes.h5", "results/ds001506/stimuli/test.h5"
    ]  # fmt: skip
    assert "archive" not in shen.stimulus_inputs(of("imagery"))
    assert shen.stimulus_inputs(of("shapes"))["archive"].startswith(f"{FILES}/stimuli-shapes/")


def test_pictures_of_the_dataset_are_waited_for():
    faces = study("ds001761", {"subjects": ["02"]})
    assert faces.stimulus_inputs(of("train"))["folders"] == ["resources/downloaded/ds001761/bids/stimuli/sub02"]
    assert faces.import_stimuli_settings(of("train"))["bids"] == "resources/downloaded/ds001761/bids"


def test_a_set_without_pictures_has_a_reason_and_no_source():
    settings = study("ds001506").import_stimuli_settings(of("train"))
    assert settings["source"] == {} and "https://forms.gle" in settings["reason"]
    assert study("ds001506").import_stimuli_settings(of("shapes"))["reason"] == ""
    # Whoever asks for the imagery without the test images gets the name of the set that lacks them.
    assert "the set test" in study("ds001506").import_stimuli_settings(of("imagery"))["reason"]


# Features -------------------------------------------------------------------------------------------------------------


def test_sets_with_published_features_are_imported_and_others_computed():
    shen = study("ds001506")
    assert shen.imported_features("vgg19") == ["train", "test"]
    assert shen.computed_features("vgg19") == ["shapes", "letters", "imagery"]
    assert shen.imported_features("vgg19-leaky") == []
    inputs = shen.imported_inputs("vgg19", "test")(wildcards(layer="fc8"))
    assert inputs["archive"].startswith(f"{FILES}/true-features-vgg19-test-fc8/")
    assert inputs["stimuli"] == "results/ds001506/stimuli/test.h5"


def test_weights_know_where_they_are_from():
    shen = study("ds001506")
    settings = shen.convert_settings(wildcards(entry="vgg19-kamitani-torch"))
    assert settings["name"] == "vgg19" and settings["source"]["name"] == "vgg19-kamitani-torch"
    assert settings["source"]["urls"]
    assert shen.weights_source(wildcards(entry="vgg19-kamitani-torch")).startswith(f"{FILES}/vgg19-kamitani-torch/")


def test_networks_that_share_weights_convert_them_once():
    shen = study("ds001506")
    both = shen.config["features"]["networks"]
    turned = study("ds001506", {"features/networks": {name: both[name] for name in reversed(both)}})
    entry = wildcards(entry="vgg19-kamitani-torch")
    assert turned.convert_settings(entry) == shen.convert_settings(entry)
    assert turned.entry_module(entry.entry) == shen.entry_module(entry.entry)


# Decoded features -----------------------------------------------------------------------------------------------------


def decoded(found, layer: str = "fc8"):
    one = wildcards(subject="01", layer=layer)
    return found.published_decoded("paper")(one), found.published_decoded_settings("paper")(one)


def test_decoded_features_of_a_layer_and_subject():
    inputs, settings = decoded(study("ds001506-published"))
    assert len(inputs["archives"]) == 3
    assert all("sub-01-fc8" in path for path in inputs["archives"])
    assert settings["archives"] == dict(zip(("test", "shapes", "letters"), inputs["archives"], strict=True))
    assert settings["tests"] == {"test": "test", "shapes": "shapes", "letters": "letters"}
    assert inputs["stimuli"] == [f"results/ds001506-published/stimuli/{name}.h5" for name in settings["tests"]]
    root = "results/ds001506-published/features/vgg19"
    assert inputs["true_features"] == [f"{root}/{name}/fc8.h5" for name in ("test", "shapes", "letters")]
    assert "vgg19-feature-std" in inputs["feature_std"]


def test_true_features_that_nobody_has_are_not_asked_for():
    changes = {"features/networks/vgg19/published": {"train": "true-features-vgg19-train-{layer}"}}
    inputs, _ = decoded(study("ds001506-published", changes))
    assert [path.split("/")[-2] for path in inputs["true_features"]] == ["shapes", "letters"]


def test_sizes_are_measured_only_where_a_correction_needs_what_nobody_published():
    found = study("ds001506-published")
    assert found.unknown_sizes("paper", "channel_sd") == []
    assert found.unknown_sizes("paper", "train_mean_sd") == ["mean_features"]
    assert found.unknown_sizes("paper", "norm") == ["norm"]
    assert found.norm_training("paper") == "" and "training_features" not in decoded(found)[0]
    norm = study("ds001506-published", {"reconstruct/methods/icnn-paper/norm_correction": "norm"})
    assert norm.norm_training("paper") == "train"
    assert decoded(norm)[0]["training_features"] == "results/ds001506-published/features/vgg19/train/fc8.h5"
    without = {"reconstruct/methods/icnn-paper/norm_correction": "channel_sd", f"{PAPER}/feature_std": None}
    assert study("ds001506-published", without).norm_training("paper") == "train"


def test_a_correction_that_nothing_tells_the_sizes_for_is_one_sentence():
    changes = {
        "reconstruct/methods/icnn-paper/norm_correction": "train_mean_sd",
        "features/networks/vgg19/published": {"test": "true-features-vgg19-test-{layer}"},
        "analyses": [{"method": "icnn-paper", "rois": ["VC"], "tests": ["shapes"], "ceiling": False}],
        "report/primary/method": "icnn-paper",
    }
    with pytest.raises(
        ConfigError, match=r"methods.icnn-paper: norm_correction 'train_mean_sd' needs mean_features of .*\.$"
    ):
        study("ds001506-published", changes)


def test_rows_of_published_decoded_features_are_stimuli_of_held_out_tests():
    with pytest.raises(
        ConfigError, match=r"decoders.paper: .* one row per stimulus .*; set tests.shapes.rows to stimulus"
    ):
        study("ds001506-published", {"tests/shapes/rows": "trial"})


def test_tables_of_image_numbers_are_inputs(tmp_path):
    found = study("ds001506-published", {f"{PAPER}/names": {"test": f"{tmp_path}/names.tsv"}})
    inputs, settings = decoded(found)
    assert inputs["names"] == [f"{tmp_path}/names.tsv"] and settings["names"] == {"test": f"{tmp_path}/names.tsv"}


# Modulators and areas that only the samples know ------------------------------------------------------------------------


def test_modulators_wait_for_the_samples_where_these_choose_voxels():
    random = {"stimulus_set": "random", "values": "values.tsv"}
    inputs = study("ds000255", {"samples/modulators": random}).modulator_inputs(wildcards(subject="01"))
    assert inputs["samples"] == "results/ds000255/samples/sub-01.h5"
    assert len(inputs["series"]) == 20 and all("viewRandom" in path for path in inputs["series"])
    train = {"stimulus_set": "train", "values": "values.tsv"}
    assert "samples" not in study("ds001506", {"samples/modulators": train}).modulator_inputs(wildcards(subject="01"))


# Restricted datasets ----------------------------------------------------------------------------------------------------


def test_restricted_data_lie_where_the_user_says(tmp_path):
    assert study("vim1").restricted_folder == "resources/restricted/vim1"
    found = study("vim1", {"acquire/data": str(tmp_path)})
    assert found.restricted_files() == [str(tmp_path)]
    assert found.restricted_settings()["data"] == str(tmp_path)
    assert "split" in found.restricted_settings() and "split" not in study("brains").restricted_settings()
