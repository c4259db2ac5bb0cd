"""What the figures of a paper ask of a study: which method, area and test stand for which of the paper's.

The chapter ``report.paper`` gives roles their names, as in Shen et al. 2019 (PLOS CB). A figure whose reconstructions no
analysis makes is left out, and the first page says why.
"""

from collections.abc import Iterable, Sequence
from functools import cached_property

from fmri2image.core.errors import ConfigError
from fmri2image.study.available import Skipped
from fmri2image.study.check import known_name
from fmri2image.study.paths import TRUE_FEATURES
from fmri2image.study.reporting import ReportQuestions

# Methods of the chapter by role: one name, or a mapping from the words of the figure to names.
SINGLE = ("pixels", "generator", "imagery")
SEVERAL = ("layer_sets", "single_layers", "pixel_starts", "latent_starts")
# Roles whose figures say that images come out of a deep generator; those of all others say that they do not.
THROUGH_GENERATOR = ("generator", "latent_starts")
DATA = "ds001506"  # of the paper


class PaperQuestions(ReportQuestions):
    """Names behind the roles of the chapter ``report.paper``."""

    @property
    def paper(self) -> dict:
        """The chapter ``report.paper``; empty for none."""
        return self.config["report"].get("paper") or {}

    @property
    def has_data_of_the_paper(self) -> bool:
        """Whether these are the measurements that the published values come from."""
        return not self.simulated and (self.collection == DATA or self.dataset.startswith(DATA))

    @property
    def paper_root(self) -> str:
        """Folder of the paper's figures."""
        return f"{self.root}/figures/{self.paper['name']}"

    def paper_method(self, role: str) -> str:
        """Return the method of a role of `SINGLE`; imagery falls back on pixels, and no name is an empty text."""
        methods = self.paper.get("methods", {})
        return methods.get(role) or (methods.get("pixels", "") if role == "imagery" else "")

    def paper_methods(self, role: str) -> dict[str, str]:
        """Return the methods of a role of `SEVERAL` by the words of the figure."""
        return self.paper.get("methods", {}).get(role, {})

    def paper_test(self, role: str) -> str:
        """Return the test of a role (natural, shapes, letters, imagery, fixation); empty for none."""
        return self.paper.get("tests", {}).get(role, "")

    @cached_property
    def _analysed(self) -> set[tuple[str, str, str]]:
        return {(row["method"], roi, test) for row in self.analyses for roi in row["rois"] for test in row["tests"]}

    def paper_makes(self, method: str, roi: str, test: str) -> bool:
        """Tell whether some analysis reconstructs a test of an area with a method."""
        return (method, roi, test) in self._analysed

    def paper_images(
        self, method: str, roi: str, test: str, subjects: Sequence[str] | None = None, ceiling: bool = False
    ) -> list[str]:
        """Return the reconstructions of some subjects, all without a choice, then those of true features if asked."""
        sources = [f"sub-{subject}_roi-{roi}" for subject in (self.subjects if subjects is None else subjects)]
        if ceiling and TRUE_FEATURES in self.drawn_sources(method, test):
            sources.append(TRUE_FEATURES)
        return [f"{self.root}/reconstruct/{method}/{source}_{test}.h5" for source in sources]

    def paper_stimuli(self, test: str) -> str:
        """Return the stimuli of a test."""
        return f"{self.root}/stimuli/{self.tests[test]['stimuli']}.h5"

    def paper_lacks(self, wanted: Iterable[tuple[str, str, str]]) -> str:
        """Return why a figure cannot be drawn: the first (method, roi, test) without an analysis; empty if none lacks."""
        for method, roi, test in wanted:
            if not method or not test:
                return f"report.paper names no {'method' if not method else 'test'} for it"
            if not self.paper_makes(method, roi, test):
                asked = any(
                    row["method"] == method and roi in row["rois"] and test in row["tests"]
                    for row in self.config["analyses"]
                )
                what = f"{method} on area {roi} and test {test}"
                return f"{what} is left out, see there" if asked else f"no analysis runs {what}"
        return ""

    def paper_lures(self, test: str) -> str:
        """Return why the scores of an imagery test are not the paper's, whose lures are of the same kind; empty if they are."""
        if test and self.lures[test].get("same") != "kind":
            return f"test {test} takes lures of all kinds (set its same: kind)"
        return ""

    def skip_figure(self, figure: str, reason: str) -> None:
        """Remember that a figure is left out, and why."""
        one = Skipped(f"{self.paper['name']} figure {figure}", reason)
        if one not in self.skipped:
            self.skipped.append(one)

    def check_paper(self) -> None:
        """Check the names of the chapter.

        Raises
        ------
        ConfigError
        """
        if not self.paper:
            return
        where = "report.paper"
        for role, test in self.paper.get("tests", {}).items():
            known_name(test, self.tests, f"{where}.tests.{role}", "tests")
        methods = self.paper.get("methods", {})
        for role in SINGLE:
            if methods.get(role):
                self._check_role(role, methods[role], f"{where}.methods.{role}")
        for role in SEVERAL:
            for words, name in methods.get(role, {}).items():
                self._check_role(role, name, f"{where}.methods.{role}.{words}")
        areas, place = self._known_areas, "samples.masks, samples.unions and the areas of the analyses"
        for key in ("area", "early"):
            if self.paper.get(key):
                known_name(self.paper[key], areas, f"{where}.{key}", place)
        for area in self.paper.get("areas", []):
            known_name(area, areas, f"{where}.areas", place)

    def _check_role(self, role: str, name: str, where: str) -> None:
        """Check that a method exists, and has a generator if and only if the figures of its role say so."""
        known_name(name, self.methods, where, "reconstruct.methods")
        wanted, generator = role in THROUGH_GENERATOR, self.generator_of(name)
        if wanted and generator is None:
            raise ConfigError(
                f"config: {where}: method '{name}' has no generator, and the figures say that it has one; name a method "
                "with the key 'generator'."
            )
        if generator is not None and not wanted:
            raise ConfigError(
                f"config: {where}: method '{name}' makes its images through generator '{generator}', and the figures say "
                "that it does not; name a method without the key 'generator'."
            )

    @property
    def _known_areas(self) -> list[str]:
        """All areas that have a name in the configuration, analysed or not."""
        chapter, rows = self.config["samples"], [*self.config["analyses"], *self.config["decode"].get("analyses", [])]
        responsive = [chapter["responsive"]["name"]] if chapter.get("responsive") else []
        named = [*self.masks, *chapter.get("unions", {}), *responsive, *(roi for row in rows for roi in row["rois"])]
        return list(dict.fromkeys(named))
