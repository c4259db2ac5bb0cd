"""Let a method learn from one subject's training trials, fold by fold."""

import torch

from fmri2image.core.device import choose_device
from fmri2image.core.files import replacing
from fmri2image.core.images import read_images
from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata
from fmri2image.core.splits import folds
from fmri2image.reconstruct.interface import load_method


def main(samples: str, stimuli: str, roi: str, output: str, settings: dict) -> None:
    """Write what was learned, by fold; readable without unpickling code."""
    method, device = load_method(settings["method"]), choose_device(settings["device"])
    data, images = read_bdata(samples).select(roi=roi), read_images(stimuli)
    torch.manual_seed(settings["seed"])
    states = {}
    for fold in folds(data.trials, settings["split"]):
        state = method.fit(data.select(trials=fold.train), images, settings["options"], device)
        states[fold.name] = {key: torch.as_tensor(value) for key, value in state.items()}
    # Given a name, torch would write it into the file, and no two files would be equal.
    with replacing(output) as partial, partial.open("wb") as file:
        torch.save(states, file)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.input.samples, j.input.stimuli, j.wildcards.roi, j.output.state, j.params.settings)
