"""Score the reconstructions of one method and test by an independent network."""

from pathlib import Path

from fmri2image.core.arrays import read_attributes
from fmri2image.core.device import choose_device
from fmri2image.core.images import read_images
from fmri2image.core.job import job
from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.judges import judge_images, load_judge
from fmri2image.evaluate.lures import lures_of_test


def main(
    images: list[str],
    stimuli: str,
    weights: str,
    keys: dict,
    outputs: tuple[str, str],
    settings: dict,
    kinds: str | None = None,
) -> None:
    """Write the long score table and the permutation tests of all sources."""
    network = load_judge(settings, weights, choose_device(settings["device"]))
    sources = []
    for path in images:
        source = Path(path).stem.removesuffix(f"_{keys['test']}")
        subject, _, roi = source.removeprefix("sub-").partition("_roi-")
        own = {"subject": subject if roi else "n/a", "roi": roi or source}
        own["transductive"] = read_attributes(path)["transductive"]
        sources.append((read_images(path), {**keys, **own}))
    shown = read_images(stimuli)
    kinds_of_stimuli = read_table(kinds) if kinds else None
    groups, drawn = lures_of_test(shown.rows, kinds_of_stimuli, keys["stimulus_set"], keys["test"], settings)
    tables = judge_images(
        network,
        settings["judge"],
        settings["layer"],
        sources,
        shown,
        settings["permutations"],
        settings["seed"],
        groups,
        drawn,
    )
    for path, table in zip(outputs, tables, strict=True):
        write_table(path, table)


if __name__ == "__main__":
    with job(snakemake) as j:
        keys = {
            "dataset": j.wildcards.dataset,
            "method": j.wildcards.method,
            "test": j.wildcards.test,
            "stimulus_set": j.params.settings["split"]["stimuli"],
            "simulated": j.params.settings["simulated"],
        }
        main(
            list(j.input.images),
            j.input.stimuli,
            j.input.weights,
            keys,
            (j.output.scores, j.output.permutations),
            j.params.settings,
            j.input.get("kinds"),
        )
