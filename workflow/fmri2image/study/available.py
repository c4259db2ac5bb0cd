"""What a study has of pictures and features, and which of its parts are left out because something is not to be had."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fmri2image.core.errors import ConfigError
from fmri2image.decode.decoders import READS_TEST
from fmri2image.study.raw import FROM_FILES, RawFiles

BY_KIND = ("same", "aspects")  # keys of a test that choose its lures by what the stimuli show
LURES = (*BY_KIND, "comparisons")  # all that choose its lures


@dataclass(frozen=True)
class Skipped:
    """A part of a study that is left out.

    Parameters
    ----------
    what, reason : str
        For people; both go to the terminal and to the first page.
    """

    what: str
    reason: str


class Available(RawFiles):
    """The part of a study that knows what it has to work with."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        # Lures are a matter of scores alone: nothing before them shall rerun for another choice.
        self.tests: dict[str, dict] = {
            name: {key: value for key, value in test.items() if key not in LURES}
            for name, test in config["tests"].items()
        }
        self.lures: dict[str, dict] = {
            name: {key: test[key] for key in LURES if key in test} for name, test in config["tests"].items()
        }
        self.networks: dict[str, dict] = config["features"]["networks"]
        self.decoders: dict[str, dict] = config["decode"]["decoders"]
        self.methods: dict[str, dict] = config["reconstruct"]["methods"]
        self.generators: dict[str, dict] = config["reconstruct"].get("generators", {})

    def lures_by_kind(self, test: str) -> bool:
        """Tell whether a test chooses its lures by what the stimuli show, so that their table is needed."""
        return any(key in self.lures[test] for key in BY_KIND)

    @property
    def run_sets(self) -> list[str]:
        """Stimulus sets, as the manifest names those of runs; without a word about it those that some analysis uses."""
        given = self.config["acquire"].get("run_sets")
        if given or self.simulated:
            return given or self.stimulus_sets
        used = {test for row in [*self.analyses, *self.decode_analyses] for test in row["tests"] if test in self.tests}
        names = {name for test in used for name in self.sets_of_test(test)}
        responsive = self.config["samples"].get("responsive") or {}
        modulators = self.config["samples"].get("modulators") or {}
        names |= {part["stimulus_set"] for part in (responsive, modulators) if part}
        names -= set(self.config["samples"].get("apart", {}))  # taken out of the runs of another set, as fixation is
        return [name for name in self.stimulus_sets if name in names]

    def sets_of_test(self, test: str) -> set[str]:
        """Return the stimulus sets that a test shows or trains on."""
        split = self.tests[test]
        return {split["stimuli"], split.get("training", split["stimuli"])}

    @property
    def external(self) -> bool:
        """Whether stimuli come from somebody's files, so that pictures may be missing."""
        return self.source in FROM_FILES

    @property
    def sampled(self) -> bool:
        """Whether there are responses; without, a study enters at decoded features that somebody has published."""
        return self.source != "published" or "published" in self.config["samples"]

    def picture_source(self, stimulus_set: str) -> dict:
        """Return where the pictures of a stimulus set are; empty where nobody has said."""
        return self.config["acquire"].get("stimuli", {}).get(stimulus_set, {})

    def pictured(self, stimulus_set: str) -> bool:
        """Tell whether the study has the pictures of a stimulus set."""
        if not self.external:
            return True
        chapter = self.picture_source(stimulus_set)
        if not chapter or (chapter["from"] == "folder" and not chapter.get("folder")):
            return False
        return chapter["from"] != "sets" or all(self.pictured(name) for name in chapter["sets"])

    def shown(self, stimulus_set: str) -> bool:
        """Tell whether terms allow the pictures of a stimulus set in reports.

        Where they do not, images made from true features are left out of reports too: they look almost like the pictures.
        """
        if self.source in ("vim1", "brains"):
            return self.config["acquire"].get("show", False)
        chapter = self.picture_source(stimulus_set)
        return chapter.get("show", True) and all(self.shown(name) for name in chapter.get("sets", []))

    def unpictured_reason(self, stimulus_set: str) -> str:
        """Return why a stimulus set has no pictures, as a clause about them."""
        chapter = self.picture_source(stimulus_set)
        if chapter.get("from") == "sets":
            without = [name for name in chapter["sets"] if not self.pictured(name)]
            return f"they belong to the set {' and '.join(without)}, which has none"
        ask = f"ask for them at {chapter['ask']} and " if chapter.get("ask") else "if you have them, "
        return f"they are not here ({ask}name their folder in acquire: stimuli: {stimulus_set}: folder)"

    def published_features(self, network: str) -> dict[str, str]:
        """Return, per stimulus set, the entry of the registry or the path of features that somebody has published."""
        return self.networks[network].get("published", {})

    def featured(self, network: str, stimulus_set: str) -> bool:
        """Tell whether the true features of a stimulus set can be had: computed from pictures, or published."""
        return stimulus_set in self.published_features(network) or self.pictured(stimulus_set)

    def scored(self, test: str) -> bool:
        """Tell whether reconstructions of a test can be compared with pictures."""
        return self.pictured(self.tests[test]["stimuli"])

    def feasible(self, analyses: Sequence[Mapping]) -> tuple[list[dict], list[Skipped]]:
        """Return the analyses that can be made of what there is, and what is left out.

        Raises
        ------
        ConfigError
            If nothing is left.
        """
        kept, skipped = [], []
        for row in analyses:
            tests = []
            for test in row["tests"]:
                reason = self._hindrance(row["method"], test)
                if reason:
                    skipped.append(Skipped(f"method {row['method']}, test {test}", reason))
                else:
                    tests.append(test)
            if tests:
                kept.append({**row, "tests": tests})
        if not kept:
            reasons = "; ".join(dict.fromkeys(one.reason for one in skipped))
            raise ConfigError(f"config: analyses: none of them can be made: {reasons}.")
        for test in dict.fromkeys(test for row in kept for test in row["tests"] if test in self.tests):
            stimuli = self.tests[test]["stimuli"]
            if not self.pictured(stimuli):
                reason = f"the pictures of the set {stimuli}: {self.unpictured_reason(stimuli)}"
                skipped.append(Skipped(f"test {test}: comparison with pictures", reason))
        return kept, list(dict.fromkeys([*skipped, *self._unscored_features(kept)]))

    def feasible_decoding(self, analyses: Sequence[Mapping]) -> tuple[list[dict], list[Skipped]]:
        """Return the analyses of decoded features alone that can be made, and what is left out; none may be left."""
        kept, skipped = [], []
        for row in analyses:
            network = self.decoders.get(row["decoder"], {}).get("network")
            tests = []
            for test in row["tests"]:
                known = network in self.networks and test in self.tests  # a wrong name is for the checks of names
                needed = sorted(self._decoder_sets(row["decoder"], test)) if known else []
                lacking = [name for name in needed if not self.featured(network, name)]
                if lacking:
                    reason = (
                        f"there are neither features of the set {lacking[0]} in {network} nor pictures to compute them "
                        "from"
                    )
                    skipped.append(Skipped(f"decoder {row['decoder']}, test {test}", reason))
                else:
                    tests.append(test)
            if tests:
                kept.append({**row, "tests": tests})
        return kept, skipped

    def _decoder_sets(self, decoder: str, test: str) -> set[str]:
        """Return the stimulus sets without whose true features decoded features cannot be made, or not be scored."""
        if self.decoders[decoder]["decoder"] == "published":
            return {self.tests[test]["stimuli"]}
        return self.sets_of_test(test)

    def _unscored_features(self, analyses: Sequence[Mapping]) -> list[Skipped]:
        """Return which decoded features cannot be compared with true ones, or not in every way."""
        found = []
        for row in analyses:
            decoder = self.decoders.get(self.methods.get(row["method"], {}).get("decoder", ""), {})
            network = decoder.get("network")
            for test in row["tests"] if network in self.networks else ():
                if test not in self.tests:
                    continue
                stimuli = self.tests[test]["stimuli"]
                training = self.tests[test].get("training", stimuli)
                if not self.featured(network, stimuli):
                    what, lacking = f"test {test}: accuracy of decoded features", stimuli
                elif not self.featured(network, training):
                    what, lacking = f"test {test}: correlation of patterns of decoded features", training
                else:
                    continue
                reason = (
                    f"there are neither features of the set {lacking} in {network} nor pictures to compute them from"
                )
                found.append(Skipped(what, reason))
        return found

    def _hindrance(self, method: str, test: str) -> str:
        """Return why a test cannot be made with a method; empty if it can."""
        if test not in self.tests or method not in self.methods:
            return ""  # a wrong name, which the checks of names report
        entry, split = self.methods[method], self.tests[test]
        decoder = self.decoders.get(entry.get("decoder", ""))
        training = split.get("training", split["stimuli"])
        if decoder is None:
            if not self.pictured(training) and "decoder" not in entry:
                return f"it learns from the pictures of the set {training}: {self.unpictured_reason(training)}"
            return ""
        if "leave_out" in split and not self.pictured(split["stimuli"]):
            return f"its chance level needs pictures of the set {split['stimuli']}"
        network = decoder["network"]
        if decoder["decoder"] == "published" or network not in self.networks:
            return ""
        read = [training, split["stimuli"]] if decoder["decoder"] in READS_TEST else [training]
        lacking = [name for name in read if not self.featured(network, name)]
        if not lacking:
            return ""
        return (
            f"nobody has published features of the set {lacking[0]} in {network}, and they cannot be computed from its "
            f"pictures: {self.unpictured_reason(lacking[0])}"
        )
