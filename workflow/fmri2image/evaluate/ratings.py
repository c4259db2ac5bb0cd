"""Human ratings: reading a table of judgments, and the scores that follow from it.

Two experiments of Shen et al. (2019, PLOS CB, "Evaluation of reconstruction quality"). In ``identification`` a rater sees a
reconstruction with its original and another image, and says which of them it is like; in ``winning`` a rater sees an original
with two reconstructions of it, and says which is better. Trials of one rater are averaged first, then raters. Colour and
shape are scored from the trials whose lure shares the shape or the colour, as everywhere (`lures.lure_groups`).

A rater who knows nothing takes either candidate, so the permutation distribution exchanges the two candidates of each trial.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import shorten
from fmri2image.core.errors import DataError
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import stimulus_of
from fmri2image.core.tables import read_table
from fmri2image.evaluate.identification import PermutationTest
from fmri2image.evaluate.lures import lure_groups, lure_mask
from fmri2image.evaluate.scores import PERMUTATION_COLUMNS, SCORE_COLUMNS, summarise

RATING_COLUMNS = {
    "task": "identification or winning",
    "rater": "Name or number of the rater",
    "method": "Named setting of the method whose reconstruction is rated",
    "subject": "Subject label",
    "roi": "Visual area that was decoded",
    "test": "Test of the configuration",
    "stimulus": "Stimulus, the original",
    "against": "identification: the other image, a stimulus; winning: the other reconstruction, a method",
    "won": "1 if the original, or the reconstruction of the method, was chosen; else 0",
}
IDENTIFICATION, WINNING = TASKS = ("identification", "winning")
SOURCE = ["method", "subject", "roi", "test"]
DIALECT = "human raters, trials averaged within and then over raters"
BATCH = 500  # permutations at a time


def read_ratings(path: str | Path, scores: pd.DataFrame) -> pd.DataFrame:
    """Read a table of ratings and check its names against the reconstructions that were scored.

    Parameters
    ----------
    path : path
        TSV with `RATING_COLUMNS`.
    scores : DataFrame
        Long score table without human scores.

    Returns
    -------
    ratings : DataFrame with `RATING_COLUMNS`
        ``won`` as a number.

    Raises
    ------
    DataError
        If a column is missing, a cell is empty or not one of those that may be there, a trial stands twice, or a
        reconstruction, stimulus or method is unknown.
    """
    table = read_table(path, **dict.fromkeys(RATING_COLUMNS, str))
    missing = [name for name in RATING_COLUMNS if name not in table]
    if missing:
        raise DataError(f"{path} lacks the column {', '.join(missing)}; see docs/evaluation.md.")
    table = table[list(RATING_COLUMNS)]
    empty = [name for name in RATING_COLUMNS if table[name].isna().any()]
    if empty:
        raise DataError(f"{path} has an empty cell in column {empty[0]}; fill it in or delete the row.")
    for column, allowed in (("task", TASKS), ("won", ("0", "1"))):
        wrong = table.loc[~table[column].isin(allowed), column]
        if not wrong.empty:
            raise DataError(f"{path}: {column} is '{wrong.iloc[0]}'; give {' or '.join(allowed)}.")
    made = scores.dropna(subset=["subject"])
    known = {column: set(made[column].astype(str)) for column in ("method", "subject", "roi", "test")}
    for column, names in known.items():
        _known(table[column], names, f"{path}: {column}")
    sources = set(made[SOURCE].astype(str).itertuples(index=False, name=None))
    for source in table[SOURCE].drop_duplicates().itertuples(index=False, name=None):
        if source not in sources:
            method, subject, roi, test = source
            raise DataError(
                f"{path} rates {method} of sub-{subject}, {roi}, {test}, which this study does not reconstruct."
            )
    shown = made.assign(name=made["stimulus"].astype(str).map(stimulus_of)).groupby("test")["name"].agg(set)
    for test, rows in table.groupby("test"):
        pairs = rows[rows["task"] == IDENTIFICATION]
        for names in (rows["stimulus"], pairs["against"]):
            _known(names, shown[test], f"{path}: a stimulus of test {test}")
    _known(table.loc[table["task"] == WINNING, "against"], known["method"], f"{path}: against")
    own = np.where(table["task"] == IDENTIFICATION, table["stimulus"], table["method"])
    if (own == table["against"]).any():
        row = table[own == table["against"]].iloc[0]
        raise DataError(f"{path} compares '{row['against']}' with itself; delete the row.")
    twice = table[_unordered(table).duplicated()]
    if not twice.empty:
        row = twice.iloc[0]
        raise DataError(
            f"{path}: rater {row['rater']} judges {row['stimulus']} of {row['test']} against {row['against']} twice; keep one "
            "row, or give the repetition a rater of its own."
        )
    return table.assign(won=table["won"].astype(float))


def score_ratings(
    ratings: pd.DataFrame, scores: pd.DataFrame, stimuli: pd.DataFrame, settings: Mapping
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the identification by human raters in the columns of all other scores.

    Parameters
    ----------
    ratings : DataFrame
        From `read_ratings`.
    scores : DataFrame
        Long score table without human scores; it tells whether a reconstruction is transductive.
    stimuli : DataFrame
        ``stimuli.tsv``.
    settings : mapping
        ``dataset``, ``simulated``, ``permutations``, ``seed``, ``tests``: from test to ``stimuli`` and, where chosen,
        ``same`` and ``aspects``.

    Returns
    -------
    scores : DataFrame with `SCORE_COLUMNS`
        ``human_identification``, ``human_identification_colour``, ``human_identification_shape``.
    permutations : DataFrame with `PERMUTATION_COLUMNS`

    Raises
    ------
    DataError
        If a lure is not one that its test allows.
    """
    found, tests = [], []
    flags = scores.drop_duplicates(SOURCE).astype({"subject": str}).set_index(SOURCE)["transductive"]
    pairs = ratings[ratings["task"] == IDENTIFICATION]
    for source, rows in pairs.groupby(SOURCE, sort=False):
        test = settings["tests"][source[3]]
        shares = _over_raters(rows, ["stimulus", "against"])
        names = list(dict.fromkeys([*shares["stimulus"], *shares["against"]]))
        place = {name: number for number, name in enumerate(names)}
        own, lure = (shares[column].map(place).to_numpy() for column in ("stimulus", "against"))
        chosen = {key: test[key] for key in ("same", "aspects") if key in test}
        keys = {
            **dict(zip(SOURCE, source, strict=True)),
            "dataset": settings["dataset"],
            "stimulus_set": test["stimuli"],
            "transductive": flags[source],
            "simulated": settings["simulated"],
        }
        for suffix, groups in lure_groups(names, stimuli if chosen else None, test["stimuli"], **chosen).items():
            admitted = lure_mask(groups)[own, lure]
            if not suffix and not admitted.all():
                row = shares[~admitted].iloc[0]
                raise DataError(
                    f"Ratings of test {source[3]} compare '{row['stimulus']}' with '{row['against']}', which is not of the same "
                    f"{test['same']}; delete such rows, or leave tests: {source[3]}: same out."
                )
            part = shares[admitted]
            if part.empty:
                continue
            metric = f"human_identification{suffix}"
            images = part.groupby("stimulus", sort=False)["share"].agg(["mean", "size"])
            found.append(
                pd.DataFrame(
                    {
                        **keys,
                        "stimulus": images.index,
                        "metric": metric,
                        "dialect": DIALECT,
                        "value": images["mean"].to_numpy(),
                        "n_comparisons": images["size"].to_numpy(),
                    }
                )
            )
            generator = generator_for(settings["seed"], "exchange candidates", metric, *source)
            test_of = exchange_candidates(
                part["share"].to_numpy(), part["stimulus"].to_numpy(), settings["permutations"], generator
            )
            counts = {"n_rows": len(images), "n_comparisons": images["size"].mean()}
            tests.append(
                {
                    **keys,
                    "metric": metric,
                    **summarise(test_of),
                    **counts,
                    "permuted": "the two candidates of each trial",
                }
            )
    empty = pd.DataFrame(columns=list(SCORE_COLUMNS)), pd.DataFrame(columns=list(PERMUTATION_COLUMNS))
    if not found:
        return empty
    return pd.concat(found)[list(SCORE_COLUMNS)], pd.DataFrame(tests)[list(PERMUTATION_COLUMNS)]


def exchange_candidates(
    shares: np.ndarray, stimuli: np.ndarray, n_permutations: int, generator: np.random.Generator
) -> PermutationTest:
    """Test the mean over images of shares of correct choices by exchanging the two candidates of trials.

    Parameters
    ----------
    shares : array of shape (n_pairs,)
        Share of raters who chose the original, for every image and lure.
    stimuli : array of shape (n_pairs,)
        Image of each pair.
    n_permutations : int
    generator : numpy Generator

    Returns
    -------
    PermutationTest
    """
    _, place, counts = np.unique(stimuli, return_inverse=True, return_counts=True)
    weights = 1 / (counts[place] * len(counts))
    null = np.empty(n_permutations)
    for start in range(0, n_permutations, BATCH):
        here = null[start : start + BATCH]
        flipped = generator.random((len(here), len(shares))) < 0.5
        here[:] = np.where(flipped, 1 - shares, shares) @ weights
    return PermutationTest(float(shares @ weights), null)


def rated_shares(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return how often the reconstructions of each method were called the better ones, image by image.

    Parameters
    ----------
    ratings : DataFrame
        From `read_ratings`.

    Returns
    -------
    shares : DataFrame
        `SOURCE`, ``stimulus``, ``against`` and ``share``, every pair of methods in both directions.
    """
    pairs = ratings[ratings["task"] == WINNING]
    turned = pairs.assign(method=pairs["against"], against=pairs["method"], won=1 - pairs["won"])
    return _over_raters(pd.concat([pairs, turned]), [*SOURCE, "stimulus", "against"])


def _over_raters(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the mean over raters of each rater's mean."""
    own = rows.groupby([*keys, "rater"], sort=False, as_index=False)["won"].mean()
    return own.groupby(keys, sort=False, as_index=False)["won"].mean().rename(columns={"won": "share"})


def _unordered(table: pd.DataFrame) -> pd.Series:
    """Return what is equal for two rows of one trial: winning has no order of the two methods."""
    first = table["method"].where(table["task"] == IDENTIFICATION, table[["method", "against"]].min(axis=1))
    second = table["against"].where(table["task"] == IDENTIFICATION, table[["method", "against"]].max(axis=1))
    rest = [table[name] for name in ("task", "rater", "subject", "roi", "test", "stimulus")]
    return pd.Series(list(zip(*rest, first, second, strict=True)), index=table.index, dtype=object)


def _known(names: pd.Series, known: set[str], where: str) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise DataError(f"{where} '{unknown[0]}' is unknown; there are {shorten(sorted(known))}.")
