"""What a study asks for where norm corrections are compared: one decoding, one ceiling, no tested image as reference."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from fmri2image.core.errors import ConfigError
from fmri2image.study import load_study
from fmri2image.study.study import Study

ROOT = Path(__file__).resolve().parents[2]
TINY = yaml.safe_load((ROOT / "tests" / "end_to_end" / "tiny.yaml").read_text(encoding="utf-8"))
SOURCE = "sub-01_roi-VC"


def study(change=lambda config: None) -> Study:
    config = copy.deepcopy(TINY)
    change(config)
    return load_study(config)


def with_variants(config: dict) -> None:
    methods = config["reconstruct"]["methods"]
    methods["icnn-sd"] = {**methods["icnn"], "norm_correction": "channel_sd"}
    methods["icnn-brief"] = {**methods["icnn"], "norm_correction": "channel_sd", "iterations": 4}
    config["analyses"] += [
        {"method": name, "rois": ["VC"], "tests": ["test"], "ceiling": False} for name in ("icnn-sd", "icnn-brief")
    ]


def test_a_lone_correction_makes_no_figure():
    found = study()
    assert found.norm_variants() == []
    assert not [path for path in found.final_outputs() if "norm_correction" in path]


def test_variants_differ_in_the_correction_only():
    found = study(with_variants)
    assert found.norm_variants() == ["icnn", "icnn-sd"]
    assert [path for path in found.final_outputs() if path.endswith("figures/norm_correction.svg")]
    images = [path.removeprefix("results/tiny/reconstruct/") for path in found.norm_inputs(None)["images"]]
    assert images == [f"icnn/{SOURCE}_test.h5", f"icnn-sd/{SOURCE}_test.h5", "icnn/true-features_test.h5"]
    assert found.norm_settings()["versions"] == {"icnn": "norm", "icnn-sd": "channel_sd"}


def test_variants_share_decoding_and_ceiling():
    found = study(with_variants)
    assert found.sources("icnn", "test") == [SOURCE, "true-features"]
    assert found.sources("icnn-sd", "test") == [SOURCE]
    assert found.decoded == study().decoded == [(name, "VC") for name in ("ridge", "ridge-absolute", "slr")]
    assert found.decode_settings("ridge") == study().decode_settings("ridge")


def test_the_correction_counts_where_features_are_decoded():
    found = study(with_variants)
    settings = {
        source: found.reconstruct_settings(SimpleNamespace(method="icnn-sd", source=source, test="test"))
        for source in (SOURCE, "true-features")
    }
    assert settings[SOURCE].pop("norm_correction") == "channel_sd"
    assert settings[SOURCE] == settings["true-features"]
    assert "norm_correction" not in settings["true-features"]["options"]


def test_images_for_statistics_are_shown_to_nobody():
    found = study()
    assert "natural" in found.stimulus_sets
    assert "natural" not in found.scanned_sets()
    assert {"train", "test"} <= set(found.scanned_sets())
    assert found.feature_sets("ridge") == ["natural", "train"]
    assert "results/tiny/features/vgg-small/natural/fc8.h5" in found.training_features("ridge")


def test_the_number_of_images_for_statistics_is_needed():
    def change(config):
        del config["acquire"]["images"]["natural_images"]

    with pytest.raises(ConfigError, match="'natural' needs the key acquire.images.natural_images"):
        study(change)


def test_training_stimuli_can_be_the_reference():
    def change(config):
        config["decode"]["decoders"]["ridge"]["norm_reference"] = "training"

    assert study(change).feature_sets("ridge") == ["train"]


@pytest.mark.parametrize(
    ("reference", "words"),
    [("test", "'test' is what the test 'test' tests"), ("films", "'films' is not among stimulus_sets")],
)
def test_wrong_references_are_one_sentence(reference, words):
    def change(config):
        config["decode"]["decoders"]["ridge"]["norm_reference"] = reference

    with pytest.raises(ConfigError, match="decode.decoders.ridge.norm_reference") as error:
        study(change)
    assert words in str(error.value)
