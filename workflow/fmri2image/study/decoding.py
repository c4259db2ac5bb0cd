"""What the rules of features, decode and reconstruct ask of a study."""

import ast
import re
from collections.abc import Mapping
from typing import Any

from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError
from fmri2image.core.splits import training_name
from fmri2image.decode.decoders import READS_TEST, decoder_module
from fmri2image.features.networks import network_module
from fmri2image.study.generating import GeneratorQuestions
from fmri2image.study.paths import TRUE_FEATURES

# Settings of a method that its optimiser has no use for: variants may inherit them from one entry.
UNUSED = {"lbfgs": ("descent",), "descent": ("memory",)}
# Settings of a method that learning has no use for: another value reconstructs anew, and nothing is learned again.
OF_TESTS = ("rescale",)


class DecodingQuestions(GeneratorQuestions):
    """Inputs and settings of the stages from features to images."""

    def weights(self, network: str) -> str:
        """Return the weights file of a network: shipped, or trained by the workflow."""
        entry = self.networks[network]
        if entry["source"] == "shipped":
            return entry["weights"]
        if entry["source"] == "registry":
            return f"resources/downloaded/weights/{entry['entry']}.safetensors"
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
        wanted = {test for row in self.decoder_rows if row["decoder"] == decoder for test in row["tests"]}
        return {name: test for name, test in self.tests.items() if name in wanted}

    def training_sets(self, tests: Mapping[str, Mapping]) -> list[str]:
        """Return the stimulus sets whose features or images some test trains on."""
        return sorted({test.get("training", test["stimuli"]) for test in tests.values()})

    def feature_sets(self, decoder: str) -> list[str]:
        """Return the stimulus sets whose true features a decoder reads: of training, of the reference, seldom of tests."""
        entry, tests = self.decoders[decoder], self.decoder_tests(decoder)
        reference = [] if entry["norm_reference"] == "training" else [entry["norm_reference"]]
        shown = [test["stimuli"] for test in tests.values()] if entry["decoder"] in READS_TEST else []
        return sorted({*self.training_sets(tests), *reference, *shown})

    def training_features(self, decoder: str) -> list[str]:
        """Return the feature files of all stimulus sets that a decoder needs, set by set."""
        return self.decode_inputs(decoder, self.decoder_layers(decoder))

    def decode_inputs(self, decoder: str, layers: list[str]) -> list[str]:
        """Return the true features that a job of decoding reads."""
        network = self.decoders[decoder]["network"]
        return [file for name in self.feature_sets(decoder) for file in self.feature_files(network, name, layers)]

    def decode_jobs(self) -> list[tuple[str, str, list[str]]]:
        """Return the rules of decoding: a word for the name, the decoder, and the layers that one job decodes."""
        most = self.config["decode"].get("layers_per_job")
        found = []
        for decoder in self.fitted_decoders():
            layers = self.decoder_layers(decoder)
            step = most or len(layers)
            parts = [layers[start : start + step] for start in range(0, len(layers), step)]
            for part in parts:
                name = decoder if len(parts) == 1 else f"{decoder}_{part[0]}"
                found.append((name.replace("-", "_"), decoder, part))
        return found

    def decode_outputs(self, decoder: str, layers: list[str]) -> list[str]:
        """Return the files of decoded features that a job of decoding writes, with wildcards."""
        files = self.decoded_files(decoder, "sub-{subject}_roi-{roi}", layers)
        return [file.replace(self.root, "results/{dataset}", 1) for file in files]

    def kept_outputs(self, decoder: str, layers: list[str]) -> list[str]:
        """Return the files of the decoders themselves, where they are kept."""
        if not self.decoders[decoder].get("keep"):
            return []
        return [f"{file.removesuffix('.h5')}_decoders.h5" for file in self.decode_outputs(decoder, layers)]

    def decode_settings(self, decoder: str, layers: list[str] | None = None) -> dict:
        """Return what decoding needs to know."""
        entry = self.decoders[decoder]
        chosen = {key: value for key, value in sorted(entry.items()) if key not in ("network", "layers")}
        return {
            "tests": self.decoder_tests(decoder),
            "feature_sets": self.feature_sets(decoder),
            "layers": self.decoder_layers(decoder) if layers is None else layers,
            "decoder": {**chosen, "seed": self.config["seed"]},
            "device": self.config["device"],
            "simulated": self.simulated,
        }

    def decoder_module(self, decoder: str) -> str:
        """Return the module that fits a decoder."""
        return decoder_module(self.decoders[decoder]["decoder"])

    def maps(self, decoder: str) -> str:
        """Return the folder of the maps of voxels that a decoder chose, with the wildcard of the study."""
        return f"results/{{dataset}}/decode/{decoder}/{self.decoders[decoder]['network']}/maps"

    def mapped_files(self, decoder: str, subject: str) -> list[str]:
        """Return the decoded features of all areas of a subject, which tell what voxels were chosen."""
        rois = [roi for name, roi in self.decoded if name == decoder and subject in self.decoder_subjects(name, roi)]
        return [file for roi in rois for file in self.decoded_files(decoder, f"sub-{subject}_roi-{roi}")]

    def map_grid(self, wildcards: Any) -> list[str]:
        """Return the image onto whose grid the workflow brought a subject's volumes; none where others chose the grid.

        Samples that came from elsewhere, and volumes of another program, bring their grid in the coordinates of the voxels.
        """
        return [self.grid_file(wildcards)] if self.runs and self.realigns else []

    def map_settings(self, decoder: str, subject: str) -> dict:
        """Return what maps of chosen voxels need to know."""
        about = {"dataset": self.dataset, "decoder": decoder, "network": self.decoders[decoder]["network"]}
        return {**about, "subject": subject, "simulated": self.simulated}

    def decode_workers(self) -> int:
        """Return how many processes a job of decoding has."""
        return self.config["decode"].get("workers", 1)

    def decode_memory(self) -> int:
        """Return the MB that a job of decoding may take."""
        return int(1000 * self.config["decode"].get("memory_gb", 4))

    def decode_gpu_memory(self) -> int:
        """Return the per cent of a GPU's free memory that a job of decoding may take."""
        return int(100 * self.config["decode"].get("gpu_memory_share", 0.7))

    def method_of(self, name: str) -> str:
        """Return the method (module) behind a named setting."""
        return self.methods[name]["method"]

    def method_modules(self, name: str) -> list[str]:
        """Return the modules that a named method finds through settings, for the code digest."""
        network = self.network_of(name)
        method, modules = f"fmri2image.reconstruct.{self.method_of(name)}", self.generator_modules(name)
        comparator = self.comparator_of(name)
        used = dict.fromkeys(one for one in (network, comparator and comparator["network"]) if one)
        return [method, *dict.fromkeys(self.network_module(one) for one in used), *modules]

    def comparator_of(self, name: str) -> dict | None:
        """Return the network and the layer in which a named method compares images while it learns, if it does."""
        entry = self.methods[name]
        return entry.get("comparator") if entry.get("feature_weight", 1) else None

    def comparator_inputs(self, name: str) -> dict:
        """Return the weights of a method's comparator as an input of a rule; none without one."""
        comparator = self.comparator_of(name)
        return {} if comparator is None else {"comparator": self.weights(comparator["network"])}

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
        entry, network, generator = self.methods[name], self.network_of(name), self.generator_of(name)
        apart = ("method", "decoder", "norm_correction", "generator", *UNUSED.get(entry.get("optimiser", "lbfgs"), ()))
        options = {key: value for key, value in sorted(entry.items()) if key not in apart}
        if network is not None:
            options |= {"network": self.network_settings(network), "seed": self.config["seed"]}
        if generator is not None:
            options["generator"] = self.generator_settings(generator)
        if "comparator" in entry:
            comparator = self.comparator_of(name)
            network = comparator and self.network_settings(comparator["network"])
            options["comparator"] = comparator and {"network": network, "layer": comparator["layer"]}
            options["seed"] = self.config["seed"]
        return {
            "method": self.method_of(name),
            "options": options,
            "device": self.config["device"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    def fit_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of learning: samples, the images of the training set, the weights of a comparator."""
        training = wildcards.training
        stimuli = self.tests[training]["stimuli"] if training in self.tests else training
        return {
            "samples": f"{self.root}/samples/sub-{wildcards.subject}.h5",
            "stimuli": f"{self.root}/stimuli/{stimuli}.h5",
            **self.comparator_inputs(wildcards.method),
        }

    def fit_settings(self, wildcards: Any) -> dict:
        """Return what learning needs to know."""
        training = wildcards.training
        split = next(test for name, test in self.tests.items() if training_name(self.tests, name) == training)
        settings = self._method(wildcards.method)
        learned = {key: value for key, value in settings["options"].items() if key not in OF_TESTS}
        return {**settings, "options": learned, "split": split}

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
        return inputs | self.generator_inputs(name)

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


def _subject(source: str) -> str:
    return re.match(r"sub-([A-Za-z0-9]+)_roi-", source).group(1)
