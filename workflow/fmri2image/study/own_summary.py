"""What a look at somebody's own data found, as tables on the terminal."""

from collections.abc import Mapping, Sequence

import pandas as pd

from fmri2image.study.own_bids import OwnDataset
from fmri2image.study.own_checks import Scan
from fmri2image.study.own_sets import LOCALIZER, ShownSet
from fmri2image.study.own_stimuli import Pictures


def table_of_runs(dataset: OwnDataset, scans: Mapping[str, Scan]) -> list[str]:
    """Return subjects, sessions, runs and volumes as lines."""
    table = pd.DataFrame(
        [
            {"subject": run.subject, "session": run.session, "set": run.stimulus_set, "runs": 1,
             "volumes": scans[run.bold].n_volumes if run.bold in scans else 0}
            for run in dataset.runs
        ]
    )  # fmt: skip
    counted = table.groupby(["subject", "session", "set"], sort=False).sum().reset_index()
    total = f"{len(dataset.subjects)} subjects, {len(table)} runs, {table['volumes'].sum()} volumes"
    return [counted.to_string(index=False), total]


def table_of_sets(shown: Mapping[str, ShownSet], training: str, pictures: Mapping[str, Pictures]) -> list[str]:
    """Return what every set shows as lines."""
    rows = []
    for name, one in shown.items():
        repeats = sorted(set(one.stimuli.values()))
        what = "trains" if name == training else "imagined" if one.imagined else "" if name == LOCALIZER else "tested"
        rows.append(
            {
                "set": name,
                "": what,
                "stimuli": len(one.stimuli),
                "presentations": one.stimuli.total(),
                "each": f"{repeats[0]}" if len(repeats) == 1 else f"{repeats[0]} to {repeats[-1]}",
                "pictures": pictures[name].n_found if name in pictures else "-",
            }
        )
    return [pd.DataFrame(rows).to_string(index=False) if rows else "no stimulus sets"]


def table_of_areas(areas: Mapping[str, Mapping[str, int]], subjects: Sequence[str]) -> list[str]:
    """Return the voxels of every area as lines."""
    if not areas:
        return ["no areas"]
    rows = [
        {"area": area, **{f"sub-{subject}": found[subject] for subject in subjects}} for area, found in areas.items()
    ]
    return ["voxels of the masks:", pd.DataFrame(rows).to_string(index=False)]
