"""Every stimulus that the events of a run name must have an image; without one, decoding would fail much later."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError


def check_stimuli(
    trials: pd.DataFrame, events: Mapping[tuple[str, int], str | Path], images: pd.DataFrame, images_path: str | Path
) -> None:
    """Check that every trial shows a stimulus that has an image.

    Parameters
    ----------
    trials : DataFrame
        ``stimulus``, ``stimulus_set``, ``session`` and ``run`` of every trial.
    events : mapping from (session, run) to the events file, for the message
    images : DataFrame
        ``stimulus`` and ``stimulus_set`` of every image. A set without images of its own, such as imagery, takes those
        of the others.
    images_path : path
        Where `images` comes from, for the message.

    Raises
    ------
    DataError
        Naming the events file, the stimulus and the image set.
    """
    for (stimulus_set, session, run), group in trials.groupby(["stimulus_set", "session", "run"], sort=False):
        own = images.loc[images["stimulus_set"] == stimulus_set, "stimulus"]
        known = set(images["stimulus"] if own.empty else own)
        missing = [name for name in dict.fromkeys(group["stimulus"]) if name not in known]
        if missing:
            raise DataError(
                f"{events[session, int(run)]} names the stimulus {shorten(missing)}, but image set '{stimulus_set}' "
                f"({images_path}) holds no image of that name; correct the name or add the image."
            )
