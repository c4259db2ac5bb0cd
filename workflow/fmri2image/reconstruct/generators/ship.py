"""Files of a trained generator: weights, bounds of its latent, and a sidecar that says how they were made."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from fmri2image.acquire.phantom.images import training_images
from fmri2image.core.files import replacing
from fmri2image.core.images import to_float
from fmri2image.core.tables import write_table
from fmri2image.features.networks.base import Network
from fmri2image.features.networks.weights import checked_sha256, sha256, write_weights
from fmri2image.reconstruct.generators.deepsim import DeepGenerator
from fmri2image.reconstruct.generators.train import LOSS_COLUMNS, GeneratorTraining, Training, latents

BOUND_SD = 3  # README of act_range: the upper bound is three SD around the mean (Nguyen et al. 2016)
BATCH = 256


def upper_bounds(network: Network, images: torch.Tensor) -> np.ndarray:
    """Return the upper bound (n_units,) of every unit of the latent: mean plus three SD over images.

    Parameters
    ----------
    network : Network
    images : tensor of shape (n, 3, size, size)
        RGB in [0, 1].
    """
    found = latents(network, images).double()
    return (found.mean(0) + BOUND_SD * found.std(0, correction=0)).numpy()


def write_bounds(path: str | Path, bounds: np.ndarray) -> None:
    """Write bounds (n_units,) as text, one number per line, as `read_bounds` reads them."""
    with replacing(path) as partial:
        partial.write_text("".join(f"{value:.4f}\n" for value in bounds), encoding="ascii")


def quality(generator: DeepGenerator, network: Network, images: torch.Tensor) -> dict[str, float]:
    """Tell how well images come back from their own rectified fc7 features.

    Parameters
    ----------
    generator : DeepGenerator
    network : Network
    images : tensor of shape (n, 3, size, size)
        RGB in [0, 1], at least two.

    Returns
    -------
    measures : dict
        ``pixel_correlation``: mean over images, made and clipped against shown; ``pixel_identification``,
        ``feature_identification``: share of the other images that correlate less with the made one, in pixels and in
        rectified fc7 features; ``gradient``: mean size of pixel differences, over that of the images shown (1: as sharp).
    """
    shown = latents(network, images)
    with torch.no_grad():
        made = torch.cat([generator(part).clamp(0, 1) for part in shown.split(BATCH)])
    pixels, features = _correlations(made, images), _correlations(latents(network, made), shown)
    return {
        "pixel_correlation": float(pixels.diagonal().mean()),
        "pixel_identification": _identified(pixels),
        "feature_identification": _identified(features),
        "gradient": float(_gradient(made) / _gradient(images)),
    }


def ship(weights: str | Path, bounds: str | Path, training: Training, n_test: int) -> None:
    """Write a trained generator's weights as float16, the bounds, a JSON sidecar and the loss table beside them."""
    weights, settings = Path(weights), training.settings
    write_bounds(bounds, upper_bounds(training.network, torch.from_numpy(to_float(training.pixels))))
    stored = training.generator.half()
    write_weights(weights, stored, {"training": described(settings)})
    generator = stored.float()  # what a reader of the file gets
    new, _ = training_images(settings.seed, settings.n_images, n_test, training.network.domain.size)
    losses = pd.DataFrame(training.losses, columns=list(LOSS_COLUMNS))
    tenths = losses.groupby((losses["step"] - 1) * 10 // len(losses)).mean().round(4)
    measured = quality(generator, training.network, torch.from_numpy(to_float(new)))
    about = {
        "what": "Weights trained on generated images only; no measured or simulated brain data.",
        "made_by": "fmri2image.reconstruct.generators.train.train",
        "settings": described(settings),
        "torch": torch.__version__,
        "sha256": sha256(weights),
        "bytes": weights.stat().st_size,
        "bounds_sha256": sha256(bounds),
        "loss_over_tenths_of_training": tenths.drop(columns="step").to_dict("list"),
        "on_new_images": {name: round(value, 4) for name, value in measured.items()},
        "n_new_images": n_test,
    }
    with replacing(weights.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    write_table(
        weights.with_name(f"{weights.stem}-losses.tsv"), losses[losses["step"] % 20 == 0].round(5), LOSS_COLUMNS
    )


def described(settings: GeneratorTraining) -> Mapping:
    """Return the settings of a training with the checksum of the network's weights in place of where they lie."""
    known = asdict(settings)
    name, weights = settings.network["name"], settings.network.get("weights")
    network = {key: value for key, value in settings.network.items() if key != "weights"}
    return known | {"network": network | ({"sha256": checked_sha256(Path(weights), name)} if weights else {})}


def _correlations(made: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
    """Return the correlation of every made row with every shown one."""
    made, shown = (rows.flatten(1) - rows.flatten(1).mean(1, keepdim=True) for rows in (made, shown))
    return (made / made.norm(dim=1, keepdim=True)) @ (shown / shown.norm(dim=1, keepdim=True)).T


def _identified(correlations: torch.Tensor) -> float:
    own = correlations.diagonal()[:, None]
    return float((own > correlations).float().sum() / (len(correlations) * (len(correlations) - 1)))


def _gradient(images: torch.Tensor) -> torch.Tensor:
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
