"""A decoder for tests: one ridge regression per unit on its own voxels, in numpy, one unit after the other."""

import numpy as np

from fmri2image.decode.decoders import Decoded


def plain_ridge(
    x: np.ndarray, y: np.ndarray, tests: list[np.ndarray], alpha: float, n_voxels: int | None
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Return predictions, chosen voxels and weights of one unit from trials (n_trials, n_voxels) and its values (n_trials,).

    Voxels are z-scored (ddof 1), the unit is centred; the weights hold for the z-scored voxels and the centred unit.
    """
    mean, sd = x.mean(0), x.std(0, ddof=1)
    z, target = (x - mean) / sd, y - y.mean()
    chosen = np.sort(np.argsort(-np.abs(z.T @ target), kind="stable")[: n_voxels or x.shape[1]])
    weights = np.linalg.solve(z[:, chosen].T @ z[:, chosen] + alpha * np.eye(len(chosen)), z[:, chosen].T @ target)
    return [((test - mean) / sd)[:, chosen] @ weights + y.mean() for test in tests], chosen, weights


class PlainDecoder:
    """The same for all units of a training set, behind the interface of `fmri2image.decode.decoders`."""

    def __init__(self, training, settings, context=None):
        self.training, self.settings = training, settings

    def predict(self, features, tests, true=None):
        """Fit and predict; units that are constant or damaged have no voxels."""
        targets = self.training.targets(features)
        z, k = self.training.z.double().numpy(), self.settings["n_voxels"]
        rows = targets.rows.double().numpy()[self.training.index.numpy()]
        responses = [self.training.standardise(test).double().numpy() for test in tests]
        size = k or z.shape[1]
        chosen = np.full((features.shape[1], size), -1, dtype=np.int32)
        weights = np.zeros((features.shape[1], size), dtype=np.float32)
        intercept = rows.mean(0).astype(np.float32)
        values = [np.zeros((len(test), features.shape[1])) for test in tests]
        for unit in np.flatnonzero(targets.scale.usable):
            target = rows[:, unit] - rows[:, unit].mean()
            mine = np.sort(np.argsort(-np.abs(z.T @ target), kind="stable")[:size])
            gram = z[:, mine].T @ z[:, mine] + self.settings["alpha"] * np.eye(size)
            chosen[unit], weights[unit] = mine, np.linalg.solve(gram, z[:, mine].T @ target)
            for value, response in zip(values, responses, strict=True):
                value[:, unit] = response[:, mine] @ weights[unit].astype(float) + intercept[unit]
        restored = [targets.restore(value) for value in values]
        return Decoded(restored, chosen if k else None, weights, intercept)
