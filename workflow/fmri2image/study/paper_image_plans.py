"""What every image figure of Shen et al. 2019 (PLOS CB) shows, as a plan for drawing it.

A figure is a row of units, one per stimulus: what was seen, and a small table of reconstructions of it. A line or a column
of that table is a mapping of words and of what a reconstruction is known by: method, subject, area.
"""

from collections.abc import Mapping, Sequence

from fmri2image.study.paper import PaperQuestions
from fmri2image.study.paths import TRUE_FEATURES

# With more subjects than this the study is that of S3 (ds001246, five subjects), with fewer that of S2 (ds001506, three).
SUBJECTS_OF_S2 = 3
WORD = "NEURON"  # Fig. 6B
ACROSS, DOWN = "across", "down"


class ImagePlans(PaperQuestions):
    """Plans of figures: title, words, parts (one per test), placing, choice of images, and what lacks if they are empty."""

    def image_plan(self, figure: str) -> dict:
        """Return the plan of a figure."""
        return getattr(self, f"_plan_{'s2' if figure == 's3' else figure}")()

    def _plan_fig2(self) -> dict:
        return self._of_subjects("Natural images, with the DGN", "natural", "generator", ACROSS, "fig2", 18)

    def _plan_s2(self) -> dict:
        figure = "s2" if len(self.subjects) <= SUBJECTS_OF_S2 else "s3"
        return self._of_subjects("Natural images, with the DGN", "natural", "generator", ACROSS, figure)

    def _plan_s5(self) -> dict:
        return self._of_subjects("Natural images, without the DGN", "natural", "pixels", ACROSS, "s5")

    def _plan_fig6a(self) -> dict:
        return self._of_subjects("Artificial shapes", "shapes", "pixels", DOWN, "fig6a", 10)

    def _plan_s10(self) -> dict:
        return self._of_subjects("Artificial shapes", "shapes", "pixels", DOWN, "s10")

    def _plan_fig6b(self) -> dict:
        plan = self._of_subjects("Letters", "letters", "pixels", DOWN, "fig6b")
        if plan["choice"]["how"] == "all":
            plan["choice"] = {"how": "word", "word": WORD}
        return plan

    def _plan_s11(self) -> dict:
        return self._of_subjects("Letters", "letters", "pixels", DOWN, "s11")

    def _plan_fig8a(self) -> dict:
        return self._ranked("best", "highest", "lowest scores are in Fig. 8B")

    def _plan_fig8b(self) -> dict:
        return self._ranked("worst", "lowest", "highest scores are in Fig. 8A")

    def _plan_fig8c(self) -> dict:
        plan = self._of_subjects("Imagined natural images", "imagery", "imagery", DOWN, "fig8c", 10)
        plan["choice"]["kind"] = "natural"
        return plan

    def _plan_s16(self) -> dict:
        return self._imagined("s16", self.paper["area"])

    def _plan_s20(self) -> dict:
        return self._imagined("s20", self.paper.get("early", ""))

    def _plan_fig3a(self) -> dict:
        lines = [
            {"label": "With the DGN", "method": self.paper_method("generator")},
            {"label": "Without the DGN", "method": self.paper_method("pixels")},
        ]
        part = {"test": self.paper_test("natural"), "rows": lines, "columns": [self._first()]}
        title = "Natural images, with and without the DGN"
        return self._plan(title, DOWN, [part], self.image_choice("fig3a", 10), "", self._about_first)

    def _plan_fig4a(self) -> dict:
        return self._layer_sets("fig4a", 6)

    def _plan_s7(self) -> dict:
        return self._layer_sets("s7")

    def _plan_fig7a(self) -> dict:
        return self._areas("fig7a", 6)

    def _plan_s14(self) -> dict:
        return self._areas("s14")

    def _plan_s6(self) -> dict:
        kinds = {"latent_starts": "DGN", "pixel_starts": "Pixels"}
        lines = [
            {"label": f"{kind}: {words}", "method": method}
            for role, kind in kinds.items()
            for words, method in self.paper_methods(role).items()
        ]
        part = {"test": self.paper_test("natural"), "rows": lines, "columns": [self._first()]}
        about = self._about_first
        plan = self._plan("Initial states", DOWN, [part], self.image_choice("s6", 10), "Lines: initial states.", about)
        plan["lacking"] = "report.paper names no methods for pixel_starts or latent_starts"
        return plan

    def _plan_s8(self) -> dict:
        test, area, pixels = self.paper_test("natural"), self.paper["area"], self.paper_method("pixels")
        layers = self.paper_methods("single_layers")
        whole = next((words for words, name in self.paper_methods("layer_sets").items() if name == pixels), "All")
        columns = [{"label": words, "method": method} for words, method in {**layers, whole: pixels}.items()]
        lines = [{"label": f"Decoded, {area}", **self._first()}]
        made = test in self.tests and all(TRUE_FEATURES in self.drawn_sources(cell["method"], test) for cell in columns)
        if made:
            lines.insert(0, {"label": "True features", "subject": "", "roi": ""})
        words = "Columns: layers." + (
            "" if made else " Images from true features are left out: not made, or not to be shown."
        )
        part = {"test": test, "rows": lines, "columns": columns if layers else []}
        plan = self._plan(
            "Single layers, without the DGN", ACROSS, [part], self.image_choice("s8", 5), words, self._about_first
        )
        plan["lacking"] = "report.paper names no methods for single_layers"
        return plan

    # Families of figures ----------------------------------------------------------------------------------------------

    def _of_subjects(
        self, title: str, test_role: str, method_role: str, placing: str, figure: str, most: int | None = None
    ) -> dict:
        """Return the plan of a figure that compares subjects."""
        one = {"method": self.paper_method(method_role), "roi": self.paper["area"]}
        part = self._subject_part(self.paper_test(test_role), one, placing)
        words = f"{'Columns' if placing == ACROSS else 'Lines'}: subjects."
        return self._plan(title, placing, [part], self.image_choice(figure, most), words, self.paper["area"])

    def _imagined(self, figure: str, area: str) -> dict:
        """Return the plan of a figure of all imagery of an area, fixation alone at its end where it was tested."""
        one = {"method": self.paper_method("imagery"), "roi": area}
        parts = [self._subject_part(self.paper_test("imagery"), one, DOWN)]
        fixation = self.paper_test("fixation")
        if fixation and self.paper_makes(one["method"], area, fixation):
            parts.append(self._subject_part(fixation, one, DOWN))
        words = "Lines: subjects." + (" At the end: fixation without imagery." if len(parts) > 1 else "")
        return self._plan("Imagined images", DOWN, parts, self.image_choice(figure), words, area)

    def _ranked(self, how: str, which: str, others: str) -> dict:
        """Return the plan of a figure of imagined shapes with high or low scores."""
        plan = self._of_subjects("Imagined shapes", "imagery", "imagery", DOWN, "fig8c")
        plan["title"] = f"Imagined shapes with the {which} scores"
        plan["words"] = (
            f"Pairs of image and subject with the {which} pixel identification (percentages); those with the {others}. "
            "The choice is by score, so that one figure alone says nothing of quality."
        )
        plan["choice"] = {"how": how, "most": 10, "kind": "shape"}
        return plan

    def _layer_sets(self, figure: str, most: int | None = None) -> dict:
        columns = [{"label": words, "method": name} for words, name in self.paper_methods("layer_sets").items()]
        part = {"test": self.paper_test("natural"), "rows": [self._first()], "columns": columns}
        about = self._about_first
        plan = self._plan(
            "Sets of layers, without the DGN",
            ACROSS,
            [part],
            self.image_choice(figure, most),
            "Columns: layers.",
            about,
        )
        plan["lacking"] = "report.paper names no methods for layer_sets"
        return plan

    def _areas(self, figure: str, most: int | None = None) -> dict:
        one = {"method": self.paper_method("pixels"), "subject": self.subjects[0]}
        columns = [{"label": area, "roi": area} for area in self.paper.get("areas", [])]
        part = {"test": self.paper_test("shapes"), "rows": [one], "columns": columns}
        plan = self._plan(
            "Artificial shapes by area",
            ACROSS,
            [part],
            self.image_choice(figure, most),
            "Columns: areas.",
            f"subject {self.subjects[0]}",
        )
        plan["lacking"] = "report.paper names no areas to compare"
        return plan

    # Parts of a plan --------------------------------------------------------------------------------------------------

    @property
    def _about_first(self) -> str:
        return f"{self.paper['area']}, subject {self.subjects[0]}"

    def _first(self) -> dict:
        return {"subject": self.subjects[0], "roi": self.paper["area"]}

    def _subject_part(self, test: str, one: Mapping, placing: str) -> dict:
        """Return a part with subjects below each other, or side by side."""
        everyone, alone = [{"subject": subject} for subject in self.subjects], [dict(one)]
        if placing == ACROSS:
            return {"test": test, "rows": alone, "columns": everyone}
        return {"test": test, "rows": everyone, "columns": alone}

    def _plan(self, title: str, placing: str, parts: Sequence[dict], choice: dict, words: str, about: str) -> dict:
        return {
            "title": title, "placing": placing, "parts": list(parts), "choice": choice, "words": words, "about": about,
            "lacking": "",
        }  # fmt: skip

    def image_choice(self, figure: str, most: int | None = None) -> dict:
        """Return how a figure's images are chosen: named in the configuration, spread over the names, or all."""
        named = self.paper.get("images", {}).get(figure)
        if named:
            return {"how": "named", "names": named}
        return {"how": "spread", "most": most} if most else {"how": "all"}
