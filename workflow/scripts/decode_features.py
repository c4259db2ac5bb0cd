"""Decode the features of every test from one subject's area, layer by layer."""

import json
import logging

from fmri2image.core.device import choose_device
from fmri2image.core.job import job, versions
from fmri2image.core.samples import read_bdata
from fmri2image.decode.layers import LayerDecoding

log = logging.getLogger("fmri2image")


def main(samples: str, features: list[str], roi: str, outputs: list[str], settings: dict) -> None:
    """Write decoded features of all tests, one file per layer."""
    data = read_bdata(samples).select(roi=roi)
    log.info("%d trials, %d voxels of %s", *data.data.shape, roi)
    decoding = LayerDecoding(data, settings["tests"], settings["decoder"], choose_device(settings["device"]))
    layers, sets = settings["layers"], settings["training_sets"]
    attributes = {
        "roi": roi,
        "simulated": settings["simulated"],
        "transductive": str(data.attributes.get("transductive", "False")),
        "settings": json.dumps(settings["decoder"]),
        "versions": json.dumps(versions()),
    }
    for i, (layer, output) in enumerate(zip(layers, outputs, strict=True)):
        files = {name: features[s * len(layers) + i] for s, name in enumerate(sets)}
        decoding.decode(files, output, {"layer": layer, **attributes})
        log.info("%s done", layer)


if __name__ == "__main__":
    with job(snakemake) as j:
        main(j.input.samples, list(j.input.features), j.wildcards.roi, list(j.output.layers), j.params.settings)
