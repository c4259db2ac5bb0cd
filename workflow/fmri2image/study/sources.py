"""Checks of where pictures, samples, features and weights come from, before anything is downloaded or computed."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fmri2image.acquire.registry import entries
from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError
from fmri2image.features.networks import SAME_WEIGHTS
from fmri2image.study.check import known_name
from fmri2image.study.entries import WEIGHTS
from fmri2image.study.places import PlaceChecks
from fmri2image.study.raw import FROM_FILES, MANIFESTED, RAW

# Chapters of `acquire` and `samples` that only some sources have a use for.
USED_BY = {
    ("acquire", "stimuli"): FROM_FILES,
    ("acquire", "stimulus_kinds"): FROM_FILES,
    ("acquire", "run_sets"): MANIFESTED,
    ("acquire", "sessions"): MANIFESTED,
    ("acquire", "data"): ("miyawaki2008", "vim1", "brains"),
    ("acquire", "split"): ("vim1",),
    ("acquire", "show"): ("vim1", "brains"),
    ("samples", "published"): ("published",),
    ("samples", "masks"): RAW,
    ("samples", "responsive"): RAW,
    ("samples", "modulators"): RAW,
}
# Sources that are read as a whole: what subjects and stimulus sets they have.
WHOLE = {
    "miyawaki2008": (("01",), ("figures",)),
    "vim1": (("01", "02"), ("train", "test")),
    "brains": (("01", "02", "03"), ("train", "test")),
}
# Keys of a stimulus set that only some sources of pictures have a use for; names only where no response tells them.
USED_FROM = {
    "folder": ("folder",),
    "entry": ("registry",),
    "sets": ("sets",),
    "crop": ("events",),
    "fit": ("folder", "registry", "bids"),
    "names": ("folder", "registry", "sets"),
}
# Convolutions per block of the networks, whose own table is too heavy to import here; a test holds them equal.
DEPTHS = {
    "vgg19": (2, 2, 4, 4, 4),
    "vgg19-leaky": (2, 2, 4, 4, 4),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg-face": (2, 2, 3, 3, 3),
    "vgg-small": (2, 2, 2, 2, 2),
    "vgg-small-leaky": (2, 2, 2, 2, 2),
}
# Layers of CaffeNet, which has no blocks; the test holds them equal too.
CAFFENET = ("conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5", "fc6", "fc7", "fc8")
PATCHES = 10  # along a side of the figures of miyawaki2008
NEEDED = {"shipped": "weights", "registry": "entry", "train": "training"}


def known_layers(network: str) -> list[str]:
    """Return the layers of a network, from shallow to deep."""
    if network == "caffenet":
        return list(CAFFENET)
    depths = enumerate(DEPTHS[network], 1)
    return [*(f"conv{block}_{n}" for block, depth in depths for n in range(1, depth + 1)), "fc6", "fc7", "fc8"]


def check_pictures(config: Mapping[str, Any]) -> None:
    """Check the chapter ``acquire.stimuli``, which tells what a study can make of its stimuli.

    Raises
    ------
    ConfigError
    """
    chapter = config["acquire"].get("stimuli", {})
    for name, entry in chapter.items():
        where = f"acquire.stimuli.{name}"
        known_name(name, config["stimulus_sets"], where, "stimulus_sets")
        for key, needed in (("registry", "entry"), ("sets", "sets")):
            if entry["from"] == key and needed not in entry:
                raise ConfigError(f"config: {where}: from '{key}' needs the key '{needed}'.")
        for key, sources in USED_FROM.items():
            if entry.get(key) is not None and entry["from"] not in sources:
                raise ConfigError(
                    f"config: {where}.{key}: from '{entry['from']}' has no use for it; take it out (it is for "
                    f"{', '.join(sources)})."
                )
        if "names" in entry and config["acquire"]["source"] != "published":
            raise ConfigError(f"config: {where}.names: the data tell the stimuli of this set; take it out.")
        if entry["from"] in ("events", "bids") and config["acquire"]["source"] not in RAW:
            raise ConfigError(f"config: {where}: from '{entry['from']}' needs raw data; there are none here.")
        for other in entry.get("sets", []):
            known_name(other, config["stimulus_sets"], f"{where}.sets", "stimulus_sets")
            if chapter.get(other, {}).get("from") == "sets":
                raise ConfigError(
                    f"config: {where}.sets: '{other}' takes its pictures from sets itself; name those that hold them."
                )


class SourceChecks(PlaceChecks):
    """The part of a study that checks its sources."""

    def check_sources(self) -> None:
        """Check where pictures, samples, features and weights come from.

        Raises
        ------
        ConfigError
        """
        for (chapter, key), sources in USED_BY.items():
            if self.config[chapter].get(key) and self.source not in sources:
                raise ConfigError(
                    f"config: {chapter}.{key}: source '{self.source}' has no use for it; take it out (it is for "
                    f"{', '.join(sources)})."
                )
        if self.source in WHOLE:
            subjects, sets = WHOLE[self.source]
            for subject in self.subjects:
                known_name(subject, subjects, "subjects", f"the subjects of {self.source}")
            for name in self.stimulus_sets:
                known_name(name, sets, "stimulus_sets", f"the stimulus sets of {self.source}")
        size = self.config["acquire"].get("image_size", PATCHES)
        if self.source == "miyawaki2008" and size % PATCHES:
            raise ConfigError(f"config: acquire.image_size: {size} is no multiple of {PATCHES}; take 60.")
        self._check_collection()
        for name, entry in self.networks.items():
            self._check_network(f"features.networks.{name}", entry)
        self._check_published_samples()
        for name in self.decoders:
            self._check_decoder(name)
        self._check_decoded_analyses()
        for pattern in self.entry_patterns():
            pattern.check()

    def _check_network(self, where: str, entry: Mapping) -> None:
        """Check that a network has what its source needs, the layers that are asked of it, and weights of its own."""
        needed, network = NEEDED[entry["source"]], entry["network"]
        if needed not in entry:
            raise ConfigError(f"config: {where}: source '{entry['source']}' needs the key '{needed}'.")
        for layer in entry["layers"]:
            known_name(layer, known_layers(network), f"{where}.layers", f"the layers of {network}")
        for stimulus_set in entry.get("published", {}):
            known_name(stimulus_set, self.stimulus_sets, f"{where}.published", "stimulus_sets")
        owner = SAME_WEIGHTS.get(network, network)
        weights = entry["entry"] if entry["source"] == "registry" else ""
        known = {one.name for one in entries() if one.kind in WEIGHTS}
        if weights in known and _bare(owner) not in _bare(weights):
            fitting = shorten([name for name in sorted(known) if _bare(owner) in _bare(name)])
            raise ConfigError(
                f"config: {where}.entry: '{weights}' is not of {owner} by its name; take {fitting or 'another network'}."
            )

    def _check_collection(self) -> None:
        """Check that a public dataset has its own manifest, and the pictures that are taken from it."""
        if not self.collection or not self.manifest:
            return
        manifest = self.config["acquire"]["openneuro"]["manifest"]
        stem = Path(manifest).stem
        if stem != self.collection and stem.startswith("ds") and stem.removeprefix("ds").isdecimal():
            raise ConfigError(
                f"config: acquire.openneuro: {manifest} is the manifest of {stem}, not of {self.collection}."
            )
        taken = [name for name, entry in self.config["acquire"].get("stimuli", {}).items() if entry["from"] == "bids"]
        if taken and not self.stimulus_folders():
            raise ConfigError(
                f"config: acquire.stimuli.{taken[0]}: {manifest} lists no pictures in stimuli/ of subject "
                f"{shorten(self.subjects)}; take them from somewhere else."
            )

    def _check_published_samples(self) -> None:
        """Check that published samples have what the analyses train on and test."""
        if self.source != "published":
            return
        chapter = self.config["samples"].get("published")
        read = [(f"method '{row['method']}'", row) for row in self.analyses if not self._takes_published(row["method"])]
        read += [
            (f"decoder '{row['decoder']}'", row)
            for row in self.decode_analyses
            if self.decoders.get(row["decoder"], {}).get("decoder") != "published"
        ]
        if chapter is None:
            if read or not self.published_rows():
                method = f": {read[0][0]} reads samples" if read else ""
                raise ConfigError(
                    "config: acquire: source 'published' needs samples: published, or a decoder 'published' for every "
                    f"analysis{method}."
                )
            self._check_names()
            return
        for name in chapter["entries"]:
            known_name(name, self.stimulus_sets, "samples.published.entries", "stimulus_sets")
        for name in chapter.get("labels", {}):
            known_name(name, chapter["entries"], "samples.published.labels", "samples.published.entries")
        for _, row in read:
            for test in row["tests"]:
                for name in sorted(self.sets_of_test(test)):
                    known_name(name, chapter["entries"], f"tests.{test}", "samples.published.entries")

    def _check_names(self) -> None:
        """Check that something names the stimuli of every test where no responses do."""
        for test in dict.fromkeys(test for row in self.analyses for test in row["tests"]):
            name = self.tests[test]["stimuli"]
            chapter = self.picture_source(name)
            if "names" not in chapter and chapter.get("from") != "registry":
                raise ConfigError(
                    f"config: acquire.stimuli.{name}: nothing names the stimuli of test '{test}', because there are no "
                    "responses; give names, a table of them, or an archive of their pictures (from: registry)."
                )

    def _takes_published(self, method: str) -> bool:
        decoder = self.decoders.get(self.methods.get(method, {}).get("decoder", ""), {})
        return decoder.get("decoder") == "published"

    def published_rows(self) -> list[dict]:
        """Return the analyses that take decoded features which somebody has published."""
        return [row for row in self.analyses if self._takes_published(row["method"])]

    def _check_decoder(self, name: str) -> None:
        """Check that the reference of a decoder's norm correction has features, and that tests of published files exist."""
        entry, where = self.decoders[name], f"decode.decoders.{name}"
        reference = entry["norm_reference"]
        if reference in self.stimulus_sets and not self.featured(entry["network"], reference):
            raise ConfigError(
                f"config: {where}.norm_reference: the set '{reference}' has no features in {entry['network']}, and none can "
                f"be computed from its pictures: {self.unpictured_reason(reference)}; take 'training'."
            )
        if entry["decoder"] != "published":
            return
        for key in ("entries", "names"):
            for test in entry.get(key, {}):
                known_name(test, self.tests, f"{where}.{key}", "tests")
                if "leave_out" in self.tests[test] or self.tests[test]["rows"] != "stimulus":
                    raise ConfigError(
                        f"config: {where}: published decoded features have one row per stimulus of a held-out test; set "
                        f"tests.{test}.rows to stimulus and give it a training set."
                    )

    def _check_decoded_analyses(self) -> None:
        """Check that published decoded features hold what is asked of them, and can be corrected as the method says."""
        asked = [
            (f"analyses: {row['method']}", self.methods[row["method"]]["decoder"], row) for row in self.published_rows()
        ]
        asked += [(f"decode.analyses: {row['decoder']}", row["decoder"], row) for row in self.decode_analyses]
        for where, name, row in asked:
            entry = self.decoders[name]
            if entry["decoder"] == "published":
                for test in row["tests"]:
                    known_name(test, entry["entries"], where, "that decoder's entries")
                for roi in row["rois"]:
                    known_name(roi, entry["rois"], f"{where}: rois", "that decoder's rois")
        for row in self.published_rows():
            name = self.methods[row["method"]]["decoder"]
            kind = self.methods[row["method"]]["norm_correction"]
            missing = self.unknown_sizes(name, kind)
            if missing and not self.norm_training(name):
                raise ConfigError(
                    f"config: reconstruct.methods.{row['method']}: norm_correction '{kind}' needs "
                    f"{' and '.join(missing)} of decode.decoders.{name}, or features of one training set in "
                    f"{entry['network']}."
                )

    def check_sessions(self) -> None:
        """Check that sessions which are chosen exist; raises ConfigError."""
        there = dict.fromkeys(file.session for file in self.manifest if file.suffix == "bold")
        for session in self.config["acquire"].get("sessions") or ():
            known_name(session, there, "acquire.sessions", "the sessions of the manifest")

    def check_runs(self) -> None:
        """Check that a manifest has runs of all that the analyses use, and all that comes with runs.

        Raises
        ------
        ConfigError
        """
        for subject in self.subjects:
            self.area_masks(subject)
            if self.realigns or self.collection:
                self.t1w_file(SimpleNamespace(subject=subject))
            if self.realigns:
                self.inplane_images(SimpleNamespace(subject=subject))
        self.bids_files() if self.collection else ()
        modulated = (self.config["samples"].get("modulators") or {}).get("stimulus_set")
        shown = {run.stimulus_set for runs in self.raw_runs.values() for run in runs}
        if modulated and modulated not in shown:
            raise ConfigError(
                f"config: samples.modulators.stimulus_set: no run shows '{modulated}' alone; the runs show "
                f"{shorten(sorted(shown))}."
            )
        given = self.config["acquire"].get("run_sets")
        if not given:
            return
        shown = {file.stimulus_set for file in self.manifest}
        for test in dict.fromkeys(test for row in self.analyses for test in row["tests"]):
            for name in sorted(self.sets_of_test(test) & shown - set(given)):
                raise ConfigError(
                    f"config: acquire.run_sets: the test '{test}' uses the set '{name}', whose runs are not among "
                    f"{shorten(given)}; add it."
                )


def _bare(name: str) -> str:
    return name.replace("-", "").lower()
