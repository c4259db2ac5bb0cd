"""Measured against simulated responses: every voxel over stimuli, every pattern over voxels, every area over blocks."""

from collections.abc import Mapping

import numpy as np

from fmri2image.core.samples import Samples
from fmri2image.evaluate.recovery.table import AREAS, recovery_row
from fmri2image.evaluate.recovery.truth import SetTruth
from fmri2image.evaluate.similarity import column_correlation


def expected_pattern_correlation(true: np.ndarray, gain: np.ndarray, ceiling: np.ndarray) -> np.ndarray:
    """Return the correlation over voxels expected between true and measured patterns, given the noise of each voxel.

    Parameters
    ----------
    true : array of shape (n_stimuli, n_voxels)
        True patterns, voxels z-scored over the training set.
    gain : array of shape (n_voxels,)
        How much of a z-scored true response a z-scored block holds: their correlation expected in the training set.
    ceiling : array of shape (n_voxels,)
        Noise ceiling of these stimuli: r over stimuli expected between true and measured responses. It gives the noise.

    Returns
    -------
    r : array of shape (n_stimuli,)
    """
    heard = ceiling > 0
    kept = np.where(heard, gain, 0.0) * true
    # ceiling² = signal / (signal + noise); a voxel without signal shows noise of its full variance.
    noise = kept.var(axis=0) * np.divide(1 - ceiling**2, ceiling**2, out=np.zeros_like(ceiling), where=heard)
    noise = np.where(heard, noise, 1.0).mean()
    covariance = (kept * true).mean(axis=1) - kept.mean(axis=1) * true.mean(axis=1)
    variance = true.var(axis=1) * (kept.var(axis=1) + noise)
    return np.divide(covariance, np.sqrt(variance), out=np.full(len(true), np.nan), where=variance > 0)


def single_block(ceiling: np.ndarray, repeats: float) -> np.ndarray:
    """Turn the noise ceiling of means over `repeats` blocks into that of single blocks, both of shape (n_voxels,)."""
    signal = np.square(ceiling)
    return np.sqrt(signal / (signal + repeats * (1 - signal)))


def response_rows(samples: Samples, truth: Mapping[str, SetTruth], training: str) -> list[dict]:
    """Compare block responses with the simulated ones, for every stimulus set and area.

    Parameters
    ----------
    samples : Samples
    truth : mapping from stimulus set to SetTruth
        Voxels in the order of the samples.
    training : str
        Stimulus set whose blocks give the mean and standard deviation of every voxel, for patterns.
    """
    measured_training = samples.select(trials=in_set(samples, training)).data.astype(float)
    true_training = truth[training].responses.values
    gain = single_block(truth[training].ceiling, truth[training].repeats)
    rows = []
    for stimulus_set, known in truth.items():
        averaged = samples.select(trials=in_set(samples, stimulus_set)).average("stimulus")
        true = known.responses.take([str(name) for name in averaged.trials["stimulus"]], "The samples").values
        by_voxel = column_correlation(true, averaged.data)
        true, measured = _z_score(true, true_training), _z_score(averaged.data, measured_training)
        varied = np.isfinite(true).all(axis=0) & np.isfinite(measured).all(axis=0)
        for roi, inside in areas(samples).items():
            place = {"roi": roi, "stimulus_set": stimulus_set}
            good = inside & np.isfinite(by_voxel)
            ceiling = finite_mean(known.ceiling[good])
            rows.append(
                recovery_row(
                    "voxel_correlation", finite_mean(by_voxel[good]), int(good.sum()), ceiling=ceiling, **place
                )
            )
            good = inside & varied
            by_stimulus = column_correlation(true[:, good].T, measured[:, good].T)
            ceiling = finite_mean(expected_pattern_correlation(true[:, good], gain[good], known.ceiling[good]))
            n = int(np.isfinite(by_stimulus).sum())
            rows.append(recovery_row("pattern_correlation", finite_mean(by_stimulus), n, ceiling=ceiling, **place))
    return rows


def roi_rows(samples: Samples, true: np.ndarray) -> list[dict]:
    """Compare the mean response of every area with the simulated one, block by block, for every stimulus set.

    Parameters
    ----------
    samples : Samples
    true : array of shape (n_trials, n_voxels)
        From `fmri2image.evaluate.recovery.truth.true_blocks`.
    """
    rows = []
    for stimulus_set in dict.fromkeys(samples.trials["stimulus_set"].astype(str)):
        blocks = in_set(samples, stimulus_set)
        for roi, inside in areas(samples).items():
            place = {"roi": roi, "stimulus_set": stimulus_set}
            expected, measured = (x[np.ix_(blocks, inside)].mean(axis=1, dtype=float) for x in (true, samples.data))
            r = float(column_correlation(expected[:, None], measured[:, None])[0])
            ratio = measured.std() / expected.std() if expected.std() > 0 else np.nan
            for measure, value in (("roi_correlation", r), ("roi_amplitude", ratio), ("roi_gain", r * ratio)):
                rows.append(recovery_row(measure, value, len(measured), **place))
    return rows


def areas(samples: Samples) -> dict[str, np.ndarray]:
    """Return the voxels of every area of the table as boolean arrays of shape (n_voxels,)."""
    return {roi: samples.voxels[f"ROI_{roi}"].to_numpy() == 1 for roi in AREAS if roi in samples.rois}


def in_set(samples: Samples, stimulus_set: str) -> np.ndarray:
    """Return the trials of a stimulus set as a boolean array of shape (n_trials,)."""
    return samples.trials["stimulus_set"].to_numpy() == stimulus_set


def finite_mean(values: np.ndarray) -> float:
    """Return the mean of the finite values, NaN if there are none."""
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def _z_score(values: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Z-score voxels by their training blocks; NaN where a voxel does not vary there."""
    mean, spread = training.mean(axis=0), training.std(axis=0)
    return (values - mean) / np.where(spread > 0, spread, np.nan)
