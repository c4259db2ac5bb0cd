"""The stimuli that events or samples name: which there are, and that each is known before anything is computed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import open_h5, shorten
from fmri2image.core.errors import DataError
from fmri2image.samples.events import IMAGERY, REPETITION, STIMULUS, read_events, set_apart

WANTED_COLUMNS = ["stimulus", "stimulus_set", "file", "pattern", "imagined"]


def stimuli_of_events(
    events: Mapping[str | Path, str],
    imagery_stimuli: Sequence[str] | str | None = None,
    apart: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return every stimulus that some runs show or whose imagery they ask for.

    Parameters
    ----------
    events : mapping from events file to the stimulus set of the run
        An event that tells its own set, as in ds001761 and ds000255, keeps that.
    imagery_stimuli : sequence of str, or str, optional
        As for `events.read_events`.
    apart : mapping from stimulus set to names, optional
        As for `events.set_apart`.

    Returns
    -------
    wanted : DataFrame
        `WANTED_COLUMNS`, each combination once: ``file`` is ``stim_file``, ``pattern`` is ``stimulus_pattern``, None
        where the events have none; ``imagined``, whether it was imagined and not shown.
    """
    parts = []
    for path, stimulus_set in events.items():
        table = set_apart(read_events(path, imagery_stimuli), apart)
        shown = table[table["event"].isin([STIMULUS, REPETITION, IMAGERY])]
        part = pd.DataFrame({"stimulus": shown["stimulus_name"]}, dtype=object)
        part["stimulus_set"] = shown["stimulus_set"].where(shown["stimulus_set"].notna(), stimulus_set)
        for column, source in (("file", "stim_file"), ("pattern", "stimulus_pattern")):
            seen = shown["event"] != IMAGERY  # ds001761 shows the fixation spot then
            part[column] = shown[source].where(seen & (shown[source] != "n/a"), None) if source in shown else None
        part["imagined"] = shown["event"] == IMAGERY
        parts.append(part)
    return _once(parts)


def stimuli_of_samples(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return every stimulus of some samples files without reading the responses.

    Returns
    -------
    wanted : DataFrame
        `WANTED_COLUMNS`; ``file``, ``pattern`` and ``imagined`` are None.

    Raises
    ------
    DataError
        If a file has no trial columns ``stimulus`` and ``stimulus_set`` with labels.
    """
    parts = []
    for path in paths:
        with open_h5(path) as file:
            columns = {}
            keys = [key.decode() for key in file["metadata/key"][:]] if "metadata/key" in file else []
            for name in ("stimulus", "stimulus_set"):
                if name not in keys or f"vmap/{name}" not in file:
                    raise DataError(
                        f"{path} has no trial column '{name}' with labels; it is no samples file of this workflow."
                    )
                here = np.flatnonzero(file["metadata/value"][keys.index(name)] == 1)
                labels = {int(float(number)): _text(label[()]) for number, label in file[f"vmap/{name}"].items()}
                columns[name] = [labels[int(number)] for number in file["dataset"][:, here[0]]]
        parts.append(pd.DataFrame(columns, dtype=object).assign(file=None, pattern=None, imagined=None))
    return _once(parts)


def _once(parts: list[pd.DataFrame]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=WANTED_COLUMNS)
    return table[WANTED_COLUMNS].drop_duplicates().reset_index(drop=True)


def _text(value: object) -> str:
    value = np.ravel(value)[0]
    return value.decode() if isinstance(value, bytes) else str(value)


def check_stimuli(
    trials: pd.DataFrame, events: Mapping[tuple[str, int], str | Path], images: pd.DataFrame, images_path: str | Path
) -> None:
    """Check that every trial shows a stimulus that is known: one with a picture, or one of a set without any.

    Parameters
    ----------
    trials : DataFrame
        ``stimulus``, ``stimulus_set``, ``session`` and ``run`` of every trial.
    events : mapping from (session, run) to the events file, for the message
    images : DataFrame
        ``stimulus`` and ``stimulus_set`` of every stimulus, and ``picture`` (``missing`` where there is none) where
        pictures may be missing. A set without stimuli of its own, such as imagery, takes those of the others.
    images_path : path
        Where `images` comes from, for the message.

    Raises
    ------
    DataError
        Naming the events file, the stimulus and the image set.
    """
    for (stimulus_set, session, run), group in trials.groupby(["stimulus_set", "session", "run"], sort=False):
        own = images[images["stimulus_set"] == stimulus_set]
        if own.empty:
            own = images
        elif "picture" in own and (own["picture"] != "missing").any():  # a set without any is decoded all the same
            own = own[own["picture"] != "missing"]
        known = set(own["stimulus"])
        missing = [name for name in dict.fromkeys(group["stimulus"]) if name not in known]
        if missing:
            raise DataError(
                f"{events[session, int(run)]} names the stimulus {shorten(missing)}, but image set '{stimulus_set}' "
                f"({images_path}) holds no image of that name; correct the name, add the image, or name the stimulus in "
                "samples: leave_out."
            )
