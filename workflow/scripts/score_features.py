"""Accuracy of decoded features, layer by layer, beside its permutation distribution."""

from pathlib import Path

import pandas as pd

from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.evaluate.layers import score_layer


def main(decoded: list[str], true: list[str], keys: dict, output: str, settings: dict) -> None:
    """Write one row per layer, test and measure."""
    shown = {(Path(path).parent.name, Path(path).stem): path for path in true}
    found = {Path(path).stem: Path(path) for path in decoded}
    tables = []
    for layer in settings["layers"]:
        files = {stimulus_set: shown[stimulus_set, layer] for stimulus_set in settings["sets"]}
        tables.append(score_layer(found[layer], files, {**keys, "layer": layer}, settings))
    write_table(output, pd.concat(tables))


if __name__ == "__main__":
    with job(snakemake) as j:
        w = j.wildcards
        keys = {"dataset": w.dataset, "decoder": w.decoder, "subject": w.subject, "roi": w.roi}
        main(list(j.input.decoded), list(j.input.true), keys, j.output.accuracy, j.params.settings)
