"""Ridge decoders that choose their penalties by cross-validation within the training set, with himalaya.

`ridge-cv` gives every unit one penalty. `banded-ridge` gives every unit one penalty per band of voxels (per area), found by
a seeded random search (Dupré la Tour et al. 2022, NeuroImage 264:119728): areas that say nothing about a unit are shrunk
away. Both use every voxel. Trials of one stimulus are always in the same fold, so that no score comes from a stimulus that
the decoder was fitted to. Folds, and the shares of bands that are tried, are the same for all units.

The cheaper side is solved: voxels where there are fewer voxels than trials, else trials (kernels). The matrices are
decomposed again for each block of units; larger blocks are faster.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import himalaya.backend
import numpy as np
import torch
from himalaya.kernel_ridge import (
    generate_dirichlet_samples,
    predict_weighted_kernel_ridge,
    solve_multiple_kernel_ridge_random_search,
)
from himalaya.ridge import solve_group_ridge_random_search
from sklearn.model_selection import PredefinedSplit

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.decode.decoders import Context, Decoded
from fmri2image.decode.training import Training

# A band's share of the kernel is never less: himalaya divides by it.
LEAST_SHARE = 1e-6


def fit(training: Training, settings: Mapping, context: Context) -> "CrossValidatedRidge":
    """Return the decoder ``ridge-cv`` or ``banded-ridge``.

    Parameters
    ----------
    training : Training
    settings : mapping
        ``decoder``, ``alphas`` (penalties to try; the Gram matrix is a sum over trials of z-scored voxels), ``folds``, and for
        banded ridge ``bands`` (areas; a voxel of several belongs to the first, voxels of none form a last band) and
        ``iterations`` (how many divisions of the penalty among bands are tried; the first is equal).
    context : Context
        ``bands``, ``seed`` and ``memory``.

    Raises
    ------
    ConfigError
        If voxels are to be selected, a band is unknown, or a number makes no sense.
    DataError
        If there are fewer stimuli than folds.
    """
    name, alphas = settings["decoder"], np.asarray(settings["alphas"], dtype=np.float64)
    if settings.get("n_voxels") is not None:
        raise ConfigError(f"decoder '{name}' uses every voxel, because units share its matrices; set n_voxels to null.")
    if alphas.ndim != 1 or not len(alphas) or not (np.isfinite(alphas) & (alphas > 0)).all():
        raise ConfigError(f"decoder '{name}': alphas must be positive numbers; they are {settings['alphas']}.")
    split = stimulus_folds(training.index.cpu().numpy(), settings["folds"], context.seed)
    if name == "ridge-cv":
        bands = [np.flatnonzero(training.voxel_scale.usable)]
        shares = np.ones((1, 1))
    else:
        bands = voxel_bands(settings["bands"], context.bands, training.voxel_scale.usable)
        shares = band_shares(len(bands), settings["iterations"], context.seed)
    return CrossValidatedRidge(training, alphas, split, bands, shares, context.memory)


def own_bytes(settings: Mapping, n_trials: int, n_voxels: int, n_stimuli: int, itemsize: int) -> int:
    """Return the bytes that the matrices take while penalties are searched, beside `Training` and any units."""
    n_bands = len(settings.get("bands", [])) + 1
    if n_voxels <= n_trials:
        return itemsize * 9 * n_trials * n_voxels
    return itemsize * ((3 * n_bands + 6) * n_trials**2 + n_trials * n_voxels)


def stimulus_folds(index: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Return the fold of every trial; trials of one stimulus are in one fold.

    Parameters
    ----------
    index : integer array of shape (n_trials,)
        Stimulus of each trial, 0 … n_stimuli - 1.
    n_folds : int
    seed : int

    Returns
    -------
    fold : integer array of shape (n_trials,)
        Folds hold equal numbers of stimuli, or one more.
    """
    n_stimuli = int(index.max()) + 1
    if n_folds < 2:
        raise ConfigError(f"folds must be at least 2; it is {n_folds}.")
    if n_stimuli < n_folds:
        raise DataError(f"Cross-validation in {n_folds} folds needs as many training stimuli; there are {n_stimuli}.")
    return np.random.default_rng(seed).permutation(n_stimuli)[index] % n_folds


def voxel_bands(names: Sequence[str], areas: Mapping[str, np.ndarray], usable: np.ndarray) -> list[np.ndarray]:
    """Return the usable voxels of every band, sorted, (n_bands) integer arrays; bands without any are left out."""
    unknown = [name for name in names if name not in areas]
    if unknown or not names:
        known = ", ".join(areas) or "none"
        raise ConfigError(f"bands: {', '.join(unknown) or 'none given'}; the areas of these samples are {known}.")
    free, bands = usable.copy(), []
    for name in names:
        mask = np.asarray(areas[name], dtype=bool)
        if mask.shape != usable.shape:
            raise DataError(f"Band {name} is for {mask.size} voxels; the training trials have {usable.size}.")
        bands.append(np.flatnonzero(mask & free))
        free &= ~mask
    return [band for band in [*bands, np.flatnonzero(free)] if len(band)]


def band_shares(n_bands: int, iterations: int, seed: int) -> np.ndarray:
    """Return the divisions among bands that are tried, (iterations, n_bands); the first is equal, one band needs one.

    The others are drawn from Dirichlet distributions with concentration 0.1 (few bands count) and 1 in turn, as in himalaya.
    """
    if iterations < 1:
        raise ConfigError(f"iterations must be at least 1; it is {iterations}.")
    if n_bands == 1:
        return np.ones((1, 1))
    with _backend(torch.device("cpu")):
        shares = generate_dirichlet_samples(iterations, n_bands, [0.1, 1.0], random_state=seed % 2**32)
    shares = np.maximum(np.asarray(shares, dtype=np.float64), LEAST_SHARE)
    shares[0] = 1
    return shares / shares.sum(axis=1, keepdims=True)


class CrossValidatedRidge:
    """Decoders of all units for one training set: penalties by cross-validation, intercept not penalised.

    Parameters
    ----------
    training : Training
    alphas : array of shape (n_alphas,)
        A band with share s of the kernel has the penalty alpha / s.
    fold : integer array of shape (n_trials,)
    bands : sequence of integer arrays
        Usable voxels of every band.
    shares : array of shape (n_iterations, n_bands)
    memory : int
        Bytes for the units that are solved at the same time, beside `own_bytes`.

    Notes
    -----
    The score is the mean squared error over the trials of a fold, averaged over folds. Voxels and units are scaled once,
    over the whole training set; each fold's means are its own.
    """

    def __init__(
        self,
        training: Training,
        alphas: np.ndarray,
        fold: np.ndarray,
        bands: Sequence[np.ndarray],
        shares: np.ndarray,
        memory: int,
    ) -> None:
        self.training, self.alphas, self.shares = training, alphas, shares
        self.split = PredefinedSplit(fold)
        self.bands = [torch.as_tensor(band, device=training.device) for band in bands]
        self.voxels = torch.cat(self.bands)
        self.primal = len(self.voxels) <= training.n_trials
        self._z = [training.z[:, band] for band in self.bands]
        self._kernels = None if self.primal else torch.stack([z @ z.T for z in self._z])
        self._memory = memory

    def predict(
        self, features: np.ndarray, tests: Sequence[np.ndarray], true: Sequence[np.ndarray] | None = None
    ) -> Decoded:
        """Fit the decoders of some units and predict them for test responses; see `decoders.Decoder`.

        Weights are given where voxels were solved for; computing them from trials would cost more than the fit.
        """
        training = self.training
        targets = training.targets(features)
        z_tests = torch.cat([training.standardise(test) for test in tests])
        n_units = targets.rows.shape[1]
        values = np.empty((len(z_tests), n_units))
        weights = np.zeros((n_units, training.n_voxels), dtype=np.float32) if self.primal else None
        penalties = np.empty((n_units, len(self.bands)), dtype=np.float32)
        intercept = np.empty(n_units, dtype=np.float32)
        solve = self._solve_voxels if self.primal else self._solve_trials
        step = self._units_at_once(len(z_tests))
        with _backend(training.device):
            for start in range(0, n_units, step):
                units = slice(start, min(start + step, n_units))
                deltas, coefficients, offset, predicted = solve(targets.rows[training.index, units], z_tests)
                values[:, units] = predicted.cpu().numpy()
                penalties[units] = torch.exp(-deltas).T.cpu().numpy()
                intercept[units] = offset.cpu().numpy()
                if weights is not None:
                    weights[units, self.voxels.cpu().numpy()] = coefficients.T.cpu().numpy()
        lengths = np.cumsum([len(test) for test in tests])[:-1]
        decoded = [targets.restore(part) for part in np.split(values, lengths)]
        return Decoded(decoded, weights=weights, intercept=intercept, penalties=penalties)

    def _solve_voxels(self, y: torch.Tensor, tests: torch.Tensor) -> tuple[torch.Tensor, ...]:
        deltas, weights, _, intercept = solve_group_ridge_random_search(
            self._z, y, return_weights=True, warn=False, **self._search(y)
        )
        weights, intercept = weights.to(y.device), intercept.to(y.device)
        return deltas, weights, intercept, tests[:, self.voxels] @ weights + intercept

    def _solve_trials(self, y: torch.Tensor, tests: torch.Tensor) -> tuple[torch.Tensor, ...]:
        deltas, dual, _, intercept = solve_multiple_kernel_ridge_random_search(
            self._kernels, y, return_weights="dual", **self._search(y)
        )
        kernels = torch.stack([tests[:, band] @ z.T for band, z in zip(self.bands, self._z, strict=True)])
        dual, intercept = dual.to(y.device), intercept.to(y.device)
        return deltas, dual, intercept, predict_weighted_kernel_ridge(kernels, dual, deltas, intercept=intercept)

    def _search(self, y: torch.Tensor) -> dict:
        return {
            "n_iter": torch.as_tensor(self.shares, dtype=y.dtype, device=y.device),
            "alphas": torch.as_tensor(self.alphas, dtype=y.dtype, device=y.device),
            "cv": self.split,
            "fit_intercept": True,
            "n_alphas_batch": 1,  # the matrices of all alphas at once would need n_alphas times the memory
            "progress_bar": False,
        }

    def _units_at_once(self, n_test: int) -> int:
        side = len(self.voxels) if self.primal else self.training.n_trials
        scores = len(self.alphas) * (self.split.get_n_splits() + 2) + len(self.shares)
        per_unit = 5 * self.training.n_trials + 4 * side + 3 * n_test + scores
        return max(1, self._memory // (per_unit * self.training.z.element_size()))


@contextmanager
def _backend(device: torch.device) -> Iterator[None]:
    """Let himalaya compute on a device; its backend is global, so the one before comes back."""
    before = himalaya.backend.get_backend().name
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="himalaya")  # that float64 is slower on a GPU
        try:
            himalaya.backend.set_backend("torch_cuda" if device.type == "cuda" else "torch")
            yield
        finally:
            himalaya.backend.set_backend(before)
