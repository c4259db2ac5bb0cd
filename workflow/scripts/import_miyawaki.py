"""Read Miyawaki et al. 2008: samples and stimulus images."""

from fmri2image.acquire.miyawaki import Settings, load
from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.job import job
from fmri2image.core.samples import write_bdata


def main(samples: str, images: dict[str, str], settings: dict) -> None:
    """Write the samples and, per stimulus set, its images."""
    data, stimuli = load(settings["data"], "resources/downloaded", Settings(image_size=settings["image_size"]))
    write_bdata(samples, data)
    for stimulus_set, path in images.items():
        shown = set(data.trials.loc[data.trials["stimulus_set"] == stimulus_set, "stimulus"])
        rows = [row for row in stimuli.rows if row in shown]
        part = stimuli.take(rows)
        write_arrays(
            path, {"images": LabelledArray(part.values, rows, part.attributes)}, {"stimulus_set": stimulus_set}
        )


if __name__ == "__main__":
    with job(snakemake) as j:
        outputs = {path.rsplit("/", 1)[1].removesuffix(".h5"): path for path in j.output.images}
        main(j.output.samples, outputs, j.params.settings)
