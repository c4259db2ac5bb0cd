"""Where a study's files lie, and which of them a whole run makes."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from fmri2image.study.available import Available

TRUE_FEATURES = "true-features"
# Decoders with a choice of voxels per unit.
CHOOSES = ("ridge", "slr")
QUALITY = ("motion", "coregistration", "rois", "signal", "carpet")


class Paths(Available):
    """File names of one study.

    Parameters
    ----------
    config : dict
        Checked configuration.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self.analyses, self.skipped = self.feasible(config["analyses"])
        self.decode_analyses, unmade = self.feasible_decoding(config["decode"].get("analyses", []))
        self.skipped += [one for one in unmade if one not in self.skipped]
        self.judges: dict[str, dict] = config["evaluate"].get("judges", {})
        rows = [*self.analyses, *self.decode_analyses]
        self.rois: list[str] = list(dict.fromkeys(roi for row in rows for roi in row["rois"]))

    def scanned_sets(self) -> list[str]:
        """Return the image sets that simulated subjects are shown; the others only serve as independent images."""
        shown = self.config["acquire"].get("simulate", {}).get("stimulus_sets", self.stimulus_sets)
        return [name for name in self.stimulus_sets if name in shown]

    # Features and decoded features ------------------------------------------------------------------------------------

    def layers(self, network: str) -> list[str]:
        """Return the layers that are extracted and decoded, from the shallowest to the deepest."""
        return self.networks[network]["layers"]

    def feature_files(self, network: str, stimulus_set: str, layers: list[str] | None = None) -> list[str]:
        """Return the files of true features."""
        chosen = self.layers(network) if layers is None else layers
        return [f"{self.root}/features/{network}/{stimulus_set}/{layer}.h5" for layer in chosen]

    def decoder_layers(self, decoder: str) -> list[str]:
        """Return the layers that a decoder decodes: its own choice, or all of its network's."""
        entry = self.decoders[decoder]
        return entry.get("layers", self.layers(entry["network"]))

    def decoded_files(self, decoder: str, source: str, layers: list[str] | None = None) -> list[str]:
        """Return the files of decoded features of a source ``sub-…_roi-…``."""
        network = self.decoders[decoder]["network"]
        chosen = self.decoder_layers(decoder) if layers is None else layers
        return [f"{self.root}/decode/{decoder}/{network}/{source}/{layer}.h5" for layer in chosen]

    # Reconstructions and scores ---------------------------------------------------------------------------------------

    def row_subjects(self, row: Mapping) -> list[str]:
        """Return the subjects of an analysis: those that it names, or all."""
        return [subject for subject in self.subjects if subject in row.get("subjects", self.subjects)]

    def analysed_subjects(self, rows: Iterable[Mapping]) -> list[str]:
        """Return the subjects that some of these analyses have, in the order of the study."""
        named = {subject for row in rows for subject in self.row_subjects(row)}
        return [subject for subject in self.subjects if subject in named]

    def network_of(self, method: str) -> str | None:
        """Return the network whose decoded features a named method takes, if any."""
        decoder = self.methods[method].get("decoder")
        return self.decoders[decoder]["network"] if decoder else None

    def sources(self, method: str, test: str) -> list[str]:
        """Return the sources of reconstructions: ``sub-…_roi-…`` per subject and area, and the true-feature ceiling."""
        rows = [row for row in self.analyses if row["method"] == method and test in row["tests"]]
        rois = dict.fromkeys(roi for row in rows for roi in row["rois"])
        found = [
            f"sub-{subject}_roi-{roi}"
            for roi in rois
            for subject in self.analysed_subjects(row for row in rows if roi in row["rois"])
        ]
        network = self.network_of(method)
        ceiling = network and any(row.get("ceiling", True) for row in rows)
        return [*found, TRUE_FEATURES] if ceiling and self.featured(network, self.tests[test]["stimuli"]) else found

    def drawn_sources(self, method: str, test: str) -> list[str]:
        """Return the sources of reconstructions that reports may show."""
        shown = self.shown(self.tests[test]["stimuli"])
        return [source for source in self.sources(method, test) if shown or source != TRUE_FEATURES]

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Every (method, test) that some analysis asks for."""
        return list(dict.fromkeys((row["method"], test) for row in self.analyses for test in row["tests"]))

    def score_files(self, suffix: str) -> list[str]:
        """Return the score (``scores``) or permutation (``permutations``) tables of all reconstructions."""
        own = [
            f"{self.root}/evaluate/images/{method}/{source}_{test}_{suffix}.tsv"
            for method, test in self.pairs
            if self.scored(test)
            for source in self.sources(method, test)
        ]
        return [*own, *self.judge_files(suffix)]

    def judge_files(self, suffix: str) -> list[str]:
        """Return the tables of the judges; they take held-out tests only, and no mere variant of the norm correction."""
        return [
            f"{self.root}/evaluate/judges/{judge}/{method}_{test}_{suffix}.tsv"
            for judge in self.judges
            for method, test in self.pairs
            if "leave_out" not in self.tests[test] and method not in self.compared_only and self.scored(test)
        ]

    def judge_weights(self, network: str) -> str:
        """Return the converted weights of a judge's network; all studies share them."""
        return f"resources/downloaded/judges/{network}.safetensors"

    @cached_property
    def decoded(self) -> list[tuple[str, str]]:
        """Every (decoder, roi) that some analysis asks for."""
        return list(dict.fromkeys((row["decoder"], roi) for row in self.decoder_rows for roi in row["rois"]))

    @cached_property
    def decoder_rows(self) -> list[dict]:
        """Decoders with their areas and tests, those of methods before those whose features alone are analysed."""
        found = [
            {
                "decoder": self.methods[row["method"]]["decoder"],
                **{key: row[key] for key in ("rois", "tests", "subjects") if key in row},
            }
            for row in self.analyses
            if "decoder" in self.methods[row["method"]]
        ]
        return [*found, *self.decode_analyses]

    def decoder_subjects(self, decoder: str, roi: str | None = None) -> list[str]:
        """Return the subjects for whom some analysis needs a decoder, on an area or on any."""
        rows = [row for row in self.decoder_rows if row["decoder"] == decoder]
        return self.analysed_subjects(row for row in rows if roi is None or roi in row["rois"])

    def accuracy_tests(self, decoder: str) -> dict[str, dict]:
        """Return the tests of a decoder whose decoded features can be compared with true ones."""
        wanted = {test for row in self.decoder_rows if row["decoder"] == decoder for test in row["tests"]}
        network = self.decoders[decoder]["network"]
        return {
            name: test
            for name, test in self.tests.items()
            if name in wanted and self.featured(network, test["stimuli"])
        }

    def accuracy_files(self) -> list[str]:
        """Return the tables of feature decoding accuracy."""
        return [
            f"{self.root}/evaluate/features/{decoder}/sub-{subject}_roi-{roi}_accuracy.tsv"
            for decoder, roi in self.decoded
            if self.accuracy_tests(decoder)
            for subject in self.decoder_subjects(decoder, roi)
        ]

    def mapped_decoders(self) -> list[str]:
        """Return the decoders that choose voxels for every unit, which maps show."""
        return [
            name
            for name in dict.fromkeys(decoder for decoder, _ in self.decoded)
            if self.decoders[name]["decoder"] in CHOOSES and self.decoders[name]["n_voxels"] is not None
        ]

    @property
    def draws_raw_absolute(self) -> bool:
        """Whether both decoders of the figure of raw and absolute features are scored."""
        chosen = self.config["report"].get("raw_absolute")
        if not chosen:
            return False
        made = {
            row["decoder"]
            for row in self.decoder_rows
            if chosen["roi"] in row["rois"] and chosen["test"] in row["tests"]
        }
        return bool(self.raw_absolute_subjects()) and all(
            chosen[key] in made and chosen["test"] in self.accuracy_tests(chosen[key]) for key in ("raw", "absolute")
        )

    def raw_absolute_subjects(self) -> list[str]:
        """Return the subjects for whom both decoders of that figure run."""
        chosen = self.config["report"]["raw_absolute"]
        raw, absolute = (self.decoder_subjects(chosen[key], chosen["roi"]) for key in ("raw", "absolute"))
        return [subject for subject in raw if subject in absolute]

    def selection_files(self) -> list[str]:
        """Return the tables that say from which areas voxels were chosen."""
        return [
            f"{self.root}/decode/{decoder}/{self.decoders[decoder]['network']}/maps/sub-{subject}_areas.tsv"
            for decoder in self.mapped_decoders()
            for subject in self.decoder_subjects(decoder)
        ]

    @property
    def scored_against_truth(self) -> bool:
        """Whether motion and coregistration were simulated here and estimated here."""
        return bool(self.runs) and self.simulated and self.realigns

    def motion_files(self) -> list[str]:
        """Return the tables of motion error; none where the true motion is unknown."""
        return [
            f"{self.root}/evaluate/motion/sub-{subject}_motion.tsv"
            for subject in self.subjects
            if self.scored_against_truth
        ]

    def norm_variants(self) -> list[str]:
        """Return the methods that differ from the primary one in nothing but the norm correction, and it; none if alone.

        They are compared on the primary area and on the first test that they share.
        """
        primary = self.config["report"]["primary"]
        chosen = self.methods[primary["method"]]
        if "norm_correction" not in chosen:
            return []
        rows = [row for row in self.analyses if primary["roi"] in row["rois"] and self.norm_test() in row["tests"]]
        first = self.subjects[0]  # the figure is of this subject
        analysed = {row["method"] for row in rows if first in self.row_subjects(row)}
        alike = {
            name
            for name, entry in self.methods.items()
            if {**entry, "norm_correction": None} == {**chosen, "norm_correction": None}
        }
        found = [name for name in self.methods if name in alike & analysed]
        return found if len(found) > 1 else []

    @cached_property
    def compared_only(self) -> set[str]:
        """Methods that are there to be compared with the primary one in the figure of norm corrections."""
        return set(self.norm_variants()) - {self.config["report"]["primary"]["method"]}

    def norm_test(self) -> str:
        """Return the test on which norm corrections are compared: the primary setting's first, if it has any."""
        primary = self.config["report"]["primary"]
        rows = [row for row in self.analyses if row["method"] == primary["method"] and primary["roi"] in row["rois"]]
        return rows[0]["tests"][0] if rows else ""

    def recovery_files(self) -> list[str]:
        """Return the tables of recovery against truth; none where nothing was simulated."""
        return [
            f"{self.root}/evaluate/recovery/sub-{subject}_recovery.tsv"
            for subject in self.subjects
            if self.scored_against_truth
        ]

    # What a run makes -------------------------------------------------------------------------------------------------

    def sheets(self) -> list[str]:
        """Return the image sheets: one per method, area and test, all subjects below each other.

        Variants of the norm correction share a figure of their own.
        """
        names = [
            f"{self.root}/figures/images_{row['method']}_roi-{roi}_{test}.png"
            for row in self.analyses
            if row["method"] not in self.compared_only
            for roi in row["rois"]
            for test in row["tests"]
        ]
        return list(dict.fromkeys(names))

    def sets_of(self, tests: Iterable[str]) -> dict[str, str]:
        """Return the stimulus set of each of some tests."""
        return {test: self.tests[test]["stimuli"] for test in tests}

    def primary_tests(self) -> list[str]:
        """Return the tests of the primary setting, in the order of the analyses."""
        primary = self.config["report"]["primary"]
        rows = [row for row in self.analyses if row["method"] == primary["method"] and primary["roi"] in row["rois"]]
        return list(dict.fromkeys(test for row in rows for test in row["tests"]))

    def primary_images(self) -> list[str]:
        """Return the reconstructions of the primary setting: all tests, all subjects, and the true-feature ceiling."""
        primary = self.config["report"]["primary"]
        method, ending = primary["method"], f"_roi-{primary['roi']}"
        return [
            f"{self.root}/reconstruct/{method}/{source}_{test}.h5"
            for test in self.primary_tests()
            for source in self.drawn_sources(method, test)
            if source == TRUE_FEATURES or source.endswith(ending)
        ]

    def subject_images(self, subject: str) -> list[str]:
        """Return all reconstructions of a subject, those of the primary setting in the order of its tests."""
        found = [
            f"{self.root}/reconstruct/{method}/{source}_{test}.h5"
            for method, test in self.pairs
            for source in self.sources(method, test)
            if source.startswith(f"sub-{subject}_")
        ]
        return list(dict.fromkeys(found))

    def stimulus_files(self, tests: Iterable[str]) -> list[str]:
        """Return the image files of the stimulus sets of some tests."""
        return [f"{self.root}/stimuli/{name}.h5" for name in dict.fromkeys(self.sets_of(tests).values())]

    def compared_methods(self) -> list[str]:
        """Return the methods that run on the primary area, variants of the norm correction aside (they have a figure)."""
        primary, variants = self.config["report"]["primary"], self.norm_variants()
        names = dict.fromkeys(row["method"] for row in self.analyses if primary["roi"] in row["rois"])
        return [name for name in names if name == primary["method"] or name not in variants]

    def score_figures(self) -> dict[str, list[str]]:
        """Return the figures of scores that the study has, by kind, as PNG."""
        names = {
            "methods": len(self.compared_methods()) > 1,
            "decoding_accuracy": bool(self.accuracy_files()),
            "voxel_selection": bool(self.selection_files()),
            "raw_absolute": self.draws_raw_absolute,
            "norm_correction": bool(self.norm_variants()),
        }
        return {name: [f"{self.root}/figures/{name}.png"] * present for name, present in names.items()}

    def quality_figures(self, subject: str, names: Iterable[str] = QUALITY) -> list[str]:
        """Return the figures of a subject's data quality; none without raw data."""
        return [f"{self.root}/figures/sub-{subject}_quality_{name}.png" for name in names if self.runs]

    def quality_pages(self) -> list[str]:
        """Return the pages of data quality; none without raw data."""
        return [f"{self.root}/quality/sub-{subject}.html" for subject in self.subjects if self.runs]

    def tables(self) -> list[str]:
        """Return the tables for people."""
        simulated = ["motion", "recovery"] if self.scored_against_truth else []
        names = ["identification", *(["decoding_accuracy"] if self.accuracy_files() else []), *simulated]
        return [f"{self.root}/tables/{name}.tsv" for name in names]

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people."""
        figures = [f"{self.root}/figures/examples.png", f"{self.root}/figures/identification.svg", *self.sheets()]
        figures += [path.replace(".png", ".svg") for path in self.score_figures()["methods"]]
        figures += [path for path in self.selection_files()]
        raw = self.dataset_files() if self.simulated else []
        found = self.score_figures()
        for name in ("decoding_accuracy", "voxel_selection", "raw_absolute"):
            figures += [path.replace(".png", ".svg") for path in found[name]]
        if self.norm_variants():
            figures.append(f"{self.root}/figures/norm_correction.svg")
        if self.config["samples"].get("modulators"):
            figures += [f"{self.root}/samples/sub-{subject}_modulators.h5" for subject in self.subjects]
        pages = [f"{self.root}/subjects/sub-{subject}.html" for subject in self.subjects]
        return [*raw, *self.tables(), *figures, *self.quality_pages(), *pages, f"{self.root}/summary.html"]
