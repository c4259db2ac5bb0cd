"""Sizes of rows of features from chunks of a layer, also where a chunk holds a part of a channel only.

Each chunk is measured by itself and its measurements are merged in the order of the units, so that a chunk that was decoded
in an earlier run counts like any other (merging as in Chan, Golub & LeVeque 1983, The American Statistician).
"""

from collections.abc import Sequence

import numpy as np

from fmri2image.decode.feature_rows import Chunk

AT_ONCE = 2_000_000  # values that are float64 at the same time


def measure(values: np.ndarray, chunk: Chunk) -> np.ndarray:
    """Measure the rows of one chunk.

    Parameters
    ----------
    values : array of shape (n_rows, n_units)
    chunk : Chunk

    Returns
    -------
    measured : float64 array of shape (3, n_rows)
        Mean over the units, sum of squares about it, and the sum over channels of the spatial SD (ddof 0), zero where
        the chunk does not hold complete channels or the layer has none.
    """
    found = np.zeros((3, len(values)))
    step = max(1, AT_ONCE // chunk.n_units)
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        part = np.asarray(values[rows], dtype=np.float64)
        found[0, rows] = part.mean(axis=1)
        found[1, rows] = part.var(axis=1) * chunk.n_units
        if chunk.whole_channels and len(chunk.box) > 1:
            found[2, rows] = part.reshape(len(part), chunk.shape[0], -1).std(axis=2).sum(axis=1)
    return found


class MergedSizes:
    """Sizes of every row of a layer; it offers what `norm.RowSizes` does.

    Parameters
    ----------
    n_rows : int
    shape : sequence of int
        Of the layer.

    Attributes
    ----------
    mean : array of shape (n_rows,)
        Mean over all units so far.
    """

    def __init__(self, n_rows: int, shape: Sequence[int]) -> None:
        self._layer, self._channel = _Moments(n_rows), _Moments(n_rows)
        self._shape = tuple(shape)
        self._channel_units = int(np.prod(self._shape[1:], dtype=int))
        self._channel_sum = np.zeros(n_rows)

    def add(self, measured: np.ndarray, chunk: Chunk) -> None:
        """Add what `measure` found in the chunk that follows the last one."""
        mean, squares, deviations = measured
        self._layer.merge(chunk.n_units, mean, squares)
        if len(self._shape) == 1 or chunk.whole_channels:
            self._channel_sum += deviations
            return
        self._channel.merge(chunk.n_units, mean, squares)
        if self._channel.n == self._channel_units:
            self._channel_sum += np.sqrt(self._channel.squares / self._channel.n)
            self._channel = _Moments(len(mean))

    @property
    def mean(self) -> np.ndarray:
        """Mean over all units so far, (n_rows,)."""
        return self._layer.mean

    @property
    def norm(self) -> np.ndarray:
        """Euclidean norm over all units, (n_rows,)."""
        return np.sqrt(self._layer.squares + self._layer.n * self._layer.mean**2)

    @property
    def channel_sd(self) -> np.ndarray:
        """Mean over channels of the spatial SD (ddof 0); over the units of fully connected layers. (n_rows,)."""
        if len(self._shape) > 1:
            return self._channel_sum / self._shape[0]
        return np.sqrt(self._layer.squares / max(self._layer.n, 1))


class _Moments:
    """Number, mean and sum of squares about the mean."""

    def __init__(self, n_rows: int) -> None:
        self.n, self.mean, self.squares = 0, np.zeros(n_rows), np.zeros(n_rows)

    def merge(self, n: int, mean: np.ndarray, squares: np.ndarray) -> None:
        total, step = self.n + n, mean - self.mean
        self.squares = self.squares + squares + step**2 * self.n * n / total
        self.mean = self.mean + step * n / total
        self.n = total
