"""Shen, Dwivedi, Majima, Horikawa & Kamitani 2019, Frontiers in Computational Neuroscience: end-to-end training (`end2end`)."""

from collections.abc import Callable, Mapping
from typing import Any

from fmri2image.study.paper_image_plans import ACROSS, DOWN, ImagePlans
from fmri2image.study.paper_plot_plans import BY_METRIC, HUMAN, Plan, PlotPlans
from fmri2image.study.papers.facts import PaperFacts

# Loss terms that Fig. 5 leaves out, in its order, with its words.
ABLATIONS = {
    "no-image": "\u2212image loss",
    "no-feature": "\u2212feature loss",
    "no-adversarial": "\u2212adversarial loss",
}
FULL = "Full"
SSIM = "ssim_identification"
SHARE = "Share of pairwise comparisons that the own image wins, mean over images with 95 % confidence interval."
JUDGES = "Beside pixels and SSIM, networks that took no part in the reconstruction judge; human judgment where there are ratings."
GREY = "Grey: 1st to 99th percentile of permutations."


class Images(ImagePlans):
    """Plans of the image figures: 2A, 3A, 3D, 4A, 5A."""

    def _plan_fig2a(self) -> dict:
        return self.of_subjects("Natural images", "natural", "full", DOWN, "fig2a", 10)

    def _plan_fig3a(self) -> dict:
        return self.of_subjects("Artificial shapes", "shapes", "full", DOWN, "fig3a", 10)

    def _plan_fig3d(self) -> dict:
        return self.of_subjects("Letters", "letters", "full", DOWN, "fig3d")

    def _plan_fig4a(self) -> dict:
        named = sizes(self.study, self.study.paper_first) or self.study.paper_methods("sizes")
        columns = [{"label": samples, "method": name} for samples, name in named.items()]
        return self._beside("fig4a", "Number of training samples", "sizes", columns, "Columns: training samples.")

    def _plan_fig5a(self) -> dict:
        named = named_models(self.study)
        made = models(self.study, self.study.paper_first)
        chosen = made if len(made) > 1 else named  # what no analysis makes, to say so
        columns = [{"label": words, "method": name} for words, name in chosen.items()] if len(named) > 1 else []
        return self._beside(
            "fig5a", "Loss terms left out", "natural", columns, "Columns: loss terms that were left out."
        )

    def _beside(self, figure: str, title: str, test_role: str, columns: list[dict], words: str) -> dict:
        """Return the plan of a figure of one subject with models side by side."""
        part = {"test": self.study.paper_test(test_role), "rows": [self.first()], "columns": columns}
        plan = self.as_plan(title, ACROSS, [part], self.image_choice(figure, 6), words, self.about_first)
        plan["lacking"] = f"report.paper names no methods for {'sizes' if test_role == 'sizes' else 'ablations'}"
        return plan


class Plots(PlotPlans):
    """Inputs and settings of the plots: 2B, 3B, 3C, 3E, 4B, 5B."""

    @property
    def figures(self) -> dict[str, Callable[[], Plan]]:
        """What finds the inputs and settings of each figure, or says why it cannot be drawn."""
        return {
            "fig2b": lambda: self._quality("natural", "Natural images"),
            "fig3b": lambda: self._quality("shapes", "Artificial shapes"),
            "fig3c": self._aspects,
            "fig3e": lambda: self._quality("letters", "Letters"),
            "fig4b": self._sizes,
            "fig5b": self._ablations,
        }

    def metrics(self) -> list[str]:
        """Return the metrics of quality: pixels, SSIM, human judgment where there are ratings, then the judges."""
        found = super().metrics()
        ssim = [SSIM] * ("ssim" in self.study.config["evaluate"]["similarities"])
        pixels = [name for name in found[:1] if name.startswith("pixel")]
        return [*pixels, *ssim, *found[len(pixels) :]]

    def _quality(self, role: str, title: str) -> Plan:
        wanted = [(self.study.paper_method("full"), self.study.paper["area"], self.study.paper_test(role))]
        inputs, settings = self.bars([{"condition": role, "label": ""}], BY_METRIC, pooled=True, title=title)
        caption = f"Quality of reconstructed {title.lower()}. {SHARE} {JUDGES} {GREY}"
        return self.unscored(wanted), (inputs, {**settings, "caption": caption})

    def _aspects(self) -> Plan:
        test = self.study.paper_test("shapes")
        reason = self.unscored([(self.study.paper_method("full"), self.study.paper["area"], test)])
        bars = [
            {"condition": "shapes", "label": aspect.capitalize(), "aspect": aspect} for aspect in ("shape", "colour")
        ]
        inputs, settings = self.bars(bars, BY_METRIC, pooled=True, title="Artificial shapes")
        caption = (
            "Quality of shape and of colour of reconstructed artificial shapes: lures have the same colour where shape is "
            f"scored, and the same shape where colour is. {SHARE} {GREY}"
        )
        return reason or self.without_aspects(test), (inputs, {**settings, "caption": caption})

    def _sizes(self) -> Plan:
        area, test = self.study.paper["area"], self.study.paper_test("sizes")
        named, made = self.study.paper_methods("sizes"), sizes(self.study)
        if not made:
            wanted = [(name, area, test) for name in named.values()][:1]
            return self.study.paper_lacks(wanted) or "report.paper names no methods for sizes", ()
        inputs = {
            "statistics": f"{self.study.root}/tables/statistics.tsv",
            "identification": f"{self.study.root}/tables/identification.tsv",
        }
        settings = {
            "sizes": {samples: {"method": name, "samples": int(samples)} for samples, name in made.items()},
            "metrics": self.metrics(),
            "subjects": list(self.study.subjects),
            "roi": area,
            "test": test,
            "caption": (
                f"Quality of reconstructions against the number of training samples, on a base-2 logarithmic axis. {SHARE} "
                f"{JUDGES} {GREY}"
            ),
        }
        return self.unscored([(name, area, test) for name in made.values()]), (inputs, settings)

    def _ablations(self) -> Plan:
        area, test, made = self.study.paper["area"], self.study.paper_test("natural"), models(self.study)
        if len(made) < 2:
            wanted = [(name, area, test) for name in self.study.paper_methods("ablations").values()][:1]
            return self.study.paper_lacks(wanted) or "no analyses run two models with different loss terms", ()
        # What decides which of two reconstructions is better: similarity to the original, not its identification.
        words = {"pixel_identification": "pixel_correlation", SSIM: "ssim", HUMAN: "human"}
        metrics = [
            words.get(name, name.replace("feature_identification_", "feature_correlation_")) for name in self.metrics()
        ]
        settings = {
            "models": made,
            "metrics": metrics,
            "subjects": list(self.study.subjects),
            "title": "Natural images",
            "caption": (
                "How often the reconstruction of a model is better than that of another one, over all pairs of models and all "
                "natural images, by each similarity. Models differ in the loss term that was left out. Error bars: 95 % "
                "confidence interval over images."
            ),
        }
        reason = self.unscored([(name, area, test) for name in made.values()])
        return reason, ({"winning": f"{self.study.root}/tables/winning.tsv"}, settings)


def sizes(study: Any, subject: str | None = None) -> dict[str, str]:
    """Return the methods of Fig. 4 by training samples, ascending: those made for a subject, or for anybody."""
    named: Mapping[str, str] = study.paper_methods("sizes")
    return _made(study, {words: named[words] for words in sorted(named, key=int)}, "sizes", subject)


def models(study: Any, subject: str | None = None) -> dict[str, str]:
    """Return the methods of Fig. 5 in its words: those made for a subject, or for anybody."""
    return _made(study, named_models(study), "natural", subject)


def named_models(study: Any) -> dict[str, str]:
    """Return the full model and those with a loss term left out, made or not, in the words of Fig. 5."""
    left_out = study.paper_methods("ablations")
    found = {words: left_out[name] for name, words in ABLATIONS.items() if name in left_out}
    return {FULL: study.paper_method("full"), **found}


def _made(study: Any, named: Mapping[str, str], test_role: str, subject: str | None) -> dict[str, str]:
    area, test = study.paper["area"], study.paper_test(test_role)
    return {words: name for words, name in named.items() if study.paper_makes(name, area, test, subject)}


PAPER = PaperFacts(
    name="shen2019-end-to-end",
    words="Shen et al. 2019 (Front. Comput. Neurosci.)",
    category="Shen et al. 2019, end to end",
    data="ds001506",
    single=("full", "icnn"),
    several=("ablations", "sizes"),
    images=Images,
    image_figures=("fig2a", "fig3a", "fig3d", "fig4a", "fig5a"),
    plots=Plots,
    display="Images are shown as reconstructed; the original clips and stretches each of them.",
)
