"""What the quantitative figures of a paper ask of a study: which tables each is drawn from, and what it shows."""

from functools import cached_property
from typing import Any

from fmri2image.report.paper.registry import PLOTS_OF, plot_module
from fmri2image.study.paper import PaperQuestions
from fmri2image.study.paper_plot_plans import POOLED

__all__ = ["POOLED", "PaperPlots"]


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
        return plot_module(figure, self.paper["name"])

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people, the plots of the paper too."""
        return [*super().final_outputs(), *self.plot_files()]

    @cached_property
    def _plots(self) -> dict[str, dict]:
        if not self.paper:
            return {}
        found, plans = {}, self.paper_facts.plots(self).figures
        for figure in PLOTS_OF[self.paper["name"]]:
            reason, parts = plans[figure]()
            if reason:
                self.skip_figure(figure, reason)
            else:
                inputs, settings = parts
                settings = {"paper": self.paper["name"], **settings, "simulated": self.simulated}
                found[figure] = {"inputs": inputs, "settings": settings}
        return found
