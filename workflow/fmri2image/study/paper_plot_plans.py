"""From which tables plots are drawn, and the bars of quality that papers share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

POOLED = "pooled"
PIXELS, HUMAN = "pixel_identification", "human_identification"
# Layouts of bars: what tells the lines, the panels, the groups and the colours apart.
BY_METRIC = {"row": "", "panel": "title", "x": "metric", "bar": "label"}
BY_SUBJECT = {"row": "", "panel": "metric", "x": "subject", "bar": "label"}
BY_TEST = {"row": "", "panel": "label", "x": "metric", "bar": ""}
BY_AREA = {"row": "", "panel": "metric", "x": "area", "bar": "label"}
BY_AREA_AND_SUBJECT = {"row": "metric", "panel": "subject", "x": "area", "bar": "label"}

Plan = tuple[str, tuple]


class PlotPlans(ABC):
    """Why a plot cannot be drawn (empty if it can), and its inputs and settings.

    A paper has a class of its own, whose `figures` names what finds them for each of its plots.

    Parameters
    ----------
    study : PaperQuestions
        Answers what stands for the roles of the paper.
    """

    def __init__(self, study: Any) -> None:
        self.study = study

    @property
    @abstractmethod
    def figures(self) -> dict[str, Callable[[], Plan]]:
        """What finds the inputs and settings of each figure, or says why it cannot be drawn."""

    def metrics(self) -> list[str]:
        """Return the metrics of quality: pixels, human judgment where there are ratings, then the judges."""
        pixels = [PIXELS] * ("pixel" in self.study.config["evaluate"]["similarities"])
        human = [HUMAN] * bool(self.study.paper.get("ratings"))
        return [*pixels, *human, *(f"feature_identification_{judge}" for judge in self.study.judges)]

    def unscored(self, wanted: Sequence[tuple[str, str, str]]) -> str:
        """Return why the scores of a figure are not to be had; empty if they are."""
        lacks = self.study.paper_lacks(wanted)
        unscored = [test for _, _, test in wanted if not lacks and not self.study.scored(test)]
        if unscored:
            return f"test {unscored[0]} has no pictures to compare with"
        return lacks or ("" if self.metrics() else "no metric of evaluate compares the images of a test pair by pair")

    def bars(
        self,
        bars: Sequence[dict],
        layout: dict[str, str],
        pooled: bool | None,
        metrics: Sequence[str] | None = None,
        title: str = "",
    ) -> tuple[dict, dict]:
        """Return inputs and settings of bars: of all subjects with marks of each, of each subject, or (None) of both."""
        inputs = {
            "statistics": f"{self.study.root}/tables/statistics.tsv",
            "identification": f"{self.study.root}/tables/identification.tsv",
        }
        if self.study.has_data_of_the_paper:
            inputs["ledger"] = f"{self.study.root}/tables/ledger.tsv"
        settings = {
            "bars": [{"aspect": "", "area": "", "partial": False, **bar} for bar in bars],
            "metrics": list(self.metrics() if metrics is None else metrics),
            "subjects": [POOLED] if pooled else [*self.study.subjects, *([POOLED] if pooled is None else [])],
            "points": list(self.study.subjects) if pooled else [],
            "layout": layout,
            "title": title,
        }
        return inputs, settings

    def without_aspects(self, test: str) -> str:
        """Return why colour and shape of a test are not scored apart; empty if they are."""
        if test and {"colour", "shape"} <= set(self.study.lures[test].get("aspects", [])):
            return ""
        return f"test {test} names no aspects, so colour and shape are not scored apart"
