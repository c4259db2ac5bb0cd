"""Train a small network on generated images; a stopped training goes on where it was."""

from pathlib import Path

from fmri2image.core.job import job
from fmri2image.core.training import checkpoint_of
from fmri2image.features.train import TrainingSettings, ship, train

NEW_IMAGES = 512  # on which the shipped accuracy is measured; they follow those of the training


def main(weights: str, settings: dict, about: dict) -> None:
    """Write the trained weights with a sidecar that says how they were made."""
    training = TrainingSettings(network={"name": settings["name"]}, **settings["training"])
    Path(weights).parent.mkdir(parents=True, exist_ok=True)
    checkpoint = checkpoint_of(weights, {**about, "settings": settings})
    ship(weights, train(training, checkpoint), training, checkpoint, NEW_IMAGES)
    checkpoint.unlink()


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.output.weights, j.params.settings, {"code": j.params.code, "env": j.params.env})
