"""Norm correction: decoded features shrink, so each layer is brought to the size that true features have.

Every published version moves a row x of a layer along a line, ``k · x + (1 - k) · (offset + centre)``, so that some size
of it reaches the mean of that size over reference images. They differ in the size and in the point that stays fixed:

============== ============================================ ======================================= ======================
kind           size                                         fixed point                             source
============== ============================================ ======================================= ======================
none           (uncorrected)
norm           Euclidean norm of the row                    zero                                    Shen et al. 2019, text
norm_layer     mean norm over all rows of the test          zero                                    the same, read otherwise
channel_sd     spatial SD, mean over channels               zero                                    its published scripts
grand_mean_sd  the same                                     mean of the row                         bdpy cookbook, feature_std
train_mean_sd  the same, of the row minus training mean     training mean of every unit, plus the   bdpy cookbook, its default
                                                            mean of the row minus training mean
============== ============================================ ======================================= ======================

- Shen et al. 2019 (PLOS CB, "DNN feature decoding analysis"): "multiplying them by a single scalar, so that the norm of the
  decoded vectors of individual DNN layers matched with the mean norm of the true DNN feature vectors computed from
  independent 10,000 natural images". We read: every decoded vector gets its scalar (``norm``). One scalar for all vectors
  of a layer (``norm_layer``) takes the mean over the test's rows, so its results are transductive.
- The scripts published with that paper (DeepImageReconstruction, icnn) scale the SD within channels instead, without
  centring (``channel_sd``). Fully connected layers count as one channel.
- The brain-decoding cookbook's ``feature_std`` and ``feature_std_train_mean_center`` take SDs with ddof 1. Both sides of
  the ratio have the same number of positions, so ddof cancels, and one SD serves all three kinds. Its second version,
  too, scales the *remainder* to the SD of true features themselves.

No size of a test stimulus' true features is ever used: the reference are independent images or the training stimuli.
"""

from collections.abc import Mapping

import numpy as np

from fmri2image.core.errors import ConfigError

KINDS = ("none", "norm", "norm_layer", "channel_sd", "grand_mean_sd", "train_mean_sd")
# Kinds that use statistics over the rows of a test.
TRANSDUCTIVE = ("norm_layer",)
SIZES = ("norm", "channel_sd", "mean", "residual_sd", "residual_mean")
REFERENCES = ("norm", "channel_sd")
# What of SIZES and REFERENCES each kind takes; decoded features that somebody has published may come without some.
NEEDED_SIZES = {
    "none": (),
    "norm": ("norm",),
    "norm_layer": ("norm",),
    "channel_sd": ("channel_sd",),
    "grand_mean_sd": ("channel_sd", "mean"),
    "train_mean_sd": ("residual_sd", "residual_mean"),
}
NEEDED_REFERENCES = {
    "none": (),
    "norm": ("norm",),
    "norm_layer": ("norm",),
    "channel_sd": ("channel_sd",),
    "grand_mean_sd": ("channel_sd",),
    "train_mean_sd": ("channel_sd",),
}


class RowSizes:
    """Sizes of every row of a layer, accumulated over blocks of channels.

    Parameters
    ----------
    n_rows : int

    Attributes
    ----------
    mean : array of shape (n_rows,)
        Mean over all units so far.
    """

    def __init__(self, n_rows: int) -> None:
        self.mean = np.zeros(n_rows)
        self._squares = np.zeros(n_rows)  # about the mean
        self._units = 0
        self._channel_sum = np.zeros(n_rows)
        self._channels = 0

    def add(self, features: np.ndarray) -> None:
        """Add a block of features (n_rows, channels, height, width) or (n_rows, units)."""
        features = np.asarray(features, dtype=np.float64)
        flat = features.reshape(len(features), -1)
        n, total = flat.shape[1], self._units + flat.shape[1]
        step = flat.mean(axis=1) - self.mean
        self._squares += n * flat.var(axis=1) + step**2 * self._units * n / total
        self.mean += step * n / total
        self._units = total
        if features.ndim > 2:
            self._channel_sum += features.reshape(*features.shape[:2], -1).std(axis=2).sum(axis=1)
            self._channels += features.shape[1]

    @property
    def norm(self) -> np.ndarray:
        """Euclidean norm over all units, (n_rows,)."""
        return np.sqrt(self._squares + self._units * self.mean**2)

    @property
    def channel_sd(self) -> np.ndarray:
        """Mean over channels of the spatial SD (ddof 0); over the units of fully connected layers. (n_rows,)."""
        if self._channels:
            return self._channel_sum / self._channels
        return np.sqrt(self._squares / max(self._units, 1))


def reference_sizes(sizes: RowSizes) -> dict[str, float]:
    """Return the sizes in `REFERENCES`, averaged over reference images."""
    return {"norm": float(sizes.norm.mean()), "channel_sd": float(sizes.channel_sd.mean())}


def size_table(plain: RowSizes, residual: RowSizes) -> dict[str, np.ndarray]:
    """Return the sizes in `SIZES`, arrays (n_rows,), of decoded rows and of the rows minus the training mean."""
    values = (plain.norm, plain.channel_sd, plain.mean, residual.channel_sd, residual.mean)
    return dict(zip(SIZES, values, strict=True))


def possible(sizes: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> list[str]:
    """Return the kinds whose sizes and references, columns as `factors` takes them, are all known (not NaN)."""
    return [
        kind
        for kind in KINDS
        if all(np.isfinite(sizes[name]).all() for name in NEEDED_SIZES[kind])
        and all(np.isfinite(reference[name]).all() for name in NEEDED_REFERENCES[kind])
    ]


def factors(kind: str, sizes: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return scale and offset of every row.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    sizes : mapping from the names in `SIZES` to arrays of shape (n_rows,)
        Sizes of all decoded rows of a test.
    reference : mapping from the names in `REFERENCES` to arrays of shape (n_rows,)

    Returns
    -------
    factors : array of shape (n_rows, 2)
        k and the mean that stays fixed; k is 1 where a row has no size.

    Raises
    ------
    ConfigError
        If the kind is unknown.
    """
    zero = np.zeros(len(sizes["norm"]))
    if kind == "none":
        scale, offset = zero + 1, zero
    elif kind == "norm":
        scale, offset = _ratio(reference["norm"], sizes["norm"]), zero
    elif kind == "norm_layer":
        scale, offset = _ratio(zero + np.mean(reference["norm"]), zero + np.mean(sizes["norm"])), zero
    elif kind == "channel_sd":
        scale, offset = _ratio(reference["channel_sd"], sizes["channel_sd"]), zero
    elif kind == "grand_mean_sd":
        scale, offset = _ratio(reference["channel_sd"], sizes["channel_sd"]), sizes["mean"]
    elif kind == "train_mean_sd":
        scale, offset = _ratio(reference["channel_sd"], sizes["residual_sd"]), sizes["residual_mean"]
    else:
        raise ConfigError(f"Norm correction '{kind}' is unknown; use one of {', '.join(KINDS)}.")
    return np.stack([scale, offset], axis=1)


def correct(values: np.ndarray, factors: np.ndarray, centre: np.ndarray | None = None) -> np.ndarray:
    """Apply a norm correction.

    Parameters
    ----------
    values : array of shape (n_rows, ...)
        Decoded features.
    factors : array of shape (n_rows, 2)
        From `factors`.
    centre : array of shape (...) or (n_rows, ...), optional
        Training mean of every unit; only for ``train_mean_sd``.

    Returns
    -------
    corrected : float32 array of shape (n_rows, ...)
    """
    scale, offset = np.asarray(factors, dtype=np.float32).T.reshape(2, -1, *[1] * (values.ndim - 1))
    corrected = values * scale + (1 - scale) * offset
    return corrected if centre is None else corrected + (1 - scale) * centre


def needs_centre(kind: str) -> bool:
    """Tell whether a kind keeps the training mean of every unit fixed."""
    return kind == "train_mean_sd"


def _ratio(wanted: np.ndarray, size: np.ndarray) -> np.ndarray:
    size = np.asarray(size, dtype=np.float64)
    return np.where(size > 0, wanted / np.where(size > 0, size, 1), 1.0)
