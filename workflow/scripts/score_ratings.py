"""Score reconstructions by a table of human ratings."""

import pandas as pd

from fmri2image.core.job import job
from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.ratings import rated_shares, read_ratings, score_ratings


def main(ratings: str, scores: list[str], stimuli: list[str], outputs: dict[str, str], settings: dict) -> None:
    """Write scores and permutation tests like those of other metrics, and how often each reconstruction was preferred."""
    known = pd.concat([read_table(path, subject=str) for path in scores], ignore_index=True)
    table = read_ratings(ratings, known)
    found = score_ratings(table, known, read_table(*stimuli) if stimuli else pd.DataFrame(), settings)
    for name, part in zip(("scores", "permutations"), found, strict=True):
        write_table(outputs[name], part)
    write_table(outputs["rated"], rated_shares(table))


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.input.ratings,
            list(j.input.scores),
            [j.input.stimuli] if isinstance(j.input.stimuli, str) else list(j.input.stimuli),
            {name: j.output[name] for name in ("scores", "permutations", "rated")},
            j.params.settings,
        )
