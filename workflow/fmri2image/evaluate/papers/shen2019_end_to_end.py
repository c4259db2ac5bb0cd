"""Shen, Dwivedi, Majima, Horikawa & Kamitani 2019, Front. Comput. Neurosci.: tests, winning percentages and measures.

Two-sided signed-rank tests compare natural images with those of `icnn`. Four models, the full one and three without a loss
term, are compared pair by pair: six pairs (Fig. 5B); the change of the winning percentage against the full model is printed.
For the size of the data set (Fig. 4B) the paper prints no test; ours is Page's for a trend, with images as blocks.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from fmri2image.core.intervals import mean_interval
from fmri2image.evaluate.ledger import NO_RATINGS, Found, chance, identification, n_images, nobody, tested
from fmri2image.evaluate.paper_tests import STATISTICS_COLUMNS, Conditions, compare, identifies
from fmri2image.evaluate.winning import CHANGE_COLUMNS, POOLED, WINNING_COLUMNS, Contest

FULL = "full"
PAIRED = 3  # models that each of the four is compared with
NATURAL, ICNN, SIZE = "natural", "natural_icnn", "size@"
SIMILARITIES = {"pixel": "pixel_correlation", "ssim": "ssim", "human": "human"}
RV = "modified_rv"
STATISTICS = {
    **STATISTICS_COLUMNS,
    "analysis": "mean; difference (two-sided); trend of the score over sizes of the training set (one-sided, rising)",
    "mean": "Mean score, as a fraction; of a difference over its pairs; of a trend the mean over images of Spearman's rank "
    "correlation of size and score, 0 for an image whose scores are all equal",
    "n": "Images, times subjects where they are pooled; pairs of scores for tests; of a trend those scored at every size",
    "against_condition": "Condition it is tested against: of a trend the smallest size; n/a for mean",
    "difference": "Mean minus against_mean; of a trend the mean score of the largest size minus that of the smallest",
    "statistic": "Rank sum of Wilcoxon's test (two-sided: the smaller one), or Page's L",
}
WINNING = Contest(
    noun="Images of",
    columns={
        **WINNING_COLUMNS,
        "model": "full, or the loss term that was left out: no-image, no-feature, no-adversarial",
    }
    | CHANGE_COLUMNS,
    similarities=("pixel_correlation", "ssim"),
    full=FULL,
)


def tests(found: Conditions, subjects: Sequence[str]) -> Iterator[dict]:
    """Yield the rows of all tests; `subjects` are pooled and the single ones."""
    if {NATURAL, ICNN} <= set(found.info):
        for metric in (metric for metric in found.metrics(NATURAL) if identifies(metric)):
            yield from compare(found, NATURAL, metric, ICNN, metric, subjects)
    sizes = sorted((name for name in found.info if name.startswith(SIZE)), key=_size)
    if len(sizes) > 2:
        for metric in (metric for metric in found.metrics(sizes[-1]) if identifies(metric)):
            for subject in subjects:
                yield from _trend(found, sizes, metric, subject)


def _size(condition: str) -> int:
    return int(condition.removeprefix(SIZE))


def _trend(found: Conditions, sizes: Sequence[str], metric: str, subject: str) -> Iterator[dict]:
    """Yield the test of whether scores rise with the size, over images that were scored at every size."""
    columns = {name: found.units(name, metric, subject).set_index(["subject", "stimulus"])["value"] for name in sizes}
    scores = pd.DataFrame(columns).dropna().to_numpy(dtype=float)
    if len(scores) < 2:
        return
    rank_correlations = [
        stats.spearmanr(row, np.arange(len(sizes))).statistic if np.ptp(row) > 0 else 0.0 for row in scores
    ]
    mean, low, high = mean_interval(np.array(rank_correlations))
    page = stats.page_trend_test(scores, method="asymptotic")
    yield found.keys(
        sizes[-1], metric, subject, analysis="trend", against_condition=sizes[0], against_metric=metric, n=len(scores),
        mean=mean, ci_low=low, ci_high=high, difference=float(scores[:, -1].mean() - scores[:, 0].mean()),
        procedure="Page's trend test, one-sided, normal approximation",
        statistic=float(page.statistic), p_value=float(page.pvalue),
    )  # fmt: skip


def _against_icnn(row: Mapping, found: Found) -> dict:
    """Find p of our natural images against those of icnn."""
    if ICNN in found.settings["missing"]:
        return {"why_not": found.settings["missing"][ICNN]}
    return tested(row, found, "difference", "p_value", against_condition=ICNN)


def _quoted(row: Mapping, found: Found) -> dict:
    """Find the identification by icnn, which the paper quotes from the other one."""
    return tested(row, found, "mean", "mean", condition=ICNN, percent=True)


def _ablation(row: Mapping, found: Found) -> dict:
    """Find the change of a winning percentage against the full model, in points."""
    missing = found.settings["missing"]
    for name in (NATURAL, row["condition"]):
        if name in missing:
            return {"why_not": missing[name]}
    model = "no-" + row["condition"].removeprefix(f"{NATURAL}_without_").removesuffix("_loss")
    metric, table = SIMILARITIES[row["metric"]], found.winning
    ours = table[(table["model"] == model) & (table["metric"] == metric) & (table["subject"] == POOLED)]
    ours = ours.dropna(subset=["change"])
    if ours.empty:
        rated = metric != "human" or (table["metric"] == "human").any()
        return {"why_not": f"no {metric} of {model} was compared with that of {FULL}" if rated else NO_RATINGS}
    one = ours.iloc[0]
    if one["n_opponents"] != PAIRED:
        return {
            "why_not": f"the paper compares four models, this study {one['n_opponents'] + 1}, so that the winning percentages "
            "are not over the same pairs"
        }
    return {
        "ours": 100 * float(one["change"]),
        "n": one["n_images"],
        **{key: one[key] for key in ("subject", "method", "roi", "test", "metric", "transductive")},
    }


def _rv(row: Mapping, found: Found) -> dict:
    """Find the modified RV coefficient of a subject."""
    subject = found.subject(row["subject"])
    if subject is None:
        return nobody(row)
    rows, why_not = _rv_rows(row, found, [subject])
    if why_not:
        return {"why_not": why_not}
    one = rows.iloc[0]
    keys = ("subject", "method", "roi", "test", "transductive")
    return {
        "ours": float(one["value"]),
        "n": one["n_images"],
        "chance": one["chance"],
        "metric": RV,
        **{key: one[key] for key in keys},
    }


def _rv_p(row: Mapping, found: Found) -> dict:
    """Find the largest permutation p of the subjects."""
    rows, why_not = _rv_rows(row, found, list(found.settings["positions"].values()))
    if why_not:
        return {"why_not": why_not}
    worst = rows.loc[rows["p_value"].idxmax()]
    keys = ("method", "roi", "test", "transductive")
    return {
        "ours": float(worst["p_value"]),
        "n": worst["n_images"],
        "subject": "each",
        "metric": RV,
        **{key: worst[key] for key in keys},
    }


def _rv_rows(row: Mapping, found: Found, subjects: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Return the rows of some subjects that have a coefficient, or why there are none."""
    condition = row["condition"]
    if condition in found.settings["missing"]:
        return pd.DataFrame(), found.settings["missing"][condition]
    if not subjects:
        return pd.DataFrame(), "no subject of this study stands for one of the paper"
    rows = found.rv[(found.rv["condition"] == condition) & found.rv["subject"].isin(subjects)]
    known = rows.dropna(subset=["value"])
    if rows.empty:
        return known, "no analysis runs it for this subject"
    return known, "all its reconstructions are equal, or there are too few" if known.empty else ""


MEASURES = {
    "identification": identification,
    "n": n_images,
    "chance": chance,
    "icnn_p": _against_icnn,
    "quoted": _quoted,
    "ablation": _ablation,
    "rv": _rv,
    "rv_p": _rv_p,
}
