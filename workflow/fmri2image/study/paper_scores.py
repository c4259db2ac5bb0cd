"""What the rules that compare a study with its paper ask: conditions, models, ratings, and why a number is missing."""

from functools import cached_property

from fmri2image.core.errors import ConfigError
from fmri2image.evaluate.papers import paper_module
from fmri2image.study.available import BY_KIND
from fmri2image.study.paper import PaperQuestions
from fmri2image.study.papers.scores import ScorePlan, score_plan

PAPER_TABLES = ("statistics", "winning", "ledger")
PUBLISHED_SUBJECTS = ("S1", "S2", "S3")


class PaperScoreQuestions(PaperQuestions):
    """Inputs and settings of statistics, winning percentages, ratings and the ledger."""

    def paper_tables(self) -> list[str]:
        """Return the tables that compare the study with its paper; none without the chapter."""
        return [f"{self.root}/tables/{name}.tsv" for name in PAPER_TABLES if self.paper]

    def paper_module(self) -> str:
        """Return the module of the paper's tests and measures."""
        return paper_module(self.paper["name"])

    def rv_tables(self) -> list[str]:
        """Return the table of modified RV coefficients; none where no reconstruction of the paper's is to have one."""
        return [f"{self.root}/tables/rv.tsv"] if self.paper and self._related else []

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people."""
        return [*super().final_outputs(), *self.paper_tables(), *self.rv_tables()]

    def score_files(self, suffix: str) -> list[str]:
        """Return the score (``scores``) or permutation (``permutations``) tables, those of human ratings among them."""
        rated = [f"{self.root}/evaluate/ratings/{suffix}.tsv"] if self.paper.get("ratings") else []
        return [*super().score_files(suffix), *rated]

    def ratings_inputs(self) -> dict:
        """Return the inputs of human ratings: the table, all other scores, and the kinds of stimuli where lures need them."""
        chosen = any(self.lures_by_kind(test) for test in self.tests)
        return {
            "ratings": self.paper["ratings"],
            "scores": super().score_files("scores"),
            "stimuli": [f"{self.root}/stimuli/stimuli.tsv"] if chosen else [],
        }

    def ratings_settings(self) -> dict:
        """Return what scoring human ratings needs to know."""
        return {
            "dataset": self.dataset,
            "tests": {
                name: {
                    "stimuli": test["stimuli"],
                    **{key: self.lures[name][key] for key in BY_KIND if key in self.lures[name]},
                }
                for name, test in self.tests.items()
            },
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    def compare_paper_inputs(self) -> dict:
        """Return the inputs of the comparison with the paper."""
        kinds = any(one["kind"] for one in self.paper_settings()["conditions"])
        behaviour = [
            f"{self.root}/evaluate/behaviour/sub-{subject}_behaviour.tsv" for subject in self.subjects if self.runs
        ]
        return {
            "scores": f"{self.root}/evaluate/scores.tsv",
            "identification": f"{self.root}/tables/identification.tsv",
            "published": "resources/published_numbers.tsv",
            "stimuli": [f"{self.root}/stimuli/stimuli.tsv"] if kinds else [],
            "rated": [f"{self.root}/evaluate/ratings/rated.tsv"] if self.paper.get("ratings") else [],
            "rv": self.rv_tables(),
            "behaviour": behaviour,
        }

    def rv_inputs(self) -> dict:
        """Return the inputs of modified RV coefficients: the reconstructions, and the stimuli of their tests."""
        sets = dict.fromkeys(one["stimulus_set"] for one in self._related)
        return {
            "images": [
                f"{self.root}/reconstruct/{one['method']}/sub-{one['subject']}_roi-{one['roi']}_{one['test']}.h5"
                for one in self._related
            ],
            "stimuli": [f"{self.root}/stimuli/{name}.h5" for name in sets],
        }

    def rv_settings(self) -> dict:
        """Return what modified RV coefficients need to know: the sources with their keys."""
        return {
            "dataset": self.dataset,
            "sources": self._related,
            "permutations": self.config["evaluate"]["permutations"],
            "seed": self.config["seed"],
            "simulated": self.simulated,
        }

    @cached_property
    def _related(self) -> list[dict[str, str]]:
        """Keys of the reconstructions with a modified RV coefficient, condition by condition and subject by subject."""
        names = self._score_plan.related
        return [
            {
                "condition": one["name"],
                **{key: one[key] for key in ("method", "roi", "test")},
                "stimulus_set": self.tests[one["test"]]["stimuli"],
                "subject": subject,
            }
            for one in (self.paper_settings()["conditions"] if names else ())
            if one["name"] in names and self.scored(one["test"])
            for subject in self.paper_subjects(one["method"], one["roi"], one["test"])
        ]

    @cached_property
    def _score_plan(self) -> ScorePlan:
        return score_plan(self.paper["name"], self)

    def paper_settings(self) -> dict:
        """Return what the comparison needs to know: conditions that are made, and why others are not."""
        conditions, missing = [], {}
        for one in self._score_plan.conditions:
            reason = self.paper_lacks([(one.method, one.roi, one.test)]) or one.reason
            if reason:
                missing[one.name] = reason
            else:
                conditions.append({key: getattr(one, key) for key in ("name", "method", "roi", "test", "kind")})
        area, natural = self.paper["area"], self.paper_test("natural")
        models = self._score_plan.models
        return {
            "dataset": self.dataset,
            "paper": self.paper["name"],
            "subjects": list(self.subjects),
            "positions": self._positions(),
            "conditions": conditions,
            "missing": missing,
            "models": {words: method for words, method in models.items() if self.paper_makes(method, area, natural)},
            "roi": area,
            "test": natural,
            "simulated": self.simulated,
        }

    def _positions(self) -> dict[str, str]:
        """Return which subject stands beside S1, S2 and S3 of the paper.

        On its own data the one with the number, also where only some are run; simulated ones in their order; no others.
        """
        if self.has_data_of_the_paper:
            number = {f"S{int(subject)}": subject for subject in self.subjects if subject.isdigit()}
            return {printed: number[printed] for printed in PUBLISHED_SUBJECTS if printed in number}
        return dict(zip(PUBLISHED_SUBJECTS, self.subjects, strict=False)) if self.simulated else {}

    def check_paper(self) -> None:
        """Check the names of the chapter, and that two models that are compared are not one method.

        Raises
        ------
        ConfigError
        """
        super().check_paper()
        for role, models in self._score_plan.apart.items() if self.paper else ():
            words_of: dict[str, str] = {}
            for words, method in models.items():
                other = words_of.setdefault(method, words)
                if other != words:
                    raise ConfigError(
                        f"config: report.paper.methods.{role}: {other} and {words} are both '{method}'; name a method for each."
                    )
