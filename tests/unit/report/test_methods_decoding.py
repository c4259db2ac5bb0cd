"""The sentences about decoders: each says its algorithm and settings, and what was only scored says so."""

import re

import pytest
import yaml

from fmri2image.core.digest import WORKFLOW
from fmri2image.decode.decoders import DECODERS
from fmri2image.report.methods_decoding import INDUCTIVE, WORDS, decoding_text
from fmri2image.report.references import REFERENCES

CONFIG = yaml.safe_load((WORKFLOW.parent / "config/phantom-decoders.yaml").read_text(encoding="utf-8"))


def test_every_decoder_has_words():
    assert set(WORDS) == set(DECODERS)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ridge", ["ridge regression (ridge", "penalty 100 on z-scored data", "the 100 voxels"]),
        ("slr", ["sparse linear regression", "200 iterations", "[bishop2006]"]),
        ("ridge-cv", ["chosen per unit by cross-validation in 5 folds", "all voxels of an area"]),
        ("banded-ridge", ["bands LVC and HVC", "[dupre2022]"]),
        ("one-hot", ["identity of the training image", "penalty 1000"]),
        ("best-prediction", ["without any response", "transductive"]),
        ("ridge-absolute", ["The absolute value of every unit", "layers conv1_1"]),
    ],
)
def test_sentences_name_algorithm_and_settings(name, says):
    config = {"decode": {"decoders": {name: CONFIG["decode"]["decoders"][name]}}}
    text = decoding_text(config, {name})
    assert all(words in text for words in says), text
    assert (INDUCTIVE in text) == (name != "best-prediction")
    assert "no image was made" not in text
    assert set(re.findall(r"\[([a-z]+[0-9]{4})\]", text)) <= set(REFERENCES)


def test_decoders_that_are_only_scored_say_so():
    text = decoding_text(CONFIG, {"ridge", "slr"})
    assert text.count("no image was made of them") == len(CONFIG["decode"]["decoders"]) - 2
    assert decoding_text({"decode": {"decoders": CONFIG["decode"]["decoders"]}}, {"slr"}).count("predicted") == 1
