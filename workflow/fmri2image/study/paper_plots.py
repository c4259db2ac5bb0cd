"""What the quantitative figures of a paper ask of a study: which tables each is drawn from, and what it shows."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from fmri2image.report.paper.registry import PLOTS, plot_module
from fmri2image.study.paper import PaperQuestions

POOLED = "pooled"
WITH, WITHOUT = "With the DGN", "Without the DGN"
PIXELS, HUMAN = "pixel_identification", "human_identification"
SUFFIXES = ("svg", "png", "tsv", "json")
# Layouts of bars: what tells the lines, the panels, the groups and the colours apart.
BY_METRIC = {"row": "", "panel": "title", "x": "metric", "bar": "label"}
BY_SUBJECT = {"row": "", "panel": "metric", "x": "subject", "bar": "label"}
BY_TEST = {"row": "", "panel": "label", "x": "metric", "bar": ""}
BY_AREA = {"row": "", "panel": "metric", "x": "area", "bar": "label"}
BY_AREA_AND_SUBJECT = {"row": "metric", "panel": "subject", "x": "area", "bar": "label"}


class PaperPlots(PaperQuestions):
    """Inputs and settings of the figures of a paper that are drawn from tables."""

    def plot_figures(self) -> dict[str, dict]:
        """Return the plots of the paper by figure, ``{"inputs": …, "settings": …}``; skips those that nothing can fill."""
        return self._plots

    def plot_files(self) -> list[str]:
        """Return the plots of the paper as SVG."""
        return [f"{self.paper_root}/{figure}.svg" for figure in self.plot_figures()]

    def plot_inputs(self, wildcards: Any) -> dict:
        """Return the inputs of a plot."""
        return self.plot_figures()[wildcards.figure]["inputs"]

    def plot_settings(self, wildcards: Any) -> dict:
        """Return what a plot needs to know."""
        return {"figure": wildcards.figure, **self.plot_figures()[wildcards.figure]["settings"]}

    def plot_module(self, figure: str) -> str:
        """Return the module that draws a plot."""
        return plot_module(figure)

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people, the plots of the paper too."""
        return [*super().final_outputs(), *self.plot_files()]

    @cached_property
    def _plots(self) -> dict[str, dict]:
        if not self.paper:
            return {}
        found = {}
        for figure in PLOTS:
            reason, parts = self._figures[figure]()
            if reason:
                self.skip_figure(figure, reason)
            else:
                inputs, settings = parts
                found[figure] = {"inputs": inputs, "settings": {**settings, "simulated": self.simulated}}
        return found

    @property
    def _figures(self) -> dict[str, Callable[[], tuple[str, tuple]]]:
        """What finds the inputs and settings of each figure, or says why it cannot be drawn."""
        area, early = self.paper["area"], self.paper.get("early", "")
        return {
            "fig3b": lambda: self._generator_bars(BY_METRIC, pooled=True),
            "fig4b": self._winning,
            "fig5": self._absolute,
            "fig6c": self._seen_bars,
            "fig7b": lambda: self._area_bars(BY_AREA, pooled=True),
            "fig8d": lambda: self._imagery_bars(area, "imagery_shapes", BY_METRIC, pooled=True),
            "fig8e": lambda: self._imagery_bars(area, "imagery_shapes", BY_METRIC, pooled=True, aspects=True),
            "s1": self._accuracy,
            "s4": lambda: self._generator_bars(BY_SUBJECT),
            "s9": self._relation,
            "s12": lambda: self._subject_bars("shapes"),
            "s13": lambda: self._subject_bars("letters"),
            "s15": lambda: self._area_bars(BY_AREA_AND_SUBJECT),
            "s17": self._vividness,
            "s18": lambda: self._imagery_bars(area, "imagery_shapes", BY_SUBJECT),
            "s19": lambda: self._imagery_bars(area, "imagery_shapes", BY_SUBJECT, aspects=True, human=True),
            "s21": lambda: self._imagery_bars(early, "imagery_shapes_early", BY_SUBJECT, pooled=None),
            "s22": lambda: self._imagery_bars(
                early, "imagery_shapes_early", BY_SUBJECT, pooled=None, aspects=True, human=True
            ),
        }

    # Bars of quality --------------------------------------------------------------------------------------------------

    def _metrics(self) -> list[str]:
        """Return the metrics of quality: pixels, human judgment where there are ratings, then the judges."""
        pixels = [PIXELS] * ("pixel" in self.config["evaluate"]["similarities"])
        human = [HUMAN] * bool(self.paper.get("ratings"))
        return [*pixels, *human, *(f"feature_identification_{judge}" for judge in self.judges)]

    def _unscored(self, wanted: Sequence[tuple[str, str, str]]) -> str:
        """Return why the scores of a figure are not to be had; empty if they are."""
        lacks = self.paper_lacks(wanted)
        unscored = [test for _, _, test in wanted if not lacks and not self.scored(test)]
        if unscored:
            return f"test {unscored[0]} has no pictures to compare with"
        return lacks or ("" if self._metrics() else "no metric of evaluate compares the images of a test pair by pair")

    def _bars(
        self,
        bars: Sequence[dict],
        layout: dict[str, str],
        pooled: bool | None,
        metrics: Sequence[str] | None = None,
        title: str = "",
    ) -> tuple[dict, dict]:
        """Return inputs and settings of bars: of all subjects with marks of each, of each subject, or (None) of both."""
        inputs = {
            "statistics": f"{self.root}/tables/statistics.tsv",
            "identification": f"{self.root}/tables/identification.tsv",
        }
        if self.has_data_of_the_paper:
            inputs["ledger"] = f"{self.root}/tables/ledger.tsv"
        settings = {
            "bars": [{"aspect": "", "area": "", "partial": False, **bar} for bar in bars],
            "metrics": list(self._metrics() if metrics is None else metrics),
            "subjects": [POOLED] if pooled else [*self.subjects, *([POOLED] if pooled is None else [])],
            "points": list(self.subjects) if pooled else [],
            "layout": layout,
            "title": title,
        }
        return inputs, settings

    def _generator_bars(self, layout: dict[str, str], pooled: bool = False) -> tuple[str, tuple]:
        area, test = self.paper["area"], self.paper_test("natural")
        reason = self._unscored([(self.paper_method(role), area, test) for role in ("pixels", "generator")])
        bars = [
            {"condition": "natural_generator", "label": WITH},
            {"condition": "natural_pixels", "label": WITHOUT},
        ]
        return reason, self._bars(bars, layout, pooled, title="Natural images")

    def _seen_bars(self) -> tuple[str, tuple]:
        words = {"shapes": "Artificial shapes", "letters": "Letters"}
        method, area = self.paper_method("pixels"), self.paper["area"]
        reasons = {role: self._unscored([(method, area, self.paper_test(role))]) for role in words}
        bars = [{"condition": role, "label": label} for role, label in words.items() if not reasons[role]]
        return "" if bars else reasons["shapes"], self._bars(bars, BY_TEST, pooled=True)

    def _subject_bars(self, role: str) -> tuple[str, tuple]:
        reason = self._unscored([(self.paper_method("pixels"), self.paper["area"], self.paper_test(role))])
        return reason, self._bars([{"condition": role, "label": ""}], BY_SUBJECT, pooled=False)

    def _area_bars(self, layout: dict[str, str], pooled: bool = False) -> tuple[str, tuple]:
        method, test = self.paper_method("pixels"), self.paper_test("shapes")
        areas = [area for area in self.paper.get("areas", []) if self.paper_makes(method, area, test)]
        if not areas:
            wanted = self.paper.get("areas", [self.paper["area"]])
            return self.paper_lacks([(method, wanted[0], test)]) or "report.paper names no areas to compare", ()
        reason = self._unscored([(method, areas[0], test)]) or self._without_aspects(test)
        bars = [
            {"condition": f"shapes@{area}", "label": aspect.capitalize(), "aspect": aspect, "area": area}
            for area in areas
            for aspect in ("shape", "colour")
        ]
        inputs, settings = self._bars(bars, layout, pooled)
        return reason, (inputs, {**settings, "interaction": "V1, V4"})

    def _imagery_bars(
        self,
        area: str,
        condition: str,
        layout: dict[str, str],
        pooled: bool | None = False,
        aspects: bool = False,
        human: bool = False,
    ) -> tuple[str, tuple]:
        if human and not self.paper.get("ratings"):
            return "report.paper names no table of human ratings", ()
        test = self.paper_test("imagery")
        if not area:
            return "report.paper names no early area", ()
        reason = self._unscored([(self.paper_method("imagery"), area, test)]) or self.paper_lures(test)
        if aspects and not reason:
            reason = self._without_aspects(test)
        # Natural images were imagined in the same test, so that its permutations are not of these images alone.
        bars = [
            {"condition": condition, "label": aspect.capitalize(), "aspect": aspect, "partial": True}
            for aspect in (("colour", "shape") if aspects else ("",))
        ]
        return reason, self._bars(bars, layout, pooled, [HUMAN] if human else None, "Imagined shapes")

    def _without_aspects(self, test: str) -> str:
        if test and {"colour", "shape"} <= set(self.lures[test].get("aspects", [])):
            return ""
        return f"test {test} names no aspects, so colour and shape are not scored apart"

    # Other figures ----------------------------------------------------------------------------------------------------

    def _winning(self) -> tuple[str, tuple]:
        sets, test = self.paper_methods("layer_sets"), self.paper_test("natural")
        made = {words: name for words, name in sets.items() if self.paper_makes(name, self.paper["area"], test)}
        if len(made) < 2:
            return "no analyses run two of the sets of layers on the natural images", ()
        reason = self._unscored([(name, self.paper["area"], test) for name in made.values()])
        human = ["human"] * bool(self.paper.get("ratings"))
        pixels = ["pixel_correlation"] * ("pixel" in self.config["evaluate"]["similarities"])
        settings = {
            "metrics": [*pixels, *human, *(f"feature_correlation_{judge}" for judge in self.judges)],
            "layer_sets": list(made),
            "subjects": list(self.subjects),
        }
        return reason, ({"winning": f"{self.root}/tables/winning.tsv"}, settings)

    def _absolute(self) -> tuple[str, tuple]:
        reason = "" if self.draws_raw_absolute else "report.raw_absolute names no two decoders that are scored"
        return reason, ({"raw_absolute": f"{self.root}/tables/raw_absolute.tsv"}, {})

    def _decoder(self, role: str) -> str:
        """Return the decoder of the method of a role; empty where it has none."""
        return self.methods.get(self.paper_method(role), {}).get("decoder", "")

    def _accuracy_table(self, decoder: str, subject: str, suffix: str) -> str:
        return f"{self.root}/evaluate/features/{decoder}/sub-{subject}_roi-{self.paper['area']}_{suffix}"

    def _decodes(self, decoder: str, test: str) -> bool:
        """Tell whether a decoder is scored on a test of the area."""
        rows = [row for row in self.decoder_rows if row["decoder"] == decoder and self.paper["area"] in row["rois"]]
        return test in self.accuracy_tests(decoder) and any(test in row["tests"] for row in rows)

    def _accuracy(self) -> tuple[str, tuple]:
        words = {"natural": "Natural images", "shapes": "Artificial shapes", "letters": "Letters"}
        seen, imagined = self._decoder("pixels"), self._decoder("imagery")
        series = [
            {"label": label, "test": self.paper_test(role), "kind": "", "stimuli": ""}
            for role, label in words.items()
            if seen and self.paper_test(role) and self._decodes(seen, self.paper_test(role))
        ]
        inputs: dict[str, Any] = {}
        if series:
            inputs["units"] = [self._accuracy_table(seen, subject, "units.h5") for subject in self.subjects]
            inputs["accuracy"] = [self._accuracy_table(seen, subject, "accuracy.tsv") for subject in self.subjects]
        test = self.paper_test("imagery")
        if imagined and test and self._decodes(imagined, test):
            stimuli, layers = self.tests[test]["stimuli"], self.decoder_layers(imagined)
            series += [
                {"label": f"Imagined {label}", "test": test, "kind": kind, "stimuli": stimuli}
                for kind, label in (("natural", "natural images"), ("shape", "artificial shapes"))
            ]
            sources = [f"sub-{subject}_roi-{self.paper['area']}" for subject in self.subjects]
            inputs["decoded"] = [path for source in sources for path in self.decoded_files(imagined, source)]
            inputs["true"] = self.feature_files(self.decoders[imagined]["network"], stimuli, layers)
            inputs["stimuli"] = f"{self.root}/stimuli/stimuli.tsv"
        if not series:
            return "no decoder of its methods is scored on its tests", ()
        layers = [layer for decoder in (seen, imagined) if decoder for layer in self.decoder_layers(decoder)]
        settings = {
            "series": series,
            "layers": list(dict.fromkeys(layers)),
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
        }
        return "", (inputs, settings)

    def _relation(self) -> tuple[str, tuple]:
        area, test = self.paper["area"], self.paper_test("natural")
        methods = [
            {"label": label, "method": self.paper_method(role), "decoder": self._decoder(role)}
            for role, label in (("generator", WITH), ("pixels", WITHOUT))
            if self.paper_makes(self.paper_method(role), area, test)
            and self._decoder(role)
            and self._decodes(self._decoder(role), test)
        ]
        if not methods:
            return self._unscored(
                [(self.paper_method("pixels"), area, test)]
            ) or "its methods take no decoded features", ()
        decoders = list(dict.fromkeys(one["decoder"] for one in methods))
        inputs = {
            "scores": f"{self.root}/evaluate/scores.tsv",
            "accuracy": [
                self._accuracy_table(decoder, subject, "stimuli.tsv")
                for decoder in decoders
                for subject in self.subjects
            ],
        }
        settings = {
            "methods": methods,
            "metrics": self._metrics(),
            "layers": self.decoder_layers(methods[-1]["decoder"]),
            "subjects": list(self.subjects),
            "roi": area,
            "test": test,
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
        }
        return self._unscored([(one["method"], area, test) for one in methods]), (inputs, settings)

    def _vividness(self) -> tuple[str, tuple]:
        test = self.paper_test("imagery")
        if not test or not self.sampled:
            return "there are no trials of imagery" if test else "report.paper names no test for it", ()
        inputs = {
            "samples": [f"{self.root}/samples/sub-{subject}.h5" for subject in self.subjects],
            "stimuli": f"{self.root}/stimuli/stimuli.tsv",
        }
        return "", (inputs, {"stimulus_set": self.tests[test]["stimuli"]})
