"""Image figures and movies of Shen et al. 2019 (PLOS CB): which a configuration can draw, and from which files."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from fmri2image.core.errors import ConfigError
from fmri2image.study.check import known_name
from fmri2image.study.paper_image_plans import SUBJECTS_OF_S2, ImagePlans
from fmri2image.study.paths import TRUE_FEATURES

IMAGE_FIGURES = (
    "fig2", "fig3a", "fig4a", "fig6a", "fig6b", "fig7a", "fig8a", "fig8b", "fig8c",
    "s2", "s3", "s5", "s6", "s7", "s8", "s10", "s11", "s14", "s16", "s20",
)  # fmt: skip
MOVIES = ("movie_s1", "movie_s2", "movie_s3")


def figure_number(figure: str) -> str:
    """Return how the paper calls a figure: fig8a is Fig. 8A, s2 is S2 Fig., movie_s1 is S1 Movie."""
    kind, number, letter = re.fullmatch(r"(fig|s|movie_s)(\d+)([a-z]?)", figure).groups()
    return {"fig": f"Fig. {number}{letter.upper()}", "s": f"S{number} Fig.", "movie_s": f"S{number} Movie"}[kind]


class PaperImages(ImagePlans):
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
            known_name(figure, (*IMAGE_FIGURES, *MOVIES), "report.paper.images", "the image figures")
            if figure in ("fig8a", "fig8b"):
                raise ConfigError(
                    f"config: report.paper.images: the images of {figure} are those with the "
                    f"{'highest' if figure == 'fig8a' else 'lowest'} scores; take the key out."
                )

    # Which figures ----------------------------------------------------------------------------------------------------

    @cached_property
    def _drawn_images(self) -> dict[str, dict]:
        found = {}
        for figure in IMAGE_FIGURES if self.paper else ():
            settings, reason = self._image_figure(figure)
            if reason:
                self.skip_figure(figure, reason)
            else:
                found[figure] = settings
        return found

    @cached_property
    def _made_movies(self) -> dict[str, dict]:
        found = {}
        plans = {
            "movie_s1": ("natural", "generator", "Natural images, with the DGN"),
            "movie_s2": ("shapes", "pixels", "Artificial shapes, without the DGN"),
            "movie_s3": ("imagery", "imagery", "Imagined images, without the DGN"),
        }
        for figure, (role, method_role, title) in plans.items() if self.paper else ():
            test, method, area = self.paper_test(role), self.paper_method(method_role), self.paper["area"]
            reason = self.paper_lacks([(method, area, test)])
            if not reason and not self.methods[method].get("snapshots", 0):
                reason = f"method {method} keeps no images along the way (set its snapshots)"
            if reason:
                self.skip_figure(figure, reason)
                continue
            found[figure] = {
                **self._words(figure, title, "", self._about_first),
                "test": test,
                "set": self.tests[test]["stimuli"],
                "method": method,
                "subject": self.subjects[0],
                "roi": area,
                "choice": self.image_choice(figure, 8),
                "simulated": self.simulated,
            }
        return found

    def _image_figure(self, figure: str) -> tuple[dict, str]:
        """Return the settings of a figure, and why it cannot be drawn (empty if it can)."""
        many = len(self.subjects) > SUBJECTS_OF_S2
        if figure == "s2" and many:
            return {}, f"with more than {SUBJECTS_OF_S2} subjects it is drawn as s3"
        if figure == "s3" and not many:
            return {}, f"it is s2 of a study with more than {SUBJECTS_OF_S2} subjects (ds001246)"
        plan = self.image_plan(figure)
        title, words, placing, parts, choice = (plan[key] for key in ("title", "words", "placing", "parts", "choice"))
        cells = [cell for part in parts for cell in part_cells(part)]
        if not cells:
            return {}, plan["lacking"]
        if not all(cell["roi"] for cell in cells if cell["subject"]):
            return {}, "report.paper names no early area"
        reason = self.paper_lacks((cell["method"], cell["roi"], cell["test"]) for cell in cells if cell["subject"])
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
        display = (
            "Images are shown as reconstructed, values clipped to the range of pixels; the original stretches them "
            "between their 2nd and 98th percentiles."
        )
        frames = "" if figure in MOVIES else " Black frames: what was shown or imagined; grey frames: reconstructions."
        if "DGN" in title:
            detail += " DGN: deep generator network."
        paper = f"{figure_number(figure)} of Shen et al. 2019 (PLOS CB)"
        return {
            "figure": figure,
            "heading": f"{figure_number(figure)} · {title} · {about}",
            "caption": f"{paper}: {title[0].lower()}{title[1:]} ({about}).{detail}{frames} {display}",
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
