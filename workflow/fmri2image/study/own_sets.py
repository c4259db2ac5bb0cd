"""Which stimulus set each run shows, and which sets train and test: by the user's word, else by names."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import pandas as pd

from fmri2image.core.errors import ConfigError
from fmri2image.samples.events import IMAGERY, REPETITION, STIMULUS
from fmri2image.study.findings import Findings, several
from fmri2image.study.own_bids import OwnRun

SET_NAME = re.compile(r"[a-z]+")
LOCALIZER = "localizer"
# Parts of session and task labels that tell a set, in the order in which they are looked for.
WORDS = {
    "imagery": ("imag(?!e(?!ry))", "dream"),
    LOCALIZER: ("locali[sz]er", "^loc$", "retinotop", "prf"),
    "letters": ("letter", "alphabet"),
    "shapes": ("shape", "artificial"),
    "train": ("train",),
    "test": ("test", "valid"),
}


@dataclass(frozen=True)
class ShownSet:
    """One stimulus set.

    Parameters
    ----------
    name : str
    stimuli : Counter
        Presentations of every stimulus over all subjects.
    imagined : bool
        Whether its stimuli are imagined.
    runs, sessions : frozenset of str
        Labels of the runs and sessions that show it.
    """

    name: str
    stimuli: Counter
    imagined: bool
    runs: frozenset[str]
    sessions: frozenset[str]


def parse_sets(text: str) -> list[tuple[str, str]]:
    """Return pairs of pattern and set from ``pattern=set,pattern=set``.

    Raises
    ------
    ConfigError
        If the text is not of that form, or a set's name is not of lower-case letters.
    """
    pairs = []
    for part in (part.strip() for part in text.split(",") if part.strip()):
        pattern, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not pattern or not SET_NAME.fullmatch(name):
            raise ConfigError(
                f"--sets: '{part}' is not of the form pattern=set, such as task-faces=train or 'ses-test*=test'; a set's "
                "name has lower-case letters only."
            )
        pairs.append((pattern, name))
    return pairs


def assign_sets(runs: Sequence[OwnRun], pairs: Sequence[tuple[str, str]], findings: Findings) -> tuple[OwnRun, ...]:
    """Return the runs with the stimulus set of each.

    A pattern of `pairs` fits a run if it fits its session or task, with or without ``ses-`` and ``task-``, or its file
    name; the first that fits counts. Without one the labels tell.
    """
    used: set[str] = set()
    found = []
    for run in runs:
        chosen = next(((pattern, name) for pattern, name in pairs if _fits(pattern, run)), None)
        used |= {chosen[0]} if chosen else set()
        found.append(replace(run, stimulus_set=chosen[1] if chosen else guess_set(run.session, run.task)))
    for pattern, name in pairs:
        if pattern not in used:
            findings.fix(f"--sets: '{pattern}={name}' fits no run; tasks are {several({run.task for run in runs})}.")
    return tuple(_told_apart(found, findings))


def guess_set(session: str, task: str) -> str:
    """Return the stimulus set that labels speak of: by words for training, test, imagery and the like, else the task."""
    for label in (session, task):
        for name, words in WORDS.items():
            if any(re.search(word, re.sub(r"\d+$", "", label).lower()) for word in words):
                return name
    return re.sub("[^a-z]", "", task.lower()) or "stimuli"


def _fits(pattern: str, run: OwnRun) -> bool:
    labels = (run.session, f"ses-{run.session}", run.task, f"task-{run.task}", PurePosixPath(run.bold).name)
    return any(fnmatchcase(label, pattern) for label in labels)


def _told_apart(runs: Sequence[OwnRun], findings: Findings) -> list[OwnRun]:
    """Return runs, numbered anew where two tasks of a session that show one set have the same run: trials are told by it."""
    groups: dict[tuple[str, str, str], list[OwnRun]] = {}
    for run in runs:
        groups.setdefault((run.subject, run.session, run.stimulus_set), []).append(run)
    found = []
    for (subject, session, name), group in groups.items():
        if len({int(run.run) for run in group}) < len(group):
            findings.know(
                f"sub-{subject}, session {session}: runs of several tasks show the set {name}; they are numbered through."
            )
            group = [replace(run, run=f"{number:02d}") for number, run in enumerate(group, start=1)]
        found += group
    return found


def shown_sets(runs: Iterable[OwnRun], events: Mapping[str, pd.DataFrame]) -> dict[str, ShownSet]:
    """Return what every set shows, by the events.

    Parameters
    ----------
    runs : iterable of OwnRun
    events : mapping of str to DataFrame
        From a run's BOLD file to its events (`samples.events.read_events`). Their column ``stimulus_set``, where it is
        filled, overrides the set of the run.
    """
    stimuli: dict[str, Counter] = {}
    imagined: dict[str, list[bool]] = {}
    labels: dict[str, tuple[set[str], set[str]]] = {}
    for run in runs:
        if run.bold not in events:
            continue
        table = events[run.bold]
        shown = table[table["event"].isin([STIMULUS, REPETITION, IMAGERY])]
        sets = shown["stimulus_set"].fillna(run.stimulus_set)
        for name, rows in shown.groupby(sets.to_numpy()):
            kept = rows[rows["event"] != REPETITION]
            stimuli.setdefault(name, Counter()).update(kept["stimulus_name"])
            imagined.setdefault(name, []).append(bool((kept["event"] == IMAGERY).any()))
            of_runs, of_sessions = labels.setdefault(name, (set(), set()))
            of_runs.add(run.run)
            of_sessions.add(run.session)
    return {
        name: ShownSet(
            name, stimuli[name], any(imagined[name]) or name == IMAGERY, *(frozenset(part) for part in labels[name])
        )
        for name in sorted(stimuli)
    }


@dataclass(frozen=True)
class Split:
    """What trains and what is tested.

    Parameters
    ----------
    training : str
        Set with the most stimuli that is seen; empty if none is.
    tests : dict of str to dict
        As the configuration has them.
    sets : tuple of str
        All sets that are used, the training set first.
    """

    training: str
    tests: dict[str, dict[str, str]]
    sets: tuple[str, ...]


def choose_tests(shown: Mapping[str, ShownSet], findings: Findings) -> Split:
    """Return what trains and what is tested: the seen set with the most stimuli trains; alone it is cross-validated."""
    usable = {name: one for name, one in shown.items() if name != LOCALIZER}
    if LOCALIZER in shown:
        findings.know("Runs of the set localizer are in the manifest, but nothing is decoded from them.")
    seen = {name: one for name, one in usable.items() if not one.imagined}
    if not seen:
        findings.fix("No run shows stimuli that could train a decoder (imagery and localizers do not).")
        return Split("", {}, tuple(usable))
    training = max(seen, key=lambda name: (len(seen[name].stimuli), seen[name].stimuli.total(), name == "train"))
    others = [*(name for name in seen if name != training), *(name for name in usable if name not in seen)]
    tests = {name: {"stimuli": name, "training": training, "rows": "stimulus"} for name in others}
    for name in others:
        both = sorted(set(usable[name].stimuli) & set(usable[training].stimuli))
        if both:
            findings.know(
                f"{len(both)} stimuli of the set {name} are also in the training set {training} ({several(both, 3)}): that test "
                "says nothing about stimuli that were never trained."
            )
        if len(usable[name].stimuli) < 2:
            findings.know(
                f"The set {name} has one stimulus only, which cannot be told from another; take the test out."
            )
    if not any(name in seen for name in others):
        tests = {training: _cross_validated(seen[training], findings), **tests}
    return Split(training, tests, (training, *others))


def _cross_validated(one: ShownSet, findings: Findings) -> dict[str, str]:
    """Return the test of a set on its own: over runs, or sessions where every session has one run."""
    column = "run" if len(one.runs) > 1 else "session"
    if column == "session" and len(one.sessions) < 2:
        column = "stimulus"
    findings.know(
        f"Only the set {one.name} is seen, so it is cross-validated by {column}; name others with --sets, for example "
        "'ses-test*=test'."
    )
    if column != "stimulus" and max(one.stimuli.values(), default=0) > 1:
        findings.know(
            f"Stimuli of the set {one.name} are shown more than once, so other runs train on the stimuli that are tested; "
            "leave_out: stimulus tests stimuli that were never trained."
        )
    return {"stimuli": one.name, "leave_out": column, "rows": "trial"}
