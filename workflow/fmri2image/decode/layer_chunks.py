"""One chunk of units: decoded for every test of every training set, with all that the layer's file says about it."""

from collections.abc import Mapping, Sequence

import numpy as np

from fmri2image.core.arrays import row_index
from fmri2image.decode.chosen import count_chosen
from fmri2image.decode.decoders import READS_TEST, Decoded
from fmri2image.decode.feature_rows import Chunk, FeatureRows
from fmri2image.decode.kept import kept_arrays
from fmri2image.decode.reliability import pattern_moments, unit_reliability
from fmri2image.decode.sizes import measure
from fmri2image.decode.standardise import column_scale
from fmri2image.decode.training_sets import Fitted

AT_ONCE = 20_000_000  # values of reference images that are read at the same time


def observe(source: FeatureRows, chunk: Chunk, together: Sequence[Fitted]) -> None:
    """Show a chunk to the decoders that need two passes."""
    stimuli, values = _read(source, chunk, together)
    for fitted in together:
        features = _select(values, stimuli, fitted.set.stimuli)
        if getattr(fitted.decoder, "passes", 1) > 1:
            fitted.decoder.observe(features, _true(source, chunk, fitted))


def decode_chunk(
    source: FeatureRows,
    chunk: Chunk,
    together: Sequence[Fitted],
    settings: Mapping,
    independent: Sequence[str] | None,
) -> dict[str, np.ndarray]:
    """Decode one chunk of units.

    Parameters
    ----------
    source : FeatureRows
    chunk : Chunk
    together : sequence of Fitted
    settings : mapping
        A decoder's entry of the configuration.
    independent : sequence of str or None
        Images whose true features say how large features are; None for the training stimuli of each set, empty where
        another group of sets has measured them.

    Returns
    -------
    arrays : dict
        Names end with the number of the set in `together`, and of its target. ``decoded_i_j`` (n_rows, n_units),
        ``plain_i_j`` and ``residual_i_j`` (3, n_rows) of `sizes.measure`; ``mean_i`` (n_units,); ``reference_i`` (3,
        n_stimuli) or ``reference``; ``units_i``: numbers of constant and damaged units; ``counts_i`` of
        `chosen.count_chosen`; ``unit_reliability_i_j``, ``pattern_i_j`` of `reliability`; ``keep_i_<name>`` of
        `kept.kept_arrays`.
    """
    out: dict[str, np.ndarray] = {}
    stimuli, values = _read(source, chunk, together)
    if independent:
        out["reference"] = _measure_images(source, independent, chunk, stimuli, values)
    for i, fitted in enumerate(together):
        features = _select(values, stimuli, fitted.set.stimuli)
        mean, constant, damaged = _describe(features)
        out[f"mean_{i}"] = mean
        out[f"units_{i}"] = np.array([constant.sum(), damaged.sum()])
        if independent is None:
            finite = np.nan_to_num(features, nan=0, posinf=0, neginf=0) if damaged.any() else features
            out[f"reference_{i}"] = measure(finite, chunk)
        decoded = _predict(source, chunk, fitted, features, settings)
        counted = ~(constant | damaged)
        counts = count_chosen(decoded, counted, fitted.training.voxel_scale.usable)
        if counts is not None:
            out[f"counts_{i}"] = counts
        if settings.get("keep"):
            over = fitted.training.standardisation
            weights = fitted.training.counts if over.units == "trials" else None
            scale = column_scale(features, weights, ddof=over.ddof)
            kept = kept_arrays(decoded, scale, settings["decoder"])
            out |= {f"keep_{i}_{name}": array for name, array in kept.items()}
        out |= _of_targets(chunk, fitted, features, decoded, mean, counted, i)
    return out


def _read(source: FeatureRows, chunk: Chunk, together: Sequence[Fitted]) -> tuple[list[str], np.ndarray]:
    """Return the stimuli of all sets and their features (n_stimuli, n_units); a stimulus of several sets is read once."""
    stimuli = list(dict.fromkeys(name for fitted in together for name in fitted.set.stimuli))
    return stimuli, source.read(stimuli, chunk)


def _select(values: np.ndarray, stimuli: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    return values if wanted == stimuli else values[row_index(stimuli, wanted)]


def _true(source: FeatureRows, chunk: Chunk, fitted: Fitted) -> list[np.ndarray]:
    return [source.read(target.stimuli, chunk) for target in fitted.set.targets]


def _predict(source: FeatureRows, chunk: Chunk, fitted: Fitted, features: np.ndarray, settings: Mapping) -> Decoded:
    true = _true(source, chunk, fitted) if settings["decoder"] in READS_TEST else None
    return fitted.decoder.predict(features, fitted.set.responses(), true)


def _describe(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the mean over stimuli, float32, of finite values, and which units are constant and which damaged."""
    mean = features.mean(axis=0, dtype=np.float64)
    damaged = ~np.isfinite(mean)
    if damaged.any():
        finite = np.isfinite(features[:, damaged])
        total = np.where(finite, features[:, damaged], 0).sum(axis=0, dtype=np.float64)
        mean[damaged] = total / np.maximum(finite.sum(axis=0), 1)
    constant = (features.max(axis=0) == features.min(axis=0)) & ~damaged
    return mean.astype(np.float32), constant, damaged


def _of_targets(
    chunk: Chunk,
    fitted: Fitted,
    features: np.ndarray,
    decoded: Decoded,
    mean: np.ndarray,
    counted: np.ndarray,
    i: int,
) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    values = iter(decoded.values)
    sd = None
    for j, target in enumerate(fitted.set.targets):
        rows = next(values)
        out[f"decoded_{i}_{j}"] = rows
        out[f"plain_{i}_{j}"] = measure(rows, chunk)
        out[f"residual_{i}_{j}"] = measure(rows - mean, chunk)
        if target.halves is None:
            continue
        odd, even = next(values), next(values)
        out[f"unit_reliability_{i}_{j}"] = np.where(counted, unit_reliability(odd, even), np.float32(np.nan))
        sd = column_scale(features[:, counted]).sd if sd is None else sd
        odd, even = (((half - mean)[:, counted] / sd) for half in (odd, even))
        out[f"pattern_{i}_{j}"] = pattern_moments(odd, even)
    return out


def _measure_images(
    source: FeatureRows, images: Sequence[str], chunk: Chunk, stimuli: Sequence[str], values: np.ndarray
) -> np.ndarray:
    """Measure images a part at a time; those among the training stimuli are not read again."""
    known, step, parts = set(stimuli), max(1, AT_ONCE // chunk.n_units), []
    for start in range(0, len(images), step):
        part = images[start : start + step]
        found = values[row_index(stimuli, part)] if known.issuperset(part) else source.read(part, chunk)
        parts.append(measure(np.nan_to_num(found, copy=False, nan=0, posinf=0, neginf=0), chunk))
    return np.concatenate(parts, axis=1)
