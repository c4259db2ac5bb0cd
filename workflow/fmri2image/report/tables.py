"""The tables for people: identification, feature decoding, motion."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from fmri2image.core.tables import read_table, write_table
from fmri2image.evaluate.feature_columns import LAYER_COLUMNS
from fmri2image.evaluate.recovery.table import MEASURES, RECOVERY_COLUMNS
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS

MOTION_COLUMNS = {
    "subject": "Subject label",
    "session": "Session",
    "run": "Run",
    "n_volumes": "Volumes after dropping the start of the run",
    "rms_translation": "Root mean square error of the estimated translation, mm",
    "rms_rotation": "Root mean square error of the estimated rotation, degrees",
    "rms_framewise": "Root mean square error of the framewise displacement (Power et al. 2012), mm",
    "largest_translation": "Largest simulated translation from the reference, mm",
    "largest_rotation": "Largest simulated rotation from the reference, degrees",
}


def gather(
    scores: list[str],
    permutations: list[str],
    accuracy: list[str],
    motion: list[str],
    long_table: str,
    outputs: list[str],
    settings: Mapping,
    recovery: Sequence[str] = (),
) -> None:
    """Concatenate the tables of all jobs and write them with descriptions of their columns.

    Parameters
    ----------
    scores, permutations, accuracy, motion : lists of path
    long_table : path
        All scores, one row each.
    outputs : list of path
        ``identification.tsv``, ``decoding_accuracy.tsv``, ``motion.tsv``, ``recovery.tsv``; those that the study has.
    settings : mapping
        ``simulated``.
    recovery : sequence of path
        Recovery tables of simulated subjects.
    """
    write_table(long_table, _join(scores, SCORE_COLUMNS))
    content = {
        "identification": (permutations, PERMUTATION_COLUMNS),
        "decoding_accuracy": (accuracy, LAYER_COLUMNS),
        "motion": (motion, MOTION_COLUMNS),
        "recovery": (list(recovery), RECOVERY_COLUMNS),
    }
    definitions = {"recovery": {"measures": {name: measure.definition for name, measure in MEASURES.items()}}}
    for output in outputs:
        files, columns = content[Path(output).stem]
        about = definitions.get(Path(output).stem, {})
        write_table(output, _join(files, columns), columns, simulated=settings["simulated"], **about)


def _join(files: list[str], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows of all files; none where there is no file, as where no test has pictures to compare with."""
    if not files:
        return pd.DataFrame(columns=list(columns))
    return pd.concat([read_table(file, subject=str, run=str) for file in files], ignore_index=True)[list(columns)]
