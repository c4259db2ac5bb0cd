"""What the quantitative figures of Shen et al. 2019 (PLOS CB) ask of a study: which tables each is drawn from."""

from collections.abc import Callable
from typing import Any

from fmri2image.study.paper_plot_plans import (
    BY_AREA,
    BY_AREA_AND_SUBJECT,
    BY_METRIC,
    BY_SUBJECT,
    BY_TEST,
    HUMAN,
    Plan,
    PlotPlans,
)

WITH, WITHOUT = "With the DGN", "Without the DGN"


class Plots(PlotPlans):
    """Inputs and settings of the plots of Shen et al. 2019."""

    @property
    def figures(self) -> dict[str, Callable[[], Plan]]:
        """What finds the inputs and settings of each figure, or says why it cannot be drawn."""
        area, early = self.study.paper["area"], self.study.paper.get("early", "")
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

    def _generator_bars(self, layout: dict[str, str], pooled: bool = False) -> Plan:
        area, test = self.study.paper["area"], self.study.paper_test("natural")
        reason = self.unscored([(self.study.paper_method(role), area, test) for role in ("pixels", "generator")])
        bars = [
            {"condition": "natural_generator", "label": WITH},
            {"condition": "natural_pixels", "label": WITHOUT},
        ]
        return reason, self.bars(bars, layout, pooled, title="Natural images")

    def _seen_bars(self) -> Plan:
        words = {"shapes": "Artificial shapes", "letters": "Letters"}
        method, area = self.study.paper_method("pixels"), self.study.paper["area"]
        reasons = {role: self.unscored([(method, area, self.study.paper_test(role))]) for role in words}
        bars = [{"condition": role, "label": label} for role, label in words.items() if not reasons[role]]
        return "" if bars else reasons["shapes"], self.bars(bars, BY_TEST, pooled=True)

    def _subject_bars(self, role: str) -> Plan:
        reason = self.unscored(
            [(self.study.paper_method("pixels"), self.study.paper["area"], self.study.paper_test(role))]
        )
        return reason, self.bars([{"condition": role, "label": ""}], BY_SUBJECT, pooled=False)

    def _area_bars(self, layout: dict[str, str], pooled: bool = False) -> Plan:
        method, test = self.study.paper_method("pixels"), self.study.paper_test("shapes")
        areas = [area for area in self.study.paper.get("areas", []) if self.study.paper_makes(method, area, test)]
        if not areas:
            wanted = self.study.paper.get("areas", [self.study.paper["area"]])
            return self.study.paper_lacks([(method, wanted[0], test)]) or "report.paper names no areas to compare", ()
        reason = self.unscored([(method, areas[0], test)]) or self.without_aspects(test)
        bars = [
            {"condition": f"shapes@{area}", "label": aspect.capitalize(), "aspect": aspect, "area": area}
            for area in areas
            for aspect in ("shape", "colour")
        ]
        inputs, settings = self.bars(bars, layout, pooled)
        return reason, (inputs, {**settings, "interaction": "V1, V4"})

    def _imagery_bars(
        self,
        area: str,
        condition: str,
        layout: dict[str, str],
        pooled: bool | None = False,
        aspects: bool = False,
        human: bool = False,
    ) -> Plan:
        if human and not self.study.paper.get("ratings"):
            return "report.paper names no table of human ratings", ()
        test = self.study.paper_test("imagery")
        if not area:
            return "report.paper names no early area", ()
        reason = self.unscored([(self.study.paper_method("imagery"), area, test)]) or self.study.paper_lures(test)
        if aspects and not reason:
            reason = self.without_aspects(test)
        # Natural images were imagined in the same test, so that its permutations are not of these images alone.
        bars = [
            {"condition": condition, "label": aspect.capitalize(), "aspect": aspect, "partial": True}
            for aspect in (("colour", "shape") if aspects else ("",))
        ]
        return reason, self.bars(bars, layout, pooled, [HUMAN] if human else None, "Imagined shapes")

    # Other figures ----------------------------------------------------------------------------------------------------

    def _winning(self) -> Plan:
        sets, test = self.study.paper_methods("layer_sets"), self.study.paper_test("natural")
        made = {
            words: name for words, name in sets.items() if self.study.paper_makes(name, self.study.paper["area"], test)
        }
        if len(made) < 2:
            return "no analyses run two of the sets of layers on the natural images", ()
        reason = self.unscored([(name, self.study.paper["area"], test) for name in made.values()])
        human = ["human"] * bool(self.study.paper.get("ratings"))
        pixels = ["pixel_correlation"] * ("pixel" in self.study.config["evaluate"]["similarities"])
        settings = {
            "metrics": [*pixels, *human, *(f"feature_correlation_{judge}" for judge in self.study.judges)],
            "layer_sets": list(made),
            "subjects": list(self.study.subjects),
        }
        return reason, ({"winning": f"{self.study.root}/tables/winning.tsv"}, settings)

    def _absolute(self) -> Plan:
        reason = "" if self.study.draws_raw_absolute else "report.raw_absolute names no two decoders that are scored"
        return reason, ({"raw_absolute": f"{self.study.root}/tables/raw_absolute.tsv"}, {})

    def _decoder(self, role: str) -> str:
        """Return the decoder of the method of a role; empty where it has none."""
        return self.study.methods.get(self.study.paper_method(role), {}).get("decoder", "")

    def _accuracy_table(self, decoder: str, subject: str, suffix: str) -> str:
        return f"{self.study.root}/evaluate/features/{decoder}/sub-{subject}_roi-{self.study.paper['area']}_{suffix}"

    def _decodes(self, decoder: str, test: str) -> bool:
        """Tell whether a decoder is scored on a test of the area."""
        rows = [
            row
            for row in self.study.decoder_rows
            if row["decoder"] == decoder and self.study.paper["area"] in row["rois"]
        ]
        return test in self.study.accuracy_tests(decoder) and any(test in row["tests"] for row in rows)

    def _accuracy(self) -> Plan:
        words = {"natural": "Natural images", "shapes": "Artificial shapes", "letters": "Letters"}
        seen, imagined = self._decoder("pixels"), self._decoder("imagery")
        series = [
            {"label": label, "test": self.study.paper_test(role), "kind": "", "stimuli": ""}
            for role, label in words.items()
            if seen and self.study.paper_test(role) and self._decodes(seen, self.study.paper_test(role))
        ]
        inputs: dict[str, Any] = {}
        if series:
            inputs["units"] = [self._accuracy_table(seen, subject, "units.h5") for subject in self.study.subjects]
            inputs["accuracy"] = [
                self._accuracy_table(seen, subject, "accuracy.tsv") for subject in self.study.subjects
            ]
        test = self.study.paper_test("imagery")
        if imagined and test and self._decodes(imagined, test):
            stimuli, layers = self.study.tests[test]["stimuli"], self.study.decoder_layers(imagined)
            series += [
                {"label": f"Imagined {label}", "test": test, "kind": kind, "stimuli": stimuli}
                for kind, label in (("natural", "natural images"), ("shape", "artificial shapes"))
            ]
            sources = [f"sub-{subject}_roi-{self.study.paper['area']}" for subject in self.study.subjects]
            inputs["decoded"] = [path for source in sources for path in self.study.decoded_files(imagined, source)]
            inputs["true"] = self.study.feature_files(self.study.decoders[imagined]["network"], stimuli, layers)
            inputs["stimuli"] = f"{self.study.root}/stimuli/stimuli.tsv"
        if not series:
            return "no decoder of its methods is scored on its tests", ()
        layers = [layer for decoder in (seen, imagined) if decoder for layer in self.study.decoder_layers(decoder)]
        settings = {
            "series": series,
            "layers": list(dict.fromkeys(layers)),
            "permutations": self.study.config["evaluate"]["permutations"],
            "seed": self.study.config["seed"],
        }
        return "", (inputs, settings)

    def _relation(self) -> Plan:
        area, test = self.study.paper["area"], self.study.paper_test("natural")
        methods = [
            {"label": label, "method": self.study.paper_method(role), "decoder": self._decoder(role)}
            for role, label in (("generator", WITH), ("pixels", WITHOUT))
            if self.study.paper_makes(self.study.paper_method(role), area, test)
            and self._decoder(role)
            and self._decodes(self._decoder(role), test)
        ]
        if not methods:
            return self.unscored(
                [(self.study.paper_method("pixels"), area, test)]
            ) or "its methods take no decoded features", ()
        decoders = list(dict.fromkeys(one["decoder"] for one in methods))
        inputs = {
            "scores": f"{self.study.root}/evaluate/scores.tsv",
            "accuracy": [
                self._accuracy_table(decoder, subject, "stimuli.tsv")
                for decoder in decoders
                for subject in self.study.subjects
            ],
        }
        settings = {
            "methods": methods,
            "metrics": self.metrics(),
            "layers": self.study.decoder_layers(methods[-1]["decoder"]),
            "subjects": list(self.study.subjects),
            "roi": area,
            "test": test,
            "permutations": self.study.config["evaluate"]["permutations"],
            "seed": self.study.config["seed"],
        }
        return self.unscored([(one["method"], area, test) for one in methods]), (inputs, settings)

    def _vividness(self) -> Plan:
        test = self.study.paper_test("imagery")
        if not test or not self.study.sampled:
            return "there are no trials of imagery" if test else "report.paper names no test for it", ()
        inputs = {
            "samples": [f"{self.study.root}/samples/sub-{subject}.h5" for subject in self.study.subjects],
            "stimuli": f"{self.study.root}/stimuli/stimuli.tsv",
        }
        return "", (inputs, {"stimulus_set": self.study.tests[test]["stimuli"]})
