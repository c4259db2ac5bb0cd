"""The words at the top of a quality page: what speaks against a subject's data, every number from the tables."""

from collections.abc import Mapping
from numbers import Real

import pandas as pd

from fmri2image.report.facts import decimal, listing, percent, significant

BRAIN = "brain"  # the name of the brain mask among the areas of the signal table
REPETITION = "one-back repetition"  # is shown to be answered; never a trial
TOLD = ("suspicious", "reasons", "steps", "thresholds", "settings", "Description")  # have a place of their own
MOST_NAMED = 10


def verdict(
    runs: pd.DataFrame,
    signal: pd.DataFrame,
    trials: pd.DataFrame,
    checks: Mapping | None,
    behaviour: pd.DataFrame | None,
    limit: Mapping | None,
) -> dict:
    """Say in plain words how good the data are.

    Parameters
    ----------
    runs : DataFrame
        ``samples.runs.RUN_COLUMNS``, and ``number``.
    signal : DataFrame
        ``preprocess.quality_signal.SIGNAL_COLUMNS``.
    trials : DataFrame
        ``samples.exclude.TRIAL_COLUMNS``.
    checks : mapping, optional
        Checks of the coregistration.
    behaviour : DataFrame, optional
        ``evaluate.behaviour.TABLE_COLUMNS``.
    limit : mapping, optional
        ``samples.motion_limit``.

    Returns
    -------
    verdict : {"concerns": list of str, "sentences": list of str}
        What to look at, and the numbers in sentences.
    """
    over = above_limit(runs, limit)
    concerns = []
    if over.any():
        concerns.append(f"{_runs(runs[over])} above the motion limit")
    other = runs[(runs["status"] != "ok") & ~over]
    if not other.empty:
        concerns.append(f"{_runs(other)} marked for another reason")
    concerns += [f"coregistration: {reason}" for reason in suspicions(checks)]
    shown = trials[trials["reason"] != REPETITION]
    n_dropped = int((shown["kept"] == 0).sum())
    if n_dropped:
        concerns.append(f"{n_dropped:,} of {len(shown):,} trials left out")
    lacking = _lacking(signal)
    if lacking:
        concerns.append(f"voxels without a signal in some run: {lacking}")
    sentences = [_motion(runs, over, limit), _signal(signal)]
    overlap = number_of(checks, "overlap")
    if overlap is not None:
        sentences.append(f"The brains of EPI and T1w image overlap by {decimal(overlap)} (Dice).")
    sentences.append(f"{int(shown['kept'].sum()):,} of {len(shown):,} trials kept.")
    sentences += _one_back(behaviour)
    return {"concerns": concerns, "sentences": sentences}


def above_limit(runs: pd.DataFrame, limit: Mapping | None) -> pd.Series:
    """Tell which runs are above the motion limit, whatever the settings do with them."""
    return runs["share_above"] > limit["share"] if limit is not None else pd.Series(False, index=runs.index)


def limit_words(limit: Mapping | None) -> str:
    """Return the motion limit and its consequences in words."""
    if limit is None:
        return "No motion limit is set (samples: motion_limit)."
    runs = {"keep": "kept", "flag": "kept and flagged", "drop": "dropped"}[limit["runs"]]
    trials = {"keep": "kept", "drop": "left out"}[limit["trials"]]
    return (
        f"Motion limit: a run with more than {100 * limit['share']:g} % of its volumes displaced by more than "
        f"{limit['displacement']:g} mm from the volume before is {runs}; a trial with such a volume in its window is {trials}."
    )


def suspicions(checks: Mapping | None) -> list[str]:
    """Return what the checks of a coregistration (`preprocess.coregister_check.check`) found suspicious."""
    return [str(reason) for reason in (checks or {}).get("reasons", [])]


def number_of(checks: Mapping | None, name: str) -> float | None:
    """Return a number from the checks, after the coregistration; None where they have none."""
    value = (checks or {}).get(f"{name}_after")
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def check_rows(checks: Mapping) -> dict:
    """Return the checks of a coregistration as rows of tables.

    Parameters
    ----------
    checks : mapping
        From `preprocess.coregister_check.check`: ``<name>_before``, ``<name>_after``, single numbers, ``<name>_measure``
        (what a name means), ``steps`` and ``thresholds``. Other entries are shown as they are.

    Returns
    -------
    rows : {"pairs": list of {"name", "before", "after"}, "single": list of {"name", "value"}, "thresholds": str}
    """
    pairs, single = [], []
    for name, value in checks.items():
        stem, _, side = name.rpartition("_")
        if name in TOLD or side == "measure":
            continue
        if side == "before" and f"{stem}_after" in checks:
            measure = checks.get(f"{stem}_measure")
            words = stem.replace("_", " ") + (f" ({measure})" if measure else "")
            pairs.append({"name": words, "before": _words(value), "after": _words(checks[f"{stem}_after"])})
        elif side != "after" or f"{stem}_before" not in checks:
            single.append({"name": name.replace("_", " "), "value": _words(value)})
    for step in checks.get("steps", []):
        words = f"step {step['fixed']} to {step['moving']}: {step['measure'].replace('_', ' ')}"
        pairs.append({"name": words, "before": _words(step["before"]), "after": _words(step["after"])})
    thresholds = checks.get("thresholds", {})
    words = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in thresholds.items())
    return {"pairs": pairs, "single": single, "thresholds": words}


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Real):
        return significant(float(value))
    if isinstance(value, list | tuple):
        return ", ".join(_words(one) for one in value)
    return "–" if value is None else str(value)


def _runs(runs: pd.DataFrame) -> str:
    numbers = [str(number) for number in runs["number"]]
    shown = listing(numbers) if len(numbers) <= MOST_NAMED else ", ".join(numbers[:MOST_NAMED]) + ", …"
    dropped = int((runs["status"] == "dropped").sum())
    words = f"{len(numbers)} run{'s' * (len(numbers) > 1)} ({shown})"
    return words + (f", {dropped} of them dropped," if dropped else "")


def _motion(runs: pd.DataFrame, over: pd.Series, limit: Mapping | None) -> str:
    n = len(runs)
    words = f"{n} run{'s' * (n > 1)}"
    if runs["mean_displacement"].isna().all():
        return f"{words}; motion unknown, the preprocessing gave no estimates."
    if limit is None:
        words += "; no motion limit set"
    else:
        count = "none" if not over.any() else str(int(over.sum()))
        words += (
            f", {count} above the motion limit (more than {100 * limit['share']:g} % of volumes displaced by more than "
            f"{limit['displacement']:g} mm)"
        )
    known = runs.dropna(subset="mean_displacement")
    mean = (known["mean_displacement"] * known["n_volumes"]).sum() / known["n_volumes"].sum()
    largest = known["largest_displacement"].max()
    return f"{words}; mean framewise displacement {decimal(mean)} mm, largest {decimal(largest)} mm."


def _signal(signal: pd.DataFrame) -> str:
    brain = signal.loc[signal["area"] == BRAIN, "tsnr_median"]
    areas = signal[signal["area"] != BRAIN].groupby("area", sort=False)["tsnr_median"].median()
    text = f"Median tSNR of the brain {decimal(brain.median(), 0)} (runs: {decimal(brain.min(), 0)} to {decimal(brain.max(), 0)})"
    if not areas.empty:
        text += "; " + ", ".join(f"{area} {decimal(value, 0)}" for area, value in areas.items())
    return text + ". No limit is applied to tSNR."


def _lacking(signal: pd.DataFrame) -> str:
    """Return the areas with voxels that have no signal in some run; the brain may well reach out of the field of view."""
    words = []
    for area, rows in signal[signal["area"] != BRAIN].groupby("area", sort=False):
        missing = int((rows["n_voxels"] - rows["n_covered"]).max())
        if missing:
            words.append(f"{area} {missing:,} of {int(rows['n_voxels'].max()):,}")
    return ", ".join(words)


def _one_back(behaviour: pd.DataFrame | None) -> list[str]:
    if behaviour is None:
        return []
    pool = behaviour[behaviour["stimulus_set"] == "all"].set_index("quantity")["value"].dropna()
    names = ("one_back_sensitivity", "one_back_specificity")
    if not set(names) <= set(pool.index):
        return []
    sensitivity, specificity = (percent(pool[name]) for name in names)
    return [f"One-back task: sensitivity {sensitivity} %, specificity {specificity} %."]
