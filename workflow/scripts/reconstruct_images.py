"""Reconstruct the images of one test from decoded features, true features or samples."""

import json
from pathlib import Path

import torch

from fmri2image.core.arrays import concatenate, read_attributes, write_arrays
from fmri2image.core.device import choose_device
from fmri2image.core.images import to_bytes, write_png
from fmri2image.core.job import job, versions
from fmri2image.core.samples import read_bdata
from fmri2image.core.splits import folds
from fmri2image.decode.decoded import DecodedFeatures, TrueFeatures
from fmri2image.decode.norm import TRANSDUCTIVE
from fmri2image.reconstruct.interface import Reconstructions, Responses, Work, load_method, takes_work
from fmri2image.reconstruct.unfinished import unfinished_path


def from_features(files: list[str], test: str, true: bool, settings: dict, work: Work) -> tuple[Reconstructions, dict]:
    """Reconstruct from decoded features or, for the ceiling, from true ones."""
    by_name = {Path(path).stem: path for path in files}
    paths = {layer: by_name[layer] for layer in settings["layers"]}
    if true:
        features = TrueFeatures(paths)
        transductive = "False"
    else:
        features = DecodedFeatures(paths, test, correction=settings["norm_correction"])
        transductive = read_attributes(files[0])["transductive"]
        if settings["norm_correction"] in TRANSDUCTIVE:
            transductive = "True"
    device = choose_device(settings["device"])
    method = load_method(settings["method"])
    more = {"work": work} if takes_work(method.reconstruct) else {}
    return method.reconstruct(features, None, settings["options"], device, **more), {"transductive": transductive}


def from_samples(samples: str, roi: str, state: str | None, settings: dict) -> tuple[Reconstructions, dict]:
    """Reconstruct the test rows of every fold with what was learned in it."""
    data = read_bdata(samples).select(roi=roi)
    device, method = choose_device(settings["device"]), load_method(settings["method"])
    states = torch.load(state, map_location="cpu", weights_only=True) if state else {}
    parts = []
    for fold in folds(data.trials, settings["split"]):
        test = Responses.of(data.select(trials=fold.test), settings["split"]["rows"])
        parts.append(method.reconstruct(test, states.get(fold.name), settings["options"], device))
    images = concatenate([part.images for part in parts])
    transductive = str(data.attributes.get("transductive", "False"))
    return Reconstructions(images), {"transductive": transductive}


def write(found: Reconstructions, about: dict, images: str, png: str, settings: dict, code: dict) -> None:
    """Write raw images with their provenance, and an 8-bit PNG of each."""
    attributes = {
        **about,
        "simulated": settings["simulated"],
        "settings": json.dumps(settings),
        "code": json.dumps(code),
        "versions": json.dumps(versions()),
    }
    write_arrays(images, found.arrays(), attributes)
    Path(png).mkdir(parents=True, exist_ok=True)
    for row, image in zip(found.images.rows, to_bytes(found.images.values), strict=True):
        write_png(Path(png) / f"{row.replace('|', '_')}.png", image)


if __name__ == "__main__":
    with job(snakemake) as j:
        settings, source = j.params.settings, j.wildcards.source
        torch.manual_seed(settings["seed"])
        if settings["layers"]:
            # Memory is among the resources, because it changes no setting.
            about = {"code": j.params.code, "env": j.params.env}
            work = Work(int(j.resources.mem_mb * 1e6), Path(j.output.images), about)
            result = from_features(list(j.input.features), j.wildcards.test, source == "true-features", settings, work)
        else:
            roi = source.rsplit("_roi-", 1)[1]
            result = from_samples(j.input.samples, roi, j.input.get("state"), settings)
        write(*result, j.output.images, j.output.png, settings, j.params.code)
        unfinished_path(j.output.images).unlink(missing_ok=True)
