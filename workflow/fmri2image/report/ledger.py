"""The section of the first page that sets a paper's published numbers beside those of the study."""

from collections.abc import Mapping

import pandas as pd

from fmri2image.core.tables import read_table
from fmri2image.report.style import is_true

PAPERS = {
    "shen2019": "Shen et al. 2019, PLOS CB",
    "shen2019-end-to-end": "Shen et al. 2019, Front. Comput. Neurosci.",
}
CONDITIONS = {
    "natural_generator": "Natural images, with the generator",
    "natural_pixels": "Natural images, without it",
    "shapes": "Artificial shapes",
    "letters": "Letters",
    "imagery_shapes": "Imagined shapes",
    "imagery_shapes_early": "Imagined shapes, early area",
    "one_back": "One-back task",
    "natural": "Natural images",
    "natural_without_image_loss": "Natural images, without image loss",
    "natural_without_feature_loss": "Natural images, without feature loss",
    "natural_without_adversarial_loss": "Natural images, without adversarial loss",
}
METRICS = {"pixel": "pixel correlation", "ssim": "SSIM", "human": "human judgment"}
MEASURES = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "interaction_f": "task × area, F",
    "interaction_p": "task × area, p",
    "difference_p": "with against without, p",
    "above_chance_p": "above chance, p",
    "aspects_p": "colour against shape, p",
    "n": "images, all subjects",
    "chance": "chance, %",
    "rv": "modified RV coefficient",
    "rv_p": "modified RV coefficient, p",
    "ablation": "change of winning percentage, points",
    "icnn_p": "against the method of the PLOS CB paper, p",
    "quoted": "quoted from the PLOS CB paper, %",
    "identification": "identification, %",
}
POSITIONS = ("pooled", "S1", "S2", "S3")


def ledger_section(path: str, paper: str) -> dict:
    """Return what the template needs to show the ledger.

    Parameters
    ----------
    path : path
        ``ledger.tsv``.
    paper : str
        Key of the study's paper.

    Returns
    -------
    section : dict
        ``columns``: headings over the paper's numbers and over ours, pooled and by subject; ``scores``: rows of identification
        of the study's paper; ``others``: its other numbers; ``elsewhere``: numbers of other papers; ``transductive``,
        ``paper``, ``n_numbers``, ``n_ours``.
    """
    table = read_table(path, published=str, subject=str, published_subject=str)
    mine = table[table["paper"] == paper]
    scored = mine["measure"] == "identification"
    groups = mine[scored].groupby(["condition", "published_metric"], sort=False)
    elsewhere = table[table["paper"] != paper]
    subjects = mine.dropna(subset=["ours"]).set_index("published_subject")["subject"].to_dict()
    return {
        "columns": [("all" if position == "pooled" else position, _name(position, subjects)) for position in POSITIONS],
        "scores": [_score_row(condition, metric, rows) for (condition, metric), rows in groups],
        "others": [_other_row(row) for row in mine[~scored].to_dict("records")],
        "elsewhere": [{**_other_row(row), "paper": PAPERS.get(row["paper"], row["paper"])}
                      for row in elsewhere.to_dict("records")],
        "paper": PAPERS.get(paper, paper),
        "transductive": is_true(table["transductive"]),
        "n_numbers": len(table),
        "n_ours": int(table["ours"].notna().sum()),
    }  # fmt: skip


def _name(position: str, subjects: Mapping[str, str]) -> str:
    if position == "pooled":
        return "all"
    return f"sub-{subjects[position]}" if position in subjects else "–"


def _score_row(condition: str, metric: str, rows: pd.DataFrame) -> dict:
    by_subject = rows.set_index("published_subject")
    cells = [
        {
            "published": by_subject["published"].get(position, "–"),
            "ours": _percent(by_subject["ours"].get(position)),
        }
        for position in POSITIONS
    ]
    counts = rows["n"].dropna()
    return {
        "condition": _condition(condition),
        "metric": METRICS.get(metric, metric),
        "cells": cells,
        "n": "–" if counts.empty else str(int(counts.max())),
        "chance": _percent(rows["chance"].dropna().mean()),
        "empty": bool(rows["ours"].isna().all()),
        "note": "; ".join(dict.fromkeys(rows["why_not"].dropna())),
    }


def _other_row(row: Mapping) -> dict:
    metric = METRICS.get(row["published_metric"], "")
    words = [_condition(row["condition"]), MEASURES.get(row["measure"], row["measure"]), metric]
    bound = "< " if row["unit"] == "p, less than" else ""
    subject = "" if row["published_subject"] in ("pooled", "mean", "each") else f" ({row['published_subject']})"
    return {
        "words": ", ".join(part for part in words if part) + subject,
        "published": bound + row["published"],
        "ours": _digits(row["ours"], row["unit"]) + ("" if pd.isna(row["effect"]) else f" ({row['effect']:+.1f})"),
        "note": "" if pd.isna(row["why_not"]) else row["why_not"],
        "where": row["where"],
    }


def _condition(condition: str) -> str:
    name, _, aspect = condition.partition(":")
    words = CONDITIONS.get(name, name.replace("_", " "))
    return f"{words}, {aspect}" if aspect else words


def _percent(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:.1f}"


def _digits(value: float, unit: str) -> str:
    if pd.isna(value):
        return "–"
    if unit == "images":
        return str(int(value))
    if unit.startswith("points"):
        return f"{value:+.1f}"
    if unit.startswith("p"):
        return f"{value:.2g}" if value >= 1e-4 else "< 0.0001"
    return f"{value:.4f}" if unit == "share" else f"{value:.2f}"
