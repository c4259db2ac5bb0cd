"""The losses of a training and images that the method made on the way, for one method, subject and area."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.reconstruct.interface import load_method
from fmri2image.report.training import TRAINING_COLUMNS, draw_training, training_table


def main(paths: Sequence[str], outputs: Mapping[str, str], wildcards: Mapping[str, str], settings: dict) -> None:
    """Write the table of losses, and draw it with the images of the first training."""
    states = {}
    for path in paths:
        training = Path(path).stem.rpartition("_fit-")[2]
        folds = torch.load(path, weights_only=True, map_location="cpu")
        for fold, state in folds.items():
            words = training if len(folds) == 1 else f"{training}, {fold}"
            states[words] = {name: value.numpy() for name, value in state.items() if "." not in name}
    names = load_method(settings["method"]).LOSSES
    table = training_table(states, list(names), {**wildcards, "simulated": settings["simulated"]})
    write_table(outputs["table"], table, TRAINING_COLUMNS, losses=dict(names), simulated=settings["simulated"])
    first = next(iter(states.values()))
    sheets = {"made": first["sheets"], "steps": first["sheet_steps"], "seen": first.get("sheet_images")}
    draw_training(table, sheets, [outputs["figure"], outputs["svg"]])


if __name__ == "__main__":
    with job(snakemake) as j:
        outputs = {name: j.output[name] for name in ("table", "figure", "svg")}
        wildcards = {name: j.wildcards[name] for name in ("dataset", "method", "subject", "roi")}
        main(list(j.input.states), outputs, wildcards, j.params.settings)
