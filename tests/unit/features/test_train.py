"""Training: resumed equals uninterrupted, it learns, and shipped files say how they were made."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.training import checkpoint_of
from fmri2image.features.networks import build_network
from fmri2image.features.networks.weights import sha256
from fmri2image.features.train import (
    FACTORS,
    PLACE,
    TrainingSettings,
    encode_labels,
    learning_rate,
    read_losses,
    ship,
    smooth_filters,
    train,
)

pytestmark = pytest.mark.usefixtures("one_thread")
NETWORK = {"name": "vgg-small", "size": 32, "widths": [4, 4, 4, 4, 4], "units": [8, 8, 72]}
SETTINGS = TrainingSettings(
    network=NETWORK, seed=5, n_images=24, batch=8, steps=7, learning_rate=3e-3, weight_decay=0.01,
    image_weight=4.0, place_weight=1.0, feature_noise=0.3, pixel_noise=0.02, whitening=0.7,
)  # fmt: skip


def test_stopped_and_resumed_training_equals_an_uninterrupted_one(tmp_path):
    whole = train(SETTINGS, tmp_path / "whole.pt")
    train(SETTINGS, tmp_path / "parts.pt", stop_at=2)
    train(SETTINGS, tmp_path / "parts.pt", stop_at=5)
    parts = train(SETTINGS, tmp_path / "parts.pt")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    pd.testing.assert_frame_equal(read_losses(tmp_path / "whole.pt"), read_losses(tmp_path / "parts.pt"))
    again = train(SETTINGS, tmp_path / "whole.pt")
    assert torch.equal(again.fc8.weight, whole.fc8.weight)
    with pytest.raises(DataError, match="other settings"):
        train(replace(SETTINGS, seed=6), tmp_path / "whole.pt")


def test_a_checkpoint_of_other_settings_or_code_is_not_continued(tmp_path):
    weights, about = tmp_path / "weights.safetensors", {"code": {"a": "1", "b": "2"}, "settings": {"seed": 1}}
    first = checkpoint_of(weights, about)
    first.touch()
    assert first.parent == tmp_path and first.exists()
    assert checkpoint_of(str(weights), dict(reversed(about.items()))) == first and first.exists()
    other = tmp_path / ".unfinished-else-0.pt"
    other.touch()
    assert checkpoint_of(weights, {**about, "code": {"a": "1", "b": "3"}}) != first
    assert not first.exists() and other.exists()


def test_training_lowers_the_loss_and_ships_what_build_network_reads(tmp_path):
    settings = replace(SETTINGS, steps=60)
    network = train(settings, tmp_path / "state.pt")
    losses = read_losses(tmp_path / "state.pt")
    assert losses["images"].tail(5).mean() < 0.6 * losses["images"].head(5).mean()
    weights = tmp_path / "vgg-small.safetensors"
    ship(weights, network, settings, tmp_path / "state.pt", 8)
    about = json.loads(weights.with_suffix(".json").read_text())
    assert about["sha256"] == sha256(weights)
    assert about["settings"]["steps"] == 60
    assert set(about["share_right_on_new_images"]) == set(FACTORS)
    assert (tmp_path / "vgg-small-losses.tsv").exists()
    loaded = build_network(NETWORK, weights)
    torch.testing.assert_close(loaded.conv1_1.weight, network.conv1_1.weight, rtol=0, atol=0)


def test_first_filters_are_orthonormal_and_start_with_the_mean():
    filters = smooth_filters(12).flatten(1)
    torch.testing.assert_close(filters @ filters.T, torch.eye(12), atol=1e-6, rtol=0)
    np.testing.assert_allclose(filters[0], filters[0, 0], rtol=1e-6)


def test_labels_become_class_numbers_by_name():
    labels = pd.DataFrame(
        {"silhouette": ["flower"], "texture": ["wavy"], "palette": ["rust"], "scene": ["beach"],
         "x": [0.1], "y": [-0.2], "scale": [0.7]}
    )  # fmt: skip
    encoded = encode_labels(labels)
    assert {name: int(encoded[name]) for name in FACTORS} == {"silhouette": 1, "texture": 2, "palette": 0, "scene": 1}
    np.testing.assert_allclose(encoded["place"], labels[list(PLACE)])


def test_learning_rate_rises_then_falls():
    settings = replace(SETTINGS, steps=100)
    rates = [learning_rate(settings, step) for step in range(100)]
    assert np.argmax(rates) in (4, 5)
    assert rates[0] == pytest.approx(settings.learning_rate / 5)
    assert rates[-1] < 0.02 * settings.learning_rate
    assert np.all(np.diff(rates[5:]) < 0)


def test_impossible_settings_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="one unit per class"):
        train(replace(SETTINGS, network={**NETWORK, "units": [8, 8, 9]}), tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="larger than"):
        train(replace(SETTINGS, batch=25), tmp_path / "b.pt")
