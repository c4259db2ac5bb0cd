"""Train a generator on generated images; a stopped training goes on where it was."""

from pathlib import Path

from fmri2image.core.job import job
from fmri2image.core.training import checkpoint_of
from fmri2image.features.networks.weights import sha256
from fmri2image.reconstruct.generators.ship import ship
from fmri2image.reconstruct.generators.train import GeneratorTraining, train

NEW_IMAGES = 512  # on which the shipped figures are measured; they follow those of the training


def main(weights: str, bounds: str, settings: dict, about: dict) -> None:
    """Write the trained weights and the bounds of the latent, with a sidecar that says how they were made."""
    chosen = {key: tuple(value) if isinstance(value, list) else value for key, value in settings["training"].items()}
    training = GeneratorTraining(generator=settings["generator"], network=settings["network"], **chosen)
    Path(weights).parent.mkdir(parents=True, exist_ok=True)
    network = sha256(settings["network"]["weights"])
    checkpoint = checkpoint_of(weights, {**about, "settings": settings, "network": network})
    ship(weights, bounds, train(training, checkpoint), NEW_IMAGES)
    checkpoint.unlink()


if __name__ == "__main__":
    with job(snakemake) as j:
        about = {"code": j.params.code, "env": j.params.env}
        main(j.output.weights, j.output.bounds, j.params.settings, about)
