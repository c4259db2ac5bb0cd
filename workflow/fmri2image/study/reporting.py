"""What the rules of report ask of a study."""

import json
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from fmri2image.acquire.phantom import paradigm
from fmri2image.study.data import DataQuestions
from fmri2image.study.paths import TRUE_FEATURES

# Areas that share no voxel.
DISTINCT_AREAS = ("V1", "V2", "V3", "V4", "LOC", "FFA", "PPA")


class ReportQuestions(DataQuestions):
    """Inputs and settings of tables, figures and pages."""

    def report_settings(self) -> dict:
        """Return what tables, figures and the summary need to know."""
        return {
            "title": self.config["title"],
            "dataset": self.dataset,
            "simulated": self.simulated,
            "primary": self.config["report"]["primary"],
        }

    def sheet_settings(self) -> dict:
        """Return what image sheets need to know."""
        return {
            "title": self.config["title"],
            "simulated": self.simulated,
            "stimulus_sets": self.sets_of(sorted(self.tests)),
        }

    def example_settings(self) -> dict:
        """Return what the main figure needs to know."""
        return {"simulated": self.simulated, "stimulus_sets": self.sets_of(self.primary_tests())}

    def figure_settings(self) -> dict:
        """Return what figures of scores need to know; ``decoder`` is the primary method's, if it has one."""
        primary = self.config["report"]["primary"]
        return {
            "simulated": self.simulated,
            "primary": primary,
            "decoder": self.methods[primary["method"]].get("decoder"),
            "methods": self.compared_methods(),
        }

    def selection_settings(self) -> dict:
        """Return what the figure of chosen voxels needs to know: areas that do not overlap, where they are known."""
        chapter = self.config["samples"]
        known = {*chapter.get("unions", {}), *chapter.get("masks", []), *self.rois}
        whole = [name for name in DISTINCT_AREAS if name in known]
        return {"simulated": self.simulated, **({"areas": whole} if len(whole) > 1 else {})}

    def raw_absolute_inputs(self) -> dict:
        """Return the inputs of the comparison of raw with absolute features: accuracy of units of every subject."""
        chosen = self.config["report"]["raw_absolute"]
        return {
            key: [
                f"{self.root}/evaluate/features/{chosen[key]}/sub-{subject}_roi-{chosen['roi']}_units.h5"
                for subject in self.raw_absolute_subjects()
            ]
            for key in ("raw", "absolute")
        }

    def raw_absolute_settings(self) -> dict:
        """Return what that comparison needs to know."""
        chosen = self.config["report"]["raw_absolute"]
        return {"layer": chosen["layer"], "test": chosen["test"], "simulated": self.simulated}

    def page_settings(self) -> dict:
        """Return what the first page needs to know: all settings, because it prints them, in alphabetical order.

        Where downloads come from is not among them: checksums say what they are, and nothing reruns for another mirror.
        """
        settings = {**self.report_settings(), **self.example_settings()}
        if self.skipped:
            settings["skipped"] = [asdict(one) for one in self.skipped]
        config = json.loads(json.dumps(self.config, sort_keys=True))
        for chapter, key in (
            (config["acquire"], "mirror"),
            (config["acquire"], "offline"),
            (config["acquire"].get("openneuro", {}), "url"),
        ):
            chapter.pop(key, None)
        return {**settings, "config": config}

    def subject_page_settings(self) -> dict:
        """Return what the page of a subject needs to know."""
        return {**self.report_settings(), "stimulus_sets": self.sets_of(sorted(self.tests))}

    def page_samples(self) -> list[str]:
        """Return the pattern of a subject's samples; none for a study without responses."""
        return ["results/{dataset}/samples/sub-{subject}.h5"] if self.sampled else []

    def quality_page_settings(self) -> dict:
        """Return what the page of a subject's data quality needs to know."""
        keys = ("title", "dataset", "simulated")
        return {**{key: self.report_settings()[key] for key in keys}, "motion_limit": self.motion_limit()}

    def coregistration_checks(self) -> list[str]:
        """Return the pattern of what was checked of a coregistration; none where another program made it."""
        return [f"{self.preprocessed}_from-T1w_to-boldref_mode-image_xfm.json"] if self.realigns else []

    def norm_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of the figure of norm corrections: the first subject's images by version, and the table."""
        primary, test = self.config["report"]["primary"], self.norm_test()
        source = f"sub-{self.subjects[0]}_roi-{primary['roi']}"
        images = [f"{self.root}/reconstruct/{method}/{source}_{test}.h5" for method in self.norm_variants()]
        if TRUE_FEATURES in self.drawn_sources(primary["method"], test):
            images.append(f"{self.root}/reconstruct/{primary['method']}/{TRUE_FEATURES}_{test}.h5")
        return {
            "images": images,
            "stimuli": f"{self.root}/stimuli/{self.tests[test]['stimuli']}.h5",
            "table": f"{self.root}/tables/identification.tsv",
        }

    def norm_settings(self) -> dict:
        """Return what the figure of norm corrections needs to know."""
        return {
            "versions": {method: self.methods[method]["norm_correction"] for method in self.norm_variants()},
            "primary": self.config["report"]["primary"],
            "test": self.norm_test(),
            "subject": self.subjects[0],
            "simulated": self.simulated,
        }

    def phantom_runs(self) -> list[dict[str, str]]:
        """Return the runs drawn of the first simulated subject: the perception run with the longest rests, and imagery."""
        shown = self.config["acquire"]["simulate"]["stimulus_sets"]
        rest = {name: part["rest"] for name, part in shown.items() if paradigm.task(part) == paradigm.PERCEPTION}
        imagined = [name for name, part in shown.items() if paradigm.task(part) == paradigm.IMAGERY]
        runs = self.runs[self.subjects[0]]
        sets = [max(rest, key=rest.get), *imagined[:1]]
        return [next(run for run in runs if run["stimulus_set"] == name) for name in sets]

    def phantom_inputs(self) -> dict:
        """Return the inputs of the figures that explain the simulated subjects."""
        first = {"dataset": self.dataset, "subject": self.subjects[0]}
        drawn = [self.raw_run(SimpleNamespace(**first, **run)) for run in self.phantom_runs()]
        return {
            "stimuli": [f"{self.root}/stimuli/{name}.h5" for name in self.stimulus_sets],
            "table": f"{self.root}/stimuli/stimuli.tsv",
            "truth": [f"{self.root}/truth/sub-{subject}_truth.h5" for subject in self.subjects],
            "t1w": [f"{self.bids_root}/{self.layout.t1w(subject)}" for subject in self.subjects],
            "first_bold": [self.reference_run(subject)["bold"] for subject in self.subjects],
            "bold": [f"{self.bids_root}/{run.bold}" for run in drawn],
            "events": [f"{self.bids_root}/{run.events}" for run in drawn],
        }

    def phantom_settings(self) -> dict:
        """Return what the figures that explain the simulated subjects need to know."""
        shown = self.config["acquire"]["simulate"]["stimulus_sets"]
        uses = {"natural": "nobody is shown"}
        for name, part in shown.items():
            parts = f"\nof {' and '.join(part['from'])}" if "from" in part else ""
            uses[name] = f"{'imagined' if parts else 'seen'} {part['repeats']} ×{parts}"
        return {
            "subjects": self.subjects,
            "uses": {name: uses[name] for name in self.stimulus_sets if name in uses},
            "scanned": list(shown),
            "runs": self.phantom_runs(),
        }

    def sheet_images(self, wildcards: Any) -> list[str]:
        """Return the reconstructions of an image sheet: every subject, then the true-feature ceiling."""
        sources = self.drawn_sources(wildcards.method, wildcards.test)
        mine = [source for source in sources if source == TRUE_FEATURES or source.endswith(f"_roi-{wildcards.roi}")]
        return [f"{self.root}/reconstruct/{wildcards.method}/{source}_{wildcards.test}.h5" for source in mine]

    def sheet_stimuli(self, wildcards: Any) -> str:
        """Return the stimuli of an image sheet."""
        return f"{self.root}/stimuli/{self.tests[wildcards.test]['stimuli']}.h5"
