"""What the rules of acquire, preprocess and samples ask of a study."""

from pathlib import Path
from typing import Any

from fmri2image.acquire.phantom import paradigm
from fmri2image.study.importing import ImportQuestions
from fmri2image.study.raw import BRAIN, CONFOUNDS, SERIES, SUMMARY

# The defaults of samples.settings.MotionLimit, which is too heavy to import here; a test holds them equal.
SAMPLES_APART = ("masks", "unions", "modulators", "responsive", "published")
MOTION_LIMIT = {"displacement": 0.5, "share": 0.25, "runs": "flag", "trials": "keep"}


class DataQuestions(ImportQuestions):
    """Inputs and settings of the stages up to samples."""

    def stimuli_settings(self) -> dict:
        """Return what generating the stimuli needs to know."""
        shown = self.config["acquire"].get("simulate", {}).get("stimulus_sets", {})
        imagery = {name: part["from"] for name, part in shown.items() if part.get("kind") == "imagery"}
        return {"seed": self.config["seed"], "images": self.config["acquire"]["images"], "imagery": imagery}

    def dataset_settings(self) -> dict:
        """Return what describing the simulated dataset needs to know."""
        chapter = self.config["acquire"]["simulate"]
        kinds = {name: {"kind": paradigm.task(part)} for name, part in chapter["stimulus_sets"].items()}
        settings = {"dialect": paradigm.dialect(chapter), "stimulus_sets": kinds}
        if settings["dialect"] == "ds001246":  # its sidecars belong to no subject
            keys = ("repetition_time", "slice_timing", "voxel_size", "slab", "slab_tilt")
            settings |= {key: chapter[key] for key in keys}
        return {"subjects": self.subjects, "simulate": settings}

    def simulate_settings(self, subject: str) -> dict:
        """Return what the simulator needs to know about a subject; the runs of other subjects are not in it."""
        chapter = paradigm.for_subject(self.config["acquire"]["simulate"], subject)
        return {"subject": subject, "seed": self.config["seed"], "simulate": chapter}

    def preprocess_settings(self, *keys: str) -> dict:
        """Return the named settings of the preprocess stage; its device is the CPU unless it says otherwise."""
        chapter = {"device": "cpu", **self.config.get("preprocess", {})}
        return {key: chapter[key] for key in keys if key in chapter}

    def motion_settings(self) -> dict:
        """Return what correcting the motion of a run needs to know; the settings of other engines are not in it."""
        common = ("discard_seconds", "engine", "slice_timing", "slice_timing_reference", "reslice_order", "keep_bold")
        return {**self.preprocess_settings(*common, self.engine, "device"), "simulated": self.simulated}

    def run_motion_settings(self, wildcards: Any) -> dict:
        """Return what correcting the motion of a run needs to know, with the areas of masks whose names do not tell them."""
        areas = self.mask_areas(wildcards)
        return {**self.motion_settings(), **({"areas": areas} if areas else {})}

    def run_plans(self, subject: str) -> list[dict[str, str]]:
        """Return the runs of a subject, with their events file where its name is not ours."""
        runs = self.raw_runs[subject]
        place = {} if self.simulated else {"events": self.bids_root}
        return [{**run.names, **{key: f"{root}/{run.events}" for key, root in place.items()}} for run in runs]

    @property
    def motion_environment(self) -> str:
        """Environment of motion correction: ANTs has one of its own."""
        return "ants" if self.engine == "ants" else "preprocess"

    def preprocess_gpu(self) -> int:
        """Return the number of GPUs that motion correction asks the cluster for."""
        return 0 if self.preprocess_settings("device")["device"] == "cpu" else 1

    def summary_files(self, wildcards: Any) -> list[str]:
        """Return the summaries of all runs of a subject, from which its quality is drawn."""
        return self.run_files(wildcards.subject, f"{SUMMARY}.h5")

    def drawn_samples(self) -> list[str]:
        """Return the pattern of samples that figures of quality need: only where they alone know an area."""
        return ["results/{dataset}/samples/sub-{subject}.h5"] if self.config["samples"].get("responsive") else []

    def quality_settings(self, wildcards: Any) -> dict:
        """Return what figures of quality need to know: unions, and the six areas that are outlined.

        Unions come first, then areas that belong to none; without masks it is the responsive area, or the brain.
        """
        unions = self.config["samples"]["unions"]
        joined = {name for name, parts in unions.items() if set(parts) & set(unions)}
        single = [name for name in self.masks if not any(name in unions[union] for union in set(unions) - joined)]
        responsive = self.config["samples"].get("responsive")
        outlines = [name for name in [*unions, *single] if name not in joined][:6]
        areas = self.mask_areas(wildcards)
        return {
            "simulated": self.simulated,
            "unions": unions,
            "outlines": outlines or [responsive["name"] if responsive else BRAIN],
            "motion_limit": self.motion_limit(),
            **({"areas": areas} if areas else {}),
        }

    def motion_limit(self) -> dict | None:
        """Return what counts as too much motion, as the samples judge it."""
        return self.config["samples"].get("motion_limit", MOTION_LIMIT)

    @property
    def modulated_set(self) -> str:
        """The stimulus set whose runs are fitted with modulators; empty for none."""
        return (self.config["samples"].get("modulators") or {}).get("stimulus_set", "")

    def modulator_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of modulators: the runs of their stimulus set, and the values."""
        runs = [run for run in self.raw_runs[wildcards.subject] if run.stimulus_set == self.modulated_set]

        def files(suffix: str) -> list[str]:
            pattern = self.run_path(suffix)
            return [pattern.format(dataset=self.dataset, subject=wildcards.subject, **run.names) for run in runs]

        return {
            "series": files(f"{SERIES}.h5"),
            "confounds": files(f"{CONFOUNDS}.tsv"),
            "events": [f"{self.bids_root}/{run.events}" for run in runs],
            "values": self.config["samples"]["modulators"]["values"],
            # The samples know which voxels are responsive, and none but these may have betas.
            **({"samples": path} if (path := self._responsive_samples(wildcards.subject)) else {}),
        }

    def _responsive_samples(self, subject: str) -> str:
        return f"{self.root}/samples/sub-{subject}.h5" if self.config["samples"].get("responsive") else ""

    def modulator_settings(self, wildcards: Any) -> dict:
        """Return what fitting modulators needs to know."""
        settings = self.samples_settings(wildcards)
        apart = ("stimulus_set", "values")
        chosen = self.config["samples"]["modulators"]
        return {
            "runs": [run for run in settings["runs"] if run["stimulus_set"] == self.modulated_set],
            "modulators": {key: value for key, value in sorted(chosen.items()) if key not in apart},
            **{key: settings[key] for key in ("cleaning", "unions", "simulated")},
        }

    def samples_settings(self, wildcards: Any) -> dict:
        """Return what building a subject's samples needs to know."""
        chapter = self.config["samples"]
        cleaning = {key: value for key, value in chapter.items() if key not in SAMPLES_APART}
        timing = self.config["preprocess"]
        if timing.get("slice_timing") and "slice_timing_reference" in timing:
            cleaning.setdefault("volume_moment", timing["slice_timing_reference"])
        return {
            "cleaning": cleaning,
            "unions": chapter["unions"],
            "runs": self.run_plans(wildcards.subject),
            "tested": sorted({self.tests[test]["stimuli"] for row in self.analyses for test in row["tests"]}),
            "simulated": self.simulated,
            **({"responsive": chapter["responsive"]} if chapter.get("responsive") else {}),
        }

    def samples_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of a subject's samples: signals, confounds and events of every run."""
        subject = wildcards.subject
        return {
            "series": self.run_files(subject, f"{SERIES}.h5"),
            "confounds": self.motion_tables(wildcards),
            "events": self.events_files(wildcards),
            "stimuli": f"{self.root}/stimuli/stimuli.tsv",
        }

    def reference_inputs(self, wildcards: Any) -> dict:
        """Return the run whose mean is the reference of a subject's motion correction."""
        return self.reference_run(wildcards.subject)

    def motion_tables(self, wildcards: Any) -> list[str]:
        """Return the confounds tables of all runs of a subject; they hold its motion."""
        return self.run_files(wildcards.subject, f"{CONFOUNDS}.tsv")

    def miyawaki_files(self) -> list[str]:
        """Return the files of a Miyawaki folder that the configuration names; none when nilearn downloads them."""
        folder = self.config["acquire"].get("data")
        if folder is None:
            return []
        matrix = Path(folder) / "miyawaki2008_s1_V1_figure.npz"
        return [str(matrix)] if matrix.is_file() else [str(folder)]

    def miyawaki_settings(self) -> dict:
        """Return what reading Miyawaki et al. 2008 needs to know."""
        chapter = self.config["acquire"]
        return {"data": chapter.get("data"), "image_size": chapter.get("image_size", 60)}
