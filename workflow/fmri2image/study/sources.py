"""Checks of where pictures, samples, features and weights come from, before anything is downloaded or computed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import ConfigError
from fmri2image.study.check import known_name
from fmri2image.study.importing import ImportQuestions
from fmri2image.study.raw import FROM_FILES, MANIFESTED, RAW

# Chapters of `acquire` and `samples` that only some sources have a use for.
USED_BY = {
    ("acquire", "stimuli"): FROM_FILES,
    ("acquire", "run_sets"): MANIFESTED,
    ("acquire", "sessions"): MANIFESTED,
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
NEEDED = {"shipped": "weights", "registry": "entry", "train": "training"}


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
        if entry["from"] in ("events", "bids") and config["acquire"]["source"] not in RAW:
            raise ConfigError(f"config: {where}: from '{entry['from']}' needs raw data; there are none here.")
        for other in entry.get("sets", []):
            known_name(other, config["stimulus_sets"], f"{where}.sets", "stimulus_sets")
            if chapter.get(other, {}).get("from") == "sets":
                raise ConfigError(
                    f"config: {where}.sets: '{other}' takes its pictures from sets itself; name those that hold them."
                )


class SourceChecks(ImportQuestions):
    """The part of a study that checks its sources."""

    def check_folders(self) -> None:
        """Check that folders of the user's own are there.

        Raises
        ------
        ConfigError
        """
        super().check_folders()
        for name, entry in self.config["acquire"].get("stimuli", {}).items():
            if entry["from"] == "folder" and entry.get("folder"):
                _check_folder(entry["folder"], f"acquire.stimuli.{name}.folder", "null means that you have no pictures")
        mirror = self.config["acquire"].get("mirror")
        if mirror and not mirror.startswith(("http://", "https://")):
            advice = "null asks the internet alone"
            if "://" in mirror and not mirror.startswith("file://"):
                raise ConfigError(
                    f"config: acquire.mirror: {mirror} is no folder, file:// or http:// address; {advice}."
                )
            _check_folder(mirror.removeprefix("file://"), "acquire.mirror", advice)
        folder = self.config["preprocess"]["derivatives"]["folder"] if self.engine == "derivatives" else ""
        downloaded = bool(self.collection) and folder.startswith(f"{self.bids_root}/")
        if folder and not downloaded:
            _check_folder(folder, "preprocess.derivatives.folder", "name where the preprocessed runs are")

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
        self._check_collection()
        for name, entry in self.networks.items():
            needed = NEEDED[entry["source"]]
            if needed not in entry:
                raise ConfigError(
                    f"config: features.networks.{name}: source '{entry['source']}' needs the key '{needed}'."
                )
            for stimulus_set in entry.get("published", {}):
                known_name(stimulus_set, self.stimulus_sets, f"features.networks.{name}.published", "stimulus_sets")
        self._check_published_samples()
        for name in self.decoders:
            self._check_decoder(name)
        self._check_decoded_analyses()
        for pattern in self.entry_patterns():
            pattern.check()

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
        read = [row for row in self.analyses if not self._takes_published(row["method"])]
        if chapter is None:
            if read or not self.published_rows():
                method = f": method '{read[0]['method']}' reads samples" if read else ""
                raise ConfigError(
                    "config: acquire: source 'published' needs samples: published, or a decoder 'published' for every "
                    f"analysis{method}."
                )
            return
        for name in chapter["entries"]:
            known_name(name, self.stimulus_sets, "samples.published.entries", "stimulus_sets")
        for name in chapter.get("labels", {}):
            known_name(name, chapter["entries"], "samples.published.labels", "samples.published.entries")
        for row in read:
            for test in row["tests"]:
                for name in sorted(self.sets_of_test(test)):
                    known_name(name, chapter["entries"], f"tests.{test}", "samples.published.entries")

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
        for row in self.published_rows():
            name = self.methods[row["method"]]["decoder"]
            entry, where = self.decoders[name], f"analyses: {row['method']}"
            for test in row["tests"]:
                known_name(test, entry["entries"], where, "that decoder's entries")
            for roi in row["rois"]:
                known_name(roi, entry["rois"], f"{where}: rois", "that decoder's rois")
            kind = self.methods[row["method"]]["norm_correction"]
            missing = self.unknown_sizes(name, kind)
            if missing and not self.norm_training(name):
                raise ConfigError(
                    f"config: reconstruct.methods.{row['method']}: norm_correction '{kind}' needs "
                    f"{' and '.join(missing)} of decode.decoders.{name}, or features of one training set in "
                    f"{entry['network']}."
                )

    def check_runs(self) -> None:
        """Check that a manifest has runs of all that the analyses use.

        Raises
        ------
        ConfigError
        """
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


def _check_folder(folder: str, where: str, advice: str) -> None:
    if not Path(folder).is_dir():
        raise ConfigError(f"config: {where}: there is no folder {folder}; {advice}.")
