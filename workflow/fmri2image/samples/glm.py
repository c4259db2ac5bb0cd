"""Responses from a general linear model of one run: one beta per presentation, or one per stimulus.

The event-related alternative to averages over blocks, as in Güçlütürk et al. 2017 and for the test images of Mozafari et
al. 2020. The design and the plain fit are nilearn's. Where blocks follow each other without rest, plain betas of single
blocks are unstable: each trades signal with its neighbours, and all of them together look like a slow drift. Two remedies
are offered: a model per block (Mumford et al. 2012, NeuroImage 59:2636) and ridge regression.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from nilearn.glm.first_level import run_glm

from fmri2image.core.errors import DataError
from fmri2image.samples.design import (
    AUTO,
    BINS,
    ORDINARY,
    TRIAL,
    BlockDesign,
    GlmSettings,
    autocorrelation,
    block_design,
    orthonormal,
    residual,
    whiten,
)

__all__ = ["TRIAL", "BlockBetas", "GlmSettings", "block_betas", "choose_ridge"]

log = logging.getLogger(__name__)

# Noise variance of a beta, relative to that of a block which stands alone: above it the run's betas deserve a warning.
MOST_INFLATION = 10.0
STRENGTHS = np.logspace(-2, 2, 25)  # tried for ridge: auto


@dataclass(frozen=True)
class BlockBetas:
    """Betas of one run.

    Parameters
    ----------
    betas : array of shape (B, V), float64
        In units of the signal: the response that an endless block would reach. NaN in voxels whose signal is not finite.
    row_of_block : int array of shape (n_blocks,)
        Row of `betas` to which each block belongs; rows are in the order in which they first appear.
    """

    betas: np.ndarray
    row_of_block: np.ndarray

    @property
    def first_blocks(self) -> np.ndarray:
        """Position of the first block of every row (B,), for its entry in the trial table."""
        return np.unique(self.row_of_block, return_index=True)[1]

    @property
    def n_blocks(self) -> np.ndarray:
        """Number of blocks that share each row (B,)."""
        return np.bincount(self.row_of_block)


def block_betas(
    signal: np.ndarray,
    blocks: pd.DataFrame,
    events: pd.DataFrame,
    times: np.ndarray,
    confounds: np.ndarray | None,
    settings: GlmSettings | None = None,
    name: str = "The run",
) -> BlockBetas:
    """Fit the general linear model of one run.

    Parameters
    ----------
    signal : array of shape (T, V)
        Kept volumes; trends and confounds need not be removed before.
    blocks : DataFrame
        From `events.stimulus_blocks`, without those that were left out. An imagery block begins with the imagery.
    events : DataFrame
        All events of the run, from `events.read_events`.
    times : array of shape (T,)
        Seconds from the start of the scan to the moment that each volume stands for.
    confounds : array of shape (T, K), optional
        Further columns of the design: motion, a linear trend, ...
    settings : GlmSettings, optional
    name : str
        What the run is called in a warning.

    Returns
    -------
    betas : BlockBetas

    Raises
    ------
    DataError
        If the design does not determine the betas.
    """
    settings = settings or GlmSettings()
    design = block_design(blocks, events, times, confounds, settings)
    plain = settings.ridge == 0 and not settings.separate
    if plain:
        _check_determined(design, blocks, name)
    signal = np.asarray(signal, dtype=float)
    betas = np.full((design.rows.shape[1], signal.shape[1]), np.nan)
    finite = np.isfinite(signal).all(axis=0)
    betas[:, finite] = 0.0
    usable = finite.copy()
    usable[finite] = np.ptp(signal[:, finite], axis=0) > 0
    if usable.any() and len(betas):
        fit = _plain if plain else _separate if settings.separate else _ridge
        betas[:, usable] = fit(signal[:, usable], design, settings)
    return BlockBetas(betas, design.row_of_block)


def _check_determined(design: BlockDesign, blocks: pd.DataFrame, name: str) -> None:
    """Stop where betas are not determined, and warn where noise is blown up."""
    inflation = design.inflation
    if not len(inflation):
        return
    n_volumes, n_rows = design.rows.shape
    n_other = design.nuisance.shape[1]
    if np.isinf(inflation).any():
        raise DataError(
            f"The general linear model has {n_rows} betas of {len(blocks)} blocks beside {n_other} other columns for "
            f"{n_volumes} volumes and does not determine them; set samples: glm: ridge: auto, rows: stimulus or fewer "
            "confounds."
        )
    if np.median(inflation) > MOST_INFLATION:
        log.warning(
            "%s: noise in the betas of its %d rows has %.0f times the variance that blocks with rest around them would have; "
            "set samples: glm: ridge: auto, or average blocks.",
            name,
            n_rows,
            np.median(inflation),
        )


def _plain(signal: np.ndarray, design: BlockDesign, settings: GlmSettings) -> np.ndarray:
    """Fit all rows in one model, nilearn's fit."""
    n_rows = design.rows.shape[1]
    labels, results = run_glm(signal, np.hstack([design.rows, design.nuisance]), settings.noise_model, bins=BINS)
    betas = np.empty((n_rows, signal.shape[1]))
    for label, result in results.items():
        betas[:, labels == label] = result.theta[:n_rows]
    return betas


def _separate(signal: np.ndarray, design: BlockDesign, settings: GlmSettings) -> np.ndarray:
    """Fit a model per row, solved in closed form: two regressors remain once the nuisance is projected out.

    The noise model is that of one regressor for all rows, from which the models differ by one column each.
    """

    def solve(rows: np.ndarray, signal: np.ndarray) -> np.ndarray:
        others = rows.sum(axis=1, keepdims=True) - rows
        own, shared, cross = (rows**2).sum(axis=0), (others**2).sum(axis=0), (rows * others).sum(axis=0)
        determinant = own * shared - cross**2
        # A row alone, or one that equals all others together, keeps the simple regression.
        pair = determinant > 1e-9 * own * np.maximum(shared, own)
        shared, cross = np.where(pair, shared, 1.0), np.where(pair, cross, 0.0)
        determinant = np.where(pair, determinant, own)
        return (shared[:, None] * (rows.T @ signal) - cross[:, None] * (others.T @ signal)) / determinant[:, None]

    together = orthonormal(np.hstack([design.nuisance, design.rows.sum(axis=1, keepdims=True)]))
    return _by_noise(signal, design, residual(signal, together), settings, solve)


def _ridge(signal: np.ndarray, design: BlockDesign, settings: GlmSettings) -> np.ndarray:
    """Fit all rows in one model with a penalty on their squared betas."""
    rows, free = residual(design.rows, design.nuisance), residual(signal, design.nuisance)
    strength = settings.ridge
    if strength == AUTO:
        strength = choose_ridge(rows, free, len(signal) - design.nuisance.shape[1])
        log.info("Ridge strength %.3g by generalised cross-validation.", strength)

    def solve(rows: np.ndarray, signal: np.ndarray) -> np.ndarray:
        left, size, right = np.linalg.svd(rows, full_matrices=False)
        penalty = strength * np.square(size).sum() / rows.shape[1]
        return right.T @ ((size / (size**2 + penalty))[:, None] * (left.T @ signal))

    return _by_noise(signal, design, free - rows @ solve(rows, free), settings, solve)


def choose_ridge(rows: np.ndarray, signal: np.ndarray, n_free: int) -> float:
    """Choose the strength of ridge regression by generalised cross-validation (Golub et al. 1979, Technometrics 21:215).

    Parameters
    ----------
    rows : array of shape (T, B)
    signal : array of shape (T, V)
        Both without what the nuisance columns explain.
    n_free : int
        Volumes less nuisance columns.

    Returns
    -------
    strength : float
        In units of the mean squared length of the rows, see `GlmSettings`.
    """
    left, size, _ = np.linalg.svd(rows, full_matrices=False)
    explained = np.square(left.T @ signal)
    outside = np.maximum(np.square(signal).sum(axis=0) - explained.sum(axis=0), 0.0)
    scores = []
    for strength in STRENGTHS:
        penalty = strength * np.square(size).sum() / rows.shape[1]
        lost = penalty / (size**2 + penalty)
        error = outside + np.square(lost) @ explained
        # Voxels count equally, whatever their noise: the logarithm is averaged.
        scores.append(np.log(error).mean() - 2 * np.log(n_free - (1 - lost).sum()))
    return float(STRENGTHS[int(np.argmin(scores))])


def _by_noise(
    signal: np.ndarray,
    design: BlockDesign,
    residuals: np.ndarray,
    settings: GlmSettings,
    solve: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Solve for groups of voxels with equal noise, whitened and freed of nuisance; `residuals` (T, V) tell the noise."""
    betas = np.empty((design.rows.shape[1], signal.shape[1]))
    for rho, voxels in _noise_groups(residuals, settings):
        nuisance = orthonormal(whiten(design.nuisance, rho))
        rows, values = whiten(design.rows, rho), whiten(signal[:, voxels], rho)
        betas[:, voxels] = solve(residual(rows, nuisance), residual(values, nuisance))
    return betas


def _noise_groups(residuals: np.ndarray, settings: GlmSettings) -> Iterator[tuple[float, np.ndarray]]:
    if settings.noise_model == ORDINARY:
        yield 0.0, np.arange(residuals.shape[1])
        return
    values, group = np.unique(autocorrelation(residuals), return_inverse=True)
    for position, rho in enumerate(values):
        yield float(rho), np.flatnonzero(group == position)
