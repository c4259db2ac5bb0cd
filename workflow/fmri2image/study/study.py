"""What rules ask of a study: inputs that depend on the configuration, and the settings that each rule uses.

Every settings function returns only the keys that its rule uses; anything more would rerun the rule without need. Nothing
here touches data, and importing it must stay cheap, because every job of a workflow parses the rules again.
"""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fmri2image.acquire.phantom import paradigm
from fmri2image.acquire.registry import registry_entry
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError
from fmri2image.core.splits import training_name
from fmri2image.features.networks import network_module
from fmri2image.study.check import check_config, known_name
from fmri2image.study.paths import PREPROC, TRUE_FEATURES, Paths


def load_study(config: Mapping[str, Any]) -> "Study":
    """Check a configuration and wrap it; raises ConfigError naming the key that is wrong."""
    study = Study(check_config(config))
    study.check_names()
    return study


class Study(Paths):
    """A checked configuration with the questions that rules ask."""

    def check_names(self) -> None:
        """Check that every name the configuration uses is one that it defines.

        Raises
        ------
        ConfigError
        """
        if self.simulated and not {"simulate", "images"} <= set(self.config["acquire"]):
            raise ConfigError("config: acquire: source 'simulate' needs the keys 'simulate' and 'images'.")
        if self.simulated and "preprocess" not in self.config:
            raise ConfigError("config: preprocess: raw data need this chapter.")
        counted = "natural_images" in self.config["acquire"].get("images", {})
        if self.simulated and "natural" in self.stimulus_sets and not counted:
            raise ConfigError("config: stimulus_sets: 'natural' needs the key acquire.images.natural_images.")
        if self.simulated:
            self._check_paradigm(self.config["acquire"]["simulate"]["stimulus_sets"])
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
        if "masks" in self.config["samples"]:
            areas = list(self.config["samples"]["masks"])
            for union, parts in self.config["samples"]["unions"].items():
                for part in parts:
                    known_name(part, areas, f"samples.unions.{union}", "samples.masks and earlier unions")
                areas.append(union)
            areas = [*self.config["samples"]["masks"], *self.config["samples"]["unions"]]
            for roi in self.rois:
                known_name(roi, areas, "analyses: rois", "samples.masks and samples.unions")

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

    # Acquire, preprocess, samples -------------------------------------------------------------------------------------

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
        """Return the named settings of the preprocess stage; ``device`` is the study's."""
        chapter = {**self.config.get("preprocess", {}), "device": self.config["device"]}
        return {key: chapter[key] for key in keys if key in chapter}

    def quality_settings(self) -> dict:
        """Return what the quality page needs to know: unions, and the first six areas that are unions as outlines."""
        unions = self.config["samples"]["unions"]
        joined = {name for name, parts in unions.items() if set(parts) & set(unions)}
        outlines = [name for name in [*unions, "HVC"] if name not in joined][:6]
        return {"simulated": self.simulated, "unions": unions, "outlines": outlines}

    def samples_settings(self, wildcards: Any) -> dict:
        """Return what building a subject's samples needs to know."""
        chapter = self.config["samples"]
        cleaning = {key: value for key, value in chapter.items() if key not in ("masks", "unions")}
        runs = self.runs[wildcards.subject]
        return {"cleaning": cleaning, "unions": chapter["unions"], "runs": runs, "simulated": self.simulated}

    def samples_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of a subject's samples: BOLD with sidecar, motion and events of every run, and the masks."""
        subject = wildcards.subject
        return {
            "bold": self.run_files(subject, f"{PREPROC}.nii.gz"),
            "sidecars": self.run_files(subject, f"{PREPROC}.json"),
            "motion": self.motion_tables(wildcards),
            "events": self.run_files(subject, "events.tsv", "bids"),
        }

    def reference_inputs(self, wildcards: Any) -> dict:
        """Return the run whose mean is the reference of a subject's motion correction."""
        return self.reference_run(wildcards.subject)

    def inplane_image(self, wildcards: Any) -> str:
        """Return the in-plane image that belongs to a subject's reference."""
        return self.inplane_file(wildcards.subject)

    def motion_tables(self, wildcards: Any) -> list[str]:
        """Return the motion tables of all runs of a subject."""
        return self.run_files(wildcards.subject, "desc-confounds_timeseries.tsv")

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

    # Features, decode -------------------------------------------------------------------------------------------------

    def weights(self, network: str) -> str:
        """Return the weights file of a network: shipped, or trained by the workflow."""
        entry = self.networks[network]
        if entry["source"] == "shipped":
            return entry["weights"]
        return f"{self.root}/features/{network}/weights.safetensors"

    def training_settings(self, wildcards: Any) -> dict:
        """Return what training a network needs to know."""
        entry = self.networks[wildcards.network]
        if "training" not in entry:
            raise ConfigError(f"config: features.networks.{wildcards.network}: training it needs the key 'training'.")
        return {"name": entry["network"], "training": entry["training"]}

    def network_settings(self, network: str) -> dict:
        """Return what builds a network."""
        return {"name": self.networks[network]["network"], "weights": self.weights(network)}

    def network_module(self, network: str) -> str:
        """Return the module that builds a network."""
        return network_module(self.networks[network]["network"])

    def feature_settings(self, network: str) -> dict:
        """Return what extracting features needs to know."""
        entry = self.networks[network]
        return {
            "network": self.network_settings(network),
            "layers": entry["layers"],
            "batch": entry["batch"],
            "device": self.config["device"],
            "simulated": self.simulated,
        }

    def decoder_tests(self, decoder: str) -> dict[str, dict]:
        """Return the tests for which some analysis needs this decoder."""
        rows = [row for row in self.analyses if self.methods[row["method"]].get("decoder") == decoder]
        wanted = {test for row in rows for test in row["tests"]}
        return {name: test for name, test in self.tests.items() if name in wanted}

    def training_sets(self, tests: Mapping[str, Mapping]) -> list[str]:
        """Return the stimulus sets whose features or images some test trains on."""
        return sorted({test.get("training", test["stimuli"]) for test in tests.values()})

    def feature_sets(self, decoder: str) -> list[str]:
        """Return the stimulus sets that a decoder trains on and takes the reference of the norm correction from."""
        reference = self.decoders[decoder]["norm_reference"]
        trained = self.training_sets(self.decoder_tests(decoder))
        return sorted({*trained, *([] if reference == "training" else [reference])})

    def training_features(self, decoder: str) -> list[str]:
        """Return the feature files of all stimulus sets that a decoder needs, set by set."""
        network = self.decoders[decoder]["network"]
        return [file for name in self.feature_sets(decoder) for file in self.feature_files(network, name)]

    def decode_settings(self, decoder: str) -> dict:
        """Return what decoding needs to know."""
        entry = self.decoders[decoder]
        return {
            "tests": self.decoder_tests(decoder),
            "feature_sets": self.feature_sets(decoder),
            "layers": self.layers(entry["network"]),
            "decoder": {key: value for key, value in sorted(entry.items()) if key not in ("network", "decoder")},
            "device": self.config["device"],
            "simulated": self.simulated,
        }

    # Reconstruct ------------------------------------------------------------------------------------------------------

    def method_of(self, name: str) -> str:
        """Return the method (module) behind a named setting."""
        return self.methods[name]["method"]

    def method_modules(self, name: str) -> list[str]:
        """Return the modules that a named method finds through settings, for the code digest."""
        network = self.network_of(name)
        return [f"fmri2image.reconstruct.{self.method_of(name)}", *([self.network_module(network)] if network else [])]

    def method_layers(self, name: str) -> list[str]:
        """Return the layers of decoded features that a named method reads; none for methods that take samples."""
        network = self.network_of(name)
        return [] if network is None else self.methods[name].get("layers", self.layers(network))

    def learns(self, name: str) -> bool:
        """Tell whether a named method's module has a function `fit`, without importing it."""
        path = WORKFLOW / "fmri2image" / "reconstruct" / f"{self.method_of(name)}.py"
        if not path.is_file():
            raise ConfigError(f"config: reconstruct.methods.{name}: there is no module {path.name} for this method.")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return any(isinstance(node, ast.FunctionDef) and node.name == "fit" for node in tree.body)

    def _method(self, name: str) -> dict:
        # In sorted order: a parameter is compared by its text, and the order of keys in the file must not count.
        apart = ("method", "decoder", "norm_correction")
        options = {key: value for key, value in sorted(self.methods[name].items()) if key not in apart}
        network = self.network_of(name)
        if network is not None:
            options["network"] = self.network_settings(network)
        return {
            "method": self.method_of(name),
            "options": options,
            "device": self.config["device"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    def fit_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of learning: samples and the images of the training set."""
        training = wildcards.training
        stimuli = self.tests[training]["stimuli"] if training in self.tests else training
        return {
            "samples": f"{self.root}/samples/sub-{wildcards.subject}.h5",
            "stimuli": f"{self.root}/stimuli/{stimuli}.h5",
        }

    def fit_settings(self, wildcards: Any) -> dict:
        """Return what learning needs to know."""
        training = wildcards.training
        split = next(test for name, test in self.tests.items() if training_name(self.tests, name) == training)
        return {**self._method(wildcards.method), "split": split}

    def reconstruct_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of a reconstruction: decoded features, true features, or samples and what was learned."""
        name, source, test = wildcards.method, wildcards.source, wildcards.test
        if source == TRUE_FEATURES:
            stimuli = self.tests[test]["stimuli"]
            inputs = {"features": self.feature_files(self.network_of(name), stimuli, self.method_layers(name))}
        elif self.network_of(name):
            inputs = {"features": self.decoded_files(self.methods[name]["decoder"], source, self.method_layers(name))}
        else:
            inputs = {"samples": f"{self.root}/samples/sub-{_subject(source)}.h5"}
            if self.learns(name):
                training = training_name(self.tests, test)
                inputs["state"] = f"{self.root}/reconstruct/{name}/{source}_fit-{training}.pt"
        if self.network_of(name):
            inputs["weights"] = self.weights(self.network_of(name))
        return inputs

    def reconstruct_settings(self, wildcards: Any) -> dict:
        """Return what a reconstruction needs to know."""
        name = wildcards.method
        settings = {**self._method(name), "layers": self.method_layers(name), "split": self.tests[wildcards.test]}
        if self.network_of(name) and getattr(wildcards, "source", None) != TRUE_FEATURES:
            settings["norm_correction"] = self.methods[name]["norm_correction"]
        return settings

    def gpu(self) -> int:
        """Return the number of GPUs that a reconstruction asks the cluster for."""
        return 0 if self.config["device"] == "cpu" else 1

    # Evaluate ---------------------------------------------------------------------------------------------------------

    def score_features_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of feature accuracy: decoded, true and training features of all layers."""
        network = self.decoders[wildcards.decoder]["network"]
        tests = self.decoder_tests(wildcards.decoder)
        sets = sorted({test["stimuli"] for test in tests.values()} | set(self.training_sets(tests)))
        source = f"sub-{wildcards.subject}_roi-{wildcards.roi}"
        return {
            "decoded": self.decoded_files(wildcards.decoder, source),
            "true": [file for stimulus_set in sets for file in self.feature_files(network, stimulus_set)],
        }

    def score_features_settings(self, wildcards: Any) -> dict:
        """Return what feature accuracy needs to know."""
        tests = self.decoder_tests(wildcards.decoder)
        return {
            "tests": tests,
            "sets": sorted({test["stimuli"] for test in tests.values()} | set(self.training_sets(tests))),
            "layers": self.layers(self.decoders[wildcards.decoder]["network"]),
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    def score_images_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of image scores; cross-validated tests bring the scores of refitted permutations."""
        name, source, test = wildcards.method, wildcards.source, wildcards.test
        inputs = {
            "images": f"{self.root}/reconstruct/{name}/{source}_{test}.h5",
            "stimuli": f"{self.root}/stimuli/{self.tests[test]['stimuli']}.h5",
        }
        if "leave_out" in self.tests[test] and source != TRUE_FEATURES:
            inputs["refitted"] = f"{self.root}/evaluate/images/{name}/{source}_{test}_refitted.tsv"
        return inputs

    def score_images_settings(self, wildcards: Any) -> dict:
        """Return what image scores need to know."""
        return {
            "split": self.tests[wildcards.test],
            "similarities": self.config["evaluate"]["similarities"],
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    def recovery_inputs(self, wildcards: Any) -> dict:
        """Return what recovery is scored on besides the truth: this subject's tables and the features of the decoder."""
        name = self.config["report"]["primary"]["method"]
        mine = f"sub-{wildcards.subject}_roi-"
        pairs = [
            (source, test)
            for test in self.method_tests(name)
            for source in self.sources(name, test)
            if source == TRUE_FEATURES or source.startswith(mine)
        ]
        images = f"{self.root}/evaluate/images/{name}"
        inputs = {
            "scores": [f"{images}/{source}_{test}_scores.tsv" for source, test in pairs],
            "permutations": [f"{images}/{source}_{test}_permutations.tsv" for source, test in pairs],
        }
        if self.network_of(name):
            decoder, tests = self.methods[name]["decoder"], self.decoder_tests(self.methods[name]["decoder"])
            sets = sorted({test["stimuli"] for test in tests.values()} | set(self.training_sets(tests)))
            inputs["accuracy"] = [
                f"{self.root}/evaluate/features/{decoder}/{mine}{roi}_accuracy.tsv"
                for roi in self.decoder_rois(decoder)
            ]
            inputs["features"] = [
                file for stimulus_set in sets for file in self.feature_files(self.network_of(name), stimulus_set)
            ]
        return inputs

    def recovery_settings(self) -> dict:
        """Return what recovery needs to know; decoder settings only where the primary method has a decoder."""
        name = self.config["report"]["primary"]["method"]
        settings = {
            "training": next((test["training"] for test in self.tests.values() if "training" in test), "train"),
            "ceiling": TRUE_FEATURES,
            "simulated": self.simulated,
        }
        if self.network_of(name):
            decoder = self.methods[name]["decoder"]
            chosen = self.decode_settings(decoder)
            settings |= {key: chosen[key] for key in ("tests", "layers")}
            settings |= {
                "decoder": {key: chosen["decoder"][key] for key in ("alpha", "n_voxels", "chunk")},
                "rois": self.decoder_rois(decoder),
                "seed": self.config["seed"],
            }
        return settings

    def method_tests(self, method: str) -> list[str]:
        """Return the tests for which some analysis runs a named method."""
        return [test for name, test in self.pairs if name == method]

    def decoder_rois(self, decoder: str) -> list[str]:
        """Return the areas in which some analysis needs a decoder."""
        return [roi for name, roi in self.decoded if name == decoder]

    def fetch_settings(self, wildcards: Any) -> dict:
        """Return what fetching published weights needs to know: its row of the registry, and where archives are kept."""
        entry = registry_entry(wildcards.weights)
        return {"entry": asdict(entry), "archives": "resources/downloaded/archives"}

    def fetch_module(self, network: str) -> str:
        """Return the module that converts a network's published weights."""
        return network_module(network)

    def judge_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of a judge: the reconstructions of all subjects, areas and the ceiling, and the stimuli."""
        method, test = wildcards.method, wildcards.test
        return {
            "images": [f"{self.root}/reconstruct/{method}/{source}_{test}.h5" for source in self.sources(method, test)],
            "stimuli": f"{self.root}/stimuli/{self.tests[test]['stimuli']}.h5",
            "weights": self.judge_weights(self.judges[wildcards.judge]["network"]),
        }

    def judge_settings(self, wildcards: Any) -> dict:
        """Return what a judge needs to know."""
        judge = self.judges[wildcards.judge]
        return {
            "judge": wildcards.judge,
            "network": judge["network"],
            "arrays_sha256": registry_entry(judge["network"]).arrays_sha256,
            "layer": judge["layer"],
            "split": self.tests[wildcards.test],
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
            "device": self.config["device"],
            "simulated": self.simulated,
        }

    def judge_module(self, judge: str) -> str:
        """Return the module that builds a judge's network."""
        return network_module(self.judges[judge]["network"])

    def refits(self, method: str, test: str) -> int:
        """Return how many times a cross-validated test is refitted with permuted training pairs."""
        rows = [row for row in self.analyses if row["method"] == method and test in row["tests"]]
        return max(row.get("refit_permutations", 0) for row in rows)

    def refit_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of refitting: everything from samples on."""
        name, stimuli = wildcards.method, self.tests[wildcards.test]["stimuli"]
        inputs = {
            "samples": f"{self.root}/samples/sub-{wildcards.subject}.h5",
            "stimuli": f"{self.root}/stimuli/{stimuli}.h5",
        }
        network = self.network_of(name)
        if network:
            inputs["features"] = self.feature_files(network, stimuli, self.method_layers(name))
            inputs["weights"] = self.weights(network)
            reference = self.decoders[self.methods[name]["decoder"]]["norm_reference"]
            if reference != "training":
                inputs["reference"] = self.feature_files(network, reference, self.method_layers(name))
        return inputs

    def refit_settings(self, wildcards: Any) -> dict:
        """Return what refitting needs to know."""
        name = wildcards.method
        decoder = self.methods[name].get("decoder")
        return {
            **self.reconstruct_settings(wildcards),
            "decoder": self.decode_settings(decoder)["decoder"] if decoder else None,
            "similarities": self.config["evaluate"]["similarities"],
            "permutations": self.refits(name, wildcards.test),
        }

    # Report -----------------------------------------------------------------------------------------------------------

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

    def page_settings(self) -> dict:
        """Return what the first page needs to know: all settings, because it prints them, in alphabetical order."""
        settings = {**self.report_settings(), **self.example_settings()}
        return {**settings, "config": json.loads(json.dumps(self.config, sort_keys=True))}

    def subject_page_settings(self) -> dict:
        """Return what the page of a subject needs to know."""
        return {**self.report_settings(), "stimulus_sets": self.sets_of(sorted(self.tests))}

    def norm_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of the figure of norm corrections: the first subject's images by version, and the table."""
        primary, test = self.config["report"]["primary"], self.norm_test()
        source = f"sub-{self.subjects[0]}_roi-{primary['roi']}"
        images = [f"{self.root}/reconstruct/{method}/{source}_{test}.h5" for method in self.norm_variants()]
        if TRUE_FEATURES in self.sources(primary["method"], test):
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
        bold, events = self.run_path("bids", "bold.nii.gz"), self.run_path("bids", "events.tsv")
        return {
            "stimuli": [f"{self.root}/stimuli/{name}.h5" for name in self.stimulus_sets],
            "table": f"{self.root}/stimuli/stimuli.tsv",
            "truth": [f"{self.root}/truth/sub-{subject}_truth.h5" for subject in self.subjects],
            "t1w": [self.t1w_file().format(subject=subject) for subject in self.subjects],
            "first_bold": [self.reference_run(subject)["bold"] for subject in self.subjects],
            "bold": [bold.format(**first, **run) for run in self.phantom_runs()],
            "events": [events.format(**first, **run) for run in self.phantom_runs()],
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
        sources = self.sources(wildcards.method, wildcards.test)
        mine = [source for source in sources if source == TRUE_FEATURES or source.endswith(f"_roi-{wildcards.roi}")]
        return [f"{self.root}/reconstruct/{wildcards.method}/{source}_{wildcards.test}.h5" for source in mine]

    def sheet_stimuli(self, wildcards: Any) -> str:
        """Return the stimuli of an image sheet."""
        return f"{self.root}/stimuli/{self.tests[wildcards.test]['stimuli']}.h5"


def _subject(source: str) -> str:
    return re.match(r"sub-([A-Za-z0-9]+)_roi-", source).group(1)
