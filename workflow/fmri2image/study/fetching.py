"""What a study downloads: files of a public BIDS dataset, and entries of the registry."""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from fmri2image.acquire.layout import DESCRIPTION
from fmri2image.acquire.manifests import RemoteFile
from fmri2image.acquire.openneuro import OPENNEURO
from fmri2image.acquire.registry import Entry, registry_entry
from fmri2image.core.errors import ConfigError
from fmri2image.preprocess.derivatives import derivatives_settings
from fmri2image.study.entries import SAMPLES, TABLES, WEIGHTS, EntryPattern
from fmri2image.study.paths import Paths

FILES = "resources/downloaded/files"
# Keys of published decoders that name files with sizes of true features.
SIZES_OF_FEATURES = ("feature_std", "mean_features")


class FetchQuestions(Paths):
    """Files that come from outside, for rules and for the plan."""

    # Public BIDS datasets ---------------------------------------------------------------------------------------------

    @cached_property
    def remote(self) -> dict[str, RemoteFile]:
        """Files of the public dataset by their path in it."""
        return {file.path: file for file in self.manifest} if self.collection else {}

    def bundles(self) -> dict[str, list[str]]:
        """Return small files that one job downloads together: per subject and session, per subject, per dataset."""
        if not self.collection:
            return {}
        found: dict[str, list[str]] = {"dataset": [DESCRIPTION]}
        for subject, runs in self.raw_runs.items():
            for run in runs:
                for path in (run.events, *run.sidecars):
                    shared = "/" not in path
                    name = "dataset" if shared else f"sub-{subject}_ses-{run.session}"
                    found.setdefault(name, []).append(path)
            masks = list(self.layout.masks(subject)) if self.masks else []
            if masks:
                found[f"sub-{subject}_masks"] = masks
        return {name: sorted(set(paths)) for name, paths in found.items()}

    def images(self) -> list[str]:
        """Return the large files of the dataset that the study needs, each downloaded by a job of its own."""
        if not self.collection:
            return []
        found = []
        for subject, runs in self.raw_runs.items():
            found += [run.bold for run in runs]
            found.append(self.layout.t1w(subject))
            if self.realigns and self.config["preprocess"]["coregister"].get("path", "inplane") == "inplane":
                found.append(self.layout.inplane(subject, runs[0].session))
            if self.engine == "derivatives":
                found += self._derivatives(subject)
        return list(dict.fromkeys(found))

    def adopted_pattern(self) -> str:
        """Return the pattern of runs that another program has preprocessed."""
        settings = derivatives_settings(self.config["preprocess"]["derivatives"])
        return f"{settings.folder}/{settings.bold}"

    def _derivatives(self, subject: str) -> list[str]:
        """Return preprocessed runs that belong to the dataset itself."""
        pattern = self.adopted_pattern()
        inside = f"{self.bids_root}/"
        if not pattern.startswith(inside):
            return []
        return [pattern.removeprefix(inside).format(subject=subject, **run.names) for run in self.raw_runs[subject]]

    @staticmethod
    def folder_word(folder: str) -> str:
        """Return a folder's path as a word for names of rules and logs."""
        return re.sub(r"[^A-Za-z0-9]", "_", folder)

    def stimulus_folders(self) -> dict[str, list[str]]:
        """Return folders of stimulus pictures inside the dataset, and the files of each that are downloaded."""
        if not any(chapter["from"] == "bids" for chapter in self.config["acquire"].get("stimuli", {}).values()):
            return {}
        wanted = re.compile(rf"stimuli/sub-?({'|'.join(self.subjects)})/")
        found: dict[str, list[str]] = {}
        for path in self.remote:
            match = wanted.match(path)
            if match:
                found.setdefault(match[0].rstrip("/"), []).append(path)
        return found

    def bids_files(self) -> list[RemoteFile]:
        """Return every file of the public dataset that the study needs.

        Raises
        ------
        ConfigError
            If the manifest lacks one.
        """
        paths = [
            path for group in (self.bundles(), self.stimulus_folders()) for paths in group.values() for path in paths
        ]
        return [self._remote(path) for path in dict.fromkeys([*paths, *self.images()])]

    def _remote(self, path: str) -> RemoteFile:
        if path not in self.remote:
            raise ConfigError(
                f"config: acquire: {self.config['acquire']['openneuro']['manifest']} does not list {path}."
            )
        return self.remote[path]

    def bids_settings(self, paths: list[str]) -> dict:
        """Return what identifies files: nothing else may start a download again."""
        files = {path: [self._remote(path).size, self._remote(path).md5] for path in paths}
        return {"dataset": self.collection, "root": self.bids_root, "files": files}

    def image_settings(self, wildcards: Any) -> dict:
        """Return what identifies one large file."""
        return self.bids_settings([wildcards.path])

    def bids_place(self) -> dict[str, str | int]:
        """Return where files of the dataset come from; as resources of a rule, so that a change starts no download again."""
        chapter = self.config["acquire"]
        base = chapter.get("openneuro", {}).get("url", OPENNEURO)
        return {"address": base, **self.place()}

    def place(self) -> dict[str, str | int]:
        """Return the mirror and whether the internet may be used."""
        chapter = self.config["acquire"]
        return {"mirror": chapter.get("mirror") or "", "offline": int(chapter.get("offline", False))}

    # Registry ---------------------------------------------------------------------------------------------------------

    def entry_file(self, name: str) -> str:
        """Return where a file of the registry is kept; a name with a slash is a path of the user's own."""
        return name if "/" in name else f"{FILES}/{name}/{registry_entry(name).file}"

    def registry_settings(self, wildcards: Any) -> dict:
        """Return what identifies a file of the registry."""
        entry = registry_entry(wildcards.entry)
        keys = ("name", "file", "size", "md5", "sha256")
        return {key: getattr(entry, key) for key in keys}

    def entries(self) -> list[Entry]:
        """Return the files of the registry that the study needs, judges aside (they come from the package index)."""
        names = [name for pattern in self.entry_patterns() if not pattern.own for name in pattern.names()]
        return [registry_entry(name) for name in dict.fromkeys(names)]

    def entry_patterns(self) -> list[EntryPattern]:
        """Return every name of a published file in the configuration: stimuli, samples, weights, features, decoded features."""
        return [
            *self._data_patterns(), *self._network_patterns(), *self._decoder_patterns(), *self._generator_patterns(),
        ]  # fmt: skip

    def _data_patterns(self) -> Iterator[EntryPattern]:
        for name, one in self.config["acquire"].get("stimuli", {}).items():
            if one["from"] == "registry":
                yield EntryPattern(f"acquire.stimuli.{name}.entry", one["entry"], ("stimuli",))
            if "names" in one:
                yield EntryPattern(f"acquire.stimuli.{name}.names", one["names"], TABLES)
        chapter = self.config["samples"].get("published") or {}
        for name, text in chapter.get("entries", {}).items():
            where = f"samples.published.entries.{name}"
            yield EntryPattern(where, text, SAMPLES, {"subject": self.subjects})
        for name, text in chapter.get("labels", {}).items():
            yield EntryPattern(f"samples.published.labels.{name}", text, TABLES)

    def _network_patterns(self) -> Iterator[EntryPattern]:
        for network, entry in self.networks.items():
            where = f"features.networks.{network}"
            if entry["source"] == "registry":
                yield EntryPattern(f"{where}.entry", entry["entry"], WEIGHTS)
            for name, text in self.published_features(network).items():
                places = {"layer": self.layers(network)}
                yield EntryPattern(f"{where}.published.{name}", text, ("true-features",), places)

    def _decoder_patterns(self) -> Iterator[EntryPattern]:
        for decoder, entry in self.decoders.items():
            if entry["decoder"] != "published":
                continue
            where, places = f"decode.decoders.{decoder}", {"layer": self.layers(entry["network"])}
            for test, text in entry["entries"].items():
                both = {"subject": self.subjects, **places}
                yield EntryPattern(f"{where}.entries.{test}", text, ("decoded-features",), both)
            for key in SIZES_OF_FEATURES:
                if key in entry:
                    yield EntryPattern(f"{where}.{key}", entry[key], ("feature-statistics",))

    def _generator_patterns(self) -> Iterator[EntryPattern]:
        for generator, entry in self.generators.items():
            where = f"reconstruct.generators.{generator}"
            if entry["source"] == "registry":
                yield EntryPattern(f"{where}.entry", entry["entry"], WEIGHTS)
            if entry["source"] != "train":
                yield EntryPattern(f"{where}.bounds", entry["bounds"], ("feature-bounds",))

    # Samples and weights of others ------------------------------------------------------------------------------------

    def published_samples(self, wildcards: Any) -> dict[str, list[str]]:
        """Return the sample files of a subject, by stimulus set, and tables of labels."""
        chapter = self.config["samples"]["published"]
        files = [self.entry_file(name.format(subject=wildcards.subject)) for name in chapter["entries"].values()]
        labels = [self.entry_file(name) for name in chapter.get("labels", {}).values()]
        return {"files": list(dict.fromkeys(files)), "labels": list(dict.fromkeys(labels))}

    def published_samples_settings(self, wildcards: Any) -> dict:
        """Return what reading published samples needs to know."""
        chapter = self.config["samples"]["published"]
        entries = {s: self.entry_file(name.format(subject=wildcards.subject)) for s, name in chapter["entries"].items()}
        return {
            "files": entries,
            "labels": {name: self.entry_file(entry) for name, entry in chapter.get("labels", {}).items()},
            "dialect": chapter.get("dialect", "auto"),
            "unions": self.config["samples"]["unions"],
            "rois": self.rois,
        }
