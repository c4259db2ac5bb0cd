"""Compare every stage of one simulated subject with what was simulated."""

from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata
from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.recovery.predictions import feature_rows, image_rows, noise_free_accuracy
from fmri2image.evaluate.recovery.responses import areas, response_rows, roi_rows
from fmri2image.evaluate.recovery.space import coregistration_rows, motion_rows, reference_pose
from fmri2image.evaluate.recovery.table import recovery_table
from fmri2image.evaluate.recovery.truth import read_truth, true_blocks


def main(files: dict, keys: dict, output: str, settings: dict) -> None:
    """Write one row per stage, area, stimulus set and measure."""
    samples = read_bdata(files["samples"])
    truth = read_truth(files["truth"], samples)
    motion = read_table(files["motion"], subject=str, run=str)
    transform = np.loadtxt(files["transform"])
    rows = motion_rows(motion)
    rows += coregistration_rows(samples, transform, reference_pose(motion, files["truth"]))
    rows += response_rows(samples, truth, settings["training"])
    rows += roi_rows(samples, true_blocks(files["truth"], samples))
    if files["accuracy"]:
        features = {(Path(path).parent.name, Path(path).stem): path for path in files["features"]}
        voxels = {roi: inside for roi, inside in areas(samples).items() if roi in settings["rois"]}
        responses = {name: known.responses for name, known in truth.items()}
        ceilings = noise_free_accuracy(responses, voxels, features, settings)
        rows += feature_rows(_join(files["accuracy"]), ceilings)
    rows += image_rows(_join(files["scores"]), _join(files["permutations"]), settings["ceiling"])
    write_table(output, recovery_table(rows, **keys, simulated=settings["simulated"]))


def _join(files: list[str]) -> pd.DataFrame:
    return pd.concat([read_table(file, subject=str) for file in files], ignore_index=True)


if __name__ == "__main__":
    with job(snakemake) as j:
        lists = ("accuracy", "features", "scores", "permutations")
        main(
            {
                **{name: j.input[name] for name in ("truth", "samples", "motion", "transform")},
                **{name: list(j.input.get(name, [])) for name in lists},
            },
            {"dataset": j.wildcards.dataset, "subject": j.wildcards.subject},
            j.output.table,
            j.params.settings,
        )
