"""The ledger: every published number beside ours, where there is one of ours, and else why there is none.

Each paper's module (`evaluate.papers`) says where ours of every measure is found; what several papers print is found here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fmri2image.evaluate.lures import SUFFIXES
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
OTHER_PAPER = "this study runs no method of that paper"
NOT_COMPUTED = "this workflow computes no such number"
NO_RATINGS = "human judgment needs a table of ratings (report: paper: ratings)"


@dataclass(frozen=True)
class Found:
    """The tables in which ours are looked up.

    Parameters
    ----------
    settings : mapping
        ``positions``: from S1 to S3 to our subjects, and ``missing``: from condition to why no analysis makes it.
    statistics : DataFrame
        From `paper_tests.statistics_table`.
    winning : DataFrame, optional
        From `winning.winning_table`.
    rv : DataFrame, optional
        From `rv.score_relations`.
    behaviour : DataFrame, optional
        One-back tables of all subjects; None where no events are known.
    """

    settings: Mapping
    statistics: pd.DataFrame
    winning: pd.DataFrame | None = None
    rv: pd.DataFrame | None = None
    behaviour: pd.DataFrame | None = None

    def subject(self, printed: str) -> str | None:
        """Return our subject of a published row: that of the position, else pooled; None where nobody stands there."""
        return self.settings["positions"].get(printed) if printed.startswith("S") else POOLED


# Finds ours of one published number: the cells of the ledger, or ``why_not``.
Measure = Callable[[Mapping, Found], dict]


def ledger_table(
    published: pd.DataFrame, found: Found, measures: Mapping[str, Measure], paper: str, simulated: bool
) -> pd.DataFrame:
    """Return the published numbers beside ours.

    Parameters
    ----------
    published : DataFrame
        From `published.published_table`.
    found : Found
        Tables of the study.
    measures : mapping from measure to function
        ``MEASURES`` of the paper's module.
    paper : str
        Key of the study's paper; those of others are listed without ours.
    simulated : bool

    Returns
    -------
    table : DataFrame with `LEDGER_COLUMNS`
        One row per published number, in their order.
    """
    rows = []
    for row in published.to_dict("records"):
        measure = measures.get(row["measure"], _not_computed) if row["paper"] == paper else _of_another_paper
        ours = measure(row, found)
        value = ours.get("ours", np.nan)
        compared = not row["unit"].startswith("p") or row["unit"].startswith("points")
        rows.append(
            {
                **{key: row[key] for key in ("paper", "quantity", "measure", "condition", "unit", "where")},
                "published_metric": row["metric"],
                "published_subject": row["subject"],
                "published": row["value"],
                "difference": value - float(row["value"]) if compared else np.nan,
                "simulated": simulated if np.isfinite(value) else None,
                **ours,
            }
        )
    return pd.DataFrame(rows, columns=list(LEDGER_COLUMNS))


def tested(
    row: Mapping,
    found: Found,
    analysis: str,
    column: str,
    condition: str = "",
    metric: str = "",
    percent: bool = False,
    **more: str,
) -> dict:
    """Find ours in the table of statistics.

    Parameters
    ----------
    row : mapping
        Row of the published numbers.
    found : Found
    analysis, column : str
        Analysis of the table of statistics, and its column that holds the number.
    condition, metric : str
        Ours, if they are not those of the published row.
    percent : bool
        Whether the number is a fraction that is printed as per cent.
    **more : str
        Further columns of the row in the table of statistics and what they hold.

    Returns
    -------
    ours : dict
        Cells of the ledger, or ``why_not``.
    """
    subject = found.subject(row["subject"])
    if subject is None:
        return nobody(row)
    name, _, aspect = row["condition"].partition(":")
    condition = condition or name
    if condition in found.settings["missing"]:
        return {"why_not": found.settings["missing"][condition]}
    metric = metric or METRICS.get(row["metric"], METRICS["pixel"]) + SUFFIXES.get(aspect, "")
    table = found.statistics
    wanted = {"analysis": analysis, "condition": condition, "metric": metric, "subject": subject, **more}
    for key, value in wanted.items():
        table = table[table[key] == value]
    if table.empty:
        if row["metric"] == "human" and not found.statistics["metric"].str.startswith("human").any():
            return {"why_not": NO_RATINGS}
        return {"why_not": f"no {metric} of it was scored"}
    ours = table.iloc[0]
    return {
        "ours": (100.0 if percent else 1.0) * float(ours[column]),
        "n": ours["n"],
        "chance": 100 * ours["chance"] if row["measure"] == "identification" else np.nan,
        "effect": 100 * ours["difference"] if column == "p_value" else np.nan,
        **{key: ours[key] for key in ("subject", "method", "roi", "test", "metric", "transductive")},
    }


def nobody(row: Mapping) -> dict:
    """Return why there is none of ours: no subject of the study stands beside that of the published row."""
    return {"why_not": f"no subject of this study stands for {row['subject']}"}


def identification(row: Mapping, found: Found) -> dict:
    """Find the mean identification of a condition, in per cent."""
    return tested(row, found, "mean", "mean", percent=True)


def chance(row: Mapping, found: Found) -> dict:
    """Find the mean of the permutation distribution of a condition, in per cent."""
    return tested(row, found, "mean", "chance", percent=True)


def n_images(row: Mapping, found: Found) -> dict:
    """Find the number of images, times subjects where they are pooled, of a condition."""
    return tested(row, found, "mean", "n")


def _not_computed(row: Mapping, found: Found) -> dict:
    return {"why_not": NOT_COMPUTED}


def _of_another_paper(row: Mapping, found: Found) -> dict:
    return {"why_not": OTHER_PAPER}
