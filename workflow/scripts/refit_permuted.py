"""Repeat training and testing of a cross-validated test with permuted training pairs."""

from pathlib import Path

import pandas as pd
import torch

from fmri2image.core.arrays import read_array
from fmri2image.core.device import choose_device
from fmri2image.core.images import read_images
from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata
from fmri2image.core.tables import write_table
from fmri2image.evaluate.refit import independent_sizes, permuted_scores


def main(
    samples: str, stimuli: str, features: list[str], reference: list[str], roi: str, output: str, settings: dict
) -> None:
    """Write the mean identification of every permutation."""
    torch.manual_seed(settings["seed"])
    tested = {Path(path).stem: path for path in features}
    independent = {Path(path).stem: path for path in reference}
    true = {layer: read_array(tested[layer], "features") for layer in settings["layers"]}
    sizes = {layer: independent_sizes(independent[layer]) for layer in settings["layers"] if independent}
    rows = permuted_scores(
        read_bdata(samples).select(roi=roi),
        read_images(stimuli),
        true or None,
        settings,
        choose_device(settings["device"]),
        sizes,
    )
    write_table(output, pd.DataFrame(rows, columns=["permutation", "metric", "value"]))


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.input.samples,
            j.input.stimuli,
            list(j.input.get("features", [])),
            list(j.input.get("reference", [])),
            j.wildcards.roi,
            j.output.scores,
            j.params.settings,
        )
