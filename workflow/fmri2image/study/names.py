"""Checks that every name a configuration uses is one that it defines."""

from collections.abc import Mapping, Sequence

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError
from fmri2image.preprocess.derivatives import derivatives_settings
from fmri2image.reconstruct.adversarial.choices import check_end2end
from fmri2image.reconstruct.choices import check_choices
from fmri2image.study.available import Skipped
from fmri2image.study.check import known_name
from fmri2image.study.raw import BRAIN, MANIFESTED, RAW
from fmri2image.study.sources import SourceChecks, known_layers

# Those of samples.names, which is too heavy to import here; a test holds them equal.
IMAGERY_ORDERS = ("ds001506",)


class NameChecks(SourceChecks):
    """The part of a study that checks its own names."""

    def check_names(self) -> None:
        """Check that every name the configuration uses is one that it defines.

        Raises
        ------
        ConfigError
        """
        self._check_chapters()
        self.check_sessions()
        self._check_tests()
        self._check_methods()
        self.check_generators()
        self._check_decode_jobs()
        self._check_analyses()
        self._check_judges()
        self.check_sources()
        if self.simulated:
            self._check_paradigm(self.config["acquire"]["simulate"]["stimulus_sets"])
        if self.raw_runs:
            self.check_runs()
            self._check_areas()
        self._check_raw_absolute()
        self._check_primary()

    def _check_chapters(self) -> None:
        """Check that the chapters which the source of the data and the engine need are there."""
        chapter = self.config["acquire"]
        if self.simulated and not {"simulate", "images"} <= set(chapter):
            raise ConfigError("config: acquire: source 'simulate' needs the keys 'simulate' and 'images'.")
        if self.source in MANIFESTED and self.source not in chapter:
            raise ConfigError(f"config: acquire: source '{self.source}' needs the key '{self.source}'.")
        if self.source in RAW and "preprocess" not in self.config:
            raise ConfigError("config: preprocess: raw data need this chapter.")
        order = self.config["samples"].get("imagery_stimuli")
        if isinstance(order, str):
            known_name(
                order, IMAGERY_ORDERS, "samples.imagery_stimuli", "the orders that are known; give a list of names"
            )
        if self.simulated and "natural" in self.stimulus_sets and "natural_images" not in chapter["images"]:
            raise ConfigError("config: stimulus_sets: 'natural' needs the key acquire.images.natural_images.")
        if self.engine == "derivatives":
            derivatives_settings(self.config["preprocess"].get("derivatives", {}))
            if self.config["samples"].get("motion_regression", True):
                raise ConfigError(
                    "config: samples.motion_regression: derivatives come without motion parameters; set it to false."
                )

    def _check_tests(self) -> None:
        modulators = self.config["samples"].get("modulators") or {}
        if modulators:
            known_name(modulators["stimulus_set"], self.stimulus_sets, "samples.modulators", "stimulus_sets")
        for name, test in self.tests.items():
            known_name(test["stimuli"], self.stimulus_sets, f"tests.{name}.stimuli", "stimulus_sets")
            if ("training" in test) == ("leave_out" in test):
                raise ConfigError(f"config: tests.{name}: give either 'training' or 'leave_out'.")
            if "training" in test:
                known_name(test["training"], self.stimulus_sets, f"tests.{name}.training", "stimulus_sets")
                if test["training"] == test["stimuli"]:
                    raise ConfigError(
                        f"config: tests.{name}.training: '{test['training']}' is what is tested; name another set, or "
                        "leave_out instead of training."
                    )
            self._check_lures(name, test)

    def _check_lures(self, name: str, test: Mapping) -> None:
        """Check that the lures a test asks for can be told and have a chance of their own."""
        chosen = self.lures[name]
        if not chosen:
            return
        key = next(iter(chosen))
        if "leave_out" in test:
            raise ConfigError(
                f"config: tests.{name}.{key}: chance of a cross-validated test is refitted with all stimuli as lures; leave "
                f"{key} out, or give training instead of leave_out."
            )
        if self.source == "miyawaki2008" and self.lures_by_kind(name):
            raise ConfigError(
                f"config: tests.{name}.{key}: source '{self.source}' has no table of kinds; leave {key} out."
            )
        if "aspects" in chosen and self.simulated:
            parts = self.config["acquire"]["simulate"]["stimulus_sets"].get(test["stimuli"], {}).get("from", {})
            if "shapes" not in (test["stimuli"], *parts):
                raise ConfigError(
                    f"config: tests.{name}.aspects: set '{test['stimuli']}' holds no artificial shapes, so colour and shape "
                    "have no lures; leave aspects out."
                )

    def _check_methods(self) -> None:
        for name, decoder in self.decoders.items():
            known_name(decoder["network"], self.networks, f"decode.decoders.{name}.network", "features.networks")
            for layer in decoder.get("layers", []):
                known_name(
                    layer, self.layers(decoder["network"]), f"decode.decoders.{name}.layers", "that network's layers"
                )
            self._check_norm_reference(name, decoder["norm_reference"])
        for name, method in self.methods.items():
            check_choices(method, f"config: reconstruct.methods.{name}")
            check_end2end(method, f"config: reconstruct.methods.{name}")
            if method.get("comparator"):
                self._check_comparator(name, method["comparator"])
            if "decoder" in method:
                known_name(method["decoder"], self.decoders, f"reconstruct.methods.{name}.decoder", "decode.decoders")
                layers = self.decoder_layers(method["decoder"])
                for layer in self.method_layers(name):
                    known_name(layer, layers, f"reconstruct.methods.{name}.layers", "that decoder's layers")
                if self.decoders[method["decoder"]].get("transform", "raw") != "raw":
                    raise ConfigError(
                        f"config: reconstruct.methods.{name}.decoder: '{method['decoder']}' decodes absolute features, from "
                        "which no image can be made."
                    )

    def _check_comparator(self, name: str, comparator: Mapping) -> None:
        where, network = f"reconstruct.methods.{name}.comparator", comparator["network"]
        known_name(network, self.networks, f"{where}.network", "features.networks")
        layers = known_layers(self.networks[network]["network"])
        known_name(comparator["layer"], layers, f"{where}.layer", "the layers of that network")

    def _check_decode_jobs(self) -> None:
        """Check that decoders differ in the names of rules, where a hyphen is an underscore and a layer may follow."""
        owners: dict[str, str] = {}
        words = [(name.replace("-", "_"), name) for name in self.decoders]
        for word, decoder in [*words, *((word, decoder) for word, decoder, _ in self.decode_jobs())]:
            other = owners.setdefault(word, decoder)
            if other != decoder:
                raise ConfigError(
                    f"config: decode.decoders: rules of '{other}' and '{decoder}' would both be called '{word}'; choose "
                    "another name for one of them."
                )

    def _check_analyses(self) -> None:
        for i, row in enumerate(self.analyses):
            known_name(row["method"], self.methods, f"analyses.{i}.method", "reconstruct.methods")
            for subject in row.get("subjects", ()):
                known_name(subject, self.subjects, f"analyses.{i}.subjects", "subjects")
            for test in row["tests"]:
                known_name(test, self.tests, f"analyses.{i}.tests", "tests")
                if "leave_out" in self.tests[test] and "refit_permutations" not in row:
                    raise ConfigError(
                        f"config: analyses.{i}: the cross-validated test '{test}' needs refit_permutations."
                    )

        for i, row in enumerate(self.config["decode"].get("analyses", [])):
            known_name(row["decoder"], self.decoders, f"decode.analyses.{i}.decoder", "decode.decoders")
            for test in row["tests"]:
                known_name(test, self.tests, f"decode.analyses.{i}.tests", "tests")

    def _check_raw_absolute(self) -> None:
        """Check that the figure of raw and absolute features compares what is decoded."""
        chosen = self.config["report"].get("raw_absolute")
        rows = [*self.config["analyses"], *self.config["decode"].get("analyses", [])]
        rois = dict.fromkeys(roi for row in rows for roi in row["rois"])
        for key in ("raw", "absolute") if chosen else ():
            name, where = chosen[key], f"report.raw_absolute.{key}"
            known_name(name, self.decoders, where, "decode.decoders")
            known_name(chosen["test"], self.tests, "report.raw_absolute.test", "tests")
            known_name(chosen["layer"], self.decoder_layers(name), "report.raw_absolute.layer", "that decoder's layers")
            known_name(chosen["roi"], rois, "report.raw_absolute.roi", "the areas of the analyses")
            if self.decoders[name].get("transform", "raw") != key:
                raise ConfigError(f"config: {where}: decoder '{name}' needs 'transform: {key}'.")
        if chosen and self.decoders[chosen["raw"]]["network"] != self.decoders[chosen["absolute"]]["network"]:
            raise ConfigError(
                f"config: report.raw_absolute: decoders '{chosen['raw']}' and '{chosen['absolute']}' decode different "
                "networks; name two of one network."
            )
        if chosen and not self.draws_raw_absolute:
            reason = (
                f"decoders {chosen['raw']} and {chosen['absolute']} are not both scored on area {chosen['roi']} and test "
                f"{chosen['test']} (decode: analyses)"
            )
            self.skipped.append(Skipped("figure of raw and absolute features", reason))

    def _check_primary(self) -> None:
        primary = self.config["report"]["primary"]
        method, roi = primary["method"], primary["roi"]
        known_name(method, self.methods, "report.primary.method", "reconstruct.methods")
        known_name(roi, self.rois, "report.primary.roi", "the areas of the analyses")
        if not any(row["method"] == method and roi in row["rois"] for row in self.analyses):
            left_out = [one for one in self.skipped if one.what.startswith(f"method {method},")]
            reason = f": {left_out[0].what} is left out, because {left_out[0].reason}" if left_out else ""
            raise ConfigError(f"config: report.primary: no analysis takes method '{method}' to area '{roi}'{reason}.")
        rows = [row for row in self.analyses if row["method"] == method and roi in row["rois"]]
        lacking = [subject for subject in self.subjects if subject not in self.analysed_subjects(rows)]
        if lacking:
            raise ConfigError(
                f"config: report.primary: the analyses of method '{method}' on area '{roi}' leave out subject "
                f"{shorten(lacking)}; name a method that runs for every subject."
            )

    def _check_judges(self) -> None:
        for name, judge in self.judges.items():
            for method in dict.fromkeys(row["method"] for row in self.analyses):
                network = self.network_of(method)
                if network and self.networks[network]["network"] == judge["network"]:
                    raise ConfigError(
                        f"config: evaluate.judges.{name}: network '{judge['network']}' reconstructs in method '{method}' "
                        "and cannot judge its own images; choose another network."
                    )

    def _check_areas(self) -> None:
        """Check that areas are made of others that exist, and that every analysis names one."""
        chapter = self.config["samples"]
        areas = list(self.masks) or [BRAIN]
        responsive = chapter.get("responsive")
        for union, parts in chapter["unions"].items():
            if union in areas:
                raise ConfigError(f"config: samples.unions.{union}: an area has this name already; choose another.")
            for part in parts:
                known_name(part, areas, f"samples.unions.{union}", "samples.masks and earlier unions")
            areas.append(union)
        if responsive:
            self._check_responsive(responsive, areas)
        if responsive and responsive["name"] in areas:
            raise ConfigError("config: samples.responsive.name: an area has this name already; choose another.")
        areas += [responsive["name"]] if responsive else []
        place = "samples.masks, samples.unions and samples.responsive"
        for where, rows in (("analyses", self.analyses), ("decode.analyses", self.decode_analyses)):
            for roi in dict.fromkeys(roi for row in rows for roi in row["rois"]):
                known_name(roi, areas, f"{where}: rois", place)
        for name, decoder in self.decoders.items():
            for roi in decoder.get("bands", []):
                known_name(roi, areas, f"decode.decoders.{name}.bands", place)
        if responsive and BRAIN in self.rois and not self.masks and not responsive.get("keep_brain", False):
            raise ConfigError(
                f"config: analyses: rois: voxels of '{BRAIN}' outside '{responsive['name']}' are not kept; set "
                "samples.responsive.keep_brain to true."
            )

    def _check_responsive(self, responsive: Mapping, areas: Sequence[str]) -> None:
        where, chosen = "samples.responsive", responsive["stimulus_set"]
        known_name(chosen, self.stimulus_sets, f"{where}.stimulus_set", "stimulus_sets")
        known_name(responsive.get("from", BRAIN), areas, f"{where}.from", "samples.masks and samples.unions")
        tested = [name for name, test in self.tests.items() if test["stimuli"] == chosen]
        if tested:
            raise ConfigError(
                f"config: {where}.stimulus_set: test '{tested[0]}' tests these stimuli, which must not choose voxels; "
                "name a set that only trains."
            )

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
