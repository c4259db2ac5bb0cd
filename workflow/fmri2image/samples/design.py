"""Design of the general linear model of one run: a column per presentation or stimulus, and everything else that evokes."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from nilearn.glm.first_level import compute_regressor, make_first_level_design_matrix

from fmri2image.core.errors import ConfigError, DataError
from fmri2image.samples.events import CUE, EVALUATION, IMAGERY, REPETITION, STIMULUS

TRIAL = "trial"
ORDINARY, AUTOREGRESSIVE = "ols", "ar1"
AUTO = "auto"
RESPONSES = ("spm", "spm + derivative", "glover", "glover + derivative")
BINS = 100  # of the autocorrelation, as in nilearn


@dataclass(frozen=True)
class GlmSettings:
    """Settings of the general linear model of a run.

    Parameters
    ----------
    rows : {"trial", "stimulus"}
        One beta per presentation; or one per stimulus and run, whose presentations share a regressor.
    hrf : {"spm", "glover", "spm + derivative", "glover + derivative"}
        Haemodynamic response. With a derivative each regressor gets a second column, which takes up small delays.
    noise_model : {"ar1", "ols"}
        Autoregressive noise of order 1, estimated for every voxel; or independent noise.
    high_pass : float, optional
        Drifts of this and longer periods, in seconds, are columns of the design; None leaves only the mean.
    separate : bool
        Least squares separate (Mumford et al. 2012): a model per row, in which all other rows share one regressor.
    ridge : float or "auto"
        Strength of a penalty on the squared betas of the rows; nuisance columns are free. A block that stands alone is
        shrunk to 1 / (1 + ridge) of its plain beta. 0 is the plain model; ``auto`` chooses per run by generalised
        cross-validation over its volumes, all voxels together; the names of stimuli play no part.

    Raises
    ------
    ConfigError
        If a value is unknown or two contradict each other.
    """

    rows: str = TRIAL
    hrf: str = "spm"
    noise_model: str = AUTOREGRESSIVE
    high_pass: float | None = 128.0
    separate: bool = False
    ridge: float | str = 0.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        known = {"rows": (TRIAL, "stimulus"), "hrf": RESPONSES, "noise_model": (AUTOREGRESSIVE, ORDINARY)}
        for key, values in known.items():
            if getattr(self, key) not in values:
                raise ConfigError(f"samples: glm: {key} is '{getattr(self, key)}'; it can be {', '.join(values)}.")
        if self.high_pass is not None and not self.high_pass > 0:
            raise ConfigError(f"samples: glm: high_pass is {self.high_pass}; it is a period in seconds, or null.")
        if self.ridge != AUTO and not (isinstance(self.ridge, int | float) and self.ridge >= 0):
            raise ConfigError(f"samples: glm: ridge is '{self.ridge}'; it is a number of at least 0, or {AUTO}.")
        if self.separate and self.ridge != 0:
            raise ConfigError("samples: glm: separate and ridge are two remedies for one problem; choose one of them.")
        if "derivative" in self.hrf and (self.separate or self.ridge != 0):
            raise ConfigError("samples: glm: separate and ridge need an hrf without derivative; set hrf: spm.")


@dataclass(frozen=True)
class BlockDesign:
    """Design of one run.

    Parameters
    ----------
    rows : array of shape (T, B)
        Regressors whose betas are wanted.
    nuisance : array of shape (T, K)
        Orthonormal columns that span everything else: mean, drifts, confounds, derivatives, one-back repetitions, cues,
        evaluations, and stimuli that were left out.
    row_of_block : int array of shape (n_blocks,)
    """

    rows: np.ndarray
    nuisance: np.ndarray
    row_of_block: np.ndarray

    @property
    def inflation(self) -> np.ndarray:
        """Noise variance of each beta (B,), relative to a block that stands alone in the run; infinite if undetermined.

        White noise and the plain model of all rows together are assumed.
        """
        free = residual(self.rows, self.nuisance)
        alone = np.square(self.rows - self.rows.mean(axis=0)).sum(axis=0)
        length = np.linalg.norm(free, axis=0)
        # A row that the nuisance columns span leaves rounding errors, which scaling to unit length would hide.
        spanned = length**2 <= 1e-12 * alone
        if len(length) and (spanned.any() or _rank(free) < len(length)):
            return np.full(len(length), np.inf)
        unit = free / length
        return alone / length**2 * np.diag(np.linalg.inv(unit.T @ unit))


def block_design(
    blocks: pd.DataFrame,
    events: pd.DataFrame,
    times: np.ndarray,
    confounds: np.ndarray | None,
    settings: GlmSettings,
) -> BlockDesign:
    """Make the design of a run; the arguments are those of `block_betas`.

    Raises
    ------
    DataError
        If a block evokes nothing in the volumes.
    """
    times = np.asarray(times, dtype=float)
    if settings.rows == TRIAL:
        row_of_block = np.arange(len(blocks))
    else:
        row_of_block = pd.factorize(blocks["kind"].astype(str) + " " + blocks["stimulus_name"].astype(str))[0]
    shown = blocks[["onset", "duration"]].assign(trial_type=[f"row_{row:05d}" for row in row_of_block])
    rows, delays = regressors(shown, times, settings.hrf)
    beside = [*regressors(other_events(blocks, events), times, settings.hrf), delays, drifts(times, settings.high_pass)]
    if confounds is not None:
        beside.append(np.asarray(confounds, dtype=float))
    silent = np.abs(rows).max(axis=0, initial=0.0) < 1e-6
    if silent.any():
        onset = blocks["onset"].to_numpy()[row_of_block == np.flatnonzero(silent)[0]][0]
        raise DataError(
            f"The block at {onset:g} s evokes nothing in the volumes, which reach from {times[0]:g} to {times[-1]:g} s; "
            "leave it out (samples: incomplete_trials: drop)."
        )
    return BlockDesign(rows, orthonormal(np.hstack(beside)), row_of_block)


def other_events(blocks: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """Return the events that evoke a response but are not rows, as ``onset``, ``duration`` and ``trial_type``.

    One-back repetitions, cues, evaluations, and stimuli that `blocks` leaves out: each kind shares one regressor.
    """
    evoking = events[events["event"].isin([STIMULUS, REPETITION, CUE, IMAGERY, EVALUATION])]
    rows = evoking["event"].isin([STIMULUS, IMAGERY]) & evoking["onset"].isin(blocks["onset"])
    return evoking.loc[~rows, ["onset", "duration"]].assign(
        trial_type="other_" + evoking.loc[~rows, "event"].astype(str)
    )


def regressors(events: pd.DataFrame, times: np.ndarray, hrf: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what each kind of event evokes, by nilearn: a column per sorted ``trial_type``, and its derivatives.

    The parts of nilearn's design are put together here, because its own function changes a design that is singular.

    Returns
    -------
    evoked, derivatives : arrays of shape (T, n_kinds) and (T, n_kinds or 0)
    """
    parts = [
        compute_regressor(kind[["onset", "duration"]].assign(amplitude=1.0).to_numpy(dtype=float).T, hrf, times)[0]
        for _, kind in events.groupby("trial_type")
    ]
    columns = np.stack(parts, axis=-1) if parts else np.empty((len(times), 1, 0))
    return columns[:, 0], columns[:, 1:].reshape(len(times), -1)


def drifts(times: np.ndarray, high_pass: float | None) -> np.ndarray:
    """Return nilearn's cosines of `high_pass` seconds and longer, if any, and the mean, (T, K)."""
    if high_pass is None:
        return np.ones((len(times), 1))
    return make_first_level_design_matrix(times, drift_model="cosine", high_pass=1 / high_pass).to_numpy()


def orthonormal(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis (T, rank) of columns (T, K) of any scale; constant or dependent ones do no harm."""
    length = np.linalg.norm(columns, axis=0)
    columns = columns[:, length > 0] / length[length > 0]
    basis, strength, _ = np.linalg.svd(columns, full_matrices=False)
    return basis[:, strength > 1e-8 * strength.max(initial=0.0)]


def residual(values: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return what an orthonormal basis (T, K) leaves of values (T, V)."""
    return values - basis @ (basis.T @ values)


def whiten(values: np.ndarray, autocorrelation: float) -> np.ndarray:
    """Remove autoregression of order 1 from time courses (T, V), as nilearn does."""
    white = np.array(values, dtype=float)
    white[1:] -= autocorrelation * values[:-1]
    return white


def autocorrelation(residuals: np.ndarray) -> np.ndarray:
    """Return the autocorrelation (V,) of residuals (T, V) at lag 1 (Yule-Walker), cut to hundredths as in nilearn."""
    power = np.square(residuals).sum(axis=0)
    products = (residuals[1:] * residuals[:-1]).sum(axis=0)
    return np.trunc(BINS * np.divide(products, power, out=np.zeros_like(power), where=power > 0)) / BINS


def _rank(columns: np.ndarray) -> int:
    length = np.linalg.norm(columns, axis=0)
    return int(np.linalg.matrix_rank(columns[:, length > 0] / length[length > 0], tol=1e-7)) if len(length) else 0
