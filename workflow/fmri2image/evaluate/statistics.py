"""The tests of Shen et al. 2019 (PLOS CB, "Statistics"): means with intervals, signed-rank tests, the ANOVA of areas.

The unit is one image of one subject: scores of its trials are averaged first, and pooling puts the images of all subjects
side by side (N = 150, 120 and 45 in the paper). Intervals are Student's t intervals of the mean over units, 95 %.

Wilcoxon's signed-rank test leaves differences of zero out and counts them (``n_zero``). Without ties among at most 50
differences its distribution is exact, else the normal approximation without continuity correction. Differences are rounded
to 12 decimals first, because equal shares of lures may differ in their last bits.

The paper gives the interaction of task and area as F(1,1) and does not say whether images are repeated measures. Both models
are computed: the two-way ANOVA in which every cell holds independent scores, and the one with repeated measures over units.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import AnovaRM, anova_lm

from fmri2image.core.splits import stimulus_of

EXACT = 50  # most differences for which the exact distribution is used
DECIMALS = 12
FACTORIAL = "ANOVA, task × area, independent scores"
REPEATED = "ANOVA, task × area, repeated measures"


def signed_rank(differences: np.ndarray, alternative: str) -> dict[str, object]:
    """Test whether differences lie around zero.

    Parameters
    ----------
    differences : array of shape (n_units,)
    alternative : {"two-sided", "greater"}

    Returns
    -------
    test : dict
        ``procedure``, ``statistic`` (of the ranks), ``p_value`` (1 where nothing differs), ``n_zero``.
    """
    differences = np.round(np.asarray(differences, dtype=float), DECIMALS)
    rest = differences[differences != 0]
    sides = {"two-sided": "two-sided", "greater": "one-sided"}[alternative]
    exact = len(rest) <= EXACT and len(np.unique(np.abs(rest))) == len(rest)
    procedure = f"Wilcoxon signed-rank, {sides}, {'exact' if exact else 'normal approximation'}"
    found = {"procedure": procedure, "statistic": 0.0, "p_value": 1.0, "n_zero": len(differences) - len(rest)}
    if len(rest):
        test = stats.wilcoxon(
            rest,
            zero_method="wilcox",
            correction=False,
            alternative=alternative,
            method="exact" if exact else "asymptotic",
        )
        found |= {"statistic": float(test.statistic), "p_value": float(test.pvalue)}
    return found


def interaction(scores: np.ndarray) -> list[dict[str, object]]:
    """Test the interaction of two tasks with two areas.

    Parameters
    ----------
    scores : array of shape (n_units, 2, 2)
        Units × tasks × areas, without missing values.

    Returns
    -------
    tests : list of dict
        ``procedure``, ``statistic`` (F), ``df1``, ``df2``, ``p_value`` of `FACTORIAL` and `REPEATED`; none for fewer than
        three units, or where all scores of every cell are equal.
    """
    n_units = len(scores)
    if n_units < 3 or not np.any(scores - scores.mean(axis=0)):
        return []
    unit, task, area = np.indices(scores.shape).reshape(3, -1)
    table = pd.DataFrame({"value": scores.ravel(), "unit": unit, "task": task, "area": area})
    between = anova_lm(ols("value ~ C(task) * C(area)", table).fit(), typ=2)
    row = between.loc["C(task):C(area)"]
    found = [_f_test(FACTORIAL, row["F"], row["df"], between.loc["Residual", "df"], row["PR(>F)"])]
    contrast = scores[:, 0, 0] - scores[:, 0, 1] - scores[:, 1, 0] + scores[:, 1, 1]
    if np.ptp(contrast) > 0:
        within = AnovaRM(table, "value", "unit", within=["task", "area"]).fit().anova_table.loc["task:area"]
        found.append(_f_test(REPEATED, within["F Value"], within["Num DF"], within["Den DF"], within["Pr > F"]))
    return found


def image_scores(scores: pd.DataFrame, by: Sequence[str] = ("metric",)) -> pd.DataFrame:
    """Return one score per subject and stimulus, that of its trials averaged.

    Parameters
    ----------
    scores : DataFrame
        Rows of one method, area and test: ``subject``, ``stimulus`` (or ``stimulus|trial``), ``value`` and those of `by`.
    by : sequence of str
        Columns that keep scores apart.

    Returns
    -------
    table : DataFrame
        Columns `by`, ``subject``, ``stimulus``, ``value``, in the order in which they appear.
    """
    own = scores.assign(stimulus=[stimulus_of(str(name)) for name in scores["stimulus"]])
    return own.groupby([*by, "subject", "stimulus"], sort=False, as_index=False)["value"].mean()


def paired(a: pd.DataFrame, b: pd.DataFrame, keys: Sequence[str] = ("subject", "stimulus")) -> pd.DataFrame:
    """Return the scores of units that both have, as columns ``value`` and ``other`` beside the keys."""
    other = b[[*keys, "value"]].rename(columns={"value": "other"})
    return a[[*keys, "value"]].merge(other, on=list(keys), validate="one_to_one")


def _f_test(procedure: str, f: float, df1: float, df2: float, p: float) -> dict[str, object]:
    return {
        "procedure": procedure,
        "statistic": float(f),
        "df1": int(df1),
        "df2": int(df2),
        "p_value": float(p),
    }
