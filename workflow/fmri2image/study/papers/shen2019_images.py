"""What every image figure of Shen et al. 2019 (PLOS CB) shows, as a plan for drawing it."""

from fmri2image.study.paper_image_plans import ACROSS, DOWN, ImagePlans
from fmri2image.study.paths import TRUE_FEATURES

# With more subjects than this the study is that of S3 (ds001246, five subjects), with fewer that of S2 (ds001506, three).
SUBJECTS_OF_S2 = 3
WORD = "NEURON"  # Fig. 6B


class Images(ImagePlans):
    """Plans of the figures of Shen et al. 2019."""

    def image_plan(self, figure: str) -> dict:
        """Return the plan of a figure; S3 is S2 of another dataset."""
        return super().image_plan("s2" if figure == "s3" else figure)

    def left_out(self, figure: str) -> str:
        """Return why S2 or S3 is not drawn: they are the same figure of studies with few and with many subjects."""
        many = len(self.study.subjects) > SUBJECTS_OF_S2
        if figure == "s2" and many:
            return f"with more than {SUBJECTS_OF_S2} subjects it is drawn as s3"
        if figure == "s3" and not many:
            return f"it is s2 of a study with more than {SUBJECTS_OF_S2} subjects (ds001246)"
        return ""

    def _plan_fig2(self) -> dict:
        return self.of_subjects("Natural images, with the DGN", "natural", "generator", ACROSS, "fig2", 18)

    def _plan_s2(self) -> dict:
        figure = "s2" if len(self.study.subjects) <= SUBJECTS_OF_S2 else "s3"
        return self.of_subjects("Natural images, with the DGN", "natural", "generator", ACROSS, figure)

    def _plan_s5(self) -> dict:
        return self.of_subjects("Natural images, without the DGN", "natural", "pixels", ACROSS, "s5")

    def _plan_fig6a(self) -> dict:
        return self.of_subjects("Artificial shapes", "shapes", "pixels", DOWN, "fig6a", 10)

    def _plan_s10(self) -> dict:
        return self.of_subjects("Artificial shapes", "shapes", "pixels", DOWN, "s10")

    def _plan_fig6b(self) -> dict:
        plan = self.of_subjects("Letters", "letters", "pixels", DOWN, "fig6b")
        if plan["choice"]["how"] == "all":
            plan["choice"] = {"how": "word", "word": WORD}
        return plan

    def _plan_s11(self) -> dict:
        return self.of_subjects("Letters", "letters", "pixels", DOWN, "s11")

    def _plan_fig8a(self) -> dict:
        return self._ranked("best", "highest", "lowest scores are in Fig. 8B")

    def _plan_fig8b(self) -> dict:
        return self._ranked("worst", "lowest", "highest scores are in Fig. 8A")

    def _plan_fig8c(self) -> dict:
        plan = self.of_subjects("Imagined natural images", "imagery", "imagery", DOWN, "fig8c", 10)
        plan["choice"]["kind"] = "natural"
        return plan

    def _plan_s16(self) -> dict:
        return self._imagined("s16", self.study.paper["area"])

    def _plan_s20(self) -> dict:
        return self._imagined("s20", self.study.paper.get("early", ""))

    def _plan_fig3a(self) -> dict:
        lines = [
            {"label": "With the DGN", "method": self.study.paper_method("generator")},
            {"label": "Without the DGN", "method": self.study.paper_method("pixels")},
        ]
        part = {"test": self.study.paper_test("natural"), "rows": lines, "columns": [self.first()]}
        title = "Natural images, with and without the DGN"
        return self.as_plan(title, DOWN, [part], self.image_choice("fig3a", 10), "", self.about_first)

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
            for words, method in self.study.paper_methods(role).items()
        ]
        part = {"test": self.study.paper_test("natural"), "rows": lines, "columns": [self.first()]}
        about = self.about_first
        plan = self.as_plan(
            "Initial states", DOWN, [part], self.image_choice("s6", 10), "Lines: initial states.", about
        )
        plan["lacking"] = "report.paper names no methods for pixel_starts or latent_starts"
        return plan

    def _plan_s8(self) -> dict:
        test, area, pixels = (
            self.study.paper_test("natural"),
            self.study.paper["area"],
            self.study.paper_method("pixels"),
        )
        layers = self.study.paper_methods("single_layers")
        whole = next((words for words, name in self.study.paper_methods("layer_sets").items() if name == pixels), "All")
        columns = [{"label": words, "method": method} for words, method in {**layers, whole: pixels}.items()]
        lines = [{"label": f"Decoded, {area}", **self.first()}]
        made = test in self.study.tests and all(
            TRUE_FEATURES in self.study.drawn_sources(cell["method"], test) for cell in columns
        )
        if made:
            lines.insert(0, {"label": "True features", "subject": "", "roi": ""})
        words = "Columns: layers." + (
            "" if made else " Images from true features are left out: not made, or not to be shown."
        )
        part = {"test": test, "rows": lines, "columns": columns if layers else []}
        plan = self.as_plan(
            "Single layers, without the DGN", ACROSS, [part], self.image_choice("s8", 5), words, self.about_first
        )
        plan["lacking"] = "report.paper names no methods for single_layers"
        return plan

    def _imagined(self, figure: str, area: str) -> dict:
        """Return the plan of a figure of all imagery of an area, fixation alone at its end where it was tested."""
        one = {"method": self.study.paper_method("imagery"), "roi": area}
        parts = [self.subject_part(self.study.paper_test("imagery"), one, DOWN)]
        fixation = self.study.paper_test("fixation")
        if fixation and self.study.paper_makes(one["method"], area, fixation):
            parts.append(self.subject_part(fixation, one, DOWN))
        words = "Lines: subjects." + (" At the end: fixation without imagery." if len(parts) > 1 else "")
        return self.as_plan("Imagined images", DOWN, parts, self.image_choice(figure), words, area)

    def _ranked(self, how: str, which: str, others: str) -> dict:
        """Return the plan of a figure of imagined shapes with high or low scores."""
        plan = self.of_subjects("Imagined shapes", "imagery", "imagery", DOWN, "fig8c")
        plan["title"] = f"Imagined shapes with the {which} scores"
        plan["words"] = (
            f"Pairs of image and subject with the {which} pixel identification (percentages); those with the {others}. "
            "The choice is by score, so that one figure alone says nothing of quality."
        )
        plan["choice"] = {"how": how, "most": 10, "kind": "shape"}
        return plan

    def _layer_sets(self, figure: str, most: int | None = None) -> dict:
        columns = [{"label": words, "method": name} for words, name in self.study.paper_methods("layer_sets").items()]
        part = {"test": self.study.paper_test("natural"), "rows": [self.first()], "columns": columns}
        about = self.about_first
        plan = self.as_plan(
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
        one = {"method": self.study.paper_method("pixels"), "subject": self.study.paper_first}
        columns = [{"label": area, "roi": area} for area in self.study.paper.get("areas", [])]
        part = {"test": self.study.paper_test("shapes"), "rows": [one], "columns": columns}
        plan = self.as_plan(
            "Artificial shapes by area",
            ACROSS,
            [part],
            self.image_choice(figure, most),
            "Columns: areas.",
            f"subject {self.study.paper_first}",
        )
        plan["lacking"] = "report.paper names no areas to compare"
        return plan
