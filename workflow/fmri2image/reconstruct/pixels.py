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

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.images import resize
from fmri2image.core.samples import Samples
from fmri2image.core.splits import test_rows
from fmri2image.reconstruct.interface import Reconstructions


@dataclass(frozen=True)
class Settings:
    """Settings of direct pixel decoding.

    Parameters
    ----------
    alpha : float
        Ridge penalty on z-scored voxels.
    size : int
        Pixels along each side of the decoded image.
    rows : {"stimulus", "trial"}
        What one test row is; given by the test, not by the user.
    """

    alpha: float
    size: int
    rows: str = "stimulus"


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
    images = resize(stimuli.take([str(name) for name in train.trials["stimulus"]]).values, options.size)
    scaler = StandardScaler().fit(train.data)
    ridge = Ridge(alpha=options.alpha).fit(scaler.transform(train.data), images.reshape(len(images), -1))
    return {
        "weights": ridge.coef_.T.astype(np.float32),
        "intercept": ridge.intercept_.astype(np.float32),
        "mean": scaler.mean_.astype(np.float32),
        "scale": scaler.scale_.astype(np.float32),
    }


def reconstruct(test: Samples, state: Mapping, settings: Mapping, device: torch.device) -> Reconstructions:
    """Decode the pixels of test rows; values are clipped to [0, 1] by whoever displays them, not here.

    Parameters
    ----------
    test : Samples
    state : mapping
        What `fit` returned.
    settings : mapping
    device : torch.device

    Returns
    -------
    Reconstructions
        Images of shape (n_rows, 3, size, size).
    """
    options = Settings(**settings)
    responses, rows = test_rows(test, options.rows)
    z = (responses - state["mean"]) / state["scale"]
    flat = z @ state["weights"] + state["intercept"]
    return Reconstructions(LabelledArray(flat.reshape(len(flat), 3, options.size, options.size), rows))


