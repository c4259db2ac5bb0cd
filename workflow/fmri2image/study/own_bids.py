"""Which files of somebody's BIDS folder the workflow needs: runs with events and sidecars, and anatomical images.

pybids reads the folder. It is imported here only: the workflow itself reads the manifest that `study.new_study` writes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from fmri2image.core.errors import DataError
from fmri2image.study.findings import Findings, several

DESCRIPTION = "dataset_description.json"
IMAGES = [".nii", ".nii.gz"]
FIRST = "01"  # label of a session or run whose files name none
NO_ENTITY = ("suffix", "extension", "datatype")
VALIDATOR = "the BIDS validator says why: pip install bids-validator-deno, then bids-validator-deno"


@dataclass(frozen=True)
class OwnRun:
    """One run; paths lead from the top of the dataset.

    Parameters
    ----------
    subject, task : str
        Labels of the file's name.
    session, run : str
        Labels of the manifest: those of the name, or given here where it has none or several runs share them.
    bold : str
    sidecars : tuple of str
        JSON files that apply to it.
    events : str
        Its events file, perhaps inherited; empty for none.
    metadata : mapping
        Content of the sidecars.
    stimulus_set : str
        What it shows; empty until `own_sets` has said so.
    """

    subject: str
    session: str
    task: str
    run: str
    bold: str
    sidecars: tuple[str, ...] = ()
    events: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    stimulus_set: str = ""


@dataclass(frozen=True)
class OwnDataset:
    """What a BIDS folder holds for the workflow.

    Parameters
    ----------
    folder : Path
    runs : tuple of OwnRun
        Ordered by subject, session, task and run.
    t1w : dict of str to str
        From subject to its T1-weighted image.
    inplane : dict of (str, str) to str
        From subject and session to its in-plane T2-weighted image.
    anatomical_sidecars : tuple of str
        JSON files of these images.
    """

    folder: Path
    runs: tuple[OwnRun, ...]
    t1w: dict[str, str]
    inplane: dict[tuple[str, str], str]
    anatomical_sidecars: tuple[str, ...] = ()

    @property
    def subjects(self) -> list[str]:
        """Labels of the subjects that have a run."""
        return list(dict.fromkeys(run.subject for run in self.runs))

    def runs_of(self, subject: str) -> list[OwnRun]:
        """Return the runs of a subject."""
        return [run for run in self.runs if run.subject == subject]


def read_dataset(folder: str | Path, findings: Findings) -> OwnDataset:
    """Read a BIDS folder.

    Parameters
    ----------
    folder : path
    findings : Findings
        Takes a sentence for everything that is missing or left out.

    Raises
    ------
    DataError
        If the folder is no BIDS dataset, or has no functional run.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give the one that holds {DESCRIPTION}.")
    if not (folder / DESCRIPTION).is_file():
        inside = sorted(
            path.parent.name for path in folder.glob(f"*/{DESCRIPTION}") if path.parent.name != "derivatives"
        )
        hint = f"; did you mean its folder {several(inside)}?" if inside else "."
        raise DataError(
            f"{folder} has no {DESCRIPTION}, so it is no BIDS dataset; write one with Name and BIDSVersion, or give the "
            f"folder that has it{hint}"
        )
    layout = _layout(folder)
    bold = sorted(layout.get(suffix="bold", extension=IMAGES), key=lambda file: file.relpath)
    _name_unread(folder, {file.relpath for file in bold}, findings)
    events = [(file.relpath, _entities(file)) for file in layout.get(suffix="events", extension=".tsv")]
    runs = [_run(file, events, layout) for file in _usable(bold, findings)]
    if not runs:
        raise DataError(
            f"{folder} has no functional run that can be used (sub-…/func/sub-…_task-…_bold.nii.gz)"
            + (f": {findings.must_fix[0]}" if findings.must_fix else f"; {VALIDATOR} {folder}.")
        )
    runs = sorted(runs, key=lambda run: (run.subject, run.session, run.task, run.run, run.bold))
    subjects = list(dict.fromkeys(run.subject for run in runs))
    t1w = {subject: path for subject in subjects if (path := _t1w(layout, subject, findings))}
    inplane = _inplane(layout, subjects)
    sidecars = {
        path for image in [*t1w.values(), *inplane.values()] for path in _sidecars(layout.files[str(folder / image)])
    }
    return OwnDataset(folder, tuple(_numbered(runs, findings)), t1w, inplane, tuple(sorted(sidecars)))


def _layout(folder: Path) -> Any:
    try:
        from bids import BIDSLayout
        from bids.layout import BIDSLayoutIndexer
    except ImportError as error:
        raise DataError("pybids is not installed; `make new-study` builds the environment that has it.") from error
    try:
        return BIDSLayout(folder, derivatives=False, indexer=BIDSLayoutIndexer(validate=True, index_metadata=True))
    except (
        ValueError,
        OSError,
        TypeError,
    ) as error:  # what pybids raises for descriptions and sidecars that are not JSON
        raise DataError(
            f"pybids cannot read {folder} ({' '.join(str(error).split())}); {VALIDATOR} {folder}."
        ) from error


def _name_unread(folder: Path, read: set[str], findings: Findings) -> None:
    """Say which files look like BOLD and are none by the rules of BIDS, which pybids passes over in silence."""
    there = (path.relative_to(folder).as_posix() for path in folder.glob("sub-*/**/*bold.nii*"))
    for path in sorted(set(there) - read):
        findings.fix(f"{path} is not named as BIDS wants it, so it is left out; {VALIDATOR} {folder}.")


def _usable(bold: Iterable[Any], findings: Findings) -> list[Any]:
    """Return the runs that the workflow can take: one echo, magnitude."""
    found, echoes, phases, rests = [], [], [], []
    for file in bold:
        entities = file.get_entities()
        if "echo" in entities:
            echoes.append(file.relpath)
        elif entities.get("part", "mag") != "mag":
            phases.append(file.relpath)
        elif entities["task"].lower().startswith("rest"):
            rests.append(file.relpath)
        else:
            found.append(file)
    if echoes:
        findings.fix(
            f"{several(echoes)} are single echoes of multi-echo runs, which are left out; combine the echoes first (tedana, "
            "or fMRIPrep with preprocess: engine fmriprep) into one file per run."
        )
    if phases:
        findings.know(f"{several(phases)} are phase images or the like and are left out; magnitude is used.")
    if rests:
        findings.know(f"{several(rests)} are runs at rest, in which nothing is shown, and are left out.")
    return found


def _entities(file: Any) -> dict[str, str]:
    return {key: str(value) for key, value in file.get_entities().items() if key not in NO_ENTITY}


def _run(file: Any, events: Iterable[tuple[str, dict[str, str]]], layout: Any) -> OwnRun:
    entities = _entities(file)
    return OwnRun(
        entities["subject"],
        entities.get("session", FIRST),
        entities["task"],
        entities.get("run", FIRST),
        file.relpath,
        _sidecars(file),
        _applicable(file.relpath, entities, events),
        file.get_metadata(),
    )


def _sidecars(file: Any) -> tuple[str, ...]:
    linked = {other.relpath for other in file.get_associations() if other.relpath.endswith(".json")}
    return tuple(sorted(path for path in linked if _holds(path, file.relpath)))


def _applicable(path: str, entities: Mapping[str, str], others: Iterable[tuple[str, dict[str, str]]]) -> str:
    """Return which of some files applies to a run: the nearest one (BIDS, "The Inheritance Principle")."""
    fitting = [
        (PurePosixPath(other).parent.parts, len(named), other)
        for other, named in others
        if _holds(other, path) and named.items() <= entities.items()
    ]
    return max(fitting, key=lambda one: (len(one[0]), one[1]))[2] if fitting else ""


def _holds(other: str, path: str) -> bool:
    """Tell whether a file lies in the same folder as another, or in one above it."""
    return PurePosixPath(other).parent in PurePosixPath(path).parents


def _t1w(layout: Any, subject: str, findings: Findings) -> str:
    found = sorted(file.relpath for file in layout.get(suffix="T1w", extension=IMAGES, subject=subject))
    if not found:
        findings.fix(
            f"sub-{subject} has no T1w image; areas and runs meet in its space, so add sub-{subject}_T1w.nii.gz to anat."
        )
        return ""
    if len(found) > 1:
        findings.know(
            f"sub-{subject} has {len(found)} T1w images; {found[0]} is used. Edit the manifest to take another."
        )
    return found[0]


def _inplane(layout: Any, subjects: list[str]) -> dict[tuple[str, str], str]:
    """Return in-plane images: inplaneT2, or T2w whose acquisition says so."""
    found: dict[tuple[str, str], str] = {}
    for suffix in ("inplaneT2", "T2w"):
        for file in sorted(layout.get(suffix=suffix, extension=IMAGES), key=lambda file: file.relpath):
            entities = _entities(file)
            if suffix == "T2w" and "inplane" not in entities.get("acquisition", "").lower():
                continue
            if entities["subject"] in subjects:
                found.setdefault((entities["subject"], entities.get("session", FIRST)), file.relpath)
    return found


def _numbered(runs: list[OwnRun], findings: Findings) -> list[OwnRun]:
    """Return runs, numbered anew within a task where several have the same session and run, or a label is no number."""
    groups: dict[tuple[str, str, str], list[OwnRun]] = {}
    for run in runs:
        groups.setdefault((run.subject, run.session, run.task), []).append(run)
    found = []
    for (subject, session, task), group in groups.items():
        shared = [label for label, count in Counter(run.run for run in group).items() if count > 1]
        if shared or not all(run.run.isdigit() for run in group):
            findings.know(
                f"sub-{subject}, session {session}, task {task}: {len(group)} runs are told apart by other parts of their "
                "names than the run; they are numbered in the order of their names in the manifest."
            )
            group = [replace(run, run=f"{number:02d}") for number, run in enumerate(group, start=1)]
        found += group
    return found
