"""Whether the runs of somebody's own data are what the workflow needs: headers and events, one sentence per problem."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.preprocess.images import open_image, repetition_time
from fmri2image.samples.blocks import block_volumes
from fmri2image.samples.events import initial_rest, read_events, stimulated, stimulus_blocks
from fmri2image.study.findings import Findings, several
from fmri2image.study.own_bids import OwnRun

SHIFT = 4.0  # s; the haemodynamic delay that the configuration gets
DISCARD = 8.0  # s dropped at the start of a run, where nothing is shown then (Shen et al. 2019)
LEAST_REST = 10.0  # s of rest that must be left for a level at rest
LONG_BLOCK = 4.0  # s; shorter stimuli overlap in the haemodynamic response
LEAST_VOLUMES = 20


@dataclass(frozen=True)
class Scan:
    """What the header and sidecars of a run say.

    Parameters
    ----------
    n_volumes : int
    repetition_time : float
        Seconds.
    voxel_size : tuple of 3 float
        mm.
    """

    n_volumes: int
    repetition_time: float
    voxel_size: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Length of the run."""
        return self.n_volumes * self.repetition_time


def read_scan(folder: Path, run: OwnRun, findings: Findings) -> Scan | None:
    """Return what a run's header and sidecars say; None with a sentence if they do not fit or say too little."""
    path = folder / run.bold
    try:
        image = open_image(path)
        if "VolumeTiming" in run.metadata:
            raise DataError(
                f"{run.bold} has VolumeTiming (sparse sampling), which the workflow does not handle; leave it out."
            )
        seconds = repetition_time(path)
    except DataError as error:
        findings.fix(str(error))
        return None
    if image.shape[3] < LEAST_VOLUMES:
        findings.fix(f"{run.bold} has {image.shape[3]} volumes, so it was probably cut short; leave it out.")
        return None
    return Scan(image.shape[3], seconds, tuple(round(float(size), 2) for size in image.header.get_zooms()[:3]))


def read_run_events(folder: Path, run: OwnRun, scan: Scan | None, findings: Findings) -> pd.DataFrame | None:
    """Return a run's events; None with a sentence if there are none, or they cannot be read or used."""
    if not run.events:
        findings.fix(
            f"{run.bold} has no events.tsv, neither its own nor one that it inherits; write one with onset, duration, "
            "trial_type and stimulus_name (docs/events.md), or take the run out."
        )
        return None
    try:
        events = read_events(folder / run.events)
    except DataError as error:
        findings.fix(str(error))
        return None
    for sentence in events.attrs["warnings"]:
        findings.know(sentence)
    if stimulus_blocks(events).empty:
        findings.fix(f"{folder / run.events} shows no stimulus; name stimuli in stimulus_name, or take the run out.")
        return None
    late = events[events["onset"] >= scan.seconds] if scan else events[:0]
    shown = stimulated(late)
    if not shown.empty:
        findings.fix(
            f"{folder / run.events}: {len(shown)} stimuli begin after the end of {Path(run.bold).name} "
            f"({scan.n_volumes} volumes, {scan.seconds:g} s; the first at {shown['onset'].iloc[0]:g} s); is it the file of "
            "another run, or are onsets not in seconds?"
        )
        return None
    if (stimulated(events)["onset"] < 0).any():
        findings.know(f"{folder / run.events}: stimuli begin before the scan (onset below 0); they are left out.")
    return events


@dataclass(frozen=True)
class Timing:
    """How samples are made of runs, as far as the events decide it.

    Parameters
    ----------
    responses : {"blocks", "glm"}
    baseline : {"initial_rest", "model"}
    discard_seconds : float
    incomplete : int
        Trials whose window was not scanned to its end.
    """

    responses: str
    baseline: str
    discard_seconds: float
    incomplete: int


def choose_timing(runs: Sequence[tuple[Scan, pd.DataFrame]], findings: Findings) -> Timing:
    """Return how samples are made: from the length of blocks, and from what happens at the start of all runs.

    Parameters
    ----------
    runs : sequence of pairs
        Scan and events of every run that can be used.
    findings : Findings
    """
    blocks = [stimulus_blocks(events) for _, events in runs]
    length = float(np.median(np.concatenate([table["duration"] for table in blocks]))) if blocks else LONG_BLOCK
    responses = "blocks" if length >= LONG_BLOCK else "glm"
    starts = [float(stimulated(events)["onset"].min()) for _, events in runs]
    first = min(starts, default=0.0)
    discard = DISCARD if first >= DISCARD + LEAST_REST else 0.0
    rests = [initial_rest(events) for _, events in runs]
    rested = all(rest is not None and rest[1] - max(rest[0], discard) >= LEAST_REST for rest in rests)
    if not rested:
        findings.know(
            f"Not every run begins with a listed rest of {LEAST_REST:g} s, so per cent signal change is taken from a model of "
            "the whole run (samples: baseline: model)."
        )
    if responses == "glm":
        findings.know(
            f"Stimuli last {length:g} s, so a general linear model estimates each trial (samples: responses: glm)."
        )
    incomplete = sum(_unscanned(scan, table, discard) for (scan, _), table in zip(runs, blocks, strict=True))
    if incomplete:
        findings.know(
            f"{incomplete} trials are not scanned from {SHIFT:g} s after their start to {SHIFT:g} s after their end; they are "
            "dropped (samples: incomplete_trials: drop)."
        )
    return Timing(responses, "initial_rest" if rested else "model", discard, incomplete)


def _unscanned(scan: Scan, blocks: pd.DataFrame, discard: float) -> int:
    seconds = scan.repetition_time
    n_discarded = round(discard / seconds)
    starts = blocks["averaged_from"].to_numpy(dtype=float) - n_discarded * seconds
    first, last = block_volumes(starts, blocks["duration"].to_numpy(dtype=float), seconds, SHIFT)
    return int(((first < 0) | (last > scan.n_volumes - n_discarded)).sum())


def compare_scans(scans: Iterable[tuple[OwnRun, Scan]], findings: Findings) -> None:
    """Say which subjects have runs of different voxel sizes or repetition times."""
    found: dict[str, set[tuple]] = {}
    for run, scan in scans:
        found.setdefault(run.subject, set()).add((scan.voxel_size, scan.repetition_time))
    mixed = [f"sub-{subject}" for subject, kinds in found.items() if len(kinds) > 1]
    if mixed:
        findings.know(f"{several(mixed)}: runs differ in voxel size or repetition time; see whether that is meant.")
