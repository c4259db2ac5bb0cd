"""The ledger: every published number beside ours, where there is one of ours, and else why there is none."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from fmri2image.evaluate.lures import SUFFIXES
from fmri2image.evaluate.statistics import FACTORIAL
from fmri2image.evaluate.winning import POOLED

LEDGER_COLUMNS = {
    "paper": "Key of the paper",
    "quantity": "Name of the number in resources/published_numbers.tsv",
    "measure": "What kind of number it is",
    "condition": "What was scored in the paper; after a colon the aspect",
    "published_metric": "pixel, ssim or human, in the paper",
    "published_subject": "pooled, S1 to S3, mean or each, in the paper",
    "published": "The printed number",
    "unit": "Unit of the printed number and of ours; for 'p, less than' the printed number is a bound",
    "ours": "Ours, n/a where there is none",
    "difference": "Ours minus the printed number, n/a for p and where there is none of ours",
    "effect": "For a p of ours the difference of means that it tests, in points of per cent: its sign is the direction",
    "n": "Images, or subjects for the one-back task, behind ours",
    "chance": "Mean of our permutation distribution, in the same unit",
    "subject": "Our subject: on the paper's data that of the same number, of simulated ones that of the same place",
    "method": "Our method",
    "roi": "Our visual area",
    "test": "Our test",
    "metric": "Our metric",
    "simulated": "Whether ours comes from simulated data",
    "transductive": "Whether statistics of the test set entered ours",
    "why_not": "Why there is none of ours",
    "where": "Where the printed number stands",
}
METRICS = {"pixel": "pixel_identification", "ssim": "ssim_identification", "human": "human_identification"}
# Measures from the table of statistics: analysis, column of the value.
TESTED = {
    "identification": ("mean", "mean"),
    "n": ("mean", "n"),
    "chance": ("mean", "chance"),
    "difference_p": ("difference", "p_value"),
    "aspects_p": ("difference", "p_value"),
    "above_chance_p": ("above_chance", "p_value"),
    "interaction_f": ("interaction", "statistic"),
    "interaction_p": ("interaction", "p_value"),
}
PERCENT = ("identification", "chance")
OTHER_PAPER = "this study runs no method of that paper"
NOT_COMPUTED = "this workflow computes no such number"
NO_RATINGS = "human judgment needs a table of ratings (report: paper: ratings)"


def ledger_table(
    published: pd.DataFrame, statistics: pd.DataFrame, behaviour: pd.DataFrame | None, settings: Mapping
) -> pd.DataFrame:
    """Return the published numbers beside ours.

    Parameters
    ----------
    published : DataFrame
        From `published.published_table`.
    statistics : DataFrame
        From `paper_tests.statistics_table`.
    behaviour : DataFrame or None
        One-back tables of all subjects; None where no events are known.
    settings : mapping
        ``paper``, ``simulated``, ``positions``: from S1 to S3 to our subjects, and ``missing``: from condition to why no
        analysis makes it.

    Returns
    -------
    table : DataFrame with `LEDGER_COLUMNS`
        One row per published number, in their order.
    """
    rows = []
    for row in published.to_dict("records"):
        ours = _ours(row, statistics, behaviour, settings)
        value = ours.get("ours", np.nan)
        compared = not row["unit"].startswith("p") or row["unit"].startswith("points")
        rows.append(
            {
                **{key: row[key] for key in ("paper", "quantity", "measure", "condition", "unit", "where")},
                "published_metric": row["metric"],
                "published_subject": row["subject"],
                "published": row["value"],
                "difference": value - float(row["value"]) if compared else np.nan,
                "simulated": settings["simulated"] if np.isfinite(value) else None,
                **ours,
            }
        )
    return pd.DataFrame(rows, columns=list(LEDGER_COLUMNS))


def _ours(row: Mapping, statistics: pd.DataFrame, behaviour: pd.DataFrame | None, settings: Mapping) -> dict:
    """Return our number and its keys, or ``why_not``."""
    if row["paper"] != settings["paper"]:
        return {"why_not": OTHER_PAPER}
    if row["condition"] == "one_back":
        return _one_back(f"one_back_{row['measure']}", behaviour)
    if row["measure"] not in TESTED:
        return {"why_not": NOT_COMPUTED}
    subject = settings["positions"].get(row["subject"]) if row["subject"].startswith("S") else POOLED
    if subject is None:
        return {"why_not": f"no subject of this study stands for {row['subject']}"}
    condition, _, aspect = row["condition"].partition(":")
    analysis, column = TESTED[row["measure"]]
    name = "shapes@V1" if analysis == "interaction" else condition
    if name in settings["missing"]:
        return {"why_not": settings["missing"][name]}
    metric = METRICS.get(row["metric"], METRICS["pixel"]) + SUFFIXES.get(aspect, "")
    wanted = metric + SUFFIXES["colour"] if row["measure"] == "aspects_p" else metric
    keys = (statistics["analysis"] == analysis) & (statistics["condition"] == name)
    mine = statistics[keys & (statistics["metric"] == wanted) & (statistics["subject"] == subject)]
    if analysis == "interaction":
        mine = mine[mine["procedure"] == FACTORIAL]
    if row["measure"] == "difference_p":
        mine = mine[mine["against_condition"] == "natural_pixels"]
    if mine.empty:
        if row["metric"] == "human" and not statistics["metric"].str.startswith("human").any():
            return {"why_not": NO_RATINGS}
        return {"why_not": f"no {wanted} of it was scored"}
    found = mine.iloc[0]
    scale = 100.0 if row["measure"] in PERCENT else 1.0
    return {
        "ours": scale * float(found[column]),
        "n": found["n"],
        "chance": 100 * found["chance"] if row["measure"] == "identification" else np.nan,
        "effect": 100 * found["difference"] if column == "p_value" else np.nan,
        **{key: found[key] for key in ("subject", "method", "roi", "test", "metric", "transductive")},
    }


def _one_back(quantity: str, behaviour: pd.DataFrame | None) -> dict:
    if behaviour is None:
        return {"why_not": "this study has no events of runs"}
    pools = behaviour[(behaviour["quantity"] == quantity) & (behaviour["stimulus_set"] == "all")]
    values = pools["value"].dropna().astype(float)
    if values.empty:
        return {"why_not": "the events record no responses"}
    return {"ours": float(values.mean()), "n": len(values), "subject": "mean", "metric": quantity}
