"""A page per subject: data quality, decoding by area and layer, and every reconstruction with its scores."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import read_array
from fmri2image.core.errors import DataError
from fmri2image.core.splits import stimulus_of
from fmri2image.core.tables import read_table
from fmri2image.report.facts import decimal, percent
from fmri2image.report.pages import embed, embed_pixels, render
from fmri2image.report.provenance import describe_sources
from fmri2image.report.stimuli import LABELS, MISSING, seen_label, shown_images, shown_note
from fmri2image.report.style import (
    NO_RESPONSES,
    NOT_SCORED,
    PRIMARY_NOT_SCORED,
    SIMULATED,
    ceiling_of,
    identification_metrics,
    is_true,
    metric_label,
    subject_label,
)

PAGE_PIXELS = 1400  # width of a figure of a training on the page


def write_subject_page(
    inputs: Mapping[str, Sequence[str]],
    responses: pd.DataFrame,
    outputs: Mapping[str, str],
    subject: str,
    settings: Mapping,
) -> None:
    """Write the page of one subject.

    Parameters
    ----------
    inputs : mapping from name to paths
        One path each: ``identification``, ``scores``. Any number: ``accuracy``, ``motion``, ``quality`` (one or none),
        ``images`` (this subject's reconstructions, ``<method>/sub-…_roi-…_<test>.h5``), ``stimuli`` (one per set),
        ``trainings`` (figures ``training_<method>_sub-…_roi-….png``; may be absent).
    responses : DataFrame
        `responses.RESPONSE_COLUMNS` of this subject.
    outputs : mapping
        ``page``, ``responses`` (where the table is).
    subject : str
    settings : mapping
        ``title``, ``dataset``, ``simulated``, ``primary``, ``stimulus_sets`` (test to set).
    """
    table = read_table(inputs["identification"][0], subject=str)
    mine = table[table["subject"] == subject]
    scores = read_table(inputs["scores"][0], subject=str)
    sections, folded = _galleries(inputs, scores[scores["subject"] == subject], settings)
    trials = " (of single trials, the first of each stimulus)" if _any_trials(inputs["images"]) else ""
    context = {
        **{key: settings[key] for key in ("title", "dataset", "simulated", "primary")},
        "subject": subject,
        "label": subject_label(subject),
        "transductive": is_true(mine["transductive"]),
        "abstract": _abstract(mine, responses, settings),
        "scores": _scores(mine, table),
        "responses": _responses(responses),
        "quality": embed(inputs["quality"][0]) if inputs["quality"] else None,
        "motion": _motion(inputs["motion"], subject),
        "not_scored": NOT_SCORED,
        "decoding": _decoding(inputs["accuracy"], subject),
        "trainings": _trainings(inputs.get("trainings", []), settings["primary"]),
        "galleries": sections,
        "folded": folded,
        "single_trials": trials,
        "tables": {
            "identification": inputs["identification"][0],
            "accuracy": "".join(inputs["accuracy"][:1]),
            "responses": outputs["responses"],
        },
        "sources": describe_sources(
            [*itertools.chain.from_iterable(inputs.values()), outputs["responses"]], settings["dataset"]
        ),
        "simulated_note": SIMULATED,
    }
    render("subject_page.html.j2", outputs["page"], context)


def _abstract(mine: pd.DataFrame, responses: pd.DataFrame, settings: Mapping) -> list[str]:
    origin = "This subject is simulated. " if settings["simulated"] else ""
    primary = settings["primary"]
    counts = responses.drop_duplicates("stimulus_set")
    sets = ", ".join(f"{row.stimulus_set} {row.n_trials}" for row in counts.itertuples())
    voxels = responses.loc[responses["roi"] == primary["roi"], "n_voxels"]
    text = f"{origin}Trials: {sets}." if sets else f"{origin}{NO_RESPONSES}"
    if not voxels.empty:
        text += f" Area {primary['roi']} holds {int(voxels.iloc[0]):,} voxels."
    chosen = mine[(mine["method"] == primary["method"]) & (mine["roi"] == primary["roi"])]
    judged = chosen[chosen["metric"].isin(identification_metrics(chosen["metric"]))]
    above = int((judged["value"] > judged["chance_p99"]).sum())
    if judged.empty:
        return [text, NOT_SCORED if mine.empty else PRIMARY_NOT_SCORED]
    return [
        text,
        f"Primary setting: {above} of {len(judged)} identification scores lie above the 99th percentile of chance.",
    ]


def _scores(mine: pd.DataFrame, table: pd.DataFrame) -> dict:
    metrics = identification_metrics(mine["metric"])
    rows = []
    for (method, roi, test), here in mine.groupby(["method", "roi", "test"], sort=False):
        by_metric = here.set_index("metric")
        cells = []
        for metric in metrics:
            if metric not in by_metric.index:
                cells.append({"value": "–", "p99": "–", "ceiling": "–", "above": True})
                continue
            row = by_metric.loc[metric]
            cells.append(
                {
                    "value": percent(row["value"]),
                    "above": bool(row["value"] > row["chance_p99"]),
                    "p99": percent(row["chance_p99"]),
                    "ceiling": percent(ceiling_of(table, method, test, metric)),
                }
            )
        rows.append({"method": method, "roi": roi, "test": test, "n": int(here["n_rows"].max()), "cells": cells})
    return {"metrics": [metric_label(metric).replace(" features", "") for metric in metrics], "rows": rows}


def _responses(responses: pd.DataFrame) -> dict:
    sets = responses.drop_duplicates("stimulus_set")
    rows = []
    for roi, here in responses.groupby("roi", sort=False):
        values = here.set_index("stimulus_set")["reliability"]
        rows.append(
            {
                "roi": roi,
                "voxels": f"{int(here['n_voxels'].iloc[0]):,}",
                "reliability": [decimal(values.get(name)) for name in sets["stimulus_set"]],
            }
        )
    words = [
        {"name": row.stimulus_set, "words": f"{row.n_stimuli} × {_times(row.fewest_repeats, row.most_repeats)}"}
        for row in sets.itertuples()
    ]
    return {"sets": words, "rows": rows}


def _times(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"


def _motion(files: Sequence[str], subject: str) -> str:
    if not files:
        return ""
    errors = motion_errors(read_table(files[0], subject=str))
    if subject not in errors.index:
        raise DataError(f"{files[0]} holds no row of subject {subject}.")
    row = errors.loc[subject]
    return (
        f"Against the simulated motion the root mean square error over all volumes is {row['translation']:.3f} mm and "
        f"{row['rotation']:.3f}°."
    )


def motion_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Return the RMS motion error of every subject over all its volumes: translation (mm), rotation (degrees)."""
    squares = table.assign(
        translation=table["rms_translation"] ** 2 * table["n_volumes"],
        rotation=table["rms_rotation"] ** 2 * table["n_volumes"],
    )
    sums = squares.groupby("subject")[["translation", "rotation", "n_volumes"]].sum()
    return (sums[["translation", "rotation"]].div(sums["n_volumes"], axis=0)) ** 0.5


def _decoding(files: Sequence[str], subject: str) -> list[dict]:
    if not files:
        return []
    table = read_table(files[0], subject=str)
    table = table[(table["subject"] == subject) & (table["metric"] == "unit_correlation")]
    found = []
    for (decoder, test), here in table.groupby(["decoder", "test"], sort=False):
        layers = list(dict.fromkeys(here["layer"]))
        rows = []
        for roi, part in here.groupby("roi", sort=False):
            by_layer = part.set_index("layer")
            cells = [
                {
                    "value": decimal(by_layer.loc[layer, "value"]),
                    "above": bool(by_layer.loc[layer, "value"] > by_layer.loc[layer, "chance_p99"]),
                }
                for layer in layers
                if layer in by_layer.index
            ]
            rows.append({"roi": roi, "cells": cells})
        found.append({"decoder": decoder, "test": test, "layers": layers, "rows": rows, "n": int(here["n_rows"].max())})
    return found


def _galleries(inputs: Mapping[str, Sequence[str]], scores: pd.DataFrame, settings: Mapping) -> tuple[list, list]:
    stimuli = {Path(path).stem: path for path in inputs["stimuli"]}
    primary, shown, folded = settings["primary"], [], []
    for path in inputs["images"]:
        method, stem = Path(path).parent.name, Path(path).stem
        source, test = stem.rsplit("_", 1)
        roi = source.split("_roi-")[1]
        stimulus_set = settings["stimulus_sets"][test]
        here = scores[(scores["method"] == method) & (scores["roi"] == roi) & (scores["test"] == test)]
        items = gallery(path, stimuli[stimulus_set], here)
        title = f"{method}, {roi}, {test}: {len(items)} images"
        note = shown_note(stimuli[stimulus_set])
        if (method, roi) == (primary["method"], primary["roi"]):
            by_r = sorted((item for item in items if np.isfinite(item["order"])), key=lambda item: item["order"])
            extremes = [("Best", by_r[-1]), ("Worst", by_r[0])] if len(by_r) > 2 else []
            shown.append({"title": title, "rows": items, "extremes": extremes, "note": note})
        else:
            folded.append({"title": title, "rows": items, "note": note})
    return shown, folded


def gallery(path: str, stimuli: str, scores: pd.DataFrame) -> list[dict]:
    """Return one card per stimulus: both images and the scores of the row that is shown, if the test was scored.

    A name stands for a stimulus that must not be shown or has no picture.

    Parameters
    ----------
    path : path
        Reconstructions of one subject, area, method and test.
    stimuli : path
    scores : DataFrame
        Rows of ``scores.tsv`` of the same subject, area, method and test; none where it was not scored.

    Raises
    ------
    DataError
        If the test was scored, but not an image of it whose stimulus has a picture.
    """
    array = read_array(path, "images")
    first: dict[str, int] = {}
    for number, row in enumerate(array.rows):
        first.setdefault(stimulus_of(row), number)
    seen = shown_images(stimuli, sorted(first))
    values = scores.pivot_table(index="stimulus", columns="metric", values="value", aggfunc="first")
    cards = []
    for name, original in zip(seen.rows, seen.values, strict=True):
        row = array.rows[first[name]]
        kind = seen.attributes["cards"].get(name)
        if row not in values.index and not scores.empty and kind != MISSING:
            raise DataError(f"{path}: the image of '{row}' has no score in the long score table.")
        mine = values.loc[row] if row in values.index else pd.Series(dtype=float)
        correlation = float(mine.get("pixel_correlation", np.nan))
        cards.append(
            {
                "stimulus": name,
                "seen": embed_pixels(original.transpose(1, 2, 0)),
                "seen_word": seen_label(stimuli) + (f" ({LABELS[kind]})" if kind else ""),
                "made": embed_pixels(np.clip(array.values[first[name]], 0, 1).transpose(1, 2, 0)),
                "correlation": decimal(correlation),
                "identification": percent(mine.get("pixel_identification", np.nan)),
                "order": correlation,
            }
        )
    return cards


def _trainings(files: Sequence[str], primary: Mapping[str, str]) -> list[dict]:
    """Return the figures of trainings, that of the primary setting open and the others folded."""
    found = []
    for path in files:
        method, _, source = Path(path).stem.removeprefix("training_").rpartition("_sub-")
        roi = source.partition("_roi-")[2]
        shown = (method, roi) == (primary["method"], primary["roi"])
        found.append({"title": f"{method}, {roi}", "figure": embed(path, PAGE_PIXELS), "open": shown})
    return found


def _any_trials(files: Sequence[str]) -> bool:
    return any(stimulus_of(row) != row for path in files for row in read_array(path, "images").rows)
