"""What the rules ask of a study's deep generators, and checks that a generator fits the method that uses it."""

from typing import Any

from fmri2image.core.errors import ConfigError
from fmri2image.features.networks import network_module
from fmri2image.reconstruct.generators import GeneratorFacts, generator_facts, generator_module
from fmri2image.study.check import known_name
from fmri2image.study.paths import Paths

NEEDED = {"shipped": ("weights", "bounds"), "registry": ("entry", "bounds"), "train": ("training", "network")}


class GeneratorQuestions(Paths):
    """Inputs and settings of the deep generators, named in the chapter reconstruct.generators."""

    def generator_of(self, method: str) -> str | None:
        """Return the generator from which a named method makes its images, if any."""
        return self.methods[method].get("generator")

    def generator_weights(self, name: str) -> str:
        """Return the weights file of a generator: shipped, converted, or trained by the workflow."""
        entry = self.generators[name]
        if entry["source"] == "shipped":
            return entry["weights"]
        if entry["source"] == "registry":
            return f"resources/downloaded/weights/{entry['entry']}.safetensors"
        return f"{self.root}/reconstruct/generators/{name}/weights.safetensors"

    def generator_bounds(self, name: str) -> str:
        """Return the file of upper bounds of a generator's latent."""
        entry = self.generators[name]
        if entry["source"] == "train":
            return f"{self.root}/reconstruct/generators/{name}/bounds.txt"
        return self.entry_file(entry["bounds"])

    def generator_settings(self, name: str) -> dict:
        """Return what builds a generator, and the bounds of its latent."""
        return {
            "name": self.generators[name]["generator"],
            "weights": self.generator_weights(name),
            "bounds": self.generator_bounds(name),
        }

    def generator_inputs(self, method: str) -> dict:
        """Return the files of a method's generator as inputs of a rule; none without a generator."""
        name = self.generator_of(method)
        if name is None:
            return {}
        return {"generator": self.generator_weights(name), "bounds": self.generator_bounds(name)}

    def generator_modules(self, method: str) -> list[str]:
        """Return the module that builds a method's generator, for the code digest."""
        name = self.generator_of(method)
        return [] if name is None else [generator_module(self.generators[name]["generator"])]

    # Training ---------------------------------------------------------------------------------------------------------

    def generator_training_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of training a generator: the weights of the network whose features it inverts."""
        return {"network": self.weights(self._trained(wildcards.generator)["network"])}

    def generator_training_settings(self, wildcards: Any) -> dict:
        """Return what training a generator needs to know."""
        entry = self._trained(wildcards.generator)
        return {
            "generator": {"name": entry["generator"]},
            "network": self.network_settings(entry["network"]),
            # In sorted order: a parameter is compared by its text.
            "training": dict(sorted(entry["training"].items())),
        }

    def generator_training_modules(self, wildcards: Any) -> list[str]:
        """Return the modules that training a generator finds through settings, for the code digest."""
        entry = self._trained(wildcards.generator)
        network = self.networks[entry["network"]]["network"]
        return [generator_module(entry["generator"]), network_module(network)]

    def _trained(self, name: str) -> dict:
        known_name(name, self.generators, "reconstruct.generators", "the generators of this configuration")
        entry = self.generators[name]
        for key in NEEDED["train"]:
            if key not in entry:
                raise ConfigError(f"config: reconstruct.generators.{name}: training it needs the key '{key}'.")
        return entry

    # Published weights ------------------------------------------------------------------------------------------------

    def generator_of_entry(self, entry: str) -> dict | None:
        """Return the generator whose weights an entry of the registry holds, if any."""
        found = [one for one in self.generators.values() if one["source"] == "registry" and one["entry"] == entry]
        return found[0] if found else None

    def generator_member(self, entry: dict) -> str:
        """Return the path of a generator's weights in the archive, as a pattern."""
        return entry.get("member") or self._facts(entry).members.get(entry["entry"], "")

    def _facts(self, entry: dict) -> GeneratorFacts:
        return generator_facts(entry["generator"])

    # Checks -----------------------------------------------------------------------------------------------------------

    def check_generators(self) -> None:
        """Check that generators have what their source needs, and fit the methods that name them.

        Raises
        ------
        ConfigError
        """
        owners: dict[str, tuple[str, str, str]] = {}
        for name, entry in self.generators.items():
            where = f"reconstruct.generators.{name}"
            for needed in NEEDED[entry["source"]]:
                if needed not in entry:
                    raise ConfigError(f"config: {where}: source '{entry['source']}' needs the key '{needed}'.")
            if "network" in entry:
                known_name(entry["network"], self.networks, f"{where}.network", "features.networks")
                self._check_network_of(where, entry)
            if entry["source"] == "registry":
                self._check_entry(name, entry, owners)
        for method in self.methods:
            name = self.generator_of(method)
            if name is not None:
                known_name(name, self.generators, f"reconstruct.methods.{method}.generator", "reconstruct.generators")
                self._check_method_of(method, name)

    def _check_network_of(self, where: str, entry: dict) -> None:
        network = self.networks[entry["network"]]["network"]
        if network not in self._facts(entry).networks:
            raise ConfigError(
                f"config: {where}.network: generator '{entry['generator']}' makes no images for {network}; name a network of "
                f"{' or '.join(self._facts(entry).networks)}."
            )

    def _check_entry(self, name: str, entry: dict, owners: dict[str, tuple[str, str, str]]) -> None:
        """Check that an entry of the registry holds this generator, and no second one for the same converted file."""
        where = f"reconstruct.generators.{name}"
        if "member" not in entry:
            known_name(entry["entry"], self._facts(entry).members, f"{where}.entry", f"entries of {entry['generator']}")
        mine = (entry["generator"], self.generator_member(entry))
        other = owners.setdefault(entry["entry"], (name, *mine))
        if other[1:] != mine:
            raise ConfigError(
                f"config: {where}.member: '{other[0]}' takes other weights from the same entry '{entry['entry']}', and one "
                "converted file is kept per entry; name the same member, or take source 'shipped' for one of them."
            )

    def _check_method_of(self, method: str, name: str) -> None:
        decoded, facts = self.network_of(method), self._facts(self.generators[name])
        network = self.networks[decoded]["network"] if decoded else ""
        if network not in facts.networks:
            raise ConfigError(
                f"config: reconstruct.methods.{method}.generator: images of '{name}' fit {' or '.join(facts.networks)}, but the "
                f"method matches features of {network or 'no network'}; name another generator or decoder."
            )
