"""Accuracy of decoded features, accumulated over blocks of units so that any layer fits in memory.

Two measures as in Horikawa & Kamitani 2017 and Shen et al. 2019: the correlation of each unit over the stimuli (averaged
over units), and the correlation of each stimulus' pattern over the units of a layer, each unit first centred and scaled
by its training mean and SD (otherwise the mean feature dominates).
"""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class FeatureAccuracy:
    """Running sums over the units of a layer for one test.

    Parameters
    ----------
    own : integer array of shape (n_rows,)
        Column of each row's own stimulus among the distinct stimuli.
    n_stimuli : int
    """

    own: np.ndarray
    n_stimuli: int
    _units: int = 0
    _cross: np.ndarray = field(init=False)
    _sums: dict = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.own)
        self._cross = np.zeros((n, self.n_stimuli))
        self._sums = {
            "n": 0,
            "d": np.zeros(n),
            "dd": np.zeros(n),
            "t": np.zeros(self.n_stimuli),
            "tt": np.zeros(self.n_stimuli),
            "dt": np.zeros((n, self.n_stimuli)),
        }

    def add(self, decoded: np.ndarray, true: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> None:
        """Add a block of units.

        Parameters
        ----------
        decoded : array of shape (n_rows, n_units)
        true : array of shape (n_stimuli, n_units)
        mean, scale : arrays of shape (n_units,)
            Mean and SD of the units over the training stimuli.
        """
        decoded, true = decoded.astype(np.float64), true.astype(np.float64)
        shown = true[self.own]
        good = (decoded.std(0) > 0) & (shown.std(0) > 0)
        if good.any():
            d, t, shown = decoded[:, good], true[:, good], shown[:, good]
            centre, spread = shown.mean(0), shown.std(0)
            d = (d - d.mean(0)) / d.std(0)
            self._cross += d @ ((t - centre) / spread).T / len(d)
            self._units += int(good.sum())
        varied = scale > 0
        d = (decoded[:, varied] - mean[varied]) / scale[varied]
        t = (true[:, varied] - mean[varied]) / scale[varied]
        sums = self._sums
        sums["n"] += int(varied.sum())
        sums["d"] += d.sum(1)
        sums["dd"] += (d * d).sum(1)
        sums["t"] += t.sum(1)
        sums["tt"] += (t * t).sum(1)
        sums["dt"] += d @ t.T

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
        if self._units == 0:
            return np.full(own.shape[:-1], np.nan)
        return self._cross[np.arange(own.shape[-1]), own].sum(axis=-1) / self._units

    def pattern_correlation(self) -> np.ndarray:
        """Return the correlation (n_rows, n_stimuli) of decoded and true patterns over the units."""
        s = self._sums
        n = s["n"]
        covariance = s["dt"] - np.outer(s["d"], s["t"]) / n
        spread = np.sqrt(np.outer(s["dd"] - s["d"] ** 2 / n, s["tt"] - s["t"] ** 2 / n))
        return np.divide(covariance, spread, out=np.full_like(covariance, np.nan), where=spread > 0)
