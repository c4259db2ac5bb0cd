"""Where a study's raw and preprocessed files lie: simulated, downloaded, or in a BIDS folder of the user's own."""

from functools import cached_property
from pathlib import Path
from typing import Any

from fmri2image.acquire.layout import DESCRIPTION, ManifestLayout, RawRun, SimulatedLayout
from fmri2image.acquire.manifests import RemoteFile, read_manifest
from fmri2image.acquire.phantom import paradigm
from fmri2image.core.errors import ConfigError, DataError

# What preprocessing hands over of every run, without the ending.
SERIES = "space-T1w_desc-areas_timeseries"
CONFOUNDS = "desc-confounds_timeseries"
SUMMARY = "desc-quality_bold"
BOLD = "space-T1w_desc-preproc_bold"
BRAIN = "brain"  # the one area of a study without masks of areas
# Sources of the data: those that have a manifest, those that have raw data, those whose stimuli come from files.
MANIFESTED = ("openneuro", "bids")
RAW = ("simulate", *MANIFESTED)
FROM_FILES = (*MANIFESTED, "published")


class RawFiles:
    """The part of a study that knows its raw files.

    Parameters
    ----------
    config : dict
        Checked configuration.

    Attributes
    ----------
    run_sets : list of str
        Stimulus sets, as the manifest names those of runs (`fmri2image.study.available`).
    """

    run_sets: list[str]

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.dataset: str = config["dataset"]
        self.root = f"results/{self.dataset}"
        self.subjects: list[str] = config["subjects"]
        self.stimulus_sets: list[str] = config["stimulus_sets"]
        self.source: str = config["acquire"]["source"]
        self.simulated: bool = self.source == "simulate"
        self.engine: str = config.get("preprocess", {}).get("engine", "")
        # Whether motion and coregistration are estimated here, and not taken over from another program.
        self.realigns: bool = self.engine in ("realign", "ants")
        self.preprocessed = "results/{dataset}/preprocess/sub-{subject}/sub-{subject}"
        self.masks: list[str] = config["samples"].get("masks", [])
        # Whether volumes are interpolated onto a grid of the workflow's own and not onto that of the masks.
        self.own_grid: bool = not self.masks or config.get("preprocess", {}).get("grid", "masks") == "epi"

    # Raw --------------------------------------------------------------------------------------------------------------

    @property
    def collection(self) -> str:
        """Number of the public dataset that is downloaded; empty for none."""
        return self.config["acquire"]["openneuro"]["dataset"] if self.source == "openneuro" else ""

    @property
    def bids_root(self) -> str:
        """The raw BIDS folder."""
        if self.source == "openneuro":
            return f"resources/downloaded/{self.collection}/bids"
        if self.source == "bids":
            return self.config["acquire"]["bids"]["folder"].rstrip("/")
        return f"{self.root}/bids"

    def check_folders(self) -> None:
        """Check that a folder of the user's own is there; raises ConfigError."""
        if self.source == "bids" and not Path(self.bids_root, DESCRIPTION).is_file():
            what = "holds no dataset_description.json" if Path(self.bids_root).is_dir() else "does not exist"
            raise ConfigError(f"config: acquire.bids.folder: {self.bids_root} {what}; give the top of a BIDS folder.")

    @property
    def manifest(self) -> tuple[RemoteFile, ...]:
        """Files of a real dataset, empty where nothing is raw; raises ConfigError where the table cannot be read."""
        if self.source not in MANIFESTED:
            return ()
        try:
            return read_manifest(self.config["acquire"][self.source]["manifest"])
        except DataError as error:
            raise ConfigError(f"config: acquire.{self.source}.manifest: {error}") from error

    @cached_property
    def layout(self) -> SimulatedLayout | ManifestLayout:
        """Where the raw files are."""
        if self.simulated:
            return SimulatedLayout(self.config["acquire"]["simulate"], self.masks)
        chapter = self.config["acquire"][self.source]
        sessions = self.config["acquire"].get("sessions")
        return ManifestLayout(self.manifest, self.masks, self.run_sets, sessions, chapter["manifest"])

    @cached_property
    def raw_runs(self) -> dict[str, list[RawRun]]:
        """From subject to the files of its runs; empty without raw data."""
        if self.source not in RAW:
            return {}
        return {subject: self.layout.runs(subject) for subject in self.subjects}

    @cached_property
    def runs(self) -> dict[str, list[dict[str, str]]]:
        """From subject to its runs, each with session, task, run and stimulus_set; empty without raw data."""
        return {subject: [run.names for run in runs] for subject, runs in self.raw_runs.items()}

    @cached_property
    def _by_name(self) -> dict[tuple[str, ...], RawRun]:
        return {(s, run.session, run.task, run.run): run for s, runs in self.raw_runs.items() for run in runs}

    def raw_run(self, wildcards: Any) -> RawRun:
        """Return the files of the run that wildcards name."""
        return self._by_name[wildcards.subject, wildcards.session, wildcards.task, wildcards.run]

    def bold_file(self, wildcards: Any) -> str:
        """Return the raw BOLD of a run."""
        return f"{self.bids_root}/{self.raw_run(wildcards).bold}"

    def run_sidecars(self, wildcards: Any) -> list[str]:
        """Return what the metadata of a run's BOLD are read from."""
        return self._sidecars(self.raw_run(wildcards))

    def _sidecars(self, run: RawRun) -> list[str]:
        # The description marks the top of a dataset, up to which sidecars are inherited.
        shared = [] if self.simulated else [DESCRIPTION]
        return [f"{self.bids_root}/{path}" for path in (*shared, *run.sidecars)]

    def raw_sidecars(self, wildcards: Any) -> list[str]:
        """Return what the metadata of all BOLD files of a subject are read from."""
        found = [path for run in self.raw_runs[wildcards.subject] for path in self._sidecars(run)]
        return list(dict.fromkeys(found))

    def raw_bold(self, wildcards: Any) -> list[str]:
        """Return the raw BOLD files of a subject."""
        return [f"{self.bids_root}/{run.bold}" for run in self.raw_runs[wildcards.subject]]

    def events_files(self, wildcards: Any) -> list[str]:
        """Return the events files of all runs of a subject."""
        return [f"{self.bids_root}/{run.events}" for run in self.raw_runs[wildcards.subject]]

    def t1w_file(self, wildcards: Any) -> str:
        """Return a subject's T1-weighted image."""
        return f"{self.bids_root}/{self.layout.t1w(wildcards.subject)}"

    def inplane_images(self, wildcards: Any) -> list[str]:
        """Return the in-plane image of the session of a subject's first run, where coregistration goes through it."""
        if self.config["preprocess"]["coregister"].get("path", "inplane") != "inplane":
            return []
        session = self.raw_runs[wildcards.subject][0].session
        return [f"{self.bids_root}/{self.layout.inplane(wildcards.subject, session)}"]

    def reference_run(self, subject: str) -> dict[str, str | list[str]]:
        """Return the files of a subject's first run, whose mean is the reference of the motion correction."""
        run = self.raw_runs[subject][0]
        return {"bold": f"{self.bids_root}/{run.bold}", "sidecar": self._sidecars(run)}

    def raw_files(self, subject: str) -> list[str]:
        """Return every raw file of a simulated subject."""
        files = paradigm.bids_files(subject, self.config["acquire"]["simulate"])
        return [f"{self.bids_root}/{file}" for file in files]

    def dataset_files(self) -> list[str]:
        """Return the files of the simulated raw dataset that belong to no subject."""
        files = paradigm.dataset_files(self.config["acquire"]["simulate"])
        return [f"{self.bids_root}/{file}" for file in files]

    # Masks ------------------------------------------------------------------------------------------------------------

    def area_masks(self, subject: str) -> dict[str, str]:
        """Return the mask files of a subject's areas, and the area of each; empty for a study without."""
        if not self.masks:
            return {}
        return {f"{self.bids_root}/{path}": area for path, area in self.layout.masks(subject).items()}

    def grid_file(self, wildcards: Any) -> str:
        """Return the image onto whose grid volumes are interpolated: a mask, or one that the workflow makes."""
        if not self.own_grid:
            return self.given_masks(wildcards)[0]
        return f"{self.preprocessed}_space-T1w_desc-grid_mask.nii.gz".format(**self._names(wildcards))

    def given_masks(self, wildcards: Any) -> list[str]:
        """Return the masks of a subject's areas, none where the brain is the only area."""
        return list(self.area_masks(wildcards.subject))

    def given_grid(self, wildcards: Any) -> str | list[str]:
        """Return the grid of the workflow's own, none where the masks have one."""
        return self.grid_file(wildcards) if self.own_grid else []

    def mask_areas(self, wildcards: Any) -> dict[str, str]:
        """Return the area of every mask, for masks whose names do not tell it; empty for the simulated subjects."""
        return {} if self.simulated else self.area_masks(wildcards.subject)

    def _names(self, wildcards: Any) -> dict[str, str]:
        return {"dataset": self.dataset, "subject": wildcards.subject}

    # Preprocessed -----------------------------------------------------------------------------------------------------

    def run_path(self, suffix: str) -> str:
        """Return the pattern of a preprocessed run's file, with the wildcards dataset, subject, session, task and run."""
        name = f"sub-{{subject}}_ses-{{session}}_task-{{task}}_run-{{run}}_{suffix}"
        return f"results/{{dataset}}/preprocess/sub-{{subject}}/ses-{{session}}/func/{name}"

    def run_files(self, subject: str, suffix: str) -> list[str]:
        """Return one preprocessed file of every run of a subject, in the order of `runs`."""
        pattern = self.run_path(suffix)
        return [pattern.format(dataset=self.dataset, subject=subject, **run) for run in self.runs[subject]]

    def kept_bold(self, ending: str) -> list[str]:
        """Return the pattern of a run's preprocessed BOLD, or none where only the areas' signals are kept."""
        kept = self.config["preprocess"].get("keep_bold", False)
        return [self.run_path(f"{BOLD}.{ending}")] if kept else []
