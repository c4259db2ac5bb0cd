"""What the rules of evaluate ask of a study."""

from typing import Any

from fmri2image.acquire.registry import registry_entry
from fmri2image.features.networks import network_module
from fmri2image.study.decoding import DecodingQuestions
from fmri2image.study.paths import TRUE_FEATURES


class ScoringQuestions(DecodingQuestions):
    """Inputs and settings of evaluation."""

    def score_features_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of feature accuracy: decoded, true and training features of all layers."""
        network = self.decoders[wildcards.decoder]["network"]
        sets = self._accuracy_sets(wildcards.decoder)
        source = f"sub-{wildcards.subject}_roi-{wildcards.roi}"
        layers = self.decoder_layers(wildcards.decoder)
        return {
            "decoded": self.decoded_files(wildcards.decoder, source),
            "true": [file for stimulus_set in sets for file in self.feature_files(network, stimulus_set, layers)],
        }

    def score_features_settings(self, wildcards: Any) -> dict:
        """Return what feature accuracy needs to know."""
        return {
            "tests": self.accuracy_tests(wildcards.decoder),
            "sets": self._accuracy_sets(wildcards.decoder),
            "layers": self.decoder_layers(wildcards.decoder),
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    def _accuracy_sets(self, decoder: str) -> list[str]:
        """Return the stimulus sets whose true features tell the accuracy of a decoder, as far as they can be had."""
        network, tests = self.decoders[decoder]["network"], self.accuracy_tests(decoder)
        sets = {test["stimuli"] for test in tests.values()} | set(self.training_sets(tests))
        return sorted(name for name in sets if self.featured(network, name))

    def score_images_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of image scores; cross-validated tests bring the scores of refitted permutations."""
        name, source, test = wildcards.method, wildcards.source, wildcards.test
        inputs = {
            "images": f"{self.root}/reconstruct/{name}/{source}_{test}.h5",
            "stimuli": f"{self.root}/stimuli/{self.tests[test]['stimuli']}.h5",
        }
        if "leave_out" in self.tests[test] and source != TRUE_FEATURES:
            inputs["refitted"] = f"{self.root}/evaluate/images/{name}/{source}_{test}_refitted.tsv"
        return inputs | self._kinds(test)

    def _kinds(self, test: str) -> dict[str, str]:
        """Return the table of kinds as an input, for a test that chooses its lures by them."""
        return {"kinds": f"{self.root}/stimuli/stimuli.tsv"} if self.lures_by_kind(test) else {}

    def score_images_settings(self, wildcards: Any) -> dict:
        """Return what image scores need to know."""
        return {
            "split": self.tests[wildcards.test],
            **self.lures[wildcards.test],
            "similarities": self.config["evaluate"]["similarities"],
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    def behaviour_settings(self, wildcards: Any) -> dict:
        """Return what scoring the one-back task needs to know; ``paper`` is the one whose numbers stand beside ours."""
        return {
            "runs": self.run_plans(wildcards.subject),
            "imagery_stimuli": self.config["samples"].get("imagery_stimuli"),
            "paper": "shen2019" if "ds001506" in (self.dataset, self.collection) else None,
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
                for roi in self.recovery_rois(decoder)
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
                "decoder": chosen["decoder"],
                "rois": self.recovery_rois(decoder),
                "seed": self.config["seed"],
            }
        return settings

    def recovery_rois(self, decoder: str) -> list[str]:
        """Return the areas in which a decoder is needed for every subject."""
        return [roi for roi in self.decoder_rois(decoder) if self.decoder_subjects(decoder, roi) == self.subjects]

    def recovery_modules(self) -> list[str]:
        """Return the module of the primary method's decoder, which is fitted again to responses without noise."""
        decoder = self.methods[self.config["report"]["primary"]["method"]].get("decoder")
        return [self.decoder_module(decoder)] if decoder else []

    def refit_modules(self, method: str) -> list[str]:
        """Return the modules that refitting a named method finds through settings, for the code digest."""
        decoder = self.methods[method].get("decoder")
        return [*self.method_modules(method), *([self.decoder_module(decoder)] if decoder else [])]

    def method_tests(self, method: str) -> list[str]:
        """Return the tests for which some analysis runs a named method."""
        return [test for name, test in self.pairs if name == method]

    def decoder_rois(self, decoder: str) -> list[str]:
        """Return the areas in which some analysis needs a decoder."""
        return [roi for name, roi in self.decoded if name == decoder]

    def fetch_settings(self, wildcards: Any) -> dict:
        """Return what fetching published weights needs to know: its row of the registry, and where archives are kept."""
        entry = registry_entry(wildcards.weights)
        return {"entry": entry.settings(), "archives": "resources/downloaded/archives"}

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
            **self._kinds(test),
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
            **self.lures[wildcards.test],
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
        return inputs | self.generator_inputs(name) | self.comparator_inputs(name)

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
