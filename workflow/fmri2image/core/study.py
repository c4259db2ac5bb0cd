"""The configuration, checked and asked: everything that rules need to know about a study.

Nothing here touches data; importing it must stay cheap, because every job of a workflow parses the rules again.
"""

import ast
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from fmri2image.core.arrays import shorten
from fmri2image.core.digest import WORKFLOW
from fmri2image.core.errors import ConfigError
from fmri2image.core.splits import training_name

SCHEMA = WORKFLOW / "schemas" / "config.schema.yaml"
TRUE_FEATURES = "true-features"


def load_study(config: Mapping[str, Any]) -> "Study":
    """Check a configuration and wrap it.

    Raises
    ------
    ConfigError
        Naming the key that is wrong.
    """
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    config = json.loads(json.dumps(config))  # plain types only, a copy of our own
    _check(config, schema, "")
    for kind, entries in (
        ("network", config["features"]["networks"]),
        ("decoder", config["decode"]["decoders"]),
        ("method", config["reconstruct"]["methods"]),
    ):
        known = schema["$defs"][f"{kind}s"]
        for name, entry in entries.items():
            where = f"{_CHAPTER[kind]}.{name}"
            chosen = entry.get(kind)
            if chosen not in known:
                raise ConfigError(f"config: {where}: {kind} '{chosen}' is unknown; there are {shorten(sorted(known), 20)}.")
            _check(entry, {**known[chosen], "$defs": schema["$defs"]}, where)
    study = Study(config)
    study.check_names()
    return study


_CHAPTER = {"network": "features.networks", "decoder": "decode.decoders", "method": "reconstruct.methods"}


def _check(value: object, schema: Mapping, where: str) -> None:
    error = best_match(Draft202012Validator(schema).iter_errors(value), key=_deepest)
    if error is None:
        return
    path = ".".join([where, *[str(part) for part in error.absolute_path]]).strip(".") or "top level"
    raise ConfigError(f"config: {path}: {_sentence(error)}")


def _deepest(error: ValidationError) -> tuple:
    return (len(error.absolute_path), error.validator == "additionalProperties")


def _sentence(error: ValidationError) -> str:
    if error.validator == "additionalProperties":
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        return f"unknown key {shorten(unknown)}; known are {shorten(sorted(error.schema['properties']), 40)}."
    if error.validator == "required":
        return f"{error.message}."
    described = error.schema.get("description", "") if isinstance(error.schema, Mapping) else ""
    return f"{error.message}." + (f" It is: {described}" if described else "")


class Study:
    """A checked configuration with the questions that rules ask.

    Parameters
    ----------
    config : dict
        As in ``workflow/schemas/config.schema.yaml``.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.dataset: str = config["dataset"]
        self.subjects: list[str] = config["subjects"]
        self.stimulus_sets: list[str] = config["stimulus_sets"]
        self.tests: dict[str, dict] = config["tests"]
        self.networks: dict[str, dict] = config["features"]["networks"]
        self.decoders: dict[str, dict] = config["decode"]["decoders"]
        self.methods: dict[str, dict] = config["reconstruct"]["methods"]
        self.analyses: list[dict] = config["analyses"]
        self.rois: list[str] = list(dict.fromkeys(roi for row in self.analyses for roi in row["rois"]))
        self.simulated: bool = config["acquire"]["source"] == "simulate"

    def check_names(self) -> None:
        """Check that every name the configuration uses is one that it defines.

        Raises
        ------
        ConfigError
        """
        for name, test in self.tests.items():
            _known(test["stimuli"], self.stimulus_sets, f"tests.{name}.stimuli", "stimulus_sets")
            if ("training" in test) == ("leave_out" in test):
                raise ConfigError(f"config: tests.{name}: give either 'training' or 'leave_out'.")
            if "training" in test:
                _known(test["training"], self.stimulus_sets, f"tests.{name}.training", "stimulus_sets")
        for name, decoder in self.decoders.items():
            _known(decoder["network"], self.networks, f"decode.decoders.{name}.network", "features.networks")
        for name, method in self.methods.items():
            if "decoder" not in method:
                continue
            where = f"reconstruct.methods.{name}"
            _known(method["decoder"], self.decoders, f"{where}.decoder", "decode.decoders")
            layers = self.layers(self.decoders[method["decoder"]]["network"])
            for layer in method.get("layers", []):
                _known(layer, layers, f"{where}.layers", "that network's layers")
        for i, row in enumerate(self.analyses):
            _known(row["method"], self.methods, f"analyses.{i}.method", "reconstruct.methods")
            for test in row["tests"]:
                _known(test, self.tests, f"analyses.{i}.tests", "tests")
        masks = self.config["samples"].get("masks")
        if masks is not None:
            areas = [*masks, *self.config["samples"]["unions"]]
            for roi in self.rois:
                _known(roi, areas, "analyses: roi", "samples.masks and samples.unions")

    # Acquire ----------------------------------------------------------------------------------------------------------

    @cached_property
    def runs(self) -> list[dict[str, str]]:
        """One entry per run of every subject: session, task, run, stimulus_set (the simulated subjects share a paradigm)."""
        if not self.simulated:
            return []
        from fmri2image.acquire.phantom.paradigm import run_table

        columns = ["session", "task", "run", "stimulus_set"]
        return run_table(self.config["acquire"]["simulate"])[columns].to_dict("records")

    def simulate_settings(self) -> dict:
        """Return what the simulator is told."""
        return {"seed": self.config["seed"], **self.config["acquire"]["simulate"]}

    # Features, decode -------------------------------------------------------------------------------------------------

    def layers(self, network: str) -> list[str]:
        """Return the layers that are extracted and decoded, from the shallowest to the deepest."""
        return self.networks[network]["layers"]

    def network_settings(self, network: str) -> dict:
        """Return the entry of a network without the list of layers, which only says what is extracted."""
        return {key: value for key, value in self.networks[network].items() if key != "layers"}

    def network_module(self, network: str) -> str:
        """Return the module that builds a network."""
        return f"fmri2image.features.networks.{self.networks[network]['network']}"

    def decoder_tests(self, decoder: str) -> dict[str, dict]:
        """Return the tests for which some analysis needs this decoder."""
        wanted = {
            test
            for row in self.analyses
            if self.methods[row["method"]].get("decoder") == decoder
            for test in row["tests"]
        }
        return {name: test for name, test in self.tests.items() if name in wanted}

    def decode_settings(self, decoder: str, roi: str) -> dict:
        """Return what decoding one area needs to know."""
        entry = {key: value for key, value in self.decoders[decoder].items() if key not in ("network", "decoder")}
        return {
            "roi": roi,
            "tests": self.decoder_tests(decoder),
            "decoder": entry,
            "device": self.config["device"],
            "simulated": self.simulated,
        }

    def training_sets(self, tests: Mapping[str, Mapping]) -> list[str]:
        """Return the stimulus sets whose features or images some test trains on."""
        return sorted({test.get("training", test["stimuli"]) for test in tests.values()})

    # Reconstruct ------------------------------------------------------------------------------------------------------

    def method_of(self, name: str) -> str:
        """Return the method (module) behind a named setting."""
        return self.methods[name]["method"]

    def method_options(self, name: str) -> dict:
        """Return a method's own settings, with the network's entry in place of the decoder's name."""
        entry = {key: value for key, value in self.methods[name].items() if key not in ("method", "decoder")}
        if "decoder" in self.methods[name]:
            entry["network"] = self.network_settings(self.network_of(name))
        return entry

    def network_of(self, name: str) -> str | None:
        """Return the network whose decoded features a named method takes, if any."""
        decoder = self.methods[name].get("decoder")
        return self.decoders[decoder]["network"] if decoder else None

    def method_modules(self, name: str) -> list[str]:
        """Return the modules that a named method finds through settings, for the code digest."""
        network = self.network_of(name)
        return [f"fmri2image.reconstruct.{self.method_of(name)}", *([self.network_module(network)] if network else [])]

    def learns(self, name: str) -> bool:
        """Tell whether a named method's module has a function `fit`, without importing it."""
        path = WORKFLOW / "fmri2image" / "reconstruct" / f"{self.method_of(name)}.py"
        if not path.is_file():
            raise ConfigError(f"config: reconstruct.methods.{name}: there is no module {path.name} for this method.")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return any(isinstance(node, ast.FunctionDef) and node.name == "fit" for node in tree.body)

    def reconstruct_settings(self, name: str, test: str, roi: str | None) -> dict:
        """Return what reconstructing one test needs to know."""
        return {
            "method": self.method_of(name),
            "options": self.method_options(name),
            "layers": self.method_layers(name),
            "test": test,
            "split": self.tests[test],
            "roi": roi,
            "seed": self.config["seed"],
            "device": self.config["device"],
            "simulated": self.simulated,
        }

    def method_layers(self, name: str) -> list[str]:
        """Return the layers of decoded features that a named method reads; none for methods that take samples."""
        network = self.network_of(name)
        return [] if network is None else self.methods[name].get("layers", self.layers(network))

    def training(self, test: str) -> str:
        """Return the name under which what a test learns is kept."""
        return training_name(self.tests, test)

    # Paths of results -------------------------------------------------------------------------------------------------

    @property
    def root(self) -> str:
        """Folder of everything computed."""
        return f"results/{self.dataset}"

    def feature_files(self, network: str, stimulus_set: str, layers: list[str] | None = None) -> list[str]:
        """Return the files of true features."""
        chosen = self.layers(network) if layers is None else layers
        return [f"{self.root}/features/{network}/{stimulus_set}/{layer}.h5" for layer in chosen]

    def decoded_files(self, decoder: str, subject: str, roi: str, layers: list[str] | None = None) -> list[str]:
        """Return the files of decoded features."""
        network = self.decoders[decoder]["network"]
        chosen = self.layers(network) if layers is None else layers
        return [f"{self.root}/decode/{decoder}/{network}/sub-{subject}_roi-{roi}/{layer}.h5" for layer in chosen]

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

    def refits(self, method: str, test: str) -> int:
        """Return how many times a cross-validated test is refitted with permuted training pairs; 0 for held-out tests."""
        if "leave_out" not in self.tests[test]:
            return 0
        return max(row["refit_permutations"] for row in self.analyses if row["method"] == method and test in row["tests"])

    def sheets(self) -> list[str]:
        """Return the image sheets: one per method, area and test, all subjects below each other."""
        return [
            f"{self.root}/figures/images_{row['method']}_roi-{roi}_{test}.png"
            for row in self.analyses
            for roi in row["rois"]
            for test in row["tests"]
        ]

    def tables(self) -> list[str]:
        """Return the tables for people."""
        names = ["identification", *(["decoding_accuracy"] if self.decoded else []), *(["motion"] if self.runs else [])]
        return [f"{self.root}/tables/{name}.tsv" for name in names]

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people."""
        figures = [f"{self.root}/figures/identification.svg", *self.sheets()]
        if self.decoded:
            figures.append(f"{self.root}/figures/decoding_accuracy.svg")
        if self.runs:
            figures += [f"{self.root}/figures/sub-{subject}_preprocess.png" for subject in self.subjects]
        return [*self.tables(), *figures, f"{self.root}/summary.html"]


def _known(name: str, names: Any, where: str, place: str) -> None:
    if name not in names:
        raise ConfigError(f"config: {where}: '{name}' is not among {place} ({shorten(list(names), 30)}).")
