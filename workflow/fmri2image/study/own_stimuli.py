"""Which stimuli of somebody's own data have a picture, and where."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fmri2image.acquire.stimulus_names import examples, match_files, named_files, walk
from fmri2image.core.errors import ConfigError, DataError
from fmri2image.samples.dialects import MISSING
from fmri2image.study.findings import Findings, several
from fmri2image.study.own_bids import OwnRun
from fmri2image.study.own_sets import SET_NAME, ShownSet

STIMULI = "stimuli"  # folder of a BIDS dataset


@dataclass(frozen=True)
class Pictures:
    """Where the pictures of a set are.

    Parameters
    ----------
    chapter : dict
        The set's entry in ``acquire.stimuli``; empty if it has none.
    n_found : int
        Stimuli that have a picture.
    missing : tuple of str
        Stimuli that have none.
    """

    chapter: dict[str, object]
    n_found: int
    missing: tuple[str, ...]


def parse_folders(text: str) -> dict[str, str]:
    """Return folders by set from ``folder`` (for all sets, under the empty name) or ``set=folder,set=folder``.

    Raises
    ------
    ConfigError
        If a set is named twice.
    """
    found: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",") if part.strip()):
        name, equals, folder = part.partition("=")
        if not equals or not SET_NAME.fullmatch(name):
            name, folder = "", part
        if name in found:
            raise ConfigError(f"--stimuli names two folders for {name or 'all sets'}: '{found[name]}' and '{folder}'.")
        found[name] = folder
    return found


def find_pictures(
    dataset: Path,
    shown: Mapping[str, ShownSet],
    files: Mapping[str, Mapping[str, list[str]]],
    folders: Mapping[str, str],
    findings: Findings,
) -> dict[str, Pictures]:
    """Return where the pictures of every set are: the folder that the user names, else the dataset's own.

    Parameters
    ----------
    dataset : Path
    shown : dict of str to ShownSet
        Sets that are used.
    files : dict of str to dict of str to list of str
        From set to stimulus to what ``stim_file`` says (`stimulus_files`).
    folders : dict of str to str
        From `parse_folders`.
    findings : Findings
    """
    for name in sorted(set(folders) - {"", *shown}):
        findings.fix(f"--stimuli: no run shows a set '{name}'; there are {several(shown)}.")
    pictures = {
        name: _of_set(dataset, one, files.get(name, {}), folders.get(name, folders.get("")), findings)
        for name, one in shown.items()
    }
    return {name: _or_of_others(name, one, pictures, shown, findings) for name, one in pictures.items()}


def _of_set(
    dataset: Path, one: ShownSet, files: Mapping[str, list[str]], folder: str | None, findings: Findings
) -> Pictures:
    place = Path(folder).expanduser().absolute() if folder else dataset / STIMULI
    names = list(one.stimuli)
    if not folder and not place.is_dir():
        return Pictures({}, 0, tuple(names))
    try:
        there = walk(place)
        found = match_files(names, there, place)
        if not folder:
            found |= named_files(files, there, place)
    except DataError as error:
        findings.fix(str(error))
        return Pictures({}, 0, tuple(names))
    missing = tuple(name for name in names if name not in found)
    if not found:
        if folder:
            findings.fix(
                f"{place} holds no picture of the {len(names)} stimuli of the set {one.name}: stimuli are called "
                f"{several(names, 3)}, files {examples(there)}; a file's name without ending must equal the stimulus'."
            )
        return Pictures({}, 0, missing)
    chapter = {"from": "folder", "folder": str(place), "show": True} if folder else {"from": "bids"}
    return Pictures(chapter, len(names) - len(missing), missing)


def _or_of_others(
    name: str, one: Pictures, pictures: Mapping[str, Pictures], shown: Mapping[str, ShownSet], findings: Findings
) -> Pictures:
    """Take the pictures of other sets where a set's own are missing, as imagery does, and say what is missing still."""
    if not one.missing:
        return one
    wanted = set(shown[name].stimuli)
    seen = {other: set(shown[other].stimuli) for other in pictures if other != name and not shown[other].imagined}
    sources = [other for other, stimuli in seen.items() if wanted & stimuli]
    if not one.chapter and shown[name].imagined and wanted <= set().union(*seen.values()):
        had = {stimulus for other in sources for stimulus in seen[other] - set(pictures[other].missing)}
        missing = tuple(stimulus for stimulus in shown[name].stimuli if stimulus not in had)
        return Pictures({"from": "sets", "sets": sources}, len(wanted) - len(missing), missing)
    listed = several(one.missing, 3)
    if one.chapter:
        findings.fix(
            f"{len(one.missing)} of {len(wanted)} stimuli of the set {name} have no picture ({listed}; all in missing.tsv); add "
            "them, or leave these stimuli out with samples: leave_out."
        )
    else:
        findings.fix(
            f"The {len(wanted)} stimuli of the set {name} ({listed}) have no pictures: name their folder with "
            f"STIMULI={name}=/path or put them into the dataset's folder stimuli."
        )
    return one


def stimulus_files(runs: Iterable[OwnRun], events: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, list[str]]]:
    """Return what ``stim_file`` says of every stimulus, by set."""
    found: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        table = events.get(run.bold)
        if table is None or "stim_file" not in table.columns:
            continue
        table = table[table["stimulus_name"].notna() & ~table["stim_file"].isin(MISSING)]
        sets = table["stimulus_set"].fillna(run.stimulus_set)
        for name, stimulus, file in zip(sets, table["stimulus_name"], table["stim_file"], strict=True):
            files = found.setdefault(name, {}).setdefault(stimulus, [])
            if file not in files:
                files.append(file)
    return found
