"""Accuracy of decoded features by layer, stimulus and unit, beside its permutation distribution and noise ceiling."""

from pathlib import Path

import h5py
import pandas as pd

from fmri2image.core.files import replacing
from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.evaluate.feature_columns import STIMULUS_COLUMNS
from fmri2image.evaluate.layers import score_layer


def main(decoded: list[str], true: list[str], keys: dict, outputs: dict[str, str], settings: dict) -> None:
    """Write one row per layer, test and measure; one per layer, test and stimulus; one number per unit."""
    shown = {(Path(path).parent.name, Path(path).stem): path for path in true}
    found = {Path(path).stem: Path(path) for path in decoded}
    accuracy, stimuli = [], []
    with replacing(outputs["units"]) as partial, h5py.File(partial, "w") as units:
        for layer in settings["layers"]:
            files = {stimulus_set: shown[stimulus_set, layer] for stimulus_set in settings["sets"]}
            group = units.create_group(layer)
            scores = score_layer(found[layer], files, {**keys, "layer": layer}, settings, group)
            accuracy.append(scores.accuracy)
            stimuli.append(scores.stimuli)
        units.attrs.update({**keys, "simulated": settings["simulated"]})
    write_table(outputs["accuracy"], pd.concat(accuracy))
    write_table(outputs["stimuli"], pd.concat(stimuli), STIMULUS_COLUMNS, simulated=settings["simulated"])


if __name__ == "__main__":
    with job(snakemake) as j:
        w = j.wildcards
        keys = {"dataset": w.dataset, "decoder": w.decoder, "subject": w.subject, "roi": w.roi}
        outputs = {name: j.output[name] for name in ("accuracy", "stimuli", "units")}
        main(list(j.input.decoded), list(j.input.true), keys, outputs, j.params.settings)
