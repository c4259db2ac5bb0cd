"""Norm correction: decoded features shrink, so each layer is scaled to the size that true features have.

Shen et al. 2019 (PLOS CB, "Reconstruction from a single image", norm-correction) fix one number per layer, the mean
norm of true features; the published scripts scale the standard deviation within channels instead. Both are here; the
reference statistic is always over training stimuli (or other images that are not tested), never over test stimuli.
"""

from collections.abc import Sequence

import numpy as np

from fmri2image.core.errors import ConfigError

KINDS = ("none", "norm", "channel_sd")


def layer_size(features: np.ndarray, kind: str) -> np.ndarray:
    """Return the size of each row of a layer's features.

    Parameters
    ----------
    features : array of shape (n_rows, channels, height, width) or (n_rows, units)
    kind : {"none", "norm", "channel_sd"}
        ``norm``: Euclidean norm over all units (the paper's text). ``channel_sd``: mean over channels of the spatial
        standard deviation, ddof 0; over units for fully connected layers (the published scripts).

    Returns
    -------
    size : array of shape (n_rows,)
    """
    features = np.asarray(features, dtype=np.float64)
    flat = features.reshape(len(features), -1)
    if kind == "none":
        return np.ones(len(features))
    if kind == "norm":
        return np.linalg.norm(flat, axis=1)
    if kind == "channel_sd":
        if features.ndim == 2:
            return flat.std(axis=1)
        return features.reshape(*features.shape[:2], -1).std(axis=2).mean(axis=1)
    raise ConfigError(f"Norm correction '{kind}' is unknown; use one of {', '.join(KINDS)}.")


def combine_sizes(parts: Sequence[np.ndarray], channels: Sequence[int], kind: str) -> np.ndarray:
    """Combine `layer_size` of blocks of channels into the size (n_rows,) of the whole layer.

    Parameters
    ----------
    parts : sequence of arrays of shape (n_rows,)
        One per block.
    channels : sequence of int
        Channels in each block.
    kind : str
    """
    stacked = np.array(parts)
    if kind == "norm":
        return np.sqrt((stacked**2).sum(0))
    return np.average(stacked, axis=0, weights=channels)


def correction_scale(size: np.ndarray, reference_size: float, kind: str) -> np.ndarray:
    """Return the factor that brings rows of `size` (n_rows,) to `reference_size`; 1 where a row is all zero."""
    if kind == "none":
        return np.ones(len(size))
    return np.where(size > 0, reference_size / np.where(size > 0, size, 1), 1.0)
