"""The quality page of a subject: what to know before its samples are trusted, with the verdict on top."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.core.tables import read_table
from fmri2image.report.facts import counted, decimal, listing, percent
from fmri2image.report.pages import embed, render
from fmri2image.report.provenance import describe_sources
from fmri2image.report.quality_verdict import (
    BRAIN,
    REPETITION,
    above_limit,
    check_rows,
    limit_words,
    suspicions,
    verdict,
)
from fmri2image.report.style import SIMULATED, subject_label

FIGURES = ("motion", "coregistration", "rois", "signal", "carpet")
MOST_RUNS = 30  # more are folded, those to look at aside
MOST_TRIALS = 200  # of one reason; the table has them all
QUANTITIES = {"one_back_sensitivity": "sensitivity", "one_back_specificity": "specificity"}


def write_quality_page(
    inputs: Mapping[str, Sequence[str]], output: str | Path, subject: str, settings: Mapping
) -> None:
    """Write the quality page of one subject.

    Parameters
    ----------
    inputs : mapping from name to paths
        ``figures`` (``sub-X_quality_<name>.png`` for each of `FIGURES`); one path each: ``runs``, ``trials`` (tables of
        samples), ``signal`` (tSNR by run and area); one or none: ``checks`` (of the coregistration, JSON), ``behaviour``
        (one-back task).
    output : path
    subject : str
    settings : mapping
        ``title``, ``dataset``, ``simulated``, ``motion_limit`` (``displacement``, ``share``, ``runs``, ``trials``; or None).

    Raises
    ------
    DataError
        If a figure is missing, or a run of the table of runs is not in the table of signals.
    """
    limit = settings["motion_limit"]
    signal = read_table(inputs["signal"][0], session=str, run=str)
    runs = number_runs(read_table(inputs["runs"][0], session=str), signal, inputs["runs"][0])
    trials = read_table(inputs["trials"][0], session=str, stimulus=str)
    checks = [read_checks(path) for path in inputs["checks"]]
    behaviour = read_table(inputs["behaviour"][0], subject=str) if inputs["behaviour"] else None
    noticed = runs[(runs["status"] != "ok") | above_limit(runs, limit)]
    rows = _run_rows(runs, limit)
    context = {
        **{key: settings[key] for key in ("title", "dataset", "simulated")},
        "label": subject_label(subject),
        "subject": subject,
        "verdict": verdict(runs, signal, trials, checks[0] if checks else None, behaviour, limit),
        "limit": limit_words(limit),
        "figures": _figures(inputs["figures"]),
        "runs": rows,
        "noticed": _run_rows(noticed, limit) if len(rows) > MOST_RUNS else [],
        "fold_runs": len(rows) > MOST_RUNS,
        "areas": _areas(signal),
        "brain": BRAIN,
        "dropped": dropped_trials(trials, runs),
        "most_trials": MOST_TRIALS,
        "n_repetitions": int((trials["reason"] == REPETITION).sum()),
        "checks": check_rows(checks[0]) if checks else None,
        "suspicious": suspicions(checks[0]) if checks else [],
        "behaviour": _behaviour(behaviour),
        "tables": {name: "".join(inputs[name][:1]) for name in ("runs", "trials", "signal", "behaviour", "checks")},
        "sources": describe_sources(itertools.chain.from_iterable(inputs.values()), settings["dataset"]),
        "simulated_note": SIMULATED,
    }
    render("quality_page.html.j2", output, context)


def number_runs(runs: pd.DataFrame, signal: pd.DataFrame, path: str) -> pd.DataFrame:
    """Give the runs of samples the numbers that they have in the figures, joined by session and run.

    Parameters
    ----------
    runs : DataFrame
        ``samples.runs.RUN_COLUMNS``.
    signal : DataFrame
        ``preprocess.quality_signal.SIGNAL_COLUMNS``.
    path : str
        Of `runs`, for the message.
    """
    # Two tasks of a session may count their runs alike: the task decides where the table tells it.
    keys = [key for key in ("session", "task") if key in runs]
    numbers: dict[tuple, list[int]] = {}
    for row in signal.drop_duplicates("number").to_dict("records"):
        numbers.setdefault((*(row[key] for key in keys), int(row["run"])), []).append(int(row["number"]))
    found = []
    for row in runs.to_dict("records"):
        mine = numbers.get((*(row[key] for key in keys), int(row["run"])), [])
        if len(mine) != 1:
            what = "stands for runs of several tasks" if mine else "is not among the preprocessed runs"
            raise DataError(f"{path}: ses-{row['session']} run-{int(row['run']):02} {what}; make the tables again.")
        found += mine
    return runs.assign(number=found).sort_values("number", ignore_index=True)


def read_checks(path: str | Path) -> dict:
    """Read the checks of a coregistration.

    Raises
    ------
    DataError
        If the file is missing or no JSON object.
    """
    try:
        checks = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as JSON ({error}); delete it and run the workflow again.") from error
    if not isinstance(checks, dict):
        raise DataError(f"{path} holds no JSON object; delete it and run the workflow again.")
    return checks


def dropped_trials(trials: pd.DataFrame, runs: pd.DataFrame) -> list[dict]:
    """Return the trials that were left out, grouped by the kind of reason (what stands before the colon), most frequent first.

    Parameters
    ----------
    trials : DataFrame
        ``samples.exclude.TRIAL_COLUMNS``.
    runs : DataFrame
        With the column ``number`` of `number_runs`.
    """
    keys = [key for key in ("session", "task") if key in runs and key in trials]
    numbers = {(*(row[key] for key in keys), int(row["run"])): row["number"] for row in runs.to_dict("records")}
    out = trials[(trials["kept"] == 0) & (trials["reason"] != REPETITION)]
    groups = []
    for kind, rows in out.groupby(out["reason"].str.split(":").str[0], sort=False):
        cells = [
            {
                "number": numbers.get((*(getattr(row, key) for key in keys), int(row.run)), "–"),
                "session": row.session,
                "run": f"{int(row.run):02}",
                "onset": decimal(row.onset, 1),
                "stimulus": row.stimulus,
                "reason": row.reason,
            }
            for row in rows.head(MOST_TRIALS).itertuples()
        ]
        words = (
            f"{len(rows)} trial{'s' * (len(rows) > 1)} in {counted(rows.groupby(['session', 'run']).ngroups, 'run')}"
        )
        groups.append({"kind": kind, "n": len(rows), "words": words, "rows": cells})
    return sorted(groups, key=lambda group: -group["n"])


def _figures(paths: Sequence[str]) -> dict[str, str]:
    by_name = {Path(path).stem.rsplit("_quality_", 1)[-1]: path for path in paths}
    missing = [name for name in FIGURES if name not in by_name]
    if missing:
        raise DataError(f"The quality page lacks the figure(s) {listing(missing)}; run the workflow again.")
    return {name: embed(by_name[name]) for name in FIGURES}


def _run_rows(runs: pd.DataFrame, limit: Mapping | None) -> list[dict]:
    over = above_limit(runs, limit)
    return [
        {
            "number": row.number,
            "session": row.session,
            "run": f"{int(row.run):02}",
            "stimulus_set": row.stimulus_set,
            "volumes": f"{row.n_volumes} + {row.n_discarded}",
            "seconds": decimal(row.seconds, 0),
            "needed": decimal(row.seconds_needed, 0),
            "short": bool(row.seconds_needed > row.seconds),
            "kept": row.n_trials_kept,
            "dropped": row.n_trials_dropped,
            "displacement": decimal(row.mean_displacement, 2),
            "largest": decimal(row.largest_displacement, 2),
            "share": percent(row.share_above),
            "over": bool(is_over),
            "status": row.status,
            "reason": "" if pd.isna(row.reason) else row.reason,
            "notes": "" if pd.isna(row.notes) else row.notes,
        }
        for row, is_over in zip(runs.itertuples(), over, strict=True)
    ]


def _areas(signal: pd.DataFrame) -> list[dict]:
    rows = []
    for area, here in signal.groupby("area", sort=False):
        rows.append(
            {
                "area": area,
                "voxels": f"{int(here['n_voxels'].iloc[0]):,}",
                "covered": percent(here["n_covered"].min() / here["n_voxels"].iloc[0]),
                "median": decimal(here["tsnr_median"].median(), 1),
                "low": decimal(here["tsnr_median"].min(), 1),
                "high": decimal(here["tsnr_median"].max(), 1),
                "worst": int(here.loc[here["tsnr_median"].idxmin(), "number"])
                if here["tsnr_median"].notna().any()
                else "–",
            }
        )
    return rows


def _behaviour(table: pd.DataFrame | None) -> list[dict]:
    if table is None:
        return []
    known = table[table["quantity"].isin(QUANTITIES)]
    return [
        {
            "set": "all runs" if row.stimulus_set == "all" else row.stimulus_set,
            "quantity": QUANTITIES[row.quantity],
            "value": percent(row.value),
            "correct": "–" if pd.isna(row.n_correct) else f"{int(row.n_correct):,} of {int(row.n_blocks):,}",
            "published": "–" if pd.isna(row.published) else str(row.published),
        }
        for row in known.itertuples()
    ]
