"""Train a small network on generated images; a stopped training goes on where it was."""

from pathlib import Path

from fmri2image.core.job import job
from fmri2image.features.train import TrainingSettings, ship, train

NEW_IMAGES = 512  # on which the shipped accuracy is measured; they follow those of the training


def main(weights: str, checkpoint: Path, settings: dict) -> None:
    """Write the trained weights with a sidecar that says how they were made."""
    training = TrainingSettings(network={"name": settings["name"]}, **settings["training"])
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    ship(weights, train(training, checkpoint), training, checkpoint, NEW_IMAGES)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.output.weights, Path(j.output.weights).with_name("training.pt"), j.params.settings)
