"""What image figures show, as plans for drawing them, and the parts from which the papers put theirs together.

A figure is a row of units, one per stimulus: what was seen, and a small table of reconstructions of it. A line or a column
of that table is a mapping of words and of what a reconstruction is known by: method, subject, area.
"""

from collections.abc import Mapping, Sequence
from typing import Any

ACROSS, DOWN = "across", "down"


class ImagePlans:
    """Plans of figures: title, words, parts (one per test), placing, choice of images, and what lacks if they are empty.

    A paper has a class of its own with a method ``_plan_<figure>`` for each figure.

    Parameters
    ----------
    study : PaperQuestions
        Answers what stands for the roles of the paper.
    """

    def __init__(self, study: Any) -> None:
        self.study = study

    def image_plan(self, figure: str) -> dict:
        """Return the plan of a figure."""
        return getattr(self, f"_plan_{figure}")()

    def left_out(self, figure: str) -> str:
        """Return why a paper has no such figure of this study; empty where it has."""
        return ""

    def of_subjects(
        self, title: str, test_role: str, method_role: str, placing: str, figure: str, most: int | None = None
    ) -> dict:
        """Return the plan of a figure that compares subjects."""
        one = {"method": self.study.paper_method(method_role), "roi": self.study.paper["area"]}
        part = self.subject_part(self.study.paper_test(test_role), one, placing)
        words = f"{'Columns' if placing == ACROSS else 'Lines'}: subjects."
        return self.as_plan(title, placing, [part], self.image_choice(figure, most), words, self.study.paper["area"])

    # Parts of a plan --------------------------------------------------------------------------------------------------

    @property
    def about_first(self) -> str:
        """Words for the area, and the subject of figures of one subject."""
        return f"{self.study.paper['area']}, subject {self.study.paper_first}"

    def first(self) -> dict:
        """Return what the reconstructions of figures of one subject are known by."""
        return {"subject": self.study.paper_first, "roi": self.study.paper["area"]}

    def subject_part(self, test: str, one: Mapping, placing: str) -> dict:
        """Return a part with subjects below each other, or side by side; all where no analysis makes it, to say so."""
        made = self.study.paper_subjects(one["method"], one["roi"], test) or self.study.subjects
        everyone, alone = [{"subject": subject} for subject in made], [dict(one)]
        if placing == ACROSS:
            return {"test": test, "rows": alone, "columns": everyone}
        return {"test": test, "rows": everyone, "columns": alone}

    def as_plan(self, title: str, placing: str, parts: Sequence[dict], choice: dict, words: str, about: str) -> dict:
        """Return a plan; ``lacking`` is for a figure without any cell."""
        return {
            "title": title, "placing": placing, "parts": list(parts), "choice": choice, "words": words, "about": about,
            "lacking": "",
        }  # fmt: skip

    def image_choice(self, figure: str, most: int | None = None) -> dict:
        """Return how a figure's images are chosen: named in the configuration, spread over the names, or all."""
        named = self.study.paper.get("images", {}).get(figure)
        if named:
            return {"how": "named", "names": named}
        return {"how": "spread", "most": most} if most else {"how": "all"}
