"""The shipped generator is the one its sidecar and the configuration describe, and it knows the generated images."""

import json

import numpy as np
import pytest
import torch
import yaml

from fmri2image.acquire.phantom.images import training_images
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.images import to_float
from fmri2image.features.networks import build_network
from fmri2image.features.networks.weights import sha256
from fmri2image.reconstruct.generators import build_generator, read_bounds
from fmri2image.reconstruct.generators.ship import quality, upper_bounds

FOLDER = WORKFLOW.parent / "resources" / "weights"
WEIGHTS, BOUNDS = FOLDER / "generator-small.safetensors", FOLDER / "generator-small-bounds.txt"
NETWORK = {"name": "vgg-small", "weights": FOLDER / "vgg-small.safetensors"}


@pytest.fixture(scope="module")
def about():
    return json.loads(WEIGHTS.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def new_images(about):
    """Images of the stream that follow those of the training."""
    settings = about["settings"]
    pixels, _ = training_images(settings["seed"], settings["n_images"], 96, 64)
    return torch.from_numpy(to_float(pixels))


def test_sidecar_describes_the_files(about):
    assert about["sha256"] == sha256(WEIGHTS)
    assert about["bounds_sha256"] == sha256(BOUNDS)
    assert about["bytes"] == WEIGHTS.stat().st_size < 1.5e6
    assert WEIGHTS.stat().st_size + BOUNDS.stat().st_size < 1.6e6
    assert about["settings"]["network"]["sha256"] == sha256(NETWORK["weights"])


def test_the_configuration_says_how_it_was_made(about):
    config = yaml.safe_load((WORKFLOW.parent / "config" / "config.yaml").read_text(encoding="utf-8"))
    entry = config["reconstruct"]["generators"]["relu7-small"]
    assert WEIGHTS.samefile(WORKFLOW.parent / entry["weights"]) and BOUNDS.samefile(WORKFLOW.parent / entry["bounds"])
    made = {key: value for key, value in about["settings"].items() if key not in ("generator", "network")}
    assert made == entry["training"]
    assert about["settings"]["generator"] == {"name": entry["generator"]}
    assert about["settings"]["network"]["name"] == config["features"]["networks"][entry["network"]]["network"]


def test_new_images_come_back_about_as_well_as_stated(about, new_images):
    found = quality(build_generator({"name": "deepsim-small", "weights": WEIGHTS}), build_network(NETWORK), new_images)
    stated = about["on_new_images"]
    assert found["pixel_correlation"] == pytest.approx(stated["pixel_correlation"], abs=0.05)
    assert found["gradient"] == pytest.approx(stated["gradient"], abs=0.15)
    assert found["pixel_identification"] > 0.95
    assert found["feature_identification"] > 0.98


def test_bounds_hold_almost_all_latents(new_images):
    """Mean plus three SD, over other images of the same stream: within a few per cent of the same numbers."""
    bounds = read_bounds(BOUNDS, 256)
    found = upper_bounds(build_network(NETWORK), new_images)
    assert np.corrcoef(bounds, found)[0, 1] > 0.95
    assert np.median(found / bounds) == pytest.approx(1, abs=0.05)
