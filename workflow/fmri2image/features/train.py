"""Training of the small network on generated images, so that its layers say what an image looks like.

Three demands shape the objective. fc8 must name the silhouette, texture, palette and background of an image. Every
layer, disturbed by noise as decoded features are, must still give the image back through one *linear* map: this makes
features that can be inverted and leaves no image frequency to chance. Where the object is and how large must be
readable from fc7. The first filters start as smooth opponent-colour derivatives, which avoids the regular stripes that
random 3×3 filters leave in inverted images.

Every step is a function of the settings and its number alone (batch, noise, learning rate), so a stopped training goes
on exactly where it was.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional

from fmri2image.acquire.phantom.images import training_images
from fmri2image.acquire.phantom.silhouettes import SILHOUETTES
from fmri2image.acquire.phantom.surfaces import PALETTES, SCENES, TEXTURES
from fmri2image.core.errors import ConfigError
from fmri2image.core.files import replacing
from fmri2image.core.images import to_float
from fmri2image.core.seeds import seed_for
from fmri2image.core.tables import write_table
from fmri2image.core.training import cosine_rate, load_checkpoint, reshuffled_batch, save_checkpoint
from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import Network
from fmri2image.features.networks.weights import sha256, write_weights

log = logging.getLogger(__name__)

FACTORS = {"silhouette": SILHOUETTES, "texture": TEXTURES, "palette": PALETTES, "scene": SCENES}
PLACE = ("x", "y", "scale")
COARSE = 16
LOSS_COLUMNS = {
    "step": "Training step",
    "loss": "Total loss of the step's batch",
    "factors": "Cross entropy of the four factors, nats, summed",
    "images": "Mean squared error of the images given back by the layers, over that of flat grey; mean over layers",
    "place": "Mean squared error of the object's position and scale (image half widths)",
}


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of one training.

    Parameters
    ----------
    network : mapping
        Settings of `build_network`, without weights.
    seed : int
        Seed of the images, the first weights, the order and the noise.
    n_images : int
        Generated images, shown again and again in a new order (and mirrored half of the time).
    batch, steps : int
    learning_rate, weight_decay : float
        Of AdamW; the rate rises over the first twentieth of the steps and falls along a cosine.
    image_weight, place_weight : float
        Weights of the two terms beside the factors.
    feature_noise : float
        SD of the noise on the features that give the image back, relative to each channel's SD.
    pixel_noise : float
        Noise on the input, full intensity = 1: each image gets white noise of an SD drawn between 0 and this.
    whitening : float
        How far the first filters start evened out: each is divided by the SD of its response to this power (0: equal
        norms, 1: equal responses). Fine patterns then count in the first layers, as they are rare in images.
    """

    network: Mapping
    seed: int
    n_images: int
    batch: int
    steps: int
    learning_rate: float
    weight_decay: float
    image_weight: float
    place_weight: float
    feature_noise: float
    pixel_noise: float
    whitening: float


class Heads(nn.Module):
    """Linear maps from each layer back to the image, and from fc7 to the object's place."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        size = network.domain.size
        self.layers = [layer for layer in network.layer_shapes if layer != "fc8"]
        for layer in self.layers:
            shape = network.layer_shapes[layer]
            if len(shape) == 3:
                factor = size // shape[1]
                head = nn.Sequential(nn.Conv2d(shape[0], 3 * factor**2, 3, padding=1), nn.PixelShuffle(factor))
            else:
                head = nn.Sequential(nn.Linear(shape[0], 3 * COARSE**2), nn.Unflatten(1, (3, COARSE, COARSE)))
            self.add_module(layer, head)
        self.place = nn.Linear(network.layer_shapes["fc7"][0], len(PLACE))


def train(settings: TrainingSettings, checkpoint: str | Path, stop_at: int | None = None, every: int = 200) -> Network:
    """Train a network, or go on with a training that was stopped.

    Parameters
    ----------
    settings : TrainingSettings
    checkpoint : path
        Written every `every` steps and at the end; a file of the same settings is continued.
    stop_at : int, optional
        Step after which to stop early.
    every : int

    Returns
    -------
    network : Network
        In evaluation mode; the losses so far are in the checkpoint (`read_losses`).

    Raises
    ------
    DataError
        If the checkpoint belongs to other settings.
    """
    network, heads, optimiser = _begin(settings)
    start, losses = _resume(Path(checkpoint), settings, network, heads, optimiser)
    stop = settings.steps if stop_at is None else min(stop_at, settings.steps)
    if start >= stop:
        return network.eval()
    pixels, labels = training_images(settings.seed, 0, settings.n_images, network.domain.size)
    targets = encode_labels(labels)
    network.train()
    for step in range(start, stop):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, step)
        terms = _loss(network, heads, settings, step, pixels, targets)
        optimiser.zero_grad(set_to_none=True)
        terms["loss"].backward()
        nn.utils.clip_grad_norm_([*network.parameters(), *heads.parameters()], 5.0)
        optimiser.step()
        losses.append({"step": step + 1, **{name: float(value.detach()) for name, value in terms.items()}})
        if (step + 1) % every == 0 or step + 1 == stop:
            recent = pd.DataFrame(losses[-every:]).mean()
            log.info(
                "step %d of %d: loss %.3f, factors %.3f, images %.3f, place %.4f",
                *(step + 1, settings.steps, *recent[["loss", "factors", "images", "place"]]),
            )
            _save(Path(checkpoint), settings, network, heads, optimiser, step + 1, losses)
    return network.eval()


def learning_rate(settings: TrainingSettings, step: int) -> float:
    """Return the learning rate of a step, see `fmri2image.core.training.cosine_rate`."""
    return cosine_rate(settings.learning_rate, settings.steps, step)


def chosen_images(settings: TrainingSettings, step: int) -> np.ndarray:
    """Return the image numbers (batch,) of a step; every image comes once per round.

    Parameters
    ----------
    settings : TrainingSettings
        Or those of another training with ``seed``, ``n_images`` and ``batch``.
    step : int

    Raises
    ------
    ConfigError
        If a batch is larger than all images.
    """
    return reshuffled_batch(settings.seed, settings.n_images, settings.batch, step)


def smooth_filters(n: int) -> torch.Tensor:
    """Return `n` first-layer filters (n, 3, 3, 3) of norm one: smooth derivatives of grey and of two colour contrasts.

    They are orthogonal as long as there are no more than 27; the coarsest come first.
    """
    points = np.arange(3)
    cosines = np.array([np.cos(np.pi * k * (2 * points + 1) / 6) for k in range(3)])
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    order = sorted(
        (ky + kx + (colour > 0) * 0.75, colour, ky, kx) for ky in range(3) for kx in range(3) for colour in range(3)
    )
    filters = [np.einsum("c,y,x->cyx", colours[c], cosines[ky], cosines[kx]) for _, c, ky, kx in order]
    return torch.tensor(np.array([filters[i % len(filters)] for i in range(n)]), dtype=torch.float32)


def encode_labels(labels: pd.DataFrame) -> dict[str, torch.Tensor]:
    """Turn the labels of `training_images` into class numbers (n,) per factor and places (n, 3)."""
    encoded = {}
    for factor, table in FACTORS.items():
        number = {name: i for i, name in enumerate(table)}
        encoded[factor] = torch.tensor([number[name] for name in labels[factor]])
    encoded["place"] = torch.tensor(labels[list(PLACE)].to_numpy(), dtype=torch.float32)
    return encoded


def factor_accuracy(network: Network, settings: TrainingSettings, n_images: int) -> dict[str, float]:
    """Return the share of images right per factor, on images of the stream that follow those of the training."""
    pixels, labels = training_images(settings.seed, settings.n_images, n_images, network.domain.size)
    targets = encode_labels(labels)
    with torch.no_grad():
        scores = network.features(torch.from_numpy(to_float(pixels)), ["fc8"])["fc8"]
    pieces = dict(zip(FACTORS, scores.split([len(table) for table in FACTORS.values()], dim=1), strict=True))
    return {name: float((piece.argmax(1) == targets[name]).float().mean()) for name, piece in pieces.items()}


def read_losses(checkpoint: str | Path) -> pd.DataFrame:
    """Return the loss of every step so far, with the columns of `LOSS_COLUMNS`."""
    return pd.DataFrame(torch.load(checkpoint, weights_only=True)["losses"], columns=list(LOSS_COLUMNS))


def ship(
    weights: str | Path, network: Network, settings: TrainingSettings, checkpoint: str | Path, n_test: int
) -> None:
    """Write trained weights, a JSON sidecar that says how they were made, and the loss table beside them."""
    weights = Path(weights)
    losses = read_losses(checkpoint)
    write_weights(weights, network, {"training": asdict(settings)})
    tenths = losses.groupby((losses["step"] - 1) * 10 // len(losses)).mean().round(4)
    about = {
        "what": "Weights trained on generated images only; no measured or simulated brain data.",
        "made_by": f"{__name__}.train",
        "settings": asdict(settings),
        "torch": torch.__version__,
        "sha256": sha256(weights),
        "bytes": weights.stat().st_size,
        "loss_over_tenths_of_training": tenths[["loss", "factors", "images", "place"]].to_dict("list"),
        "share_right_on_new_images": factor_accuracy(network, settings, n_test),
        "n_new_images": n_test,
    }
    with replacing(weights.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    write_table(
        weights.with_name(f"{weights.stem}-losses.tsv"), losses[losses["step"] % 20 == 0].round(5), LOSS_COLUMNS
    )


def _begin(settings: TrainingSettings) -> tuple[Network, Heads, torch.optim.Optimizer]:
    network = build_network({**settings.network, "seed": seed_for(settings.seed, "weights")})
    if network.layer_shapes["fc8"][0] != sum(len(table) for table in FACTORS.values()):
        raise ConfigError(f"fc8 of network '{network.name}' must have one unit per class of {', '.join(FACTORS)}.")
    with torch.no_grad():
        filters = smooth_filters(len(network.conv1_1.weight))
        network.conv1_1.weight.copy_(filters)
        pixels, _ = training_images(settings.seed, 0, min(settings.n_images, 200), network.domain.size)
        response = network.features(torch.from_numpy(to_float(pixels)), ["conv1_1"])["conv1_1"]
        spread = response.std(dim=(0, 2, 3)).clamp_min(1e-3 * network.domain.maximum)
        gain = spread**-settings.whitening
        network.conv1_1.weight.mul_((gain / (gain * spread).square().mean().sqrt())[:, None, None, None])
        network.fc8.weight.mul_(0.1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(settings.seed, "heads"))
        heads = Heads(network)
    parameters = [*network.parameters(), *heads.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return network, heads, torch.optim.AdamW(groups, lr=settings.learning_rate)


def _loss(
    network: Network, heads: Heads, settings: TrainingSettings, step: int, pixels: np.ndarray,
    targets: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:  # fmt: skip
    chosen = chosen_images(settings, step)
    noise = torch.Generator().manual_seed(seed_for(settings.seed, "noise", step))
    images = torch.from_numpy(to_float(pixels[chosen]))
    place = targets["place"][chosen].clone()
    mirrored = torch.rand(len(chosen), generator=noise) < 0.5
    images = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    place[:, 0] = torch.where(mirrored, -place[:, 0], place[:, 0])
    amount = settings.pixel_noise * torch.rand((len(images), 1, 1, 1), generator=noise)
    noisy = images + amount * torch.randn(images.shape, generator=noise)
    found = network.features(noisy, list(network.layer_shapes))
    scores = found["fc8"].split([len(table) for table in FACTORS.values()], dim=1)
    factors = sum(functional.cross_entropy(s, targets[name][chosen]) for name, s in zip(FACTORS, scores, strict=True))
    spread = images.var()
    errors = []
    for layer in heads.layers:
        features = found[layer]
        axes = [0, *range(2, features.ndim)]
        scale = features.detach().std(dim=axes, keepdim=True)
        disturbed = features + settings.feature_noise * scale * torch.randn(features.shape, generator=noise)
        back = getattr(heads, layer)(disturbed)
        wanted = images if back.shape == images.shape else functional.adaptive_avg_pool2d(images, back.shape[2:])
        errors.append(functional.mse_loss(back, wanted - 0.5) / spread)
    given_back = torch.stack(errors).mean()
    placed = functional.mse_loss(heads.place(functional.leaky_relu(found["fc7"], 0.1)), place)
    loss = factors + settings.image_weight * given_back + settings.place_weight * placed
    return {"loss": loss, "factors": factors, "images": given_back, "place": placed}


def _summary(settings: TrainingSettings) -> str:
    return json.dumps(asdict(settings), sort_keys=True)


def _save(
    path: Path, settings: TrainingSettings, network: Network, heads: Heads, optimiser: torch.optim.Optimizer, step: int,
    losses: list[dict],
) -> None:  # fmt: skip
    state = {
        "network": network.state_dict(), "heads": heads.state_dict(), "optimiser": optimiser.state_dict(),
        "step": step, "losses": losses,
    }  # fmt: skip
    save_checkpoint(path, _summary(settings), state)


def _resume(
    path: Path, settings: TrainingSettings, network: Network, heads: Heads, optimiser: torch.optim.Optimizer
) -> tuple[int, list[dict]]:
    state = load_checkpoint(path, _summary(settings))
    if state is None:
        return 0, []
    network.load_state_dict(state["network"])
    heads.load_state_dict(state["heads"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"], state["losses"]
