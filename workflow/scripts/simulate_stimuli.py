"""Generate the stimuli of the simulated subjects."""

from fmri2image.acquire.phantom.images import imagery_images, stimulus_sets
from fmri2image.acquire.stimulus_table import add_kinds
from fmri2image.core.arrays import write_arrays
from fmri2image.core.job import job
from fmri2image.core.tables import write_table

# Sets of natural-like images; the names of the others tell what they show.
NATURAL = dict.fromkeys(("train", "test", "natural"), "natural")


def main(outputs: dict[str, str], table: str, settings: dict) -> None:
    """Write one image file per stimulus set and the table of all stimuli."""
    sets, stimuli = stimulus_sets(settings["images"], settings["seed"])
    for name, parts in settings["imagery"].items():
        sets[name] = imagery_images(sets, parts, name)
    for stimulus_set, path in outputs.items():
        write_arrays(path, {"images": sets[stimulus_set]}, {"simulated": True, "stimulus_set": stimulus_set})
    write_table(table, add_kinds(stimuli, NATURAL))


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            outputs={path.rsplit("/", 1)[1].removesuffix(".h5"): path for path in j.output.images},
            table=j.output.table,
            settings=j.params.settings,
        )
