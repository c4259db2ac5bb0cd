"""Image figures and movies of a paper: which a configuration can draw, and from which files."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from fmri2image.core.errors import ConfigError
from fmri2image.study.check import known_name
from fmri2image.study.paper import PaperQuestions
from fmri2image.study.paper_image_plans import ImagePlans
from fmri2image.study.papers.shen2019 import IMAGE_FIGURES, MOVIES
from fmri2image.study.paths import TRUE_FEATURES

__all__ = ["IMAGE_FIGURES", "MOVIES", "PaperImages", "figure_number", "part_cells"]


def figure_number(figure: str) -> str:
    """Return how the paper calls a figure: fig8a is Fig. 8A, s2 is S2 Fig., movie_s1 is S1 Movie."""
    kind, number, letter = re.fullmatch(r"(fig|s|movie_s)(\d+)([a-z]?)", figure).groups()
    return {"fig": f"Fig. {number}{letter.upper()}", "s": f"S{number} Fig.", "movie_s": f"S{number} Movie"}[kind]


class PaperImages(PaperQuestions):
    """Names, inputs and settings of the image figures and of the movies."""

    def image_figures(self) -> dict[str, dict]:
        """Return the settings of every image figure that the study can draw, by its name; the others are skipped."""
        return self._drawn_images

    def movies(self) -> dict[str, dict]:
        """Return the settings of every movie that the study can make, by its name; the others are skipped."""
        return self._made_movies

    def image_figure_inputs(self, wildcards: Any) -> dict[str, list[str]]:
        """Return the inputs of an image figure: reconstructions, stimuli and, where they choose, kinds and scores."""
        settings = self._drawn_images[wildcards.figure]
        cells = [cell for part in settings["parts"] for cell in part_cells(part)]
        inputs = {
            "images": [self._cell_file(cell) for cell in cells],
            "stimuli": [self.paper_stimuli(part["test"]) for part in settings["parts"]],
        }
        if "kind" in settings["choice"]:
            inputs["table"] = [f"{self.root}/stimuli/stimuli.tsv"]
        if settings["choice"]["how"] in ("best", "worst"):
            inputs["scores"] = [
                f"{self.root}/evaluate/images/{cell['method']}/{_source(cell)}_{cell['test']}_scores.tsv"
                for cell in cells
            ]
        return {name: list(dict.fromkeys(paths)) for name, paths in inputs.items()}

    def image_figure_settings(self, wildcards: Any) -> dict:
        """Return what drawing an image figure needs to know."""
        return self._drawn_images[wildcards.figure]

    def movie_inputs(self, wildcards: Any) -> dict[str, str]:
        """Return the inputs of a movie: reconstructions with the images along the way, and stimuli."""
        settings = self._made_movies[wildcards.movie]
        return {"images": self._cell_file(settings), "stimuli": self.paper_stimuli(settings["test"])}

    def movie_settings(self, wildcards: Any) -> dict:
        """Return what making a movie needs to know."""
        return self._made_movies[wildcards.movie]

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people, the image figures and movies of the paper too."""
        figures = [f"{self.paper_root}/{figure}.svg" for figure in self.image_figures()]
        return [*super().final_outputs(), *figures, *(f"{self.paper_root}/{movie}.gif" for movie in self.movies())]

    def check_paper(self) -> None:
        """Check the names of the chapter, those of figures whose images are chosen among them.

        Raises
        ------
        ConfigError
        """
        super().check_paper()
        for figure in self.paper.get("images", {}):
            facts = self.paper_facts
            known_name(figure, (*facts.image_figures, *facts.movies), "report.paper.images", "the image figures")
            if figure in facts.ranked:
                raise ConfigError(
                    f"config: report.paper.images: the images of {figure} are those with the {facts.ranked[figure]} scores; "
                    "take the key out."
                )

    # Which figures ----------------------------------------------------------------------------------------------------

    @cached_property
    def _drawn_images(self) -> dict[str, dict]:
        if not self.paper:
            return {}
        found, plans = {}, self.paper_facts.images(self)
        for figure in self.paper_facts.image_figures:
            settings, reason = self._image_figure(plans, figure)
            if reason:
                self.skip_figure(figure, reason)
            else:
                found[figure] = settings
        return found

    @cached_property
    def _made_movies(self) -> dict[str, dict]:
        if not self.paper:
            return {}
        found, plans = {}, self.paper_facts.images(self)
        for figure, (role, method_role, title) in self.paper_facts.movies.items():
            test, method, area = self.paper_test(role), self.paper_method(method_role), self.paper["area"]
            reason = self.paper_lacks([(method, area, test)], self.paper_first)
            if not reason and not self.methods[method].get("snapshots", 0):
                reason = f"method {method} keeps no images along the way (set its snapshots)"
            if reason:
                self.skip_figure(figure, reason)
                continue
            found[figure] = {
                **self._words(figure, title, "", plans.about_first),
                "test": test,
                "set": self.tests[test]["stimuli"],
                "method": method,
                "subject": self.paper_first,
                "roi": area,
                "choice": plans.image_choice(figure, 8),
                "simulated": self.simulated,
            }
        return found

    def _image_figure(self, plans: ImagePlans, figure: str) -> tuple[dict, str]:
        """Return the settings of a figure, and why it cannot be drawn (empty if it can)."""
        elsewhere = plans.left_out(figure)
        if elsewhere:
            return {}, elsewhere
        plan = plans.image_plan(figure)
        title, words, placing, parts, choice = (plan[key] for key in ("title", "words", "placing", "parts", "choice"))
        cells = [cell for part in parts for cell in part_cells(part)]
        if not cells:
            return {}, plan["lacking"]
        if not all(cell["roi"] for cell in cells if cell["subject"]):
            return {}, "report.paper names no early area"
        measured = [cell for cell in cells if cell["subject"]]
        lacks = (self.paper_lacks([(one["method"], one["roi"], one["test"])], one["subject"]) for one in measured)
        reason = next(filter(None, lacks), "")
        if not reason and choice["how"] in ("best", "worst") and not self.scored(parts[0]["test"]):
            reason = f"images of test {parts[0]['test']} cannot be scored without pictures"
        if reason:
            return {}, reason
        parts = [{"test": part["test"], "set": self.tests[part["test"]]["stimuli"], **part} for part in parts]
        words = self._words(figure, title, words, plan["about"])
        return {**words, "placing": placing, "parts": parts, "choice": choice, "simulated": self.simulated}, ""

    def _words(self, figure: str, title: str, words: str, about: str) -> dict:
        """Return the texts of a figure."""
        detail = f" {words}" if words else ""
        facts = self.paper_facts
        frames = (
            "" if figure in facts.movies else " Black frames: what was shown or imagined; grey frames: reconstructions."
        )
        if "DGN" in title:
            detail += " DGN: deep generator network."
        paper = f"{figure_number(figure)} of {facts.words}"
        return {
            "figure": figure,
            "heading": f"{figure_number(figure)} · {title} · {about}",
            "caption": f"{paper}: {title[0].lower()}{title[1:]} ({about}).{detail}{frames} {facts.display}".rstrip(),
        }

    def _cell_file(self, cell: Mapping) -> str:
        return f"{self.root}/reconstruct/{cell['method']}/{_source(cell)}_{cell['test']}.h5"


def part_cells(part: Mapping) -> list[dict]:
    """Return what every reconstruction of a part is known by, line by line: test, method, subject and area."""
    return [
        {key: {**row, **column}[key] for key in ("method", "subject", "roi")} | {"test": part["test"]}
        for row in part["rows"]
        for column in part["columns"]
    ]


def _source(cell: Mapping) -> str:
    """Return the source of a reconstruction; no subject stands for true features."""
    return f"sub-{cell['subject']}_roi-{cell['roi']}" if cell["subject"] else TRUE_FEATURES
