"""Let a method learn from one subject's training trials, fold by fold."""

from pathlib import Path

import torch

from fmri2image.core.device import choose_device
from fmri2image.core.files import replacing
from fmri2image.core.images import read_images
from fmri2image.core.job import job
from fmri2image.core.samples import read_bdata
from fmri2image.core.splits import folds
from fmri2image.core.training import left_checkpoints
from fmri2image.reconstruct.interface import Work, load_method, takes_work


def main(samples: str, stimuli: str, roi: str, output: str, settings: dict, work: Work) -> None:
    """Write what was learned, by fold; readable without unpickling code. A stopped training goes on where it was."""
    method, device = load_method(settings["method"]), choose_device(settings["device"])
    data, images = read_bdata(samples).select(roi=roi), read_images(stimuli)
    torch.manual_seed(settings["seed"])
    more = {"work": work} if takes_work(method.fit) else {}
    states = {}
    for fold in folds(data.trials, settings["split"]):
        state = method.fit(data.select(trials=fold.train), images, settings["options"], device, **more)
        states[fold.name] = {key: torch.as_tensor(value) for key, value in state.items()}
    # Given a name, torch would write it into the file, and no two files would be equal.
    with replacing(output) as partial, partial.open("wb") as file:
        torch.save(states, file)
    for checkpoint in left_checkpoints(output):
        checkpoint.unlink()


if __name__ == "__main__":
    with job(snakemake) as j:
        about = {"code": j.params.code, "env": j.params.env}
        work = Work(int(j.resources.mem_mb * 1e6), Path(j.output.state), about)
        main(j.input.samples, j.input.stimuli, j.wildcards.roi, j.output.state, j.params.settings, work)
