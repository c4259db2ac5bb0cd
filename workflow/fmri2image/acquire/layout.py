"""Where the raw files of a study lie: those of the simulated subjects, or those that a manifest lists.

Everything is known from tables before any file is there, so that a workflow can plan without data. Only light imports.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from fmri2image.acquire.manifests import RemoteFile
from fmri2image.acquire.phantom import paradigm
from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError

IMAGE = re.compile(r"\.nii(\.gz)?$")
MASK = re.compile(r"_mask_(LH|RH)_(?P<area>[A-Za-z0-9]+)\.nii(\.gz)?$")
ENTITIES = re.compile(r"([a-zA-Z]+-[A-Za-z0-9]+)")
DESCRIPTION = "dataset_description.json"


@dataclass(frozen=True)
class RawRun:
    """Files of one run, paths from the top of the dataset.

    Parameters
    ----------
    session, task, run, stimulus_set : str
    bold, events : str
    sidecars : tuple of str
        JSON files that apply to the BOLD file, the most general first (BIDS, "The Inheritance Principle").
    """

    session: str
    task: str
    run: str
    stimulus_set: str
    bold: str
    events: str
    sidecars: tuple[str, ...]

    @property
    def names(self) -> dict[str, str]:
        """Session, task, run and stimulus set."""
        return {key: getattr(self, key) for key in ("session", "task", "run", "stimulus_set")}


class SimulatedLayout:
    """Files of the simulated subjects, by the paradigm of their configuration.

    Parameters
    ----------
    settings : mapping
        Configuration key ``acquire.simulate``.
    areas : sequence of str
        Areas that have mask files.
    """

    def __init__(self, settings: Mapping, areas: Sequence[str]) -> None:
        self.settings, self.areas = settings, areas

    def runs(self, subject: str) -> list[RawRun]:
        """Return a subject's runs in the order in which they were scanned."""
        shared = paradigm.dialect(self.settings) == "ds001246"
        found = []
        for row in paradigm.run_table(self.settings, subject)[["session", "task", "run", "stimulus_set"]].to_dict(
            "records"
        ):
            stem = f"sub-{subject}/ses-{row['session']}/func/sub-{subject}_ses-{row['session']}_task-{row['task']}"
            stem = f"{stem}_run-{row['run']}"
            sidecar = f"task-{row['task']}_bold.json" if shared else f"{stem}_bold.json"
            found.append(RawRun(**row, bold=f"{stem}_bold.nii.gz", events=f"{stem}_events.tsv", sidecars=(sidecar,)))
        return found

    def t1w(self, subject: str) -> str:
        """Return a subject's T1-weighted image."""
        return f"{paradigm.t1w_stem(subject)}.nii.gz"

    def inplane(self, subject: str, session: str) -> str:
        """Return the in-plane T2-weighted image of a session."""
        return f"{paradigm.inplane_stem(subject, session)}.nii.gz"

    def masks(self, subject: str) -> dict[str, str]:
        """Return the mask files of a subject and the area of each."""
        sides = [(side, area) for side in paradigm.HEMISPHERES for area in self.areas]
        return {paradigm.mask_path(subject, side, area): area for side, area in sides}


class ManifestLayout:
    """Files of a real dataset, by its manifest.

    Parameters
    ----------
    files : iterable of RemoteFile
    areas : sequence of str
        Areas whose masks are wanted; empty for none.
    run_sets : sequence of str
        Stimulus sets, as the manifest names those of runs, that are wanted; their order is the order of the runs.
    sessions : sequence of str, optional
        Only these sessions; default all.
    name : str
        Of the manifest, for messages.
    """

    def __init__(
        self,
        files: Iterable[RemoteFile],
        areas: Sequence[str],
        run_sets: Sequence[str],
        sessions: Sequence[str] | None = None,
        name: str = "the manifest",
    ) -> None:
        self.files = {file.path: file for file in files}
        self.areas, self.run_sets, self.sessions, self.name = areas, list(run_sets), sessions, name

    @cached_property
    def _raw(self) -> dict[str, list[RemoteFile]]:
        """Raw files by subject; what other programs made is left out."""
        found: dict[str, list[RemoteFile]] = {}
        for file in self.files.values():
            if file.subject and not file.path.startswith("derivatives/"):
                found.setdefault(file.subject, []).append(file)
        return found

    @property
    def subjects(self) -> list[str]:
        """Labels of the subjects that have raw files."""
        return sorted(self._raw)

    def runs(self, subject: str) -> list[RawRun]:
        """Return a subject's runs, ordered by stimulus set, session and run.

        Raises
        ------
        ConfigError
            If the subject has none of a set that is wanted, or one has no events.
        """
        known = self._raw.get(subject)
        if known is None:
            raise ConfigError(
                f"config: subjects: '{subject}' is not in {self.name}; it has {shorten(self.subjects, 20) or 'none'}."
            )
        events = {_run_key(file): file.path for file in known if file.suffix == "events"}
        found = []
        for file in known:
            if file.suffix != "bold" or not IMAGE.search(file.path) or file.stimulus_set not in self.run_sets:
                continue
            if self.sessions is not None and file.session not in self.sessions:
                continue
            shown = events.get(_run_key(file)) or self._inherited_events(file.path)
            if not shown:
                raise ConfigError(
                    f"config: acquire: {self.name}: {file.path} has no events.tsv; add it or take the run out."
                )
            found.append(
                RawRun(
                    file.session, file.task, file.run, file.stimulus_set, file.path, shown,
                    self.sidecars(file.path),
                )
            )  # fmt: skip
        missing = [name for name in self.run_sets if name not in {run.stimulus_set for run in found}]
        if missing:
            shows = sorted({file.stimulus_set for file in known if file.suffix == "bold" and file.stimulus_set})
            raise ConfigError(
                f"config: acquire: {self.name} has no run of subject {subject} that shows {shorten(missing)}"
                + (f" in the sessions {shorten(self.sessions)}" if self.sessions is not None else "")
                + f"; its runs show {shorten(shows) or 'nothing'} (run_sets names what runs show)."
            )
        return sorted(found, key=lambda run: (self.run_sets.index(run.stimulus_set), run.session, run.run, run.task))

    def sidecars(self, path: str) -> tuple[str, ...]:
        """Return the JSON files that apply to a file, the most general first."""
        return self._applicable(path, PurePosixPath(IMAGE.sub("", path)).name.rsplit("_", 1)[-1], self._json)

    def _inherited_events(self, path: str) -> str:
        """Return the events file that a run shares with others, the nearest one; empty for none."""
        return next(reversed(self._applicable(path, "events", self._events)), "")

    def _applicable(self, path: str, suffix: str, others: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Return which files, by folder, apply to a file, the most general first (BIDS, "The Inheritance Principle")."""
        entities = PurePosixPath(path).name.split(".")[0].split("_")[:-1]
        found = []
        for folder in PurePosixPath(path).parents:
            for other in others.get(folder.as_posix(), ()):
                *needed, same = PurePosixPath(other).stem.split("_")
                if same == suffix and set(needed) <= set(entities):
                    found.append(other)
        return tuple(reversed(found))

    @cached_property
    def _json(self) -> dict[str, list[str]]:
        return self._by_folder(".json")

    @cached_property
    def _events(self) -> dict[str, list[str]]:
        return self._by_folder("_events.tsv")

    def _by_folder(self, ending: str) -> dict[str, list[str]]:
        """Return the files with an ending, by folder, the most special first."""
        found: dict[str, list[str]] = {}
        for path in self.files:
            if path.endswith(ending):
                found.setdefault(PurePosixPath(path).parent.as_posix(), []).append(path)
        for paths in found.values():
            paths.sort(key=lambda path: -path.count("_"))
        return found

    def t1w(self, subject: str) -> str:
        """Return a subject's T1-weighted image, the first by session where there are several.

        Raises
        ------
        ConfigError
            If it has none.
        """
        found = sorted(f.path for f in self._raw.get(subject, ()) if f.suffix == "T1w" and IMAGE.search(f.path))
        if not found:
            raise ConfigError(
                f"config: acquire: {self.name} has no T1w image of subject {subject}, which coregistration needs; leave that "
                "subject out."
            )
        return found[0]

    def inplane(self, subject: str, session: str) -> str:
        """Return the in-plane T2-weighted image of a session.

        Raises
        ------
        ConfigError
            If it has none.
        """
        for suffix in ("inplaneT2", "T2w"):
            for file in self._raw.get(subject, ()):
                if file.suffix == suffix and file.session == session and IMAGE.search(file.path):
                    return file.path
        raise ConfigError(
            f"config: preprocess.coregister.path: {self.name} has no in-plane T2 image of subject {subject}, session "
            f"{session}; set path to direct."
        )

    def masks(self, subject: str) -> dict[str, str]:
        """Return the mask files of a subject and the area of each.

        Raises
        ------
        ConfigError
            If an area has none.
        """
        found = {}
        for file in self.files.values():
            if file.subject != subject:
                continue
            # Masks that other programs made count where the manifest names their area.
            match = None if file.path.startswith("derivatives/") else MASK.search(file.path)
            area = file.area or (match["area"] if match else "")
            if area in self.areas:
                found[file.path] = area
        missing = [area for area in self.areas if area not in found.values()]
        if missing:
            raise ConfigError(
                f"config: samples.masks: {self.name} has no mask of {shorten(missing)} for subject {subject}; take it out."
            )
        return dict(sorted(found.items(), key=lambda item: (self.areas.index(item[1]), item[0])))


def _run_key(file: RemoteFile) -> tuple[str, ...]:
    return file.session, file.task, file.run
