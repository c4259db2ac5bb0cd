"""Training of a small generator on generated images with the three losses of Dosovitskiy & Brox 2016 (DeePSiM).

The image must be right pixel by pixel, right in the features of a comparator (the layers of the network whose features
the generator inverts), and must not be told from a real one by a discriminator that sees image and features. Adam
optimises both. Images come from the stream that trains networks, which never shows a test category.

Every step is a function of the settings and its number alone (batch, mirroring, dropout, learning rate), so a stopped
training goes on exactly where it was.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from fmri2image.acquire.phantom.images import training_images
from fmri2image.core.errors import ConfigError
from fmri2image.core.images import to_float
from fmri2image.core.seeds import seed_for
from fmri2image.core.training import load_checkpoint, save_checkpoint
from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import Network
from fmri2image.features.train import chosen_images, learning_rate
from fmri2image.reconstruct.generators import build_generator
from fmri2image.reconstruct.generators.adversary import Discriminator
from fmri2image.reconstruct.generators.deepsim import DeepGenerator

log = logging.getLogger(__name__)

LATENT = "fc7"
LOSS_COLUMNS = {
    "step": "Training step",
    "loss": "Total loss of the generator on the step's batch",
    "image": "Mean squared error of the images, over the variance of pixels",
    "feature": "Mean squared error of the comparator's features, over their variance; mean over layers",
    "adversarial": "Cross entropy of generated pairs taken for real, nats",
    "discriminator": "Cross entropy of the discriminator, nats",
}
# The discriminator rests while its loss is below this share of the generator's adversarial loss (paper: sec. 3).
REST_BELOW = 0.1


@dataclass(frozen=True)
class GeneratorTraining:
    """Settings of one training.

    Parameters
    ----------
    generator : mapping
        Settings of `build_generator`, without weights.
    network : mapping
        Settings of `build_network` with weights: the network whose fc7 is inverted.
    seed : int
        Seed of the images, the first weights, the order and the dropout.
    n_images : int
        Generated images, shown again and again in a new order (and mirrored half of the time).
    batch, steps : int
    learning_rate : float
        Of Adam, both for generator and discriminator; it rises over the first twentieth of the steps and falls along a
        cosine.
    image_weight, feature_weight, adversarial_weight : float
        Weights of the three losses.
    comparator : sequence of str
        Layers whose features are compared.
    discriminator : sequence of int
        Channels of its convolutions.
    """

    generator: Mapping
    network: Mapping
    seed: int
    n_images: int
    batch: int
    steps: int
    learning_rate: float
    image_weight: float
    feature_weight: float
    adversarial_weight: float
    comparator: tuple[str, ...]
    discriminator: tuple[int, ...]


class Training:
    """A training under way: the networks, their optimisers, and the losses so far.

    Parameters
    ----------
    settings : GeneratorTraining

    Raises
    ------
    ConfigError
        If the generator does not fit the network.
    """

    def __init__(self, settings: GeneratorTraining) -> None:
        self.settings = settings
        self.network = build_network(settings.network).requires_grad_(False)
        seed = seed_for(settings.seed, "generator")
        self.generator: DeepGenerator = build_generator({**settings.generator, "seed": seed}).train()
        check_fit(self.generator, self.network)
        with torch.no_grad():
            self.generator.deconv0.weight.mul_(0.1)  # images start grey
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for(settings.seed, "discriminator"))
            self.discriminator = Discriminator(self.generator.latent_shape[0], settings.discriminator, 128)
        # First moment 0.9 and second 0.999, as in the paper.
        self.optimisers = [
            torch.optim.Adam(one.parameters(), lr=settings.learning_rate)
            for one in (self.generator, self.discriminator)
        ]
        self.step, self.losses = 0, []

    @cached_property
    def pixels(self) -> np.ndarray:
        """The images that are shown, uint8 (n_images, size, size, 3)."""
        return training_images(self.settings.seed, 0, self.settings.n_images, self.network.domain.size)[0]

    def run(self, checkpoint: Path, stop: int, every: int) -> None:
        """Train until after step `stop`, writing the checkpoint every `every` steps and at the end."""
        while self.step < stop:
            terms = self._advance()
            self.step += 1
            self.losses.append({"step": self.step, **terms})
            if self.step % every == 0 or self.step == stop:
                recent = pd.DataFrame(self.losses[-every:]).mean()
                log.info(
                    "step %d of %d: image %.3f, feature %.3f, adversarial %.3f, discriminator %.3f",
                    *(self.step, self.settings.steps, *recent[["image", "feature", "adversarial", "discriminator"]]),
                )
                self.save(checkpoint)

    def _advance(self) -> dict[str, float]:
        """Take one step of the discriminator and one of the generator; return the losses before them."""
        settings = self.settings
        random = torch.Generator().manual_seed(seed_for(settings.seed, "step", self.step))
        images = torch.from_numpy(to_float(self.pixels[chosen_images(settings, self.step)]))
        mirrored = torch.rand(len(images), generator=random) < 0.5
        images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
        layers = [*settings.comparator, *({LATENT} - set(settings.comparator))]
        with torch.no_grad():
            wanted = self.network.features(images, layers)
        latent = functional.relu(wanted[LATENT])
        made = self.generator(latent)
        scaled = latent / latent.square().mean().sqrt()
        given = self.network.features(made, settings.comparator)
        features = [
            (given[layer] - wanted[layer]).square().mean() / wanted[layer].var() for layer in settings.comparator
        ]
        image, feature = (made - images).square().mean() / images.var(), torch.stack(features).mean()

        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(settings, self.step)
        taken_for_real = self.discriminator(made, scaled, random)
        adversarial = functional.softplus(-taken_for_real).mean()
        loss = (
            settings.image_weight * image
            + settings.feature_weight * feature
            + settings.adversarial_weight * adversarial
        )
        self.optimisers[0].zero_grad(set_to_none=True)
        loss.backward()
        self.optimisers[1].zero_grad(set_to_none=True)  # the generator's loss reached the discriminator too
        real = self.discriminator(images, scaled, random)
        false = self.discriminator(made.detach(), scaled, random)
        discriminator = (functional.softplus(-real).mean() + functional.softplus(false).mean()) / 2
        if discriminator > REST_BELOW * adversarial:
            discriminator.backward()
            self.optimisers[1].step()
        self.optimisers[0].step()
        terms = {
            "loss": loss, "image": image, "feature": feature, "adversarial": adversarial, "discriminator": discriminator,
        }  # fmt: skip
        return {name: float(value.detach()) for name, value in terms.items()}

    def save(self, path: Path) -> None:
        """Write everything that a later start needs."""
        state = {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "losses": self.losses,
        }
        save_checkpoint(path, _summary(self.settings), state)

    def resume(self, path: Path) -> None:
        """Go on where a checkpoint was written, if it was; raises DataError if it belongs to other settings."""
        state = load_checkpoint(path, _summary(self.settings))
        if state is None:
            return
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        self.step, self.losses = state["step"], state["losses"]


def train(
    settings: GeneratorTraining, checkpoint: str | Path, stop_at: int | None = None, every: int = 100
) -> Training:
    """Train a generator, or go on with a training that was stopped.

    Parameters
    ----------
    settings : GeneratorTraining
    checkpoint : path
        Written every `every` steps and at the end; a file of the same settings is continued.
    stop_at : int, optional
        Step after which to stop early.
    every : int

    Returns
    -------
    training : Training
        With ``generator`` in evaluation mode, ``network``, and ``losses`` of every step so far.

    Raises
    ------
    ConfigError
        If the generator does not fit the network.
    DataError
        If the checkpoint belongs to other settings.
    """
    checkpoint = Path(checkpoint)
    training = Training(settings)
    training.resume(checkpoint)
    stop = settings.steps if stop_at is None else min(stop_at, settings.steps)
    if training.step < stop:
        training.run(checkpoint, stop, every)
    training.generator.eval()
    return training


def check_fit(generator: DeepGenerator, network: Network) -> None:
    """Raise ConfigError if a network has no fc7 of the generator's length, or takes images of another size."""
    shape = network.layer_shapes.get(LATENT)
    if shape != generator.latent_shape:
        raise ConfigError(
            f"generator '{generator.name}' inverts {LATENT} of {generator.latent_shape[0]} units, which network "
            f"'{network.name}' does not have (its {LATENT}: {shape}); choose a generator of that network."
        )
    if generator.domain.size != network.domain.size:
        raise ConfigError(
            f"generator '{generator.name}' makes images of {generator.domain.size} pixels, but network '{network.name}' takes "
            f"{network.domain.size}; choose a generator of that network."
        )


def latents(network: Network, images: torch.Tensor, batch: int = 256) -> torch.Tensor:
    """Return the rectified fc7 features (n, n_units) of images (n, 3, height, width), RGB in [0, 1]."""
    with torch.no_grad():
        found = [functional.relu(network.features(part, [LATENT])[LATENT]) for part in images.split(batch)]
    return torch.cat(found)


def _summary(settings: GeneratorTraining) -> str:
    return json.dumps(asdict(settings), sort_keys=True)
