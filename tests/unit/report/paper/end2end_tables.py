"""Made-up tables of a study with the figures of Shen et al. 2019 (end to end), in the formats of the workflow."""

import numpy as np
import pandas as pd
from scipy import stats

SUBJECTS = ("01", "02", "03")
METRICS = ("pixel_identification", "ssim_identification", "human_identification", "feature_identification_squeezenet")
SIZES = {120: 0.58, 300: 0.62, 600: 0.67, 1500: 0.70, 3000: 0.74, 6000: 0.78}
MODELS = {"Full": "full", "\u2212image loss": "no-image", "\u2212feature loss": "no-feature",
          "\u2212adversarial loss": "no-adversarial"}  # fmt: skip
SHARES = {
    "pixel_correlation": (0.5, 0.45, 0.44, 0.61), "ssim": (0.66, 0.53, 0.56, 0.25), "human": (0.71, 0.53, 0.34, 0.42),
    "feature_correlation_squeezenet": (0.6, 0.5, 0.4, 0.5),
}  # fmt: skip
FLAGS = {"transductive": False, "simulated": True}


def scores(seed: int = 0) -> pd.DataFrame:
    """Return made-up scores of every image: condition, metric, subject, method, roi, test, value."""
    generator = np.random.default_rng(seed)
    wanted = {
        "natural": ("full", "test", 50, 0.78), "shapes": ("full", "shapes", 40, 0.69), "letters": ("full", "letters", 10, 0.93),
        **{f"size@{n}": (f"size-{n}", "sizes", 50, mean) for n, mean in SIZES.items()},
    }  # fmt: skip
    rows = []
    for condition, (method, test, n, mean) in wanted.items():
        for number, base in enumerate(METRICS):
            for suffix in ("", "_shape", "_colour") if test == "shapes" else ("",):
                for i, subject in enumerate(SUBJECTS):
                    centre = (
                        mean
                        + (0, -0.1, 0.15, 0.05)[number]
                        + 0.02 * i
                        + {"_shape": 0.07, "_colour": -0.12}.get(suffix, 0)
                    )
                    for value in np.clip(centre + 0.15 * generator.standard_normal(n), 0, 1):
                        rows.append((condition, base + suffix, subject, method, "VC", test, value))
    return pd.DataFrame(rows, columns=["condition", "metric", "subject", "method", "roi", "test", "value"])


def statistics(made: pd.DataFrame) -> pd.DataFrame:
    """Return the table of statistics of made-up scores: means of every condition, and a trend, which no bar shows."""
    rows = []
    for (condition, metric), both in made.groupby(["condition", "metric"], sort=False):
        for subject, part in [("pooled", both), *both.groupby("subject")]:
            values = part["value"].to_numpy()
            low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
            about = {key: part.iloc[0][key] for key in ("method", "roi", "test")}
            same = {"condition": condition, "metric": metric, "subject": subject, "n": len(values), **about}
            rows.append(
                {**same, "analysis": "mean", "mean": values.mean(), "ci_low": low, "ci_high": high, "chance": 0.5}
            )
            if condition == "size@6000":
                rows.append({**same, "analysis": "trend", "mean": 0.3, "p_value": 0.001})
    table = pd.DataFrame(rows)
    return table.assign(dataset="made-up", against_condition=None, against_metric=None, **FLAGS)


def identification(made: pd.DataFrame) -> pd.DataFrame:
    """Return the table of permutation tests of made-up scores; bands differ from subject to subject."""
    keys = ["method", "roi", "test", "metric", "subject"]
    table = made.groupby(keys, sort=False, as_index=False)["value"].mean()
    width = 0.02 * (1 + table["subject"].astype(int))
    return table.assign(chance=0.5, chance_p01=0.5 - width, chance_p99=0.5 + width, **FLAGS)


def winning() -> pd.DataFrame:
    """Return made-up winning percentages of the four models, in an order that is not that of the figure."""
    rows = []
    for metric, values in SHARES.items():
        for subject, shift in {"03": -0.02, "pooled": 0.0, "01": 0.03, "02": -0.01}.items():
            for name, value in zip(reversed(MODELS.values()), reversed(values), strict=True):
                value += shift
                rows.append((subject, metric, name, value, value - 0.03, value + 0.03))
    table = pd.DataFrame(rows, columns=["subject", "metric", "method", "value", "ci_low", "ci_high"])
    return table.assign(
        model=table["method"], roi="VC", test="test", n_images=50, n_opponents=3, dataset="made-up", **FLAGS
    )


def ledger() -> pd.DataFrame:
    """Return published means: of this paper, and of another one that must not be drawn."""
    same = {"measure": "identification", "subject": "pooled", "metric": "pixel_identification", "condition": "natural"}
    rows = [
        {**same, "paper": "shen2019-end-to-end", "published": "78.1"},
        {**same, "paper": "shen2019", "published": "11.1"},
        {**same, "paper": "shen2019-end-to-end", "published": "56.7", "condition": "shapes:colour",
         "metric": "pixel_identification_colour"},
    ]  # fmt: skip
    return pd.DataFrame(rows)
