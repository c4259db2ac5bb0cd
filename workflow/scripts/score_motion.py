"""Compare estimated with simulated motion."""

from fmri2image.core.job import job
from fmri2image.core.tables import write_table
from fmri2image.evaluate.motion import score_runs


def main(subject: str, motion: list[str], reference: str, truth: str, output: str) -> None:
    """Write the motion error of every run."""
    write_table(output, score_runs(subject, motion, reference, truth))


if __name__ == "__main__":
    with job(snakemake) as j:
        main(
            j.wildcards.subject,
            list(j.input.motion),
            j.input.reference,
            j.input.truth,
            j.output.scores,
        )
