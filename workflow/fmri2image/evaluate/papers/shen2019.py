"""Shen, Horikawa, Majima & Kamitani 2019, PLOS Computational Biology: tests, winning percentages and measures.

Two-sided tests compare images with the generator and without it, every pair of layer sets, and colour with shape in imagery;
one-sided ones imagery with chance. An ANOVA asks whether shape and colour differ between V1 and V4.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import pandas as pd

from fmri2image.evaluate.ledger import METRICS, Found, chance, identification, n_images, tested
from fmri2image.evaluate.lures import SUFFIXES
from fmri2image.evaluate.paper_tests import STATISTICS_COLUMNS, Conditions, above_chance, compare, identifies
from fmri2image.evaluate.statistics import FACTORIAL, interaction
from fmri2image.evaluate.winning import WINNING_COLUMNS, Contest

STATISTICS = STATISTICS_COLUMNS
TASKS = ("shape", "colour")
CONTRASTED = ("shapes@V1", "shapes@V4")
WINNING = Contest(
    noun="Layers",
    model="layer_set",
    columns={"layer_set" if key == "model" else key: words for key, words in WINNING_COLUMNS.items()}
    | {
        "layer_set": "Layers, in the words of the figure",
        "n_opponents": "Other sets of layers that it was compared with",
    },
)


def tests(found: Conditions, subjects: Sequence[str]) -> Iterator[dict]:
    """Yield the rows of all tests; `subjects` are pooled and the single ones."""
    for (name, metric), (other, against) in _differences(found):
        yield from compare(found, name, metric, other, against, subjects)
    for name in (name for name in found.info if name.startswith("imagery")):
        for metric in (metric for metric in found.metrics(name) if "identification" in metric):
            yield from above_chance(found, name, metric, subjects)
    yield from _interactions(found, subjects)


def _differences(found: Conditions) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """Yield (condition, metric) pairs that are compared by two-sided tests."""
    pairs = [("natural_generator", "natural_pixels")]
    pairs += combinations([name for name in found.info if name.startswith("layer_set@")], 2)
    for name, other in pairs:
        if name in found.info and other in found.info:
            yield from (((name, metric), (other, metric)) for metric in found.metrics(name) if identifies(metric))
    for name in (name for name in found.info if name.startswith("imagery")):
        for metric in found.metrics(name):
            colour, shape = (metric + SUFFIXES[aspect] for aspect in ("colour", "shape"))
            if identifies(metric) and {colour, shape} <= set(found.metrics(name)):
                yield (name, colour), (name, shape)


def _interactions(found: Conditions, subjects: Sequence[str]) -> Iterator[dict]:
    """Yield tests of task (shape, colour) × area (V1, V4) for artificial shapes."""
    first, second = names = CONTRASTED
    if not all(name in found.info for name in names):
        return
    for metric in found.metrics(first):
        tasks = [metric + SUFFIXES[task] for task in TASKS]
        if not identifies(metric) or not all(set(tasks) <= set(found.metrics(name)) for name in names):
            continue
        for subject in subjects:
            cells = {
                (task, name): found.units(name, task, subject).set_index(["subject", "stimulus"])["value"]
                for task in tasks
                for name in names
            }
            units = pd.DataFrame(cells).dropna()
            scores = units.to_numpy(dtype=float).reshape(len(units), len(TASKS), len(names))
            for test in interaction(scores):
                means = scores.mean(axis=(0, 1))
                contrast = scores.mean(axis=0)
                yield found.keys(
                    first, metric, subject, analysis="interaction", against_condition=second, against_metric=metric,
                    n=len(units), mean=float(means[0]), against_mean=float(means[1]),
                    difference=float(contrast[0, 0] - contrast[0, 1] - contrast[1, 0] + contrast[1, 1]), **test,
                )  # fmt: skip


def _difference(row: Mapping, found: Found) -> dict:
    """Find p of images with against without the generator."""
    return tested(row, found, "difference", "p_value", against_condition="natural_pixels")


def _aspects(row: Mapping, found: Found) -> dict:
    """Find p of colour against shape."""
    return tested(row, found, "difference", "p_value", metric=METRICS[row["metric"]] + SUFFIXES["colour"])


def _above_chance(row: Mapping, found: Found) -> dict:
    """Find p of imagery above chance."""
    return tested(row, found, "above_chance", "p_value")


def _interaction(row: Mapping, found: Found) -> dict:
    """Find F or p of task by area, with independent scores in every cell."""
    missing = found.settings["missing"]
    lacking = next((name for name in CONTRASTED if name in missing), CONTRASTED[0])
    column = {"interaction_f": "statistic", "interaction_p": "p_value"}[row["measure"]]
    return tested(row, found, "interaction", column, condition=lacking, procedure=FACTORIAL)


def _one_back(row: Mapping, found: Found) -> dict:
    """Find the mean over subjects of a share of the one-back task."""
    quantity, behaviour = f"one_back_{row['measure']}", found.behaviour
    if behaviour is None:
        return {"why_not": "this study has no events of runs"}
    pools = behaviour[(behaviour["quantity"] == quantity) & (behaviour["stimulus_set"] == "all")]
    values = pools["value"].dropna().astype(float)
    if values.empty:
        return {"why_not": "the events record no responses"}
    return {"ours": float(values.mean()), "n": len(values), "subject": "mean", "metric": quantity}


MEASURES = {
    "sensitivity": _one_back,
    "specificity": _one_back,
    "identification": identification,
    "n": n_images,
    "chance": chance,
    "difference_p": _difference,
    "aspects_p": _aspects,
    "above_chance_p": _above_chance,
    "interaction_f": _interaction,
    "interaction_p": _interaction,
}
