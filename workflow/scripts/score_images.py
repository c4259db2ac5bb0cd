"""Score reconstructions against their image set, beside the permutation distribution."""

from fmri2image.core.arrays import read_array, read_attributes
from fmri2image.core.images import read_images
from fmri2image.core.job import job
from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.lures import lures_of_test
from fmri2image.evaluate.scores import score_images


def main(
    images: str,
    stimuli: str,
    refitted: str | None,
    keys: dict,
    scores: str,
    permutations: str,
    settings: dict,
    kinds: str | None = None,
) -> None:
    """Write the long score table and the permutation tests of one method, source and test."""
    keys = {
        **keys,
        "stimulus_set": settings["split"]["stimuli"],
        "transductive": read_attributes(images)["transductive"],
        "simulated": settings["simulated"],
    }
    shown = read_images(stimuli)
    kinds_of_stimuli = read_table(kinds) if kinds else None
    groups, drawn = lures_of_test(shown.rows, kinds_of_stimuli, keys["stimulus_set"], keys["test"], settings)
    table, tests = score_images(
        read_array(images, "images"),
        shown,
        settings["similarities"],
        keys,
        settings["permutations"],
        settings["seed"],
        read_table(refitted) if refitted else None,
        groups,
        drawn,
    )
    write_table(scores, table)
    write_table(permutations, tests)


if __name__ == "__main__":
    with job(snakemake) as j:
        subject, _, roi = j.wildcards.source.removeprefix("sub-").partition("_roi-")
        main(
            j.input.images,
            j.input.stimuli,
            j.input.get("refitted"),
            {
                "dataset": j.wildcards.dataset,
                "method": j.wildcards.method,
                "subject": subject if roi else "n/a",
                "roi": roi or j.wildcards.source,
                "test": j.wildcards.test,
            },
            j.output.scores,
            j.output.permutations,
            j.params.settings,
            j.input.get("kinds"),
        )
