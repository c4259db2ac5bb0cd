"""What the samples of a subject hold: trials, repeats, voxels per area, and how reliable block responses are."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fmri2image.core.samples import Samples
from fmri2image.evaluate.similarity import column_correlation

RESPONSE_COLUMNS = {
    "dataset": "Study",
    "subject": "Subject label",
    "roi": "Visual area",
    "stimulus_set": "Image set",
    "n_voxels": "Voxels of the area",
    "n_stimuli": "Different stimuli of the set",
    "n_trials": "Trials (blocks) of the set, one-back repetitions left out",
    "fewest_repeats": "Trials of the stimulus that was presented least often",
    "most_repeats": "Trials of the stimulus that was presented most often",
    "reliability": "Correlation over stimuli of odd with even presentations, mean over voxels; n/a without repeats",
    "simulated": "Whether the data are simulated",
}


def describe_responses(samples: Samples, dataset: str, simulated: bool) -> pd.DataFrame:
    """Describe the block responses of a subject, one row per area and image set.

    Parameters
    ----------
    samples : Samples
    dataset : str
    simulated : bool

    Returns
    -------
    table : DataFrame with `RESPONSE_COLUMNS`
    """
    rows = []
    sets = samples.trials["stimulus_set"].astype(str)
    for name in dict.fromkeys(sets):
        mine = samples.select(trials=(sets == name).to_numpy())
        repeats = mine.trials["stimulus"].value_counts()
        reliability = split_half(mine)
        for roi in samples.rois:
            inside = mine.voxels[f"ROI_{roi}"].to_numpy() == 1
            values = reliability[inside]
            rows.append(
                {
                    "dataset": dataset,
                    "subject": samples.attributes.get("subject", ""),
                    "roi": roi,
                    "stimulus_set": name,
                    "n_voxels": int(inside.sum()),
                    "n_stimuli": len(repeats),
                    "n_trials": len(mine.trials),
                    "fewest_repeats": int(repeats.min()),
                    "most_repeats": int(repeats.max()),
                    "reliability": float(np.nanmean(values)) if np.isfinite(values).any() else np.nan,
                    "simulated": simulated,
                }
            )
    return pd.DataFrame(rows)[list(RESPONSE_COLUMNS)]


def split_half(samples: Samples) -> np.ndarray:
    """Return every voxel's correlation over stimuli between odd and even presentations.

    Parameters
    ----------
    samples : Samples
        Trials of one image set; the presentations of a stimulus count in the order of the table.

    Returns
    -------
    correlation : array of shape (n_voxels,)
        NaN where fewer than three stimuli were presented twice, or where a voxel does not vary.
    """
    order = samples.trials.groupby("stimulus", sort=False).cumcount().to_numpy()
    halves: list[Mapping[str, np.ndarray]] = []
    for odd in (0, 1):
        half = samples.select(trials=order % 2 == odd)
        averaged = half.average("stimulus") if len(half.trials) else half
        halves.append(dict(zip(averaged.trials["stimulus"], averaged.data, strict=True)))
    shared = [name for name in halves[0] if name in halves[1]]
    if len(shared) < 3:
        return np.full(samples.data.shape[1], np.nan)
    first, second = (np.stack([half[name] for name in shared]).astype(float) for half in halves)
    return column_correlation(first, second)
