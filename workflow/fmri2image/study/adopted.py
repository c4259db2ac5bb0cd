"""What the rules ask of a study whose runs another program has preprocessed."""

from types import SimpleNamespace
from typing import Any

from fmri2image.preprocess.fmriprep import check_fmriprep, fmriprep_settings
from fmri2image.study.data import DataQuestions


class AdoptedQuestions(DataQuestions):
    """Inputs and settings of fMRIPrep and of derivatives."""

    def check_programs(self) -> None:
        """Check that what runs outside Python is there; raises ConfigError."""
        if self.engine == "fmriprep":
            timing = self.config["preprocess"].get("slice_timing")
            check_fmriprep(fmriprep_settings(self.config["preprocess"]["fmriprep"]), timing)

    def run_names(self, subject: str) -> list[dict[str, str]]:
        """Return session, task and run of every run of a subject."""
        return [{key: run[key] for key in ("session", "task", "run")} for run in self.runs[subject]]

    def fmriprep_tree(self) -> str:
        """Return the folder of fMRIPrep's output: ours, or one that the configuration names."""
        return self.config["preprocess"]["fmriprep"].get("output") or f"{self.root}/fmriprep"

    def fmriprep_memory(self) -> int:
        """Return the memory of a subject's fMRIPrep, MB."""
        return self.config["preprocess"]["fmriprep"].get("mem_mb", 16000)

    def fmriprep_threads(self) -> int:
        """Return the threads of a subject's fMRIPrep."""
        return self.config["preprocess"]["fmriprep"].get("threads", 8)

    def fmriprep_settings(self, wildcards: Any) -> dict:
        """Return what running fMRIPrep on a subject needs to know; memory and threads are the rule's resources."""
        chapter = self.config["preprocess"]["fmriprep"]
        own = {key: value for key, value in chapter.items() if key not in ("mem_mb", "threads")}
        timing = {"slice_timing": None, "slice_timing_reference": 0.5}
        timing |= self.preprocess_settings("discard_seconds", *timing)
        places = {"bids": self.bids_root, "tree": self.fmriprep_tree()}
        return {"fmriprep": own, **places, **timing}

    def adopt_settings(self, wildcards: Any) -> dict:
        """Return what taking over another program's runs needs to know."""
        settings = {**self.preprocess_settings("engine", "discard_seconds"), "simulated": self.simulated}
        settings |= {"areas": self.mask_areas(wildcards)} if self.mask_areas(wildcards) else {}
        if self.engine == "fmriprep":
            return {**settings, "tree": self.fmriprep_tree()}
        return {**settings, "derivatives": self.config["preprocess"]["derivatives"]}

    def adopt_reference_settings(self, wildcards: Any) -> dict:
        """Return what taking over the reference needs to know: also which run is the first."""
        first = {**self.run_names(wildcards.subject)[0], "raw": self.reference_run(wildcards.subject)["bold"]}
        return {**self.adopt_settings(wildcards), "run": first}

    def adopted_run(self, wildcards: Any) -> str:
        """Return what another program's run is known by: fMRIPrep's record of the subject, or the run's BOLD file."""
        if self.engine == "fmriprep":
            return f"{self.preprocessed}_fmriprep.json".format(dataset=self.dataset, subject=wildcards.subject)
        return self.adopted_pattern().format(**dict(wildcards.items()))

    def adopted_reference(self, wildcards: Any) -> str:
        """Return what the first run of a subject is known by."""
        run = {"subject": wildcards.subject, **self.run_names(wildcards.subject)[0]}
        return self.adopted_run(SimpleNamespace(**run, items=run.items))
