"""What the figures of a paper ask of a study: which method, area and test stand for which of the paper's.

The chapter ``report.paper`` gives roles their names; what roles, figures and plots a paper has says its module in
`study.papers`. A figure whose reconstructions no analysis makes is left out, and the first page says why.
"""

from collections.abc import Iterable
from functools import cached_property

from fmri2image.core.errors import ConfigError
from fmri2image.study.available import Skipped
from fmri2image.study.check import known_name
from fmri2image.study.papers import PaperFacts, paper_facts
from fmri2image.study.reporting import ReportQuestions


class PaperQuestions(ReportQuestions):
    """Names behind the roles of the chapter ``report.paper``."""

    @property
    def paper(self) -> dict:
        """The chapter ``report.paper``; empty for none."""
        return self.config["report"].get("paper") or {}

    @cached_property
    def paper_facts(self) -> PaperFacts:
        """Roles, figures and plans of the paper that the chapter names."""
        return paper_facts(self.paper["name"])

    @property
    def paper_category(self) -> str:
        """Chapter of the report for the paper's figures."""
        return self.paper_facts.category

    @property
    def has_data_of_the_paper(self) -> bool:
        """Whether these are the measurements that the published values come from."""
        data = self.paper_facts.data
        return not self.simulated and (self.collection == data or self.dataset.startswith(data))

    @property
    def paper_root(self) -> str:
        """Folder of the paper's figures."""
        return f"{self.root}/figures/{self.paper['name']}"

    def paper_method(self, role: str) -> str:
        """Return the method of a role with one name, or of the role in whose place it stands; empty where none is named."""
        methods = self.paper.get("methods", {})
        return methods.get(role) or methods.get(self.paper_facts.fallbacks.get(role, ""), "")

    def paper_methods(self, role: str) -> dict[str, str]:
        """Return the methods of a role with several names by the words of the figure."""
        return self.paper.get("methods", {}).get(role, {})

    def paper_test(self, role: str) -> str:
        """Return the test of a role, such as natural or shapes; empty for none."""
        return self.paper.get("tests", {}).get(role, "")

    @cached_property
    def _analysed(self) -> dict[tuple[str, str, str], list[str]]:
        """Subjects for whom some analysis reconstructs, by method, area and test."""
        found: dict[tuple[str, str, str], list[str]] = {}
        for row in self.analyses:
            for roi in row["rois"]:
                for test in row["tests"]:
                    found.setdefault((row["method"], roi, test), []).extend(self.row_subjects(row))
        return {key: [one for one in self.subjects if one in named] for key, named in found.items()}

    def paper_subjects(self, method: str, roi: str, test: str) -> list[str]:
        """Return the subjects for whom some analysis reconstructs a test of an area with a method."""
        return self._analysed.get((method, roi, test), [])

    def paper_makes(self, method: str, roi: str, test: str, subject: str | None = None) -> bool:
        """Tell whether some analysis reconstructs a test of an area with a method, for a subject or for anybody."""
        made = self.paper_subjects(method, roi, test)
        return bool(made) if subject is None else subject in made

    @cached_property
    def paper_first(self) -> str:
        """The subject of figures of one subject: the first of those for whom most of the paper's methods are run."""
        named = self.paper.get("methods", {}).values()
        mine = {name for one in named for name in (one.values() if isinstance(one, dict) else [one])}
        counts = {
            subject: sum(key[0] in mine and subject in made for key, made in self._analysed.items())
            for subject in self.subjects
        }
        return max(self.subjects, key=lambda subject: counts[subject])

    def paper_stimuli(self, test: str) -> str:
        """Return the stimuli of a test."""
        return f"{self.root}/stimuli/{self.tests[test]['stimuli']}.h5"

    def paper_lacks(self, wanted: Iterable[tuple[str, str, str]], subject: str | None = None) -> str:
        """Return why a figure cannot be drawn: the first (method, roi, test) without an analysis; empty if none lacks.

        With a subject, an analysis of others is none.
        """
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
            if subject is not None and not self.paper_makes(method, roi, test, subject):
                return f"no analysis runs {method} on area {roi} and test {test} of subject {subject}"
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
        for role in self.paper_facts.single:
            if methods.get(role):
                self._check_role(role, methods[role], f"{where}.methods.{role}")
        for role in self.paper_facts.several:
            for words, name in methods.get(role, {}).items():
                self._check_role(role, name, f"{where}.methods.{role}.{words}")
        areas, place = self._known_areas, "samples.masks, samples.unions and the areas of the analyses"
        for key in ("area", "early"):
            if self.paper.get(key):
                known_name(self.paper[key], areas, f"{where}.{key}", place)
        for area in self.paper.get("areas", []):
            known_name(area, areas, f"{where}.areas", place)

    def _check_role(self, role: str, name: str, where: str) -> None:
        """Check that a method exists, and has a generator if and only if the figures say so, where they do."""
        known_name(name, self.methods, where, "reconstruct.methods")
        told = self.paper_facts.through_generator
        if told is None:
            return
        wanted, generator = role in told, self.generator_of(name)
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
