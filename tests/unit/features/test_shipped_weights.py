"""The shipped weights are the ones their sidecar describes, and they know the generated images."""

import json
from pathlib import Path

import pytest
import torch

from fmri2image.features.networks import build_network
from fmri2image.features.networks.weights import sha256
from fmri2image.features.train import TrainingSettings, factor_accuracy

WEIGHTS = Path(__file__).parents[3] / "resources" / "weights" / "vgg-small.safetensors"


@pytest.fixture(scope="module")
def about():
    return json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))


def test_sidecar_describes_the_file(about):
    assert about["sha256"] == sha256(WEIGHTS)
    assert about["bytes"] == WEIGHTS.stat().st_size < 2.5e6
    assert TrainingSettings(**about["settings"]).network["name"] == "vgg-small"


def test_network_names_new_images_about_as_often_as_stated(about):
    settings = TrainingSettings(**about["settings"])
    network = build_network({"name": "vgg-small"}, WEIGHTS)
    found = factor_accuracy(network, settings, 150)
    for factor, share in about["share_right_on_new_images"].items():
        assert found[factor] == pytest.approx(share, abs=0.13)
    assert found["scene"] > 0.9
    assert found["palette"] > 0.7


def test_every_first_filter_is_used():
    network = build_network({"name": "vgg-small"}, WEIGHTS)
    responses = network.features(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), ["conv1_1"])
    assert responses["conv1_1"].std(dim=(0, 2, 3)).min() > 0.05
