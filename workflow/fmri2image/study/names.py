"""Checks that every name a configuration uses is one that it defines."""

from collections.abc import Mapping

from fmri2image.core.errors import ConfigError
from fmri2image.preprocess.derivatives import derivatives_settings
from fmri2image.study.check import known_name
from fmri2image.study.paths import Paths
from fmri2image.study.raw import BRAIN


class NameChecks(Paths):
    """The part of a study that checks its own names."""

    def check_names(self) -> None:
        """Check that every name the configuration uses is one that it defines.

        Raises
        ------
        ConfigError
        """
        if self.simulated and not {"simulate", "images"} <= set(self.config["acquire"]):
            raise ConfigError("config: acquire: source 'simulate' needs the keys 'simulate' and 'images'.")
        if self.source in ("openneuro", "bids") and self.source not in self.config["acquire"]:
            raise ConfigError(f"config: acquire: source '{self.source}' needs the key '{self.source}'.")
        if self.source in ("simulate", "openneuro", "bids") and "preprocess" not in self.config:
            raise ConfigError("config: preprocess: raw data need this chapter.")
        self._check_sources()
        counted = "natural_images" in self.config["acquire"].get("images", {})
        if self.simulated and "natural" in self.stimulus_sets and not counted:
            raise ConfigError("config: stimulus_sets: 'natural' needs the key acquire.images.natural_images.")
        if self.simulated:
            self._check_paradigm(self.config["acquire"]["simulate"]["stimulus_sets"])
        if self.engine == "derivatives":
            derivatives_settings(self.config["preprocess"].get("derivatives", {}))
            if self.config["samples"].get("motion_regression", True):
                raise ConfigError(
                    "config: samples.motion_regression: derivatives come without motion parameters; set it to false."
                )
        modulators = self.config["samples"].get("modulators") or {}
        if modulators:
            known_name(modulators["stimulus_set"], self.stimulus_sets, "samples.modulators", "stimulus_sets")
        for name, test in self.tests.items():
            known_name(test["stimuli"], self.stimulus_sets, f"tests.{name}.stimuli", "stimulus_sets")
            if ("training" in test) == ("leave_out" in test):
                raise ConfigError(f"config: tests.{name}: give either 'training' or 'leave_out'.")
            if "training" in test:
                known_name(test["training"], self.stimulus_sets, f"tests.{name}.training", "stimulus_sets")
        for name, decoder in self.decoders.items():
            known_name(decoder["network"], self.networks, f"decode.decoders.{name}.network", "features.networks")
            self._check_norm_reference(name, decoder["norm_reference"])
        for name, method in self.methods.items():
            if "decoder" in method:
                known_name(method["decoder"], self.decoders, f"reconstruct.methods.{name}.decoder", "decode.decoders")
                layers = self.layers(self.network_of(name))
                for layer in method.get("layers", []):
                    known_name(layer, layers, f"reconstruct.methods.{name}.layers", "that network's layers")
        for i, row in enumerate(self.analyses):
            known_name(row["method"], self.methods, f"analyses.{i}.method", "reconstruct.methods")
            for test in row["tests"]:
                known_name(test, self.tests, f"analyses.{i}.tests", "tests")
                if "leave_out" in self.tests[test] and "refit_permutations" not in row:
                    raise ConfigError(
                        f"config: analyses.{i}: the cross-validated test '{test}' needs refit_permutations."
                    )
        for name, judge in self.judges.items():
            for method in dict.fromkeys(row["method"] for row in self.analyses):
                network = self.network_of(method)
                if network and self.networks[network]["network"] == judge["network"]:
                    raise ConfigError(
                        f"config: evaluate.judges.{name}: network '{judge['network']}' reconstructs in method '{method}' "
                        "and cannot judge its own images; choose another network."
                    )
        primary = self.config["report"]["primary"]
        known_name(primary["method"], self.methods, "report.primary.method", "reconstruct.methods")
        known_name(primary["roi"], self.rois, "report.primary.roi", "the areas of the analyses")
        if self.raw_runs:
            self._check_areas()

    def _check_areas(self) -> None:
        """Check that areas are made of others that exist, and that every analysis names one."""
        chapter = self.config["samples"]
        areas = list(self.masks) or [BRAIN]
        responsive = chapter.get("responsive")
        if responsive:
            where = "samples.responsive"
            known_name(responsive["stimulus_set"], self.stimulus_sets, f"{where}.stimulus_set", "stimulus_sets")
            known_name(
                responsive.get("from", BRAIN), areas, f"{where}.from", "samples.masks, nor 'brain' without masks"
            )
            tested = [name for name, test in self.tests.items() if test["stimuli"] == responsive["stimulus_set"]]
            if tested:
                raise ConfigError(
                    f"config: {where}.stimulus_set: test '{tested[0]}' tests these stimuli, which must not choose voxels; "
                    "name a set that only trains."
                )
        for union, parts in chapter["unions"].items():
            for part in parts:
                known_name(part, areas, f"samples.unions.{union}", "samples.masks and earlier unions")
            areas.append(union)
        areas += [responsive["name"]] if responsive else []
        for roi in self.rois:
            known_name(roi, areas, "analyses: rois", "samples.masks, samples.unions and samples.responsive")

    def _check_sources(self) -> None:
        """Check where pictures, samples, features and weights come from."""
        chapter = self.config["acquire"]
        for name, entry in chapter.get("stimuli", {}).items():
            where = f"acquire.stimuli.{name}"
            known_name(name, self.stimulus_sets, where, "stimulus_sets")
            for key, needed in (("registry", "entry"), ("sets", "sets")):
                if entry["from"] == key and needed not in entry:
                    raise ConfigError(f"config: {where}: from '{key}' needs the key '{needed}'.")
            for other in entry.get("sets", []):
                known_name(other, self.stimulus_sets, f"{where}.sets", "stimulus_sets")
        if self.source == "published" and not (
            "published" in self.config["samples"] or any(d["decoder"] == "published" for d in self.decoders.values())
        ):
            raise ConfigError("config: acquire: source 'published' needs samples: published, or a decoder 'published'.")
        for name, entry in self.networks.items():
            needed = {"shipped": "weights", "registry": "entry"}.get(entry["source"])
            if needed and needed not in entry:
                raise ConfigError(
                    f"config: features.networks.{name}: source '{entry['source']}' needs the key '{needed}'."
                )
        for name, entry in self.decoders.items():
            if entry["decoder"] == "published":
                for test in [*entry["entries"], *entry.get("names", {})]:
                    known_name(test, self.tests, f"decode.decoders.{name}.entries", "tests")
                    if "leave_out" in self.tests[test] or self.tests[test]["rows"] != "stimulus":
                        raise ConfigError(
                            f"config: decode.decoders.{name}: published decoded features have one row per stimulus of a "
                            f"held-out test; set tests.{test}.rows to stimulus and give it a training set."
                        )
        for row in self.analyses:
            decoder = self.decoders.get(self.methods.get(row["method"], {}).get("decoder", ""), {})
            if decoder.get("decoder") == "published":
                for test in row["tests"]:
                    known_name(test, decoder["entries"], f"analyses: {row['method']}", "that decoder's entries")
                for roi in row["rois"]:
                    known_name(roi, decoder["rois"], f"analyses: {row['method']}: rois", "that decoder's rois")

    def _check_paradigm(self, shown: Mapping[str, Mapping]) -> None:
        for name, part in shown.items():
            where = f"acquire.simulate.stimulus_sets.{name}"
            known_name(name, self.stimulus_sets, "acquire.simulate.stimulus_sets", "stimulus_sets")
            if isinstance(part["runs"], Mapping):
                for subject in part["runs"]:
                    known_name(subject, [*self.subjects, "default"], f"{where}.runs", "subjects, nor 'default'")
            for other in part.get("from", {}):
                known_name(other, self.stimulus_sets, f"{where}.from", "stimulus_sets")
        try:
            self.runs  # noqa: B018 - lists them once, which checks that the presentations fit into them
        except ConfigError as error:
            raise ConfigError(f"config: acquire: {error}") from error

    def _check_norm_reference(self, decoder: str, reference: str) -> None:
        if reference == "training":
            return
        where = f"decode.decoders.{decoder}.norm_reference"
        known_name(reference, self.stimulus_sets, where, "stimulus_sets, nor 'training'")
        tested = [name for name, test in self.tests.items() if test["stimuli"] == reference]
        if tested:
            raise ConfigError(
                f"config: {where}: '{reference}' is what the test '{tested[0]}' tests; name images that are not tested, "
                "or 'training'."
            )
