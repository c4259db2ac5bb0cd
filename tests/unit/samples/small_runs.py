"""Small runs whose responses are known, as preprocessing hands them over."""

from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.geometry import PARAMETERS
from fmri2image.preprocess.tables import framewise_displacement
from fmri2image.preprocess.timeseries import TimeSeries, write_timeseries
from fmri2image.samples.runs import Run

SHAPE, AFFINE = (6, 5, 4), np.diag([3.0, 3, 3, 1])
DISCARDED, SECONDS = 4, 2.0
V1 = [(i, j, 1) for i in (1, 2, 3) for j in (1, 2)]
V2 = [(i, j, 2) for i in (1, 2, 3) for j in (1, 2)]
VOXELS = np.array(sorted(V1 + V2))
AREAS = {"V1": VOXELS[:, 2] == 1, "V2": VOXELS[:, 2] == 2}
AMPLITUDE = {"n01_1": 1.0, "n02_2": -2.0, "n03_3": 3.0}
TRAINING = "perceptionNaturalImageTraining01"


def series_of(signal: np.ndarray, voxels: np.ndarray = VOXELS, areas: dict | None = None) -> TimeSeries:
    """Return signals (T, V) of kept volumes as a time series."""
    areas = areas or {"V1": voxels[:, 2] == 1, "V2": voxels[:, 2] == 2}
    return TimeSeries(signal.astype(np.float32), voxels, areas, SHAPE, AFFINE, SECONDS, DISCARDED)


def write_files(
    folder: Path, name: str, signal: np.ndarray, motion: np.ndarray, events: pd.DataFrame
) -> tuple[Path, Path, Path]:
    """Write a run from all its scanned volumes: signal (T, V), motion (T, 6)."""
    paths = tuple(folder / f"{name}_{suffix}" for suffix in ("timeseries.h5", "confounds.tsv", "events.tsv"))
    write_timeseries(paths[0], series_of(signal[DISCARDED:]))
    table = pd.DataFrame(motion[DISCARDED:], columns=list(PARAMETERS))
    table["framewise_displacement"] = framewise_displacement(motion[DISCARDED:])
    table["converged"] = 1
    table.to_csv(paths[1], sep="\t", index=False, na_rep="n/a")
    events.to_csv(paths[2], sep="\t", index=False)
    return paths


def write_run(
    folder: Path, number: int, names: list[str], amplitude=AMPLITUDE, drift=0.0, stimulus_set="train", jump=None
) -> Run:
    """Write a run in which block b raises every voxel by amplitude[name] per cent, four seconds late.

    The volume `jump`, counted from the start of the scan, and all after it lie 1 mm further along z.
    """
    rng = np.random.default_rng(number)
    n_total = 16 + 4 * len(names) + 3
    events = [{"onset": 0, "duration": 32, "event_type": -1, "stimulus_name": "n/a"}]
    response = np.zeros(n_total)
    for position, name in enumerate(names):
        again = position > 0 and names[position - 1] == name
        onset = 32 + 8 * position
        events.append({"onset": onset, "duration": 8, "event_type": 2 if again else 1, "stimulus_name": name})
        response[onset // 2 + 2 : onset // 2 + 6] = amplitude[name]
    events.append({"onset": 32 + 8 * len(names), "duration": 6, "event_type": -2, "stimulus_name": "n/a"})
    base = rng.uniform(400, 900, len(VOXELS))
    motion = np.cumsum(rng.normal(0, [0.01] * 3 + [0.0002] * 3, (n_total, 6)), axis=0)
    motion[jump if jump is not None else n_total :, 2] += 1.0
    signal = base * (1 + response[:, None] / 100)
    wander = np.linspace(-10, 10, n_total) + 100 * (motion[:, 0] - motion[:, 0].mean())
    signal = signal + drift * wander[:, None]
    return Run(
        *write_files(folder, f"run-{number:02}", signal, motion, pd.DataFrame(events)), stimulus_set, TRAINING, number
    )


def write_imagery_run(folder: Path, names: list[str], amplitude=AMPLITUDE) -> Run:
    """Write a run of imagery trials: the cue raises all voxels by one per cent, imagery by amplitude[name]."""
    n_total = 16 + 8 * len(names) + 3
    events = [(0, 32, -1, "n/a", "n/a")]
    response = np.zeros(n_total)
    for position, name in enumerate(names):
        onset = 32 + 16 * position
        for kind, (start, duration) in enumerate([(0, 4), (4, 8), (12, 3), (15, 1)], start=1):
            events.append((onset + start, duration, kind, name, position % 5 + 1))
        response[onset // 2 + 2 : onset // 2 + 4] = 1
        response[onset // 2 + 4 : onset // 2 + 8] = amplitude[name]
    events.append((32 + 16 * len(names), 6, -2, "n/a", "n/a"))
    signal = np.tile(500 * (1 + response[:, None] / 100), (1, len(VOXELS)))
    table = pd.DataFrame(events, columns=["onset", "duration", "event_type", "stimulus_name", "evaluation"])
    return Run(*write_files(folder, "imagery", signal, np.zeros((n_total, 6)), table), "imagery", "imagery01", 1)
