"""Checks of folders and files that a configuration names, before a run; whoever only reads a configuration needs none."""

from pathlib import Path

from fmri2image.acquire.openneuro import OPENNEURO
from fmri2image.core.errors import ConfigError
from fmri2image.study.importing import ImportQuestions


class PlaceChecks(ImportQuestions):
    """The part of a study that checks what must be there."""

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
        self._check_data()
        for pattern in self.entry_patterns():
            if pattern.missing_file():
                raise ConfigError(
                    f"config: {pattern.where}: there is no file {pattern.missing_file()}; give the path of a file that is here, "
                    "or the name of an entry of resources/registry.tsv."
                )
        folder = self.config["preprocess"]["derivatives"]["folder"] if self.engine == "derivatives" else ""
        downloaded = bool(self.collection) and folder.startswith(f"{self.bids_root}/")
        if folder and not downloaded:
            _check_folder(folder, "preprocess.derivatives.folder", "name where the preprocessed runs are")

    def _check_data(self) -> None:
        """Check folders and files that the rules are handed as they are."""
        chapter = self.config["acquire"]
        data = chapter.get("data")
        # Where nobody has put restricted data yet, the job that reads them says what is to be put there.
        if data and data != f"resources/restricted/{self.source}" and not Path(data).exists():
            raise ConfigError(f"config: acquire.data: there is no folder {data}; name where the data are.")
        address = chapter["openneuro"].get("url", "") if self.collection else ""
        if address and not address.startswith(("http://", "https://")):
            if "://" in address and not address.startswith("file://"):
                raise ConfigError(
                    f"config: acquire.openneuro.url: {address} is no folder, file:// or http:// address; leave it out for "
                    f"{OPENNEURO}."
                )
            advice = f"leave it out for {OPENNEURO}"
            _check_folder(address.removeprefix("file://"), "acquire.openneuro.url", advice)
        tables = {"samples.modulators.values": (self.config["samples"].get("modulators") or {}).get("values")}
        for name, entry in self.decoders.items():
            tables |= {f"decode.decoders.{name}.names.{test}": path for test, path in entry.get("names", {}).items()}
        for where, path in tables.items():
            if path and not Path(path).is_file():
                raise ConfigError(f"config: {where}: there is no file {path}; give the path of a table that is here.")
        if self.source == "bids":
            self._check_own_bids()

    def _check_own_bids(self) -> None:
        """Check that folder and manifest are of the same data: the first run of every subject is there."""
        chapter = self.config["acquire"]["bids"]
        for subject, runs in self.raw_runs.items():
            if not Path(self.bids_root, runs[0].bold).is_file():
                raise ConfigError(
                    f"config: acquire.bids.folder: {self.bids_root} has no {runs[0].bold}, which {chapter['manifest']} lists "
                    f"for subject {subject}; give the folder that the manifest is of, or run make new-study again."
                )
        taken = [name for name, one in self.config["acquire"].get("stimuli", {}).items() if one["from"] == "bids"]
        if taken:
            advice = "take the pictures from somewhere else"
            _check_folder(f"{self.bids_root}/stimuli", f"acquire.stimuli.{taken[0]}", advice)


def _check_folder(folder: str, where: str, advice: str) -> None:
    if not Path(folder).is_dir():
        raise ConfigError(f"config: {where}: there is no folder {folder}; {advice}.")
