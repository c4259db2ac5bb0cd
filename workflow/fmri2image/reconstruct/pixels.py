"""Direct pixel decoding: ridge regression from voxels to the contrast of each image patch, the plainest baseline.

In the spirit of the single-scale decoders of Miyawaki et al. 2008 (Neuron 60:915), with one ridge regression for all
pixels of a coarse image.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from fmri2image.core.arrays import LabelledArray, row_index
from fmri2image.core.images import resize
from fmri2image.core.samples import Samples
from fmri2image.reconstruct.interface import Reconstructions


@dataclass(frozen=True)
class Settings:
    """Settings of direct pixel decoding.

    Parameters
    ----------
    alpha : float
        Ridge penalty.
    size : int
        Pixels along each side of the decoded image.
    standardise : bool
        Whether voxels are z-scored by the training trials; not for data that come z-scored.
    """

    alpha: float
    size: int
    standardise: bool


def fit(train: Samples, stimuli: LabelledArray, settings: Mapping, device: torch.device) -> dict[str, np.ndarray]:
    """Learn the map from voxels to pixels.

    Parameters
    ----------
    train : Samples
        Training trials; the column ``stimulus`` names the image of each.
    stimuli : LabelledArray, values of shape (n_stimuli, 3, height, width)
        RGB in [0, 1].
    settings : mapping
        Fields of `Settings`.
    device : torch.device
        Not used: a few hundred pixels are fitted in milliseconds.

    Returns
    -------
    state : dict
        ``weights`` (n_voxels, 3·size²), ``intercept`` (3·size²,), ``mean`` and ``scale`` (n_voxels,).
    """
    options = Settings(**settings)
    shown = row_index(stimuli.rows, [str(name) for name in train.trials["stimulus"]], "The trial table")
    images = resize(stimuli.values, options.size)[shown]
    scaler = StandardScaler(with_mean=options.standardise, with_std=options.standardise).fit(train.data)
    ridge = Ridge(alpha=options.alpha).fit(scaler.transform(train.data), images.reshape(len(images), -1))
    return {
        "weights": ridge.coef_.T.astype(np.float32),
        "intercept": ridge.intercept_.astype(np.float32),
        "mean": scaler.mean_.astype(np.float32) if options.standardise else np.zeros(train.data.shape[1], np.float32),
        "scale": scaler.scale_.astype(np.float32) if options.standardise else np.ones(train.data.shape[1], np.float32),
    }


def reconstruct(test: LabelledArray, state: Mapping, settings: Mapping, device: torch.device) -> Reconstructions:
    """Decode the pixels of test rows; values may leave [0, 1], whoever displays them clips.

    Parameters
    ----------
    test : LabelledArray, values of shape (n_rows, n_voxels)
        Responses of averaged or single trials, see `fmri2image.core.splits.test_rows`.
    state : mapping
        What `fit` returned.
    settings : mapping
        Fields of `Settings`.
    device : torch.device

    Returns
    -------
    Reconstructions
        Images of shape (n_rows, 3, size, size).
    """
    options = Settings(**settings)
    z = (test.values - np.asarray(state["mean"])) / np.asarray(state["scale"])
    flat = z @ np.asarray(state["weights"]) + np.asarray(state["intercept"])
    return Reconstructions(LabelledArray(flat.reshape(len(flat), 3, options.size, options.size), test.rows))
