"""The recovery table: what is measured at every stage, in one definition each, and the rows that hold it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

AREAS = ("V1", "V2", "V3", "V4", "LOC", "FFA", "PPA", "LVC", "HVC", "VC")


@dataclass(frozen=True)
class Measure:
    """One measure of recovery.

    Parameters
    ----------
    stage : str
    unit : str
        ``mm``, ``degrees``, ``correlation``, ``ratio`` or ``fraction``.
    definition : str
        What is computed, what the ceiling is and what is counted in ``n``.
    """

    stage: str
    unit: str
    definition: str


MEASURES = {
    "translation_error": Measure(
        "motion", "mm", "Root mean square over volumes and axes of estimated minus true translation; n: volumes"
    ),
    "rotation_error": Measure(
        "motion", "degrees", "Root mean square over volumes and axes of estimated minus true rotation; n: volumes"
    ),
    "mean_distance": Measure(
        "coregistration",
        "mm",
        "Distance between where the estimated transform and the true pose of the reference volume put a voxel, mean over "
        "the voxels of the area; n: voxels",
    ),
    "largest_distance": Measure("coregistration", "mm", "The same distance, largest over the voxels of the area"),
    "voxel_correlation": Measure(
        "block responses",
        "correlation",
        "Per voxel r over stimuli of the noise-free response and the measured response (mean over a stimulus' blocks), "
        "mean over voxels; ceiling: the r expected if only scanner noise, deviations from trial to trial and neighbouring "
        "blocks stood between them (drift, motion and preprocessing cost nothing); n: voxels",
    ),
    "pattern_correlation": Measure(
        "block responses",
        "correlation",
        "Per stimulus r over voxels of the same two responses, each voxel z-scored by its training blocks, mean over "
        "stimuli; ceiling as for voxel_correlation; n: stimuli",
    ),
    "roi_correlation": Measure(
        "ROI signal",
        "correlation",
        "r over blocks of the area's mean measured and mean true response, its deviation from trial to trial included; "
        "n: blocks",
    ),
    "roi_amplitude": Measure(
        "ROI signal", "ratio", "Standard deviation over blocks of the mean measured over that of the true response"
    ),
    "roi_gain": Measure(
        "ROI signal",
        "ratio",
        "Slope of the area's mean measured response on its true one over blocks: 1 if all is kept",
    ),
    "unit_correlation": Measure(
        "feature decoding",
        "correlation",
        "Mean over layers of the mean over units of r over stimuli of decoded and true features; ceiling: the same "
        "decoder trained and tested on the noise-free responses of the same voxels, on a random choice of units; n: layers",
    ),
    "pixel_correlation": Measure(
        "images",
        "correlation",
        "r of all RGB values with the stimulus, mean over images; ceiling: the same method on true features; n: images",
    ),
    "pixel_identification": Measure(
        "images",
        "fraction",
        "Pairwise identification by pixel correlation, mean over images; ceiling: the same method on true features; the "
        "share of the ceiling counts from the permutation chance of each; n: images",
    ),
}
RECOVERY_COLUMNS = {
    "dataset": "Study",
    "subject": "Subject label",
    "stage": "Stage of the workflow that is compared with the truth",
    "roi": "Visual area, n/a for the whole head",
    "stimulus_set": "Image set, n/a before responses to images",
    "test": "Test of the configuration, n/a before decoding",
    "measure": "What is measured, see 'measures'",
    "value": "What was reached",
    "ceiling": "What could be reached at best, see 'measures'; n/a where the best is 0 (errors) or 1 (ratios)",
    "share_of_ceiling": "value / ceiling; pixel_identification: both counted from chance",
    "unit": "Unit of value and ceiling",
    "n": "How many the value is taken over, see 'measures'",
    "simulated": "Whether the data are simulated",
}


def recovery_row(
    measure: str,
    value: float,
    n: int,
    *,
    roi: str | None = None,
    stimulus_set: str | None = None,
    test: str | None = None,
    ceiling: float = np.nan,
    chance: float = 0.0,
    ceiling_chance: float = 0.0,
) -> dict:
    """Return one row of the recovery table.

    Parameters
    ----------
    measure : str
        One of `MEASURES`.
    value : float
    n : int
        How many the value is taken over.
    roi, stimulus_set, test : str, optional
    ceiling : float
        NaN where there is none.
    chance, ceiling_chance : float
        Chance of value and ceiling, from which the share of the ceiling counts.
    """
    known = MEASURES[measure]
    room = ceiling - ceiling_chance
    return {
        "stage": known.stage,
        "roi": roi,
        "stimulus_set": stimulus_set,
        "test": test,
        "measure": measure,
        "value": value,
        "ceiling": ceiling,
        "share_of_ceiling": (value - chance) / room if room > 0 else np.nan,
        "unit": known.unit,
        "n": n,
    }


def recovery_table(rows: Sequence[dict], dataset: str, subject: str, simulated: bool) -> pd.DataFrame:
    """Join rows of `recovery_row` to the table of one subject, in the order of `RECOVERY_COLUMNS`."""
    table = pd.DataFrame(rows).assign(dataset=dataset, subject=subject, simulated=simulated)
    return table[list(RECOVERY_COLUMNS)]
