"""The table of statistics of a paper's figures: conditions are averaged, and tested as the module of the paper says.

Every condition is one method, area and test. What is tested against what differs from paper to paper (`evaluate.papers`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.intervals import mean_interval
from fmri2image.evaluate.lures import SUFFIXES, kinds_of
from fmri2image.evaluate.scores import DRAWN
from fmri2image.evaluate.statistics import image_scores, paired, signed_rank
from fmri2image.evaluate.winning import POOLED

STATISTICS_COLUMNS = {
    "dataset": "Study",
    "analysis": "mean; difference (two-sided); above_chance (one-sided); interaction of task (shape, colour) with area",
    "condition": "What is scored, in the words of docs/evaluation.md",
    "metric": "Score",
    "against_condition": "Condition it is tested against, n/a for mean and above_chance",
    "against_metric": "Score it is tested against",
    "subject": "Subject label; pooled: the images of all subjects side by side",
    "method": "Named setting of a method",
    "roi": "Visual area that was decoded",
    "test": "Test of the configuration",
    "n": "Images, times subjects where they are pooled; pairs of scores for tests",
    "mean": "Mean score, as a fraction; of a test over its pairs",
    "ci_low": "Lower end of the 95 % Student's t interval of the mean over images",
    "ci_high": "Upper end of that interval",
    "against_mean": "Mean of what it is tested against",
    "difference": "Mean minus against_mean, or minus chance; of an interaction the difference of differences",
    "chance": "Mean of the permutation distribution of the same split, n/a where the score has none; of above_chance one half, "
    "which that mean tends to where labels or candidates are exchanged",
    "procedure": "Test",
    "statistic": "Rank sum of Wilcoxon's test (two-sided: the smaller one), or F",
    "df1": "Degrees of freedom of F",
    "df2": "Degrees of freedom of the error",
    "p_value": "p, not corrected for the number of tests, as in the paper",
    "n_zero": "Differences of zero, which Wilcoxon's test leaves out",
    "transductive": "Whether statistics of the test set entered the prediction",
    "simulated": "Whether the data are simulated",
}
IDENTIFIED = ("pixel_identification", "ssim_identification", "human_identification")
# Exchanging the labels of lures, or the two candidates of a rating, makes one half of every identification on average.
# Permutations only come near it, which would turn scores of exactly one half into differences. Refits may be off one half,
# and so may lures that were drawn.
HALF, REFITTED = 0.5, "training pairs"


class Conditions:
    """Scores of every condition, image by image, and their chance."""

    def __init__(
        self, scores: pd.DataFrame, chances: pd.DataFrame, stimuli: pd.DataFrame, conditions: Sequence[Mapping]
    ) -> None:
        self.info = {one["name"]: one for one in conditions}
        self.scores: dict[str, pd.DataFrame] = {}
        self.chances: dict[str, pd.DataFrame] = {}
        self.transductive: dict[str, bool] = {}
        for name, one in self.info.items():
            rows = _rows_of(scores, one)
            table = image_scores(rows)
            if one.get("kind") and len(table):
                kinds = kinds_of(table["stimulus"].tolist(), stimuli, str(rows["stimulus_set"].iloc[0]))
                table = table[(kinds["kind"] == one["kind"]).to_numpy()]
            self.scores[name] = table
            self.chances[name] = _rows_of(chances, one)
            self.transductive[name] = bool(rows["transductive"].astype(str).eq("True").any())

    def metrics(self, name: str) -> list[str]:
        """Return the metrics of a condition in the order of their scores."""
        return list(dict.fromkeys(self.scores[name]["metric"]))

    def units(self, name: str, metric: str, subject: str = POOLED) -> pd.DataFrame:
        """Return the scores of a condition; pooled or of a subject."""
        table = self.scores[name]
        mine = (table["metric"] == metric) & ((subject == POOLED) | (table["subject"] == subject))
        return table[mine]

    def chance_of(self, name: str, metric: str) -> dict[str, float]:
        """Return the mean of the permutation distribution of every subject."""
        rows = self.chances[name]
        rows = rows[rows["metric"] == metric]
        return dict(zip(rows["subject"], rows["chance"].astype(float), strict=True))

    def expected_chance(self, name: str, metric: str) -> dict[str, float]:
        """Return what an identification is tested against, by subject: one half, or the mean of refits or of drawn lures."""
        rows = self.chances[name]
        rows = rows[rows["metric"] == metric]
        permuted = rows["permuted"].astype(str)
        off = permuted.str.startswith(REFITTED) | permuted.str.endswith(DRAWN)
        return dict(zip(rows["subject"], rows["chance"].astype(float).where(off, HALF), strict=True))

    def keys(self, name: str, metric: str, subject: str, **more: object) -> dict[str, object]:
        """Return the columns that name a row."""
        own = {key: self.info[name][key] for key in ("method", "roi", "test")}
        return {"condition": name, "metric": metric, "subject": subject, **own,
                "transductive": self.transductive[name], **more}  # fmt: skip


Tests = Callable[[Conditions, Sequence[str]], Iterator[dict]]


def statistics_table(
    scores: pd.DataFrame, chances: pd.DataFrame, stimuli: pd.DataFrame, settings: Mapping, tests: Tests
) -> pd.DataFrame:
    """Return all means and tests of a paper.

    Parameters
    ----------
    scores : DataFrame
        The long score table.
    chances : DataFrame
        Permutation tests of the same scores (``identification.tsv``).
    stimuli : DataFrame
        ``stimuli.tsv``, for conditions of one kind of stimuli.
    settings : mapping
        ``dataset``, ``simulated``, ``subjects``, ``conditions``: list of {"name", "method", "roi", "test", "kind"}.
    tests : function
        ``tests`` of the paper's module: yields the rows of its tests for pooled images and every subject.

    Returns
    -------
    table : DataFrame with `STATISTICS_COLUMNS`
        Means first. Conditions without scores have no rows.
    """
    found = Conditions(scores, chances, stimuli, settings["conditions"])
    subjects = [POOLED, *settings["subjects"]]
    rows = [
        row for name in found.info for metric in found.metrics(name) for row in _means(found, name, metric, subjects)
    ]
    table = pd.DataFrame([*rows, *tests(found, subjects)], columns=list(STATISTICS_COLUMNS))
    return table.assign(dataset=settings["dataset"], simulated=settings["simulated"])


def _rows_of(table: pd.DataFrame, one: Mapping) -> pd.DataFrame:
    mine = (table["method"] == one["method"]) & (table["roi"] == one["roi"]) & (table["test"] == one["test"])
    return table[mine & table["subject"].notna()]


def _means(found: Conditions, name: str, metric: str, subjects: Sequence[str]) -> Iterator[dict]:
    chance = found.chance_of(name, metric)
    for subject in subjects:
        units = found.units(name, metric, subject)
        known = units["value"].dropna()
        if known.empty:
            continue
        mean, low, high = mean_interval(known.to_numpy())
        own = [chance.get(one, np.nan) for one in units.loc[known.index, "subject"]]
        yield found.keys(
            name, metric, subject, analysis="mean", n=len(known), mean=mean, ci_low=low, ci_high=high,
            chance=float(np.mean(own)),
        )  # fmt: skip


def identifies(metric: str) -> bool:
    """Tell whether a metric is a pairwise identification as a whole, no aspect of it."""
    judged = metric.startswith("feature_identification_") and not metric.endswith(tuple(SUFFIXES.values()))
    return metric in IDENTIFIED or judged


def compare(
    found: Conditions, name: str, metric: str, other: str, against: str, subjects: Sequence[str]
) -> Iterator[dict]:
    """Yield two-sided signed-rank tests of the scores of one condition against those of another, image by image.

    Parameters
    ----------
    found : Conditions
    name, metric : str
    other, against : str
        Condition and metric that they are tested against.
    subjects : sequence of str
    """
    for subject in subjects:
        both = paired(found.units(name, metric, subject), found.units(other, against, subject)).dropna()
        if both.empty:
            continue
        mean, low, high = mean_interval(both["value"].to_numpy())
        yield found.keys(
            name, metric, subject, analysis="difference", against_condition=other, against_metric=against, n=len(both),
            mean=mean, ci_low=low, ci_high=high, against_mean=float(both["other"].mean()),
            difference=float((both["value"] - both["other"]).mean()),
            **signed_rank((both["value"] - both["other"]).to_numpy(), "two-sided"),
        )  # fmt: skip


def above_chance(found: Conditions, name: str, metric: str, subjects: Sequence[str]) -> Iterator[dict]:
    """Yield one-sided signed-rank tests of a condition's images against chance; none for a metric without chance."""
    chance = found.expected_chance(name, metric)
    for subject in subjects if chance else ():
        units = found.units(name, metric, subject).dropna(subset=["value"])
        if units.empty:
            continue
        own = units["subject"].map(chance).to_numpy(dtype=float)
        mean, low, high = mean_interval(units["value"].to_numpy())
        yield found.keys(
            name, metric, subject, analysis="above_chance", n=len(units), mean=mean, ci_low=low, ci_high=high,
            chance=float(own.mean()), difference=mean - float(own.mean()),
            **signed_rank(units["value"].to_numpy() - own, "greater"),
        )  # fmt: skip
