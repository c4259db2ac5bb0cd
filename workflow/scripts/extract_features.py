"""True features of one stimulus set, one file per layer."""

from pathlib import Path

from fmri2image.core.arrays import read_array
from fmri2image.core.device import choose_device
from fmri2image.core.job import job
from fmri2image.features.extract import write_features
from fmri2image.features.networks import build_network


def main(images: str, outputs: list[str], settings: dict) -> None:
    """Write the features of every layer, before rectification."""
    network = build_network(settings["network"]).to(choose_device(settings["device"]))
    by_name = {Path(path).stem: path for path in outputs}
    paths = {layer: by_name[layer] for layer in settings["layers"]}
    write_features(
        paths, network, read_array(images, "images"), settings["batch"], {"simulated": settings["simulated"]}
    )


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.input.images, list(j.output.layers), j.params.settings)
