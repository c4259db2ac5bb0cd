"""Training of generators: resumed equals uninterrupted, it learns, and files say how they were made."""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.core.seeds import seed_for
from fmri2image.core.training import checkpoint_of
from fmri2image.features.networks import build_network
from fmri2image.features.networks.weights import sha256
from fmri2image.features.train import chosen_images
from fmri2image.reconstruct.generators import build_generator, read_bounds
from fmri2image.reconstruct.generators.adversary import Discriminator
from fmri2image.reconstruct.generators.ship import quality, ship, upper_bounds
from fmri2image.reconstruct.generators.train import GeneratorTraining, Training, latents, train

pytestmark = pytest.mark.usefixtures("one_thread")

WEIGHTS = WORKFLOW.parent / "resources" / "weights" / "vgg-small.safetensors"
NETWORK = {"name": "vgg-small", "size": 32, "widths": [4, 4, 4, 4, 4], "units": [32, 24, 72], "seed": 1}
# 3 × 2⁴ = 48 pixels, of which 32 are used.
GENERATOR = {
    "name": "deepsim-small", "units": [24, 12, 12, 45], "side": 3, "blocks": [[8, 8], [8, 8]], "narrow": [8], "size": 32,
}  # fmt: skip
SETTINGS = GeneratorTraining(
    generator=GENERATOR, network=NETWORK, seed=5, n_images=24, batch=8, steps=7, learning_rate=3e-3,
    image_weight=1.0, feature_weight=1.0, adversarial_weight=0.2, comparator=("conv2_2", "conv5_2"),
    discriminator=(4, 4, 6),
)  # fmt: skip


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(name == also and torch.equal(value, again) for (name, value), (also, again) in pairs)


def test_stopped_and_resumed_training_equals_an_uninterrupted_one(tmp_path):
    whole = train(SETTINGS, tmp_path / "whole.pt")
    train(SETTINGS, tmp_path / "parts.pt", stop_at=2)
    train(SETTINGS, tmp_path / "parts.pt", stop_at=5)
    parts = train(SETTINGS, tmp_path / "parts.pt")
    assert same(whole.generator, parts.generator)
    assert same(whole.discriminator, parts.discriminator)
    assert whole.losses == parts.losses
    assert [row["step"] for row in whole.losses] == list(range(1, 8))
    assert not same(whole.generator, Training(SETTINGS).generator)
    with pytest.raises(DataError, match="other settings"):
        train(replace(SETTINGS, seed=6), tmp_path / "whole.pt")


def test_losses_of_the_first_step_are_those_of_the_paper(tmp_path):
    """Squared errors of pixels and features, and cross entropies of a discriminator that sees image and features."""
    training = Training(replace(SETTINGS, batch=24))
    before, judge = training.generator.state_dict(), training.discriminator.state_dict()
    before, judge = ({k: v.clone() for k, v in state.items()} for state in (before, judge))
    training.run(tmp_path / "state.pt", 1, 1)
    found = training.losses[0]
    generator = build_generator({**SETTINGS.generator, "seed": 0})
    generator.load_state_dict(before)
    pixels = training.pixels[chosen_images(training.settings, 0)].astype(np.float32).transpose(0, 3, 1, 2) / 255
    mirrored = torch.rand(24, generator=torch.Generator().manual_seed(seed_for(5, "step", 0))).numpy() < 0.5
    assert 0 < mirrored.sum() < 24
    images = torch.from_numpy(
        np.array([image[..., ::-1] if turn else image for image, turn in zip(pixels, mirrored, strict=True)])
    )
    with torch.no_grad():
        made = generator(latents(training.network, images))
        given, wanted = (training.network.features(one, ["conv2_2", "conv5_2"]) for one in (made, images))
    assert found["image"] == pytest.approx(float((made - images).square().mean() / images.var()), rel=1e-5)
    errors = [float((given[layer] - wanted[layer]).square().mean() / wanted[layer].var()) for layer in given]
    assert found["feature"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert 0.3 < found["adversarial"] < 1.5 and 0.3 < found["discriminator"] < 1.5  # about log 2 before it has learned
    total = found["image"] + found["feature"] + 0.2 * found["adversarial"]
    assert found["loss"] == pytest.approx(total, rel=1e-5)
    assert not all(torch.equal(value, judge[name]) for name, value in training.discriminator.state_dict().items())


def test_training_lowers_the_losses_and_writes_what_is_read(tmp_path):
    network = {"name": "vgg-small", "weights": str(WEIGHTS)}
    settings = replace(SETTINGS, generator={"name": "deepsim-small"}, network=network, n_images=8, batch=4, steps=30)
    training = train(settings, tmp_path / "state.pt")
    losses = pd.DataFrame(training.losses)
    assert losses["image"].tail(5).mean() < 0.8 * losses["image"].head(5).mean()
    assert losses["feature"].tail(5).mean() < 0.9 * losses["feature"].head(5).mean()
    weights, bounds = tmp_path / "small.safetensors", tmp_path / "small-bounds.txt"
    ship(weights, bounds, training, 8)
    about = json.loads(weights.with_suffix(".json").read_text())
    assert about["sha256"] == sha256(weights) and about["bounds_sha256"] == sha256(bounds)
    assert about["settings"]["steps"] == 30
    assert about["settings"]["network"] == {"name": "vgg-small", "sha256": sha256(WEIGHTS)}
    assert set(about["on_new_images"]) == {
        "pixel_correlation", "pixel_identification", "feature_identification", "gradient",
    }  # fmt: skip
    assert (tmp_path / "small-losses.tsv").exists()
    loaded = build_generator({**settings.generator, "weights": weights})
    torch.testing.assert_close(loaded.deconv5.weight, training.generator.deconv5.weight, rtol=0, atol=0)
    assert read_bounds(bounds, 256).shape == (256,)


def test_the_script_trains_anew_when_code_or_settings_are_others(tmp_path):
    script = runpy.run_path(str(WORKFLOW / "scripts" / "train_generator.py"))
    script["main"].__globals__["NEW_IMAGES"] = 8
    weights, bounds = tmp_path / "weights.safetensors", tmp_path / "bounds.txt"
    kept = ("generator", "network")
    chosen = {name: value for name, value in asdict(SETTINGS).items() if name not in kept}
    settings = {
        "generator": {"name": "deepsim-small"}, "network": {"name": "vgg-small", "weights": str(WEIGHTS)},
        "training": {**chosen, "n_images": 4, "batch": 2, "steps": 1},
    }  # fmt: skip

    def made(code: str, steps: int = 1) -> bytes:
        training = {**settings["training"], "steps": steps}
        script["main"](str(weights), str(bounds), {**settings, "training": training}, {"code": {"train": code}})
        return weights.read_bytes()

    left = checkpoint_of(weights, {"code": {"train": "old"}})
    left.write_bytes(b"of a training that was stopped before an edit")
    first = made("new")
    assert made("newer") == first and made("newer", steps=2) != first
    assert not list(tmp_path.glob(".unfinished-*"))


def test_bounds_are_three_sd_above_the_mean():
    network = build_network(NETWORK)
    images = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        rectified = functional.relu(network.features(images, ["fc7"])["fc7"]).numpy().astype(np.float64)
    np.testing.assert_allclose(upper_bounds(network, images), rectified.mean(0) + 3 * rectified.std(0), rtol=1e-6)
    assert (rectified >= 0).all()


def test_quality_of_a_generator_that_gives_the_images_back():
    network = build_network(NETWORK)
    images = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    perfect = quality(lambda latent: images, network, images)
    assert perfect["pixel_correlation"] == pytest.approx(1, abs=1e-5)
    assert perfect["pixel_identification"] == perfect["feature_identification"] == 1.0
    assert perfect["gradient"] == pytest.approx(1, abs=1e-6)
    shifted = quality(lambda latent: images.roll(1, 0), network, images)
    assert abs(shifted["pixel_correlation"]) < 0.1
    flat = quality(lambda latent: images * 0.1 + 0.45, network, images)
    assert flat["gradient"] == pytest.approx(0.1, abs=1e-5)
    correlations = np.corrcoef(np.concatenate([images.flatten(1), images.roll(1, 0).flatten(1)]))[12:, :12]
    better = (np.diag(correlations)[:, None] > correlations).sum() / (12 * 11)
    assert shifted["pixel_identification"] == pytest.approx(better, abs=1e-6)


def test_the_discriminator_sees_image_and_features():
    judge = Discriminator(8, (4, 4, 6), 16)
    images, latent = torch.rand(3, 3, 32, 32), torch.rand(3, 8)

    def logits(images: torch.Tensor, latent: torch.Tensor, seed: int = 0) -> torch.Tensor:
        return judge(images, latent, torch.Generator().manual_seed(seed)).detach()

    first = logits(images, latent)
    assert first.shape == (3,)
    assert torch.equal(first, logits(images, latent))
    assert not torch.equal(first, logits(images, latent, seed=1))  # dropout
    assert not torch.equal(first, logits(images, latent.flip(0)))
    assert not torch.equal(first, logits(images.flip(3), latent))


def test_a_generator_that_does_not_fit_the_network_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="inverts fc7 of 9 units"):
        train(replace(SETTINGS, generator={**GENERATOR, "units": [9, 8, 8, 45]}), tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="images of 30 pixels"):
        train(replace(SETTINGS, generator={**GENERATOR, "size": 30}), tmp_path / "a.pt")
    with pytest.raises(ConfigError, match="larger than"):
        train(replace(SETTINGS, batch=25), tmp_path / "b.pt")


KILLED = """
import sys, torch
torch.set_num_threads(1)
sys.path[:0] = sys.argv[1:3]
from test_generator_training import SETTINGS
from dataclasses import replace
from fmri2image.reconstruct.generators.train import train
train(replace(SETTINGS, steps=120), sys.argv[3], every=3)
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path):
    settings, checkpoint = replace(SETTINGS, steps=120), tmp_path / "killed.pt"
    here = os.path.dirname(__file__)  # noqa: PTH120
    job = subprocess.Popen([sys.executable, "-c", KILLED, WORKFLOW, here, checkpoint])
    while not checkpoint.exists() and job.poll() is None:
        time.sleep(0.05)
    job.send_signal(signal.SIGKILL)
    job.wait()
    reached = torch.load(checkpoint, weights_only=True)["step"]
    assert 0 < reached < settings.steps
    resumed, whole = train(settings, checkpoint), train(settings, tmp_path / "whole.pt")
    assert same(resumed.generator, whole.generator)
    assert resumed.losses == whole.losses
