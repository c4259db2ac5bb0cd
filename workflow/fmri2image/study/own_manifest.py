"""The manifest of somebody's own study: every file that the workflow reads."""

import os
from collections.abc import Sequence
from pathlib import Path

from fmri2image.acquire.manifests import RemoteFile
from fmri2image.study.own_bids import DESCRIPTION, OwnDataset
from fmri2image.study.own_masks import OwnMask


def manifest_rows(dataset: OwnDataset, masks: Sequence[OwnMask]) -> list[RemoteFile]:
    """Return the manifest: every file that the workflow reads, once; paths lead from the top of the dataset.

    A run's session, run and stimulus set are those of `own_bids` and `own_sets`, whatever its name says. Files that several
    runs share, such as inherited sidecars and events, have the subject of their folder only. MD5 is left empty, because the
    files are used where they are.
    """
    folder = dataset.folder
    rows: dict[str, RemoteFile] = {}

    def add(path: str, subject: str = "", session: str = "", suffix: str = "", **more: str) -> None:
        size = (folder / path).stat().st_size if (folder / path).is_file() else 0
        rest = {key: more.get(key, "") for key in ("task", "run", "stimulus_set", "area")}
        rows[path] = RemoteFile(path=path, size=size, md5="", subject=subject, session=session, suffix=suffix, **rest)

    add(DESCRIPTION)
    shared = {path for path in (run.events for run in dataset.runs) if path and _count(path, dataset) > 1}
    for run in dataset.runs:
        labels = {"subject": run.subject, "session": run.session, "task": run.task, "run": run.run}
        add(run.bold, suffix="bold", stimulus_set=run.stimulus_set, **labels)
        for path in run.sidecars:
            add(path, subject=_subject(path), suffix="bold")
        if run.events in shared:
            add(run.events, subject=_subject(run.events), suffix="events", task=run.task)
        elif run.events:
            add(run.events, suffix="events", stimulus_set=run.stimulus_set, **labels)
    for subject, path in dataset.t1w.items():
        add(path, subject=subject, suffix="T1w")
    for (subject, session), path in dataset.inplane.items():
        add(path, subject=subject, session=session, suffix="inplaneT2")
    for path in dataset.anatomical_sidecars:
        add(path, subject=_subject(path), suffix=Path(path).stem.rsplit("_", 1)[-1])
    for mask in masks:
        add(Path(os.path.relpath(mask.path, folder)).as_posix(), mask.subject, mask.session, "mask", area=mask.area)
    return list(rows.values())


def _count(events: str, dataset: OwnDataset) -> int:
    return sum(run.events == events for run in dataset.runs)


def _subject(path: str) -> str:
    return path.split("/")[0].removeprefix("sub-") if path.startswith("sub-") and "/" in path else ""
