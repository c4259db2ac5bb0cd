"""The one-back task: whether subjects pressed the button at repeated images, and only there.

A block counts as answered when ``response_time`` holds a time, as the README of ds001506 has it ("n/a when the subject did
not press the button in the block"). Sensitivity is the share of repetition blocks that were answered, specificity the
share of other stimulus blocks that were not. All perception runs of a subject are pooled, subjects are averaged: "mean
task performance across three subjects [...] pooled across sessions" (Shen et al. 2019, PLOS Comput. Biol., Materials and
methods). Imagery runs have a ``response_time`` too, of the score of vividness; they are left out.

``response_time`` is no reaction time: in ds001506 all presses at repetitions lie later than 1.02 s after the onset of the
block and three quarters of them before 1.07 s.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from fmri2image.core.errors import DataError
from fmri2image.samples.dialects import MISSING
from fmri2image.samples.events import REPETITION, STIMULUS

COUNTS = ("hits", "misses", "false_alarms", "correct_rejections")
QUANTITIES = {
    "one_back_sensitivity": ("hits", "misses"),
    "one_back_specificity": ("correct_rejections", "false_alarms"),
}
ALL = "all"
TABLE_COLUMNS = {
    "dataset": "Name of the study",
    "subject": "Subject",
    "stimulus_set": "Stimulus set of the runs; all pools every perception run, as the paper does",
    "quantity": "one_back_sensitivity: share of repetition blocks that were answered; one_back_specificity: share of other "
    "stimulus blocks that were not",
    "value": "The share; n/a where the events files do not record responses",
    "n_correct": "Blocks with the right response",
    "n_blocks": "Blocks",
    "n_runs": "Runs that record responses",
    "published": "The paper's mean over its subjects, only beside the pool of all runs",
    "simulated": "Whether the subject is simulated",
}


def count_responses(events: pd.DataFrame) -> dict[str, int] | None:
    """Count right and wrong responses in one run.

    Parameters
    ----------
    events : DataFrame
        From `samples.events.read_events`.

    Returns
    -------
    counts : dict of int, or None
        `COUNTS`. None where the run has no one-back task: imagery, no column ``response_time``.

    Raises
    ------
    DataError
        If ``response_time`` holds something that is neither a time nor missing.
    """
    shown = events[events["event"].isin([STIMULUS, REPETITION])]
    if shown.empty or "response_time" not in events.columns:
        return None
    answered = ~shown["response_time"].isin(MISSING)
    times = pd.to_numeric(shown["response_time"][answered], errors="coerce")
    if times.isna().any():
        row = times.index[times.isna()][0]
        raise DataError(
            f"{events.attrs.get('path', 'An events file')}: the response_time of the block at "
            f"{shown.loc[row, 'onset']:g} s is '{shown.loc[row, 'response_time']}', which is no time; correct the cell or "
            "write n/a."
        )
    repeated = shown["event"] == REPETITION
    found = (repeated & answered, repeated & ~answered, ~repeated & answered, ~repeated & ~answered)
    return {name: int(blocks.sum()) for name, blocks in zip(COUNTS, found, strict=True)}


def one_back(runs: Mapping[str, Iterable[pd.DataFrame]]) -> pd.DataFrame:
    """Score the one-back task of every subject, all runs pooled.

    Parameters
    ----------
    runs : mapping from subject to events of its runs
        From `samples.events.read_events`.

    Returns
    -------
    scores : DataFrame
        One row per subject: ``subject``, ``n_runs`` (that record responses), `COUNTS`, ``sensitivity``, ``specificity``
        (fractions; NaN where there are no such blocks).

    Raises
    ------
    DataError
        If ``response_time`` holds something that is neither a time nor missing.
    """
    rows = []
    for subject, tables in runs.items():
        counts = [found for found in map(count_responses, tables) if found is not None]
        total = {name: sum(found[name] for found in counts) for name in COUNTS}
        rows.append(
            {
                "subject": subject,
                "n_runs": len(counts),
                **total,
                "sensitivity": _share(total["hits"], total["misses"]),
                "specificity": _share(total["correct_rejections"], total["false_alarms"]),
            }
        )
    return pd.DataFrame(rows, columns=["subject", "n_runs", *COUNTS, "sensitivity", "specificity"])


def over_subjects(scores: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation over subjects; the paper gives the mean.

    Parameters
    ----------
    scores : DataFrame
        From `one_back`.

    Returns
    -------
    summary : DataFrame
        Rows ``sensitivity`` and ``specificity``; columns ``n_subjects``, ``mean``, ``sd`` (of the sample, n - 1).
    """
    values = scores[["sensitivity", "specificity"]]
    return pd.DataFrame({"n_subjects": values.notna().sum(), "mean": values.mean(), "sd": values.std()})


def behaviour_table(
    runs: Sequence[tuple[str, pd.DataFrame]], keys: Mapping[str, object], published: Mapping[str, str]
) -> pd.DataFrame:
    """Return one subject's table: both quantities for every stimulus set and for all runs pooled.

    Parameters
    ----------
    runs : sequence of (stimulus set, events)
    keys : mapping
        ``dataset``, ``subject``, ``simulated``.
    published : mapping from quantity to number
        From `published.published_numbers`; stands beside the pool.

    Returns
    -------
    table : DataFrame with `TABLE_COLUMNS`
        A set without a one-back task has no row; where no run records responses, the rows of the pool say n/a.

    Raises
    ------
    DataError
        If ``response_time`` holds something that is neither a time nor missing.
    """
    pools: dict[str, list[pd.DataFrame]] = {ALL: [events for _, events in runs]}
    for stimulus_set, events in runs:
        pools.setdefault(stimulus_set, []).append(events)
    scores = one_back(pools)
    rows = []
    for score in scores.to_dict("records"):
        if score["n_runs"] == 0 and score["subject"] != ALL:
            continue
        for quantity, (right, wrong) in QUANTITIES.items():
            n_blocks = score[right] + score[wrong]
            rows.append(
                {
                    **keys,
                    "stimulus_set": score["subject"],
                    "quantity": quantity,
                    "value": _share(score[right], score[wrong]),
                    "n_correct": score[right],
                    "n_blocks": n_blocks,
                    "n_runs": score["n_runs"],
                    "published": published.get(quantity) if score["subject"] == ALL else None,
                }
            )
    return pd.DataFrame(rows)[list(TABLE_COLUMNS)]


def _share(right: int, wrong: int) -> float:
    return right / (right + wrong) if right + wrong else np.nan
