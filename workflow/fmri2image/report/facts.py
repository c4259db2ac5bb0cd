"""Facts for the first page from the tables: scores beside chance and ceiling, what used the test set, what to distrust."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from fmri2image.report.style import (
    CEILING,
    TRANSDUCTIVE,
    ceiling_of,
    identification_metrics,
    metric_label,
    primary_rows,
    subject_label,
)

FEW_IMAGES = 30  # below this, chance reaches 60 % and more
FEW_REFITS = 100
LOW_RELIABILITY = 0.2


@dataclass(frozen=True)
class Note:
    """One thing to distrust: a heading and a sentence or two with the numbers behind it."""

    title: str
    text: str


def percent(value: float | None) -> str:
    """Return a fraction as per cent with one decimal, a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{100 * value:.1f}"


def percent_range(values: pd.Series) -> str:
    """Return the least and the most of fractions as per cent, or one number where they agree."""
    low, high = percent(values.min()), percent(values.max())
    return low if low == high else f"{low} to {high}"


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with a true minus sign, a dash where there is none."""
    return "–" if value is None or pd.isna(value) else f"{value:.{digits}f}".replace("-", "−")


def significant(value: float | None, digits: int = 3) -> str:
    """Return a number to some significant digits without an exponent for the sizes that tables hold."""
    if value is None or pd.isna(value):
        return "–"
    if value == 0:
        return "0"
    places = max(digits - 1 - int(f"{abs(value):e}".split("e")[1]), 0)
    return f"{value:.{min(places, 6)}f}".replace("-", "−")


def plural(number: float, word: str) -> str:
    """Return a number with its word, which gets an s if it is not one."""
    return f"{number:g} {word}" + ("" if number == 1 else "s")


def listing(words: Sequence[str]) -> str:
    """Join words as in a sentence."""
    words = [str(word) for word in words]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def counted(number: int, word: str) -> str:
    """Return a number with its noun; numbers up to nine in words."""
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return f"{names[number] if number < len(names) else number} {word}" + ("" if number == 1 else "s")


def score_groups(table: pd.DataFrame, primary: Mapping[str, str]) -> list[dict]:
    """Return the headline table: one group per similarity, one row per test, one cell per subject.

    Parameters
    ----------
    table : DataFrame
        ``identification.tsv``.
    primary : mapping
        ``method``, ``roi``.

    Returns
    -------
    groups : list of {"metric", "rows": [{"test", "n", "cells": [{"value", "above"}], "chance", "p99", "ceiling"}]}
        ``above`` tells whether a score exceeds the 99th percentile of its own permutation distribution; ``p99`` is the
        largest of the subjects.
    """
    mine = primary_rows(table, primary)
    subjects = sorted(mine["subject"].dropna().unique())
    groups = []
    for metric in identification_metrics(mine["metric"]):
        rows = []
        for test in dict.fromkeys(mine["test"]):
            here = mine[(mine["metric"] == metric) & (mine["test"] == test)].set_index("subject")
            if here.empty:
                continue
            cells = [_cell(here.loc[subject]) if subject in here.index else _cell(None) for subject in subjects]
            rows.append(
                {
                    "test": test,
                    "n": int(here["n_rows"].max()),
                    "lures": int(here["n_comparisons"].max()),
                    "cells": cells,
                    "mean": percent(here["value"].mean()),
                    "chance": percent(here["chance"].mean()),
                    "p99": percent(here["chance_p99"].max()),
                    "ceiling": percent(ceiling_of(table, primary["method"], test, metric)),
                }
            )
        groups.append({"metric": metric_label(metric), "name": metric, "rows": rows})
    return groups


def _cell(row: pd.Series | None) -> dict:
    if row is None:
        return {"value": "–", "above": True}
    return {"value": percent(row["value"]), "above": bool(row["value"] > row["chance_p99"])}


def use_of_test_set(tables: Mapping[str, pd.DataFrame], elsewhere: bool = False, reading: Collection[str] = ()) -> dict:
    """Say which predictions used statistics of the test set, from the column ``transductive`` of every table.

    Parameters
    ----------
    tables : mapping from file name to DataFrame with a column ``transductive``
    elsewhere : bool
        Whether others made some of the predictions, so that only what was done here is known.
    reading : collection of str
        Decoders that read the true features of a test.

    Returns
    -------
    statement : {"sentence": str, "rows": list of dict}
        The rows name every flagged combination.
    """
    checked = listing([f"{name} ({len(table)} rows)" for name, table in tables.items() if len(table)]) or "this page"
    flagged = []
    for name, table in tables.items():
        keys = [key for key in ("method", "decoder", "roi", "test") if key in table]
        bad = table[table["transductive"].astype(str).eq("True")][keys].drop_duplicates()
        named = bad.rename(columns={"roi": "area"}).astype(str)
        flagged += [{"table": name, **row} for row in named.to_dict("records")]
    if not flagged:
        what = "step taken here towards" if elsewhere else "prediction behind"
        text = f"None. Every {what} {checked} was made without any statistic of the test set."
    else:
        bounds = list(dict.fromkeys(row["decoder"] for row in flagged if row.get("decoder") in reading))
        why = [
            f"Decoder {listing(bounds)} read{'s' * (len(bounds) == 1)} the true features of the test: a bound, no prediction."
        ]
        scaled = [TRANSDUCTIVE] if any(row.get("decoder") not in reading for row in flagged) else []
        text = f"Some. {' '.join([*scaled, *why * bool(bounds)])} These results are flagged in {checked}, column transductive:"
    return {"sentence": text, "rows": flagged, "none": not flagged}


def distrust(
    identification: pd.DataFrame,
    scores: pd.DataFrame,
    responses: pd.DataFrame,
    detail: Mapping[str, tuple[float, float]],
    settings: Mapping,
) -> list[Note]:
    """Return what to distrust, most important first; every number comes from the tables.

    Parameters
    ----------
    identification : DataFrame
        ``identification.tsv``.
    scores : DataFrame
        ``scores.tsv``.
    responses : DataFrame
        `responses.RESPONSE_COLUMNS` of all subjects.
    detail : mapping from test to (coarse, fine)
        Correlation of the coarse and fine part of reconstructions with the stimuli (`detail.coarse_and_fine`).
    settings : mapping
        ``simulated``, ``primary``, and ``imagined``, the stimulus sets that were imagined.
    """
    primary = settings["primary"]
    mine = primary_rows(identification, primary)
    pairwise = mine[mine["metric"].isin(identification_metrics(mine["metric"]))]
    notes = []
    if settings["simulated"]:
        notes.append(
            Note(
                "Simulated.",
                "This is a phantom, not evidence about brains. Head, responses, noise and motion follow formulas. The "
                "scores show what the pipeline recovers under known noise; they are no estimate of what can be read from "
                "a brain.",
            )
        )
    if identification["transductive"].astype(str).eq("True").any():
        notes.append(
            Note("Transductive.", TRANSDUCTIVE.split(": ", 1)[1].capitalize() + " Such scores can be too high.")
        )
    notes += [*_not_above_chance(pairwise), *_wide_chance(pairwise), *_pairwise_is_lenient(mine)]
    notes += [
        *_blur(detail, scores, primary),
        *_imagery(pairwise, settings.get("imagined", ())),
        *_repeats(responses, pairwise),
    ]
    refits = pairwise[
        pairwise["permuted"].astype(str).str.contains("refit") & (pairwise["n_permutations"] < FEW_REFITS)
    ]
    if not refits.empty:
        n = int(refits["n_permutations"].min())
        notes.append(
            Note("Few refits.", f"Chance rests on {n} refits in places; no p below {1 / (n + 1):.3f} is possible.")
        )
    n_subjects, n_scores = pairwise["subject"].nunique(), len(pairwise)
    if n_scores:
        notes.append(
            Note(
                "Few subjects, many scores.",
                f"Chance and p are within subject; nothing is said about a population ({counted(n_subjects, 'subject')}). "
                f"Table 1 holds {n_scores} scores and nothing is corrected for their number.",
            )
        )
    else:
        notes.append(
            Note(
                "Not scored.", "How good the reconstructions of the primary setting are cannot be told from this page."
            )
        )
    return notes


def _not_above_chance(pairwise: pd.DataFrame) -> list[Note]:
    below = pairwise[pairwise["value"] <= pairwise["chance_p99"]]
    if below.empty:
        return []
    cases = [
        f"{subject_label(row.subject).lower()}, {row.test}, {metric_label(row.metric)} ({percent(row.value)} %)"
        for row in below.itertuples()
    ]
    shown = "; ".join(cases[:8]) + (f"; and {len(cases) - 8} more" if len(cases) > 8 else "")
    return [Note(f"Not above chance: {len(below)} of {len(pairwise)} scores.", f"{shown}. They are grey in Table 1.")]


def _wide_chance(pairwise: pd.DataFrame) -> list[Note]:
    notes = []
    for test, rows in pairwise.groupby("test", sort=False):
        n, high = int(rows["n_rows"].max()), rows["chance_p99"].max()
        width = (rows["chance_p99"] - rows["chance_p01"]).max()
        if n < FEW_IMAGES:
            notes.append(f"{test}: {n} images, up to {percent(high)} %, {percent(width)} points wide")
    if not notes:
        return []
    text = "Few images leave chance wide. The 1st to 99th percentile of the permutations spans: " + "; ".join(notes)
    return [Note("Few test images.", f"{text}. Smaller differences between subjects, areas or methods mean little.")]


def _pairwise_is_lenient(mine: pd.DataFrame) -> list[Note]:
    found = []
    for test, rows in mine.groupby("test", sort=False):
        pair, top = (rows.loc[rows["metric"] == f"pixel_{kind}"] for kind in ("identification", "top1"))
        if not pair.empty and not top.empty:
            n = int(pair["n_comparisons"].max()) + 1
            found.append(
                f"{test}: {percent(pair['value'].mean())} % of pairs, but the right one among {n} in "
                f"{percent(top['value'].mean())} % (chance {percent(top['chance'].mean())} %)"
            )
    if not found:
        return []
    text = "A reconstruction meets one other image at a time. By pixel correlation, mean over subjects: "
    return [Note("Pairwise identification is lenient.", text + "; ".join(found) + ".")]


def _blur(detail: Mapping[str, tuple[float, float]], scores: pd.DataFrame, primary: Mapping[str, str]) -> list[Note]:
    if not detail:
        return []
    pixel = scores[(scores["method"] == primary["method"]) & (scores["metric"] == "pixel_correlation")]
    parts = []
    for test, (coarse, fine) in detail.items():
        here = pixel[pixel["test"] == test]
        own = here.loc[here["roi"] == primary["roi"], "value"].mean()
        best = here.loc[here["roi"] == CEILING, "value"].mean()
        ceiling = "" if pd.isna(best) else f", ceiling {decimal(best)}"
        parts.append(f"{test} {decimal(own)}{ceiling} (coarse part {decimal(coarse)}, fine part {decimal(fine)})")
    mostly_coarse = sum(fine for _, fine in detail.values()) < sum(coarse for coarse, _ in detail.values()) / 2
    text = "Mean correlation of reconstructions with their stimuli: " + "; ".join(parts)
    return [
        Note(
            "Mostly colour and layout." if mostly_coarse else "How much detail comes back.",
            f"{text}. The coarse part is the image blurred by 1/16 of its side, the fine part is the rest. Detail that the "
            "eye sees in a reconstruction need not come from the responses.",
        )
    ]


def _imagery(pairwise: pd.DataFrame, imagined: Sequence[str]) -> list[Note]:
    rows = pairwise[pairwise["stimulus_set"].isin(imagined) & (pairwise["metric"] == "pixel_identification")]
    if rows.empty:
        return []
    values = f"{percent_range(rows['value'])} %"
    return [
        Note(
            "Imagery.",
            f"Nothing was on the screen: the image compared with is the one that was asked for. Identification by pixel "
            f"correlation is {values}.",
        )
    ]


def _repeats(responses: pd.DataFrame, pairwise: pd.DataFrame) -> list[Note]:
    shown = responses[responses["stimulus_set"].isin(pairwise["stimulus_set"])]
    if shown.empty:
        return []
    parts = []
    for name, rows in shown.groupby("stimulus_set", sort=False):
        low, high = int(rows["fewest_repeats"].min()), int(rows["most_repeats"].max())
        best = rows.groupby("subject")["reliability"].max().mean()
        reliability = "" if pd.isna(best) else f" (split-half correlation of the best area {decimal(best)})"
        parts.append(f"{name} {low if low == high else f'{low} to {high}'}{reliability}")
    return [Note("Few repeats.", f"Presentations of each test image: {'; '.join(parts)}.")]
