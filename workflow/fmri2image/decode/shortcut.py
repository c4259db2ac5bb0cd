"""Two baselines that predict features as weighted sums of training features, for all units with the same few weights.

A linear decoder without selection of voxels can only give such sums, whatever the brain says (Otsuka, Nagano & Kamitani
2025, arXiv 2509.15832).

- ``one-hot``, the "brain prediction" of that paper: one ridge regression from voxels to *which training stimulus it was*
  (one column per stimulus, 1 for the stimulus of the trial), and its predictions are the weights. Because ridge regression
  is linear in its targets, this equals ridge regression of every unit on all voxels with the same alpha, at the cost
  of a product of two matrices.
- ``best-prediction``: the sum that comes nearest to the true features of the test. No such decoder can do better, and its
  error says how much of the features the training stimuli cannot express. It reads the true features of the test: it is
  no decoder of brains, and its results are flagged transductive.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode.decoders import Context, Decoded
from fmri2image.decode.training import Training


def fit(training: Training, settings: Mapping, context: Context) -> "OneHot | BestPrediction":
    """Return the decoder ``one-hot`` (setting ``alpha``; 1000 in the published scripts) or ``best-prediction``."""
    return OneHot(training, settings["alpha"]) if settings["decoder"] == "one-hot" else BestPrediction(training)


def own_bytes(settings: Mapping, n_trials: int, n_voxels: int, n_stimuli: int, itemsize: int) -> int:
    """Return the bytes that a decoder takes while it is made, beside `Training` and any units; all in float64."""
    if settings["decoder"] == "best-prediction":
        return 8 * 4 * n_stimuli**2
    side = min(n_trials, n_voxels)
    double = n_trials * n_voxels + 2 * side**2 + 2 * (n_trials + n_voxels) * n_stimuli
    return itemsize * n_trials * n_voxels + 8 * double


class OneHot:
    """Ridge regression from voxels to the identity of training stimuli; the predicted identities weigh their features.

    Parameters
    ----------
    training : Training
    alpha : float

    Attributes
    ----------
    weights : float64 tensor of shape (n_voxels, n_stimuli)
        From standardised voxels to identities.
    intercept : float64 tensor of shape (n_stimuli,)

    Notes
    -----
    As in the published scripts: single trials on z-scored voxels, one-hot targets as they are (neither centred nor scaled),
    an intercept without penalty. The targets of every trial sum to 1, hence the predicted identities do so, too, and it
    makes no difference whether they weigh standardised features or features as they are. The scripts' SDs have ddof 0.
    """

    def __init__(self, training: Training, alpha: float) -> None:
        if not alpha > 0:
            raise ConfigError(f"decoder 'one-hot': alpha must be positive; it is {alpha}.")
        self.training = training
        usable = torch.as_tensor(training.voxel_scale.usable, device=training.device)
        z = training.z[:, usable].to(torch.float64)  # a copy
        mean = z.mean(dim=0)
        z -= mean
        share = torch.as_tensor(training.counts, device=training.device) / training.n_trials
        identity = torch.eye(len(share), dtype=torch.float64, device=training.device)[training.index]
        primal = z.shape[1] <= z.shape[0]
        gram = z.T @ z if primal else z @ z.T
        gram.diagonal().add_(alpha)
        factor = torch.linalg.cholesky(gram)
        found = torch.cholesky_solve(z.T @ identity if primal else identity, factor)
        found = found if primal else z.T @ found
        self.weights = torch.zeros((training.n_voxels, len(share)), dtype=torch.float64, device=training.device)
        self.weights[usable] = found
        self.intercept = share - mean @ found

    def identities(self, test: np.ndarray) -> torch.Tensor:
        """Return the predicted identities (n_test, n_stimuli) of test responses; every row sums to 1."""
        return self.training.standardise(test).to(torch.float64) @ self.weights + self.intercept

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Predict units for test responses; see `decoders.Decoder`. Voxel weights of units are never computed."""
        targets = self.training.targets(features)
        predicted = [self.identities(test).to(targets.rows.dtype) @ targets.rows for test in tests]
        return Decoded([targets.restore(p.cpu().numpy()) for p in predicted])


class BestPrediction:
    """Projection of standardised true test features on the span of the standardised training features of a layer.

    Parameters
    ----------
    training : Training

    Notes
    -----
    A `decoders.TwoPassDecoder`: its weights need products of stimuli over all units of the layer, gathered block by block
    in float64. Units that are not usable take no part. The published scripts project all layers at once, so that each
    stimulus has one set of weights in which the large first layers count most; here every layer is projected for
    itself, and is therefore met at least as well.
    """

    passes = 2

    def __init__(self, training: Training) -> None:
        self.training = training
        self.start()

    def start(self) -> None:
        """Forget what was observed: a new layer begins."""
        n = len(self.training.counts)
        self._gram = torch.zeros((n, n), dtype=torch.float64, device=self.training.device)
        self._met: list[torch.Tensor] | None = None
        self._weights: list[torch.Tensor] | None = None

    def observe(self, features: np.ndarray, true: Sequence[np.ndarray]) -> None:
        """Take in a block of units; see `decoders.TwoPassDecoder`."""
        targets = self.training.targets(features)
        rows, apply = targets.exact_rows, targets.scale.apply
        met = [rows @ torch.as_tensor(apply(test), device=rows.device).T for test in true]
        self._gram += rows @ rows.T
        self._met = met if self._met is None else [old + new for old, new in zip(self._met, met, strict=True)]
        self._weights = None

    @property
    def weights(self) -> list[torch.Tensor]:
        """Weights of training stimuli, (n_test, n_stimuli) per test."""
        if self._met is None:
            raise DataError("Decoder 'best-prediction' must observe all units of a layer before it predicts them.")
        if self._weights is None:
            inverse = torch.linalg.pinv(self._gram, hermitian=True)
            self._weights = [(inverse @ met).T for met in self._met]
        return self._weights

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Project the observed tests on some units; responses and true features are not read again."""
        if [len(test) for test in tests] != [len(weights) for weights in self.weights]:
            raise DataError("Decoder 'best-prediction' can predict only the tests whose true features it has observed.")
        targets = self.training.targets(features)
        predicted = [weights.to(targets.rows.dtype) @ targets.rows for weights in self.weights]
        return Decoded([targets.restore(p.cpu().numpy()) for p in predicted])
