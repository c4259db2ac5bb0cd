"""What the rules ask that read what somebody else has published: stimuli, samples, features, decoded features, weights."""

from pathlib import Path
from typing import Any

from fmri2image.acquire.registry import registry_entry
from fmri2image.features.networks import SAME_WEIGHTS
from fmri2image.reconstruct.generators import generator_module
from fmri2image.study.decoding import DecodingQuestions
from fmri2image.study.fetching import SIZES_OF_FEATURES, FetchQuestions

# What a norm correction needs to know of true features; the norm itself nobody has published.
SIZES_NEEDED = {
    "none": (),
    "norm": ("norm",),
    "norm_layer": ("norm",),
    "channel_sd": ("feature_std",),
    "grand_mean_sd": ("feature_std",),
    "train_mean_sd": ("feature_std", "mean_features"),
}


class ImportQuestions(FetchQuestions, DecodingQuestions):
    """Inputs and settings of imports."""

    # Stimuli ----------------------------------------------------------------------------------------------------------

    def stimulus_inputs(self, wildcards: Any) -> dict[str, Any]:
        """Return what tells the names of a stimulus set, and its pictures where they are downloaded."""
        chapter = self.picture_source(wildcards.stimulus_set)
        inputs: dict[str, Any] = {}
        if self.runs:
            inputs["events"] = list(self._events_of_set(wildcards.stimulus_set))
        elif "names" in chapter:
            inputs["names"] = self.entry_file(chapter["names"])
        elif self.sampled:
            inputs["samples"] = [f"{self.root}/samples/sub-{subject}.h5" for subject in self.subjects]
        if chapter.get("from") == "registry":
            inputs["archive"] = self.entry_file(chapter["entry"])
        if chapter.get("from") == "bids" and self.collection:
            inputs["folders"] = [f"{self.bids_root}/{folder}" for folder in self.stimulus_folders()]
        if chapter.get("from") == "sets":
            inputs["sets"] = [f"{self.root}/stimuli/{name}.h5" for name in chapter["sets"]]
        return inputs

    def _events_of_set(self, stimulus_set: str) -> dict[str, str]:
        """Return the events files that name stimuli of a set, and the set of each run; all where events tell the set."""
        runs = [run for runs in self.raw_runs.values() for run in runs]
        own = stimulus_set in {run.stimulus_set for run in runs}
        chosen = [run for run in runs if run.stimulus_set == stimulus_set or not own]
        return {f"{self.bids_root}/{run.events}": run.stimulus_set for run in chosen}

    def import_stimuli_settings(self, wildcards: Any) -> dict:
        """Return what reading a stimulus set needs to know."""
        name = wildcards.stimulus_set
        chapter = dict(self.picture_source(name)) if self.pictured(name) else {}
        return {
            "stimulus_set": name,
            "source": chapter,
            "reason": "" if chapter else self.unpictured_reason(name),
            "bids": self.bids_root if self.runs else "",
            "run_sets": self._events_of_set(name) if self.runs else {},
            "size": self.config["acquire"].get("image_size", 224),
            "imagery_stimuli": self.config["samples"].get("imagery_stimuli"),
            "leave_out": self.config["samples"].get("leave_out", []),
            "apart": self.config["samples"].get("apart", {}),
        }

    def stimulus_kinds(self) -> list[str]:
        """Return the user's table of the kinds of stimuli, if there is one."""
        given = self.config["acquire"].get("stimulus_kinds")
        return [given] if given else []

    @property
    def restricted_folder(self) -> str:
        """Where the user has put a dataset that may not be downloaded by itself."""
        return self.config["acquire"].get("data") or f"resources/restricted/{self.source}"

    def restricted_files(self) -> list[str]:
        """Return that folder where it is there; without it the reader says what to put where."""
        return [self.restricted_folder] if Path(self.restricted_folder).is_dir() else []

    def restricted_settings(self) -> dict:
        """Return what reading it needs to know."""
        chapter = self.config["acquire"]
        settings = {"source": self.source, "data": self.restricted_folder, "subjects": self.subjects}
        settings["show"] = chapter.get("show", False)
        return settings | ({"split": chapter.get("split", "seeliger2018")} if self.source == "vim1" else {})

    # Features ---------------------------------------------------------------------------------------------------------

    def imported_features(self, network: str) -> list[str]:
        """Return the stimulus sets whose features in a network are taken from somebody's files."""
        return [name for name in self.published_features(network) if name in self.stimulus_sets]

    def computed_features(self, network: str) -> list[str]:
        """Return the stimulus sets whose features in a network are computed from pictures."""
        return [name for name in self.stimulus_sets if name not in self.imported_features(network)]

    def imported_inputs(self, network: str, stimulus_set: str) -> Any:
        """Return the inputs of published features, their file and the names of the stimuli, as a function of wildcards."""
        name = self.published_features(network)[stimulus_set]

        def inputs(wildcards: Any) -> dict[str, str]:
            archive = self.entry_file(name.format(layer=wildcards.layer))
            return {"archive": archive, "stimuli": f"{self.root}/stimuli/{stimulus_set}.h5"}

        return inputs

    def imported_settings(self, network: str, stimulus_set: str) -> dict:
        """Return what reading published features needs to know."""
        return {
            "network": {"name": self.networks[network]["network"]},
            "stimulus_set": stimulus_set,
            "entry": self.published_features(network)[stimulus_set],
            "simulated": self.simulated,
        }

    # Decoded features -------------------------------------------------------------------------------------------------

    def fitted_decoders(self) -> list[str]:
        """Return the decoders that are fitted here."""
        return [name for name, entry in self.decoders.items() if entry["decoder"] != "published"]

    def published_decoders(self) -> list[str]:
        """Return the decoders whose decoded features are taken from somebody's files."""
        return [name for name, entry in self.decoders.items() if entry["decoder"] == "published"]

    def published_layers(self) -> list[str]:
        """Return the files of published decoded features: every layer, area and subject that some analysis uses."""
        return [
            file
            for decoder, roi in self.decoded
            if decoder in self.published_decoders()
            for subject in self.decoder_subjects(decoder, roi)
            for file in self.decoded_files(decoder, f"sub-{subject}_roi-{roi}")
        ]

    def published_decoded(self, decoder: str) -> Any:
        """Return the inputs of published decoded features, as a function of wildcards."""
        return lambda wildcards: self._published_decoded(decoder, wildcards.subject, wildcards.layer)

    def _published_decoded(self, decoder: str, subject: str, layer: str) -> dict[str, Any]:
        entry = self.decoders[decoder]
        sets = [self.tests[test]["stimuli"] for test in entry["entries"]]
        names = [name.format(subject=subject, layer=layer) for name in entry["entries"].values()]
        inputs: dict[str, Any] = {
            "archives": [self.entry_file(name) for name in names],
            "stimuli": [f"{self.root}/stimuli/{name}.h5" for name in dict.fromkeys(sets)],
        }
        for key in SIZES_OF_FEATURES:
            if key in entry:
                inputs[key] = self.entry_file(entry[key])
        network = entry["network"]
        known = [name for name in dict.fromkeys(sets) if self.featured(network, name)]
        inputs["true_features"] = [f"{self.root}/features/{network}/{name}/{layer}.h5" for name in known]
        training = self.norm_training(decoder)
        if training:
            inputs["training_features"] = f"{self.root}/features/{network}/{training}/{layer}.h5"
        if "names" in entry:
            inputs["names"] = list(entry["names"].values())
        return inputs

    def unknown_sizes(self, decoder: str, correction: str) -> list[str]:
        """Return which keys of a published decoder are missing that a norm correction needs; it can measure them instead."""
        return [key for key in SIZES_NEEDED[correction] if key not in self.decoders[decoder]]

    def norm_training(self, decoder: str) -> str:
        """Return the training set whose features the norm corrections of a decoder's methods measure; empty for none."""
        network = self.decoders[decoder]["network"]
        users = [entry for entry in self.methods.values() if entry.get("decoder") == decoder]
        if not any(self.unknown_sizes(decoder, entry["norm_correction"]) for entry in users):
            return ""
        sets = self.training_sets(self.decoder_tests(decoder))
        return sets[0] if len(sets) == 1 and self.featured(network, sets[0]) else ""

    def published_decoded_settings(self, decoder: str) -> Any:
        """Return what reading published decoded features needs to know, as a function of the wildcards."""
        entry = self.decoders[decoder]

        def settings(wildcards: Any) -> dict:
            return {
                "network": {"name": self.networks[entry["network"]]["network"]},
                "tests": {test: self.tests[test]["stimuli"] for test in entry["entries"]},
                "archives": {
                    test: self.entry_file(name.format(subject=wildcards.subject, layer=wildcards.layer))
                    for test, name in entry["entries"].items()
                },
                "names": entry.get("names", {}),
                "simulated": self.simulated,
            }

        return settings

    # Weights ----------------------------------------------------------------------------------------------------------

    @property
    def converts_weights(self) -> bool:
        """Whether weights of some network or generator come from the registry."""
        return any(entry["source"] == "registry" for entry in (*self.networks.values(), *self.generators.values()))

    def weights_source(self, wildcards: Any) -> str:
        """Return the file that holds the weights of an entry of the registry."""
        return self.entry_file(wildcards.entry)

    def entry_module(self, entry: str) -> str:
        """Return the module that builds the network of an entry's weights."""
        generator = self.generator_of_entry(entry)
        if generator:
            return generator_module(generator["generator"])
        return self.network_module(next(n for n, one in self.networks.items() if one.get("entry") == entry))

    def convert_settings(self, wildcards: Any) -> dict:
        """Return what converting weights needs to know."""
        generator, entry = self.generator_of_entry(wildcards.entry), registry_entry(wildcards.entry)
        about = {key: getattr(entry, key) for key in ("name", "member", "licence", "version", "source")}
        if generator:
            about["member"] = self.generator_member(generator)
            return {"name": generator["generator"], "source": {**about, "urls": list(entry.urls)}}
        network = next(entry for entry in self.networks.values() if entry.get("entry") == wildcards.entry)
        # The same for all networks that run these weights, so that studies which share them do not convert them in turn.
        name = SAME_WEIGHTS.get(network["network"], network["network"])
        return {"name": name, "source": {**about, "urls": list(entry.urls)}}
