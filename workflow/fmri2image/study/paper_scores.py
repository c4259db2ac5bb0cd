"""What the rules that compare a study with its paper ask: conditions, layer sets, ratings, and why a number is missing."""

from fmri2image.core.errors import ConfigError
from fmri2image.study.paper import PaperQuestions

PAPER_TABLES = ("statistics", "winning", "ledger")
# Areas of the interaction of shape and colour (paper: Fig. 7B).
CONTRASTED = ("V1", "V4")
PUBLISHED_SUBJECTS = ("S1", "S2", "S3")


class PaperScoreQuestions(PaperQuestions):
    """Inputs and settings of statistics, winning percentages, ratings and the ledger."""

    def paper_tables(self) -> list[str]:
        """Return the tables that compare the study with its paper; none without the chapter."""
        return [f"{self.root}/tables/{name}.tsv" for name in PAPER_TABLES if self.paper]

    def final_outputs(self) -> list[str]:
        """Return everything that a whole run makes for people."""
        return [*super().final_outputs(), *self.paper_tables()]

    def score_files(self, suffix: str) -> list[str]:
        """Return the score (``scores``) or permutation (``permutations``) tables, those of human ratings among them."""
        rated = [f"{self.root}/evaluate/ratings/{suffix}.tsv"] if self.paper.get("ratings") else []
        return [*super().score_files(suffix), *rated]

    def ratings_inputs(self) -> dict:
        """Return the inputs of human ratings: the table, all other scores, and the kinds of stimuli where lures need them."""
        chosen = any(self.lures.values())
        return {
            "ratings": self.paper["ratings"],
            "scores": super().score_files("scores"),
            "stimuli": [f"{self.root}/stimuli/stimuli.tsv"] if chosen else [],
        }

    def ratings_settings(self) -> dict:
        """Return what scoring human ratings needs to know."""
        return {
            "dataset": self.dataset,
            "tests": {name: {"stimuli": test["stimuli"], **self.lures[name]} for name, test in self.tests.items()},
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
            "behaviour": behaviour,
        }

    def paper_settings(self) -> dict:
        """Return what the comparison needs to know: conditions that are made, and why others are not."""
        conditions, missing = [], {}
        for name, method, roi, test, kind in self._conditions():
            reason = self.paper_lacks([(method, roi, test)])
            if name.startswith("imagery"):
                reason = reason or self.paper_lures(test)
            if reason:
                missing[name] = reason
            else:
                conditions.append({"name": name, "method": method, "roi": roi, "test": test, "kind": kind})
        for area in CONTRASTED:
            if f"shapes@{area}" in missing:
                missing.setdefault("shapes@V1", missing[f"shapes@{area}"])
        area, natural = self.paper["area"], self.paper_test("natural")
        sets = self.paper_methods("layer_sets")
        return {
            "dataset": self.dataset,
            "paper": self.paper["name"],
            "subjects": list(self.subjects),
            "positions": self._positions(),
            "conditions": conditions,
            "missing": missing,
            "layer_sets": {words: method for words, method in sets.items() if self.paper_makes(method, area, natural)},
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

    def _conditions(self) -> list[tuple[str, str, str, str, str | None]]:
        """Return (name, method, area, test, kind of stimuli) of every condition of the paper."""
        area, early = self.paper["area"], self.paper.get("early", "")
        pixels, imagery = self.paper_method("pixels"), self.paper_method("imagery")
        natural, shapes, imagined = (self.paper_test(role) for role in ("natural", "shapes", "imagery"))
        found: list[tuple[str, str, str, str, str | None]] = [
            ("natural_pixels", pixels, area, natural, None),
            ("natural_generator", self.paper_method("generator"), area, natural, None),
            ("shapes", pixels, area, shapes, None),
            ("letters", pixels, area, self.paper_test("letters"), None),
            ("imagery_shapes", imagery, area, imagined, "shape"),
            ("imagery_natural", imagery, area, imagined, "natural"),
            ("imagery_shapes_early", imagery, early, imagined, "shape"),
            ("imagery_natural_early", imagery, early, imagined, "natural"),
        ]
        areas = dict.fromkeys([*self.paper.get("areas", []), *CONTRASTED])
        found += [(f"shapes@{one}", pixels, one, shapes, None) for one in areas]
        layers = self.paper_methods("layer_sets").items()
        return [*found, *((f"layer_set@{words}", method, area, natural, None) for words, method in layers)]

    def check_paper(self) -> None:
        """Check the names of the chapter, and that two layer sets are not one method.

        Raises
        ------
        ConfigError
        """
        super().check_paper()
        words_of: dict[str, str] = {}
        for words, method in self.paper_methods("layer_sets").items() if self.paper else ():
            other = words_of.setdefault(method, words)
            if other != words:
                raise ConfigError(
                    f"config: report.paper.methods.layer_sets: {other} and {words} are both '{method}'; name a method for each."
                )
