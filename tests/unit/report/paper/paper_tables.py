"""Made-up tables of a study with the figures of Shen et al. 2019, in the formats of gather_tables."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats

from fmri2image.evaluate.statistics import FACTORIAL
from fmri2image.report.style import PAGE_WIDTH, save

SUBJECTS = ("01", "02", "03")
JUDGES = ("squeezenet", "efficientnet-lite0")
BASES = ("pixel_identification", *(f"feature_identification_{judge}" for judge in JUDGES))
AREAS = ("V1", "V2", "V3", "V4", "HVC", "VC")
LAYER_SETS = ("DNN1", *(f"DNN1-{last}" for last in range(2, 9)))
N = {"test": 50, "shapes": 40, "letters": 10, "imagery": 15}
# condition → method, area, test, mean quality.
CONDITIONS = {
    "natural_generator": ("icnn-dgn", "VC", "test", 0.76),
    "natural_pixels": ("icnn", "VC", "test", 0.80),
    "shapes": ("icnn", "VC", "shapes", 0.70),
    "letters": ("icnn", "VC", "letters", 0.95),
    "imagery_shapes": ("icnn-leaky", "VC", "imagery", 0.55),
    "imagery_shapes_early": ("icnn-leaky", "V1", "imagery", 0.50),
    **{f"shapes@{area}": ("icnn", area, "shapes", 0.75 - 0.05 * i) for i, area in enumerate(AREAS)},
}
FLAGS = {"transductive": False, "simulated": True}


def quality(seed: int = 0, subjects: tuple[str, ...] = SUBJECTS, human: bool = False) -> pd.DataFrame:
    """Return made-up scores of every image: condition, metric, subject, stimulus, value."""
    generator = np.random.default_rng(seed)
    bases = (*BASES, *(("human_identification",) if human else ()))
    rows = []
    for condition, (method, roi, test, mean) in CONDITIONS.items():
        for number, base in enumerate(bases):
            for suffix in ("", "_colour", "_shape") if test in ("shapes", "imagery") else ("",):
                for i, subject in enumerate(subjects):
                    centre = mean + 0.05 * number - 0.02 * i + (0.08 if suffix == "_shape" else 0.0)
                    values = np.clip(centre + 0.15 * generator.standard_normal(N[test]), 0, 1)
                    rows += [
                        (condition, base + suffix, subject, method, roi, test, f"image-{k:02d}", value)
                        for k, value in enumerate(values)
                    ]
    names = ["condition", "metric", "subject", "method", "roi", "test", "stimulus", "value"]
    return pd.DataFrame(rows, columns=names)


def statistics(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the table of statistics of made-up scores: means, and the tests of the paper."""
    rows = []
    for (condition, metric), both in scores.groupby(["condition", "metric"], sort=False):
        for subject, rows_of in [("pooled", both), *both.groupby("subject")]:
            values = rows_of["value"].to_numpy()
            half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
            low, high = values.mean() - half, values.mean() + half
            first = rows_of.iloc[0]
            about = {key: first[key] for key in ("method", "roi", "test")}
            one = {"condition": condition, "metric": metric, "subject": subject, "n": len(values), **about}
            rows.append(
                {**one, "analysis": "mean", "mean": values.mean(), "ci_low": low, "ci_high": high, "chance": 0.5}
            )
            if condition == "natural_generator":
                against = {"against_condition": "natural_pixels", "against_metric": metric}
                rows.append({**one, "analysis": "difference", **against, "p_value": 0.004})
            if condition.startswith("imagery") and metric.endswith("_colour"):
                against = {"against_condition": condition, "against_metric": metric.replace("_colour", "_shape")}
                rows.append({**one, "analysis": "difference", **against, "p_value": 0.03})
            if condition.startswith("imagery"):
                rows.append({**one, "analysis": "above_chance", "p_value": 0.0002})
            if condition == "shapes@V1" and not metric.endswith(("_colour", "_shape")):
                found = {"statistic": 3.53, "df1": 1, "df2": 476, "p_value": 0.06, "against_condition": "shapes@V4"}
                other = {**found, "procedure": "another analysis", "statistic": 9.99}
                rows.append({**one, "analysis": "interaction", **other})
                found["procedure"] = FACTORIAL
                rows.append({**one, "analysis": "interaction", **found})
    return pd.DataFrame(rows).assign(dataset="made-up", **FLAGS)


def identification(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the table of permutation tests of made-up scores; the ceiling has no subject."""
    keys = ["method", "roi", "test", "metric", "subject"]
    table = scores.groupby(keys, sort=False, as_index=False)["value"].mean().drop_duplicates(keys)
    width = 0.02 * (1 + table["subject"].astype(int))
    table = table.assign(chance=0.5, chance_p01=0.5 - width, chance_p99=0.5 + width, **FLAGS)
    ceiling = table[table["subject"] == "01"].assign(subject=None, roi="true-features", chance_p01=0.0)
    return pd.concat([table, ceiling], ignore_index=True)


def ledger() -> pd.DataFrame:
    """Return a ledger: a published mean with what else is known of it, one without ours, one of an aspect."""
    same = {"paper": "shen2019", "condition": "natural_pixels", "subject": "pooled", "metric": "pixel_identification"}
    rows = [
        {**same, "measure": "n", "published": "150"},
        {**same, "measure": "identification", "published": "79.7"},
        {**same, "measure": "identification", "published": "96.0", "metric": None},
        {**same, "measure": "identification", "published": "78.1", "paper": "shen2019-end-to-end"},
        {**same, "measure": "identification", "published": "64.8", "condition": "imagery_shapes:colour",
         "metric": "pixel_identification_colour"},
    ]  # fmt: skip
    return pd.DataFrame(rows)


def winning(subjects: tuple[str, ...] = SUBJECTS) -> pd.DataFrame:
    """Return made-up winning percentages: more layers win by features and lose by pixels."""
    rows = []
    for metric, slope in (("pixel_correlation", -0.05), *((f"feature_correlation_{judge}", 0.06) for judge in JUDGES)):
        for shift, subject in zip((0.0, -0.03, 0.02, 0.01), ("pooled", *subjects), strict=False):
            for i, name in enumerate(LAYER_SETS):
                value = 0.5 + slope * (i - 3.5) + shift
                rows.append((subject, metric, name, value, value - 0.04, value + 0.04))
    table = pd.DataFrame(rows, columns=["subject", "metric", "layer_set", "value", "ci_low", "ci_high"])
    return table.assign(method="icnn", roi="VC", test="test", n_images=50, n_opponents=7, dataset="made-up", **FLAGS)


def printed(figure: plt.Figure, folder: Path) -> str:
    """Save a figure, check that its print is legible and nothing runs out of the page, and return its words as SVG."""
    width, height = figure.get_size_inches() * 25.4
    assert width <= PAGE_WIDTH + 0.1 and height <= 245
    save(figure, [folder / "figure.svg", folder / "figure.png"])
    with Image.open(folder / "figure.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.std() > 5
    assert min(edge.min() for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:])) == 255
    return words_of(folder)


def words(figure: plt.Figure, folder: Path) -> str:
    """Return the words of a figure as SVG."""
    save(figure, [folder / "figure.svg"])
    return words_of(folder)


def words_of(folder: Path) -> str:
    """Return the words of the figure that was saved in a folder."""
    svg = (folder / "figure.svg").read_text("utf-8")
    assert min(float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)) >= 6
    return svg.replace("\N{NO-BREAK SPACE}", " ")


def write(folder: Path, **tables: pd.DataFrame) -> dict[str, str]:
    """Write tables as TSV and return their paths by name."""
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.tsv", sep="\t", index=False, na_rep="n/a")
    return {name: str(folder / f"{name}.tsv") for name in tables}
