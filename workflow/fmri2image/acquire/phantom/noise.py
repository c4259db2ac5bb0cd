"""Noise of the simulated scanner and of the body.

Physiological noise is made of three parts, all proportional to the signal: smooth noise that is autocorrelated from
volume to volume, a cardiac and a respiratory rhythm. A rhythm is quasi-periodic (its frequency wanders) and is sampled
at the time of each slice; both are too fast for the repetition time and appear aliased, as in real imaging. Slow drift
comes on top.

Settings used: ``repetition_time`` (s), ``voxel_size`` (mm) and, under ``noise``: ``temporal_snr`` (mean over standard
deviation of grey matter at rest, drift and motion aside), ``physiological_fraction`` (of that variance; the rest is
thermal), ``cardiac`` and ``respiratory`` (of the physiological variance of grey matter; the rest is the autocorrelated
noise), ``autocorrelation`` (of that rest, from volume to volume), ``smoothness`` (mm, full width at half maximum, of
that rest and of the drift) and ``drift`` (per cent, standard deviation).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from fmri2image.core.errors import ConfigError

# Slowest drift is a half cosine over the run; the fastest has this period.
SHORTEST_DRIFT = 128.0
# Seconds between the points at which a rhythm's phase is followed.
PHASE_STEP = 0.1
# Respiration moves the whole head's field a little: this share of its variance is the same everywhere, the rest
# changes over this many millimetres (full width at half maximum).
RESPIRATORY_GLOBAL, RESPIRATORY_SMOOTHNESS = 0.3, 60.0


@dataclass(frozen=True)
class Rhythm:
    """A quasi-periodic oscillation of the body.

    Parameters
    ----------
    frequency : float
        Mean, Hz.
    wander : float
        Standard deviation of the frequency, Hz.
    memory : float
        Seconds after which the frequency has forgotten its value (Ornstein-Uhlenbeck process).
    harmonics : tuple of float
        Amplitudes of the frequency and its multiples, relative to the first.
    """

    frequency: float
    wander: float
    memory: float
    harmonics: tuple[float, ...]


# Usual rates of adults at rest.
RHYTHMS = {
    "cardiac": Rhythm(frequency=1.1, wander=0.08, memory=10.0, harmonics=(1.0, 0.5)),
    "respiratory": Rhythm(frequency=0.27, wander=0.03, memory=15.0, harmonics=(1.0, 0.25)),
}


def noise_levels(settings: Mapping) -> tuple[float, float]:
    """Return the standard deviations of thermal and physiological noise, relative to the signal of grey matter."""
    noise = settings["noise"]
    fraction = noise["physiological_fraction"]
    return np.sqrt(1 - fraction) / noise["temporal_snr"], np.sqrt(fraction) / noise["temporal_snr"]


def physiological_shares(settings: Mapping) -> dict[str, float]:
    """Return the shares of the physiological variance: ``cardiac``, ``respiratory`` and ``autocorrelated``.

    Raises
    ------
    ConfigError
        If the rhythms' shares exceed 1 together.
    """
    shares = {name: float(settings["noise"][name]) for name in RHYTHMS}
    rest = 1 - sum(shares.values())
    if rest < -1e-9:
        raise ConfigError(
            f"simulate: noise: cardiac and respiratory are shares of one variance, but their sum is {1 - rest:g}; "
            "lower one of them so that it is at most 1."
        )
    return shares | {"autocorrelated": max(rest, 0.0)}


def block_noise(settings: Mapping, n_averaged: int) -> tuple[float, float]:
    """Return what thermal and physiological noise leave in the mean of `n_averaged` neighbouring volumes.

    Standard deviations relative to the signal of grey matter. The variance of a mean is the mean of the autocorrelation
    over all pairs of volumes; that of a rhythm is known in closed form (`rhythm_autocorrelation`), aliasing included.
    """
    thermal, physiological = noise_levels(settings)
    shares = physiological_shares(settings)
    lag = np.abs(np.subtract.outer(np.arange(n_averaged), np.arange(n_averaged)))
    left = shares["autocorrelated"] * settings["noise"]["autocorrelation"] ** lag
    for name, rhythm in RHYTHMS.items():
        left = left + shares[name] * rhythm_autocorrelation(rhythm, lag * settings["repetition_time"])
    return thermal / np.sqrt(n_averaged), physiological * np.sqrt(left.mean())


def rhythm_autocorrelation(rhythm: Rhythm, lags: np.ndarray) -> np.ndarray:
    """Return the autocorrelation of a rhythm at `lags` (s).

    With a Gaussian frequency the phase gained over a lag is Gaussian, of variance v. The k-th multiple then has the
    autocorrelation cos(2π k f · lag) · exp(-k² v / 2), where f is the mean frequency.
    """
    lags = np.abs(np.asarray(lags, dtype=float))
    elapsed = lags / rhythm.memory
    variance = 2 * (2 * np.pi * rhythm.wander * rhythm.memory) ** 2 * (elapsed - 1 + np.exp(-elapsed))
    power = np.array(rhythm.harmonics) ** 2
    parts = [
        share * np.cos(2 * np.pi * multiple * rhythm.frequency * lags) * np.exp(-(multiple**2) * variance / 2)
        for multiple, share in enumerate(power / power.sum(), start=1)
    ]
    return np.sum(parts, axis=0)


def rhythm_series(rhythm: Rhythm, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a rhythm of unit variance and return it at `times` (s, any shape, none negative)."""
    n_steps = int(np.ceil(np.max(times) / PHASE_STEP)) + 2
    persistence = np.exp(-PHASE_STEP / rhythm.memory)
    start = rng.random()
    white = rng.standard_normal(n_steps)
    white[1:] *= np.sqrt(1 - persistence**2)
    frequency = rhythm.frequency + rhythm.wander * lfilter([1], [1, -persistence], white)
    phase = 2 * np.pi * (start + np.cumsum(frequency) * PHASE_STEP)
    phase = np.interp(times, np.arange(n_steps) * PHASE_STEP, phase)
    amplitudes = np.array(rhythm.harmonics)
    waves = [amplitude * np.cos(k * phase) for k, amplitude in enumerate(amplitudes, start=1)]
    return np.sqrt(2 / (amplitudes**2).sum()) * np.sum(waves, axis=0)


def fluctuation(
    times: np.ndarray, pulsation: np.ndarray, grey: np.ndarray, settings: Mapping, rng: np.random.Generator
) -> np.ndarray:
    """Draw physiological noise and drift of a run as a fraction of the signal.

    Parameters
    ----------
    times : array of shape (n_volumes, n_slices)
        Seconds from the start of the run at which each slice is taken.
    pulsation : array of the functional grid's shape (x, y, n_slices)
        How strongly each voxel pulsates with the heart, any unit.
    grey : array of the functional grid's shape
        Fraction of grey matter; over it the rhythms have the variance of the settings.
    settings : mapping
    rng : Generator

    Returns
    -------
    field : float32 array of shape (n_volumes, *grid)
    """
    shape, physiological, shares = pulsation.shape, noise_levels(settings)[1], physiological_shares(settings)
    field = _smooth_noise(shape, len(times), physiological * np.sqrt(shares["autocorrelated"]), settings, rng)
    weights = {"cardiac": pulsation, "respiratory": _respiratory_map(shape, settings, rng)}
    for name, rhythm in RHYTHMS.items():
        series = rhythm_series(rhythm, times, rng)
        weight = weights[name] / np.sqrt(np.average(weights[name] ** 2, weights=grey))
        weight = (physiological * np.sqrt(shares[name]) * weight).astype(np.float32)
        field += weight * series.astype(np.float32)[:, None, None, :]
    return field


def _respiratory_map(shape: tuple[int, ...], settings: Mapping, rng: np.random.Generator) -> np.ndarray:
    spread = [_spread(n, settings["voxel_size"], RESPIRATORY_SMOOTHNESS) for n in shape]
    smooth = _spread_all(rng.standard_normal((1, *[matrix.shape[1] for matrix in spread])), spread)[0]
    return np.sqrt(RESPIRATORY_GLOBAL) + np.sqrt(1 - RESPIRATORY_GLOBAL) * smooth


def _smooth_noise(
    shape: tuple[int, ...], n_volumes: int, level: float, settings: Mapping, rng: np.random.Generator
) -> np.ndarray:
    """Draw autocorrelated noise of standard deviation `level`, and drift, (n_volumes, *shape), smooth in space."""
    noise = settings["noise"]
    spread = [_spread(n, settings["voxel_size"], noise["smoothness"]) for n in shape]
    nodes = tuple(matrix.shape[1] for matrix in spread)
    field = float(level) * _spread_all(rng.standard_normal((n_volumes, *nodes), dtype=np.float32), spread)
    persistence = noise["autocorrelation"]
    for volume in range(1, n_volumes):
        field[volume] *= np.sqrt(1 - persistence**2)
        field[volume] += persistence * field[volume - 1]
    seconds = n_volumes * settings["repetition_time"]
    order = np.arange(1, max(1, int(2 * seconds / SHORTEST_DRIFT)) + 1)
    times = (np.arange(n_volumes) + 0.5) / n_volumes
    waves = np.cos(np.pi * times[:, None] * order) / order
    waves *= noise["drift"] / 100 / np.sqrt((waves**2).mean(0).sum())
    drift = _spread_all(rng.standard_normal((len(order), *nodes), dtype=np.float32), spread)
    return field + np.tensordot(waves.astype(np.float32), drift, axes=1)


def _spread_all(field: np.ndarray, spread: list[np.ndarray]) -> np.ndarray:
    """Bring values on nodes (n, *nodes) to voxels (n, *shape), in the type of `field`."""
    first, second, third = (matrix.astype(field.dtype) for matrix in spread)
    field = second @ (field @ third.T)
    return (first @ field.reshape(*field.shape[:2], -1)).reshape(len(field), len(first), len(second), len(third))


def _spread(n: int, zoom: float, smoothness: float) -> np.ndarray:
    """Return weights (n, n_nodes) that turn unit white noise on nodes into smooth noise of unit variance."""
    # A field is as smooth as its kernel, whose autocorrelation is √2 wider.
    width = smoothness / 2.355 / np.sqrt(2)
    nodes = np.arange(-2 * width, n * zoom + 3 * width, 1.5 * width)
    weights = np.exp(-((np.arange(n)[:, None] * zoom - nodes) ** 2) / (2 * width**2))
    return weights / np.sqrt((weights**2).sum(1, keepdims=True))
