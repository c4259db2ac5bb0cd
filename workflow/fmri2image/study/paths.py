"""Where a study's files lie, and which of them a whole run makes."""

from functools import cached_property
from typing import Any

from fmri2image.acquire.phantom import paradigm

TRUE_FEATURES = "true-features"
PREPROC = "space-T1w_desc-preproc_bold"


class Paths:
    """File names of one study.

    Parameters
    ----------
    config : dict
        Checked configuration.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.dataset: str = config["dataset"]
        self.root = f"results/{self.dataset}"
        self.subjects: list[str] = config["subjects"]
        self.stimulus_sets: list[str] = config["stimulus_sets"]
        self.tests: dict[str, dict] = config["tests"]
        self.networks: dict[str, dict] = config["features"]["networks"]
        self.decoders: dict[str, dict] = config["decode"]["decoders"]
        self.methods: dict[str, dict] = config["reconstruct"]["methods"]
        self.analyses: list[dict] = config["analyses"]
        self.rois: list[str] = list(dict.fromkeys(roi for row in self.analyses for roi in row["rois"]))
        self.simulated: bool = config["acquire"]["source"] == "simulate"

    # Raw and preprocessed ---------------------------------------------------------------------------------------------

    @cached_property
    def runs(self) -> list[dict[str, str]]:
        """One entry per run of every subject: session, task, run, stimulus_set (the simulated subjects share a paradigm)."""
        if not self.simulated:
            return []
        columns = ["session", "task", "run", "stimulus_set"]
        return paradigm.run_table(self.config["acquire"]["simulate"])[columns].to_dict("records")

    def raw_files(self) -> list[str]:
        """Return the pattern of every raw file of a subject."""
        return [
            f"{self.root}/bids/{file}" for file in paradigm.bids_files("{subject}", self.config["acquire"]["simulate"])
        ]

    def dataset_files(self) -> list[str]:
        """Return the files of the raw dataset that belong to no subject."""
        return [f"{self.root}/bids/{file}" for file in paradigm.dataset_files()]

    def run_path(self, folder: str, suffix: str) -> str:
        """Return the pattern of a run's file, with the wildcards dataset, subject, session and run.

        Parameters
        ----------
        folder : {"bids", "preprocess"}
        suffix : str
            For example ``bold.nii.gz``.
        """
        task = self.runs[0]["task"]
        name = f"sub-{{subject}}_ses-{{session}}_task-{task}_run-{{run}}_{suffix}"
        return f"results/{{dataset}}/{folder}/sub-{{subject}}/ses-{{session}}/func/{name}"

    def run_files(self, suffix: str, folder: str = "preprocess") -> list[str]:
        """Return the pattern (with ``{subject}``) of one file of every run, in the order of `runs`."""
        pattern = self.run_path(folder, suffix).replace("{dataset}", self.dataset) if self.runs else ""
        return [pattern.replace("{session}", run["session"]).replace("{run}", run["run"]) for run in self.runs]

    def mask_files(self) -> list[str]:
        """Return the patterns of a subject's mask files."""
        sides = [(side, area) for side in paradigm.HEMISPHERES for area in self.config["samples"].get("masks", [])]
        return [f"{self.root}/bids/{paradigm.mask_path('{subject}', side, area)}" for side, area in sides]

    def t1w_file(self) -> str:
        """Return the pattern of the T1-weighted image."""
        return f"{self.root}/bids/{paradigm.t1w_stem('{subject}')}.nii.gz"

    def inplane_file(self) -> str:
        """Return the pattern of the in-plane T2-weighted image of the session that holds the reference run."""
        session = self.runs[0]["session"] if self.runs else ""
        return f"{self.root}/bids/{paradigm.inplane_stem('{subject}', session)}.nii.gz"

    # Features and decoded features ------------------------------------------------------------------------------------

    def layers(self, network: str) -> list[str]:
        """Return the layers that are extracted and decoded, from the shallowest to the deepest."""
        return self.networks[network]["layers"]

    def feature_files(self, network: str, stimulus_set: str, layers: list[str] | None = None) -> list[str]:
        """Return the files of true features."""
        chosen = self.layers(network) if layers is None else layers
        return [f"{self.root}/features/{network}/{stimulus_set}/{layer}.h5" for layer in chosen]

    def decoded_files(self, decoder: str, source: str, layers: list[str] | None = None) -> list[str]:
        """Return the files of decoded features of a source ``sub-…_roi-…``."""
        network = self.decoders[decoder]["network"]
        chosen = self.layers(network) if layers is None else layers
        return [f"{self.root}/decode/{decoder}/{network}/{source}/{layer}.h5" for layer in chosen]

    # Reconstructions and scores ---------------------------------------------------------------------------------------

    def network_of(self, method: str) -> str | None:
        """Return the network whose decoded features a named method takes, if any."""
        decoder = self.methods[method].get("decoder")
        return self.decoders[decoder]["network"] if decoder else None

    def sources(self, method: str, test: str) -> list[str]:
        """Return the sources of reconstructions: ``sub-…_roi-…`` per subject and area, and the true-feature ceiling."""
        rois = [roi for row in self.analyses if row["method"] == method and test in row["tests"] for roi in row["rois"]]
        found = [f"sub-{subject}_roi-{roi}" for roi in dict.fromkeys(rois) for subject in self.subjects]
        return [*found, TRUE_FEATURES] if self.network_of(method) else found

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Every (method, test) that some analysis asks for."""
        return list(dict.fromkeys((row["method"], test) for row in self.analyses for test in row["tests"]))

    def score_files(self, suffix: str) -> list[str]:
        """Return the score (``scores``) or permutation (``permutations``) tables of all reconstructions."""
        return [
            f"{self.root}/evaluate/images/{method}/{source}_{test}_{suffix}.tsv"
            for method, test in self.pairs
            for source in self.sources(method, test)
        ]

    @cached_property
    def decoded(self) -> list[tuple[str, str]]:
        """Every (decoder, roi) that some analysis asks for."""
        found = [
            (self.methods[row["method"]]["decoder"], roi)
            for row in self.analyses
            if "decoder" in self.methods[row["method"]]
            for roi in row["rois"]
        ]
        return list(dict.fromkeys(found))

    def accuracy_files(self) -> list[str]:
        """Return the tables of feature decoding accuracy."""
        return [
            f"{self.root}/evaluate/features/{decoder}/sub-{subject}_roi-{roi}_accuracy.tsv"
            for decoder, roi in self.decoded
            for subject in self.subjects
        ]

    def motion_files(self) -> list[str]:
        """Return the tables of motion error; none where the true motion is unknown."""
        return [f"{self.root}/evaluate/motion/sub-{subject}_motion.tsv" for subject in self.subjects if self.runs]

    # What a run makes -------------------------------------------------------------------------------------------------

    def sheets(self) -> list[str]:
        """Return the image sheets: one per method, area and test, all subjects below each other."""
        names = [
            f"{self.root}/figures/images_{row['method']}_roi-{roi}_{test}.png"
            for row in self.analyses
            for roi in row["rois"]
            for test in row["tests"]
        ]
        return list(dict.fromkeys(names))

    def tables(self) -> list[str]:
        """Return the tables for people."""
        names = ["identification", *(["decoding_accuracy"] if self.decoded else []), *(["motion"] if self.runs else [])]
        return [f"{self.root}/tables/{name}.tsv" for name in names]

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people."""
        figures = [f"{self.root}/figures/identification.svg", *self.sheets()]
        raw = self.dataset_files() if self.runs else []
        if self.decoded:
            figures.append(f"{self.root}/figures/decoding_accuracy.svg")
        if self.runs:
            figures += [f"{self.root}/figures/sub-{subject}_preprocess.png" for subject in self.subjects]
        return [*raw, *self.tables(), *figures, f"{self.root}/summary.html"]
