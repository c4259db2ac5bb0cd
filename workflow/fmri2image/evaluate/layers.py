"""Accuracy of the decoded features of one layer, streamed over blocks of units: per layer, per stimulus and per unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from fmri2image.core.arrays import open_h5, row_index
from fmri2image.core.seeds import generator_for
from fmri2image.core.splits import stimulus_of
from fmri2image.evaluate.feature_columns import LAYER_COLUMNS, STIMULUS_COLUMNS
from fmri2image.evaluate.features import FeatureAccuracy
from fmri2image.evaluate.identification import PermutationTest, permute_labels, relabel, win_matrix
from fmri2image.evaluate.noise_ceiling import Ceiling, UnitCeiling, pattern_ceiling
from fmri2image.evaluate.scores import summarise
from fmri2image.evaluate.unit_blocks import Block, LayerFeatures, flat, unit_blocks
from fmri2image.evaluate.zero_shot import ZeroShot, zero_shot

BLOCK_BYTES = 100_000_000


@dataclass(frozen=True)
class LayerScores:
    """Scores of one layer.

    Parameters
    ----------
    accuracy : DataFrame with `LAYER_COLUMNS`
        One row per test and metric.
    stimuli : DataFrame with `STIMULUS_COLUMNS`
        One row per test and decoded row.
    """

    accuracy: pd.DataFrame
    stimuli: pd.DataFrame


def score_layer(
    decoded: Path,
    true: Mapping[str, str],
    keys: Mapping[str, object],
    settings: Mapping,
    units: h5py.Group | None = None,
) -> LayerScores:
    """Score one layer for all tests.

    Parameters
    ----------
    decoded : path
        File of decoded features; they are scored before norm correction. True features are changed as its attribute
        ``transform`` says. ``<test>_unit_reliability`` (shape of the layer) and ``<test>_pattern_reliability`` (n_rows,)
        hold the split-half reliabilities from which the noise ceiling comes; without them it is n/a.
    true : mapping from stimulus set to feature file
        Without that of a test's training set only ``unit_correlation`` and ``pattern_correlation_raw`` are told, which
        alone need no training statistics.
    keys : mapping
        Columns that name the row: dataset, decoder, subject, roi, layer.
    settings : mapping
        ``tests``, ``permutations``, ``seed``, ``simulated``.
    units : HDF5 group, optional
        Gets the correlation of every unit, an array of the layer's shape per test; NaN where a unit does not vary.
    """
    accuracy, stimuli = [], []
    with open_h5(decoded) as file, LayerFeatures(true, _transform(file)) as features:
        shape = file[next(iter(settings["tests"]))].shape[1:]
        features.check_shape(shape, decoded)
        flags = {"transductive": str(file.attrs.get("transductive", "False")), "simulated": settings["simulated"]}
        about = {**keys, **flags, "transform": _transform(file)}
        tests = [_Test.open(file, name, split, features, units, about) for name, split in settings["tests"].items()]
        n_rows = sum(len(test.names) for test in tests) + sum(2 * len(names) for names in features.names.values())
        for block in unit_blocks(shape, n_rows, BLOCK_BYTES):
            _add_block(tests, features, block)
        for test in tests:
            generator = generator_for(settings["seed"], "permute labels", keys["layer"], test.name)
            common = {**keys, "stimulus_set": test.stimuli, "test": test.name}
            found = test.results(settings["permutations"], generator)
            n_units = {"n_units": int(np.prod(shape, dtype=int)), "n_rows": len(test.names)}
            accuracy += [{**common, **n_units, **row, **flags} for row in found.rows]
            stimuli.append(pd.DataFrame({**common, "stimulus": test.names, **found.columns, **flags}))
    return LayerScores(
        pd.DataFrame(accuracy).reindex(columns=_known(LAYER_COLUMNS, keys)),
        pd.concat(stimuli)[_known(STIMULUS_COLUMNS, keys)],
    )


@dataclass(frozen=True)
class _Found:
    """Rows of the layer table, and columns of the stimulus table, of one test."""

    rows: list[dict]
    columns: dict[str, object]


@dataclass
class _Test:
    """One test of a layer: where it is read, and its running sums."""

    name: str
    stimuli: str
    training: str | None
    names: list[str]
    decoded: h5py.Dataset
    sums: FeatureAccuracy
    rivals: bool
    unseen: np.ndarray
    unit_reliability: h5py.Dataset | None
    pattern_reliability: np.ndarray
    units: h5py.Dataset | None
    ceiling: UnitCeiling = field(init=False)

    def __post_init__(self) -> None:
        self.ceiling = UnitCeiling(int(np.isfinite(self.pattern_reliability).sum()))

    @classmethod
    def open(
        cls,
        file: h5py.File,
        name: str,
        split: Mapping,
        features: LayerFeatures,
        units: h5py.Group | None,
        about: Mapping[str, object],
    ) -> "_Test":
        names = [row.decode() for row in file[f"{name}_rows"][:]]
        shown = features.names[split["stimuli"]]
        training = split.get("training", split["stimuli"])
        training = training if training in features.names else None
        # Under cross-validation every stimulus was trained with, in some fold: no training set is common to all rows.
        rivals = training is not None and "training" in split
        trained = set(features.names[training]) if rivals else set()
        own = row_index(shown, [stimulus_of(row) for row in names], "A decoded row")
        reliability = file.get(f"{name}_pattern_reliability")
        kept = None
        if units is not None:
            kept = units.create_dataset(name, file[name].shape[1:], dtype=np.float32, fillvalue=np.nan)
            labels = {"test": name, "stimulus_set": split["stimuli"], "n_rows": len(names)}
            for key, value in {**about, **labels, "measure": "r over stimuli of decoded and true feature"}.items():
                kept.attrs[key] = value
        return cls(
            name=name,
            stimuli=split["stimuli"],
            training=training,
            names=names,
            decoded=file[name],
            sums=FeatureAccuracy(own, len(shown), len(features.names[training]) if rivals else 0),
            rivals=rivals,
            unseen=np.array([stimulus_of(row) not in trained for row in names]),
            unit_reliability=file.get(f"{name}_unit_reliability"),
            pattern_reliability=np.full(len(names), np.nan) if reliability is None else reliability[:],
            units=kept,
        )

    def add(self, block: Block, true: np.ndarray, trained: "_Trained | None") -> None:
        """Add a block of units."""
        mine = flat(self.decoded, block)
        if trained is None:
            correlation = self.sums.add(mine, true)
        else:
            lures = trained.scaled if self.rivals else None
            correlation = self.sums.add(mine, true, trained.mean, trained.sd, lures)
        if self.unit_reliability is not None:
            self.ceiling.add(correlation, self.unit_reliability[block].ravel())
        if self.units is not None:
            self.units[block] = correlation.reshape(self.units[block].shape)

    def results(self, n_permutations: int, generator: np.random.Generator) -> _Found:
        """Return all scores of the test once every unit was added."""
        sums, own = self.sums, self.sums.own
        rows = np.arange(len(own))
        others = relabel(own, sums.n_stimuli, n_permutations, generator)
        units = PermutationTest(float(sums.unit_correlation()), sums.unit_correlation(others))
        found = [_row("unit_correlation", units, sums.n_varied, self.ceiling.ceiling())]
        n_lures = sums.n_stimuli - 1
        columns: dict[str, object] = {"pattern_reliability": self.pattern_reliability, "n_comparisons": n_lures}
        for key in ("pattern_correlation", "identification", "zero_shot_rank", "zero_shot_pairwise", "n_training"):
            columns[key] = np.nan
        if self.training is not None:
            pattern = sums.pattern_correlation()
            mine, n = pattern[rows, own], sums.n_scaled
            ceiling = pattern_ceiling(mine, self.pattern_reliability)
            found.append(_row("pattern_correlation", _mean_test(pattern, own, others), n, ceiling))
            columns["pattern_correlation"] = mine
            if n_lures:
                wins = win_matrix(pattern)
                identified = permute_labels(wins, own, n_permutations, generator)
                found.append(_row("pattern_identification", identified, n) | {"n_comparisons": n_lures})
                columns["identification"] = wins[rows, own]
            if self.rivals and self.unseen.any():
                places = zero_shot(pattern[self.unseen], sums.lure_correlation()[self.unseen], own[self.unseen])
                tests = places.tests(n_permutations, generator)
                counts = {"n_comparisons": places.n_lures, "n_rows": int(self.unseen.sum())}
                found += [_row(metric, test, n) | counts for metric, test in tests.items()]
                columns |= self._zero_shot_columns(places)
        raw = sums.raw_pattern_correlation()
        found.append(_row("pattern_correlation_raw", _mean_test(raw, own, others), sums.n_finite))
        n_units = int(np.prod(self.decoded.shape[1:], dtype=int))
        return _Found(
            [{**row, "n_left_out": n_units - row["n_counted"]} for row in found],
            columns | {"pattern_correlation_raw": raw[rows, own]},
        )

    def _zero_shot_columns(self, places: ZeroShot) -> dict[str, object]:
        rank, pairwise = np.full(len(self.names), np.nan), np.full(len(self.names), np.nan)
        rank[self.unseen], pairwise[self.unseen] = places.rank, places.pairwise
        return {"zero_shot_rank": rank, "zero_shot_pairwise": pairwise, "n_training": places.n_lures}


@dataclass(frozen=True)
class _Trained:
    """A block of training features: mean and SD (n_units,), and the features centred and scaled (n_stimuli, n_units)."""

    mean: np.ndarray
    sd: np.ndarray
    scaled: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "_Trained":
        scaled = values.astype(np.float64)
        mean, sd = scaled.mean(axis=0), scaled.std(axis=0)
        scaled -= mean
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled /= sd  # not finite where a unit does not vary; `FeatureAccuracy` leaves those units out
        return cls(mean, sd, scaled)


def _add_block(tests: list[_Test], features: LayerFeatures, block: Block) -> None:
    """Add one block to all tests; training features, by far the most, are read once for all of them."""
    sets = dict.fromkeys(test.stimuli for test in tests)
    true = {name: features.read(name, block) for name in sets}
    for training in dict.fromkeys(test.training for test in tests):
        trained = None
        if training is not None:
            trained = _Trained.of(true[training] if training in true else features.read(training, block))
        for test in tests:
            if test.training == training:
                test.add(block, true[test.stimuli], trained)


def _mean_test(matrix: np.ndarray, own: np.ndarray, others: np.ndarray) -> PermutationTest:
    """Test the mean over rows of a matrix (n_rows, n_stimuli); rows without a value are left out."""
    rows = np.arange(len(own))
    if np.isnan(matrix).all():
        return PermutationTest(np.nan, np.full(len(others), np.nan))
    known = ~np.isnan(matrix).all(axis=1)
    matrix, own, others, rows = matrix[known], own[known], others[:, known], np.arange(known.sum())
    return PermutationTest(float(np.nanmean(matrix[rows, own])), np.nanmean(matrix[rows, others], axis=1))


def _row(metric: str, test: PermutationTest, n_counted: int, ceiling: Ceiling | None = None) -> dict:
    row = {"metric": metric, **summarise(test), "n_counted": n_counted}
    if np.isnan(test.value):
        row["p_value"] = np.nan
    if ceiling is not None:
        row |= {"noise_ceiling": ceiling.noise_ceiling, "normalised": ceiling.normalised}
    if metric == "unit_correlation" and ceiling is not None and ceiling.n_known:
        row |= {"n_reliable": ceiling.n_reliable, "normalised_reliable": ceiling.normalised_reliable}
    return row


def _transform(file: h5py.File) -> str:
    return str(file.attrs.get("transform", "raw"))


def _known(columns: Mapping[str, str], keys: Mapping[str, object]) -> list[str]:
    """Return the columns in order, those that name the row as far as the keys do."""
    return [name for name in columns if name in keys or name not in ("dataset", "decoder", "subject", "roi", "layer")]
