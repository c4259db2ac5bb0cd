"""Decode the features of every test from one subject's area, layer by layer."""

import json
import logging
from pathlib import Path

from fmri2image.core.device import choose_device
from fmri2image.core.job import job, versions
from fmri2image.core.samples import read_bdata
from fmri2image.decode.layers import LayerDecoding
from fmri2image.decode.memory import Limits

log = logging.getLogger("fmri2image")


def main(
    samples: str,
    features: list[str],
    roi: str,
    outputs: list[str],
    settings: dict,
    code: dict,
    limits: Limits,
    workers: int,
) -> None:
    """Write decoded features of all tests, one file per layer; kept decoders get their files beside these."""
    data = read_bdata(samples).select(roi=roi)
    log.info("%d trials, %d voxels of %s", *data.data.shape, roi)
    decoding = LayerDecoding(
        data,
        settings["tests"],
        settings["decoder"],
        choose_device(settings["device"]),
        limits=limits,
        workers=workers,
        code=code,
    )
    log.info("chunks of at most %d units", decoding.allowance.units)
    attributes = {
        "roi": roi,
        "simulated": settings["simulated"],
        "transductive": str(data.attributes.get("transductive", "False")),
        "settings": json.dumps(settings["decoder"]),
        "versions": json.dumps(versions()),
    }
    true = {(Path(path).parent.name, Path(path).stem): path for path in features}
    decoded = {Path(path).stem: path for path in outputs}
    for layer in settings["layers"]:
        files = {stimulus_set: true[stimulus_set, layer] for stimulus_set in settings["feature_sets"]}
        decoding.decode(files, decoded[layer], {"layer": layer, **attributes}, tidy=False)
        log.info("%s done", layer)
    decoding.tidy()


if __name__ == "__main__":
    with job(snakemake) as j:
        outputs = list(j.output.layers)
        # Memory is among the resources, because it changes no result.
        limits = Limits(j.resources.mem_mb / 1e3, j.resources.gpu_memory_percent / 100)
        main(
            j.input.samples,
            list(j.input.features),
            j.wildcards.roi,
            outputs,
            j.params.settings,
            j.params.code,
            limits,
            j.threads,
        )
