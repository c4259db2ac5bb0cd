"""Accuracy of decoded features, accumulated over blocks of units so that any layer fits in memory.

Measures as in Horikawa & Kamitani 2017 and Shen et al. 2019: the correlation of each unit over the stimuli (S1 Fig), and
the correlation of each stimulus' pattern over the units of a layer (S9 Fig), each unit first centred and scaled by its
training mean and SD. Without that scaling the mean feature dominates; that raw correlation is kept for comparison.
"""

from dataclasses import dataclass, field

import numpy as np

from fmri2image.evaluate.similarity import column_correlation

# Features are stored as float32: what varies less than that resolves is rounding.
RESOLUTION = float(np.finfo(np.float32).eps)
CANCELLATION = 1e-12  # share of the mean square below which a variance from running sums is rounding


def varies(values: np.ndarray) -> np.ndarray:
    """Tell which columns (n_columns,) of an array (n_rows, n_columns) vary by more than float32 can resolve."""
    return np.ptp(values, axis=0) > RESOLUTION * np.abs(values).max(axis=0)


class PatternSums:
    """Running sums for the correlation over units of every decoded pattern with every candidate pattern.

    Parameters
    ----------
    n_rows, n_candidates : int
    """

    def __init__(self, n_rows: int, n_candidates: int) -> None:
        self.n_units = 0
        self._d, self._dd = np.zeros(n_rows), np.zeros(n_rows)
        self._t, self._tt = np.zeros(n_candidates), np.zeros(n_candidates)
        self._dt = np.zeros((n_rows, n_candidates))

    def add(self, decoded: np.ndarray, candidates: np.ndarray) -> None:
        """Add a block of units: float64 arrays (n_rows, n_units) and (n_candidates, n_units), all values finite."""
        self.n_units += decoded.shape[1]
        self._d += decoded.sum(axis=1)
        self._dd += np.einsum("ij,ij->i", decoded, decoded)
        self._t += candidates.sum(axis=1)
        self._tt += np.einsum("ij,ij->i", candidates, candidates)
        self._dt += decoded @ candidates.T

    def correlation(self) -> np.ndarray:
        """Return Pearson's r (n_rows, n_candidates); NaN for a pattern that does not vary over units."""
        n = max(self.n_units, 1)
        covariance = self._dt - np.outer(self._d, self._t) / n
        spread = np.sqrt(np.outer(_squares(self._d, self._dd, n), _squares(self._t, self._tt, n)))
        return np.divide(covariance, spread, out=np.full_like(covariance, np.nan), where=spread > 0)


@dataclass
class FeatureAccuracy:
    """Running sums over the units of a layer for one test.

    Parameters
    ----------
    own : integer array of shape (n_rows,)
        Column of each row's own stimulus among the distinct stimuli.
    n_stimuli : int
    n_lures : int
        Training stimuli that compete in zero-shot identification; none by default.

    Attributes
    ----------
    n_varied : int
        Units that vary over the rows, decoded and true, and so have a correlation.
    n_scaled : int
        Units that vary over the training stimuli and so enter patterns.
    n_finite : int
        Units without a value that is not finite; only these can enter anything.
    """

    own: np.ndarray
    n_stimuli: int
    n_lures: int = 0
    n_varied: int = 0
    _cross: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        n_rows = len(self.own)
        self._cross = np.zeros((n_rows, self.n_stimuli))
        self._patterns, self._raw = PatternSums(n_rows, self.n_stimuli), PatternSums(n_rows, self.n_stimuli)
        self._lures = PatternSums(n_rows, self.n_lures)

    @property
    def n_scaled(self) -> int:
        """Units that enter patterns."""
        return self._patterns.n_units

    @property
    def n_finite(self) -> int:
        """Units whose values are all finite."""
        return self._raw.n_units

    def add(
        self,
        decoded: np.ndarray,
        true: np.ndarray,
        mean: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        lures: np.ndarray | None = None,
    ) -> np.ndarray:
        """Add a block of units.

        Parameters
        ----------
        decoded : array of shape (n_rows, n_units)
        true : array of shape (n_stimuli, n_units)
        mean, scale : arrays of shape (n_units,), optional
            Mean and SD of the units over the training stimuli; without them patterns are only correlated raw.
        lures : array of shape (n_lures, n_units), optional
            Features of the training stimuli, already centred and scaled; columns of units that cannot be are ignored.

        Returns
        -------
        correlation : array of shape (n_units,)
            r of each unit over the rows; NaN where the decoded or the true unit does not vary, or holds a value that is
            not finite.
        """
        decoded, true = decoded.astype(np.float64), true.astype(np.float64)
        finite = np.isfinite(decoded).all(axis=0) & np.isfinite(true).all(axis=0)
        correlation = self._add_units(decoded, true, finite)
        whole = bool(finite.all())
        self._raw.add(decoded if whole else decoded[:, finite], true if whole else true[:, finite])
        if mean is not None and scale is not None:
            with np.errstate(invalid="ignore"):
                used = finite & np.isfinite(mean) & np.isfinite(scale) & (scale > RESOLUTION * np.abs(mean))
            mean, scale = mean[used], scale[used]
            patterns = (decoded[:, used] - mean) / scale
            self._patterns.add(patterns, (true[:, used] - mean) / scale)
            if lures is not None:
                self._lures.add(patterns, lures if used.all() else lures[:, used])
        return correlation

    def unit_correlation(self, own: np.ndarray | None = None) -> np.ndarray:
        """Return the mean over units of the correlation over rows.

        Parameters
        ----------
        own : integer array of shape (..., n_rows), optional
            Other stimuli for the rows (permutations). Where every stimulus has equally many rows this is exact: a unit's
            mean and SD over the shown stimuli do not change then.

        Returns
        -------
        r : array of shape (...)
        """
        own = self.own if own is None else own
        if self.n_varied == 0:
            return np.full(own.shape[:-1], np.nan)
        return self._cross[np.arange(own.shape[-1]), own].sum(axis=-1) / self.n_varied

    def pattern_correlation(self) -> np.ndarray:
        """Return the correlation (n_rows, n_stimuli) of decoded and true patterns over the units."""
        return self._patterns.correlation()

    def raw_pattern_correlation(self) -> np.ndarray:
        """Return the same correlation (n_rows, n_stimuli) of features that are not scaled."""
        return self._raw.correlation()

    def lure_correlation(self) -> np.ndarray:
        """Return the correlation (n_rows, n_lures) of decoded patterns with those of the training stimuli."""
        return self._lures.correlation()

    def _add_units(self, decoded: np.ndarray, true: np.ndarray, finite: np.ndarray) -> np.ndarray:
        correlation = np.full(decoded.shape[1], np.nan)
        shown = true[self.own]
        with np.errstate(invalid="ignore"):
            good = finite & varies(decoded) & varies(shown)
        if good.any():
            d, t, shown = decoded[:, good], true[:, good], shown[:, good]
            correlation[good] = column_correlation(d, shown)
            centre, spread = shown.mean(0), shown.std(0)
            d = (d - d.mean(0)) / d.std(0)
            self._cross += d @ ((t - centre) / spread).T / len(d)
            self.n_varied += int(good.sum())
        return correlation


def _squares(total: np.ndarray, squares: np.ndarray, n: int) -> np.ndarray:
    """Return sums of squared deviations; zero where only rounding is left."""
    deviations = squares - total**2 / n
    return np.where(deviations > CANCELLATION * squares, deviations, 0.0)
