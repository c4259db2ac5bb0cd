"""Published weights of a network as a safetensors file, checked and described."""

from fmri2image.core.job import job
from fmri2image.features.convert.convert import convert_weights

if __name__ == "__main__":
    with job(snakemake) as j:
        settings = j.params.settings
        convert_weights(
            j.input.source,
            j.output.weights,
            j.output.about,
            table=settings.get("table") or settings["name"],
            member=settings.get("member") or settings["source"].get("member", ""),
            provenance=settings["source"],
        )
