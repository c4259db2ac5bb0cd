"""Speed of the decoders beside the published algorithms.

``python tests/benchmarks/decode.py`` prints one JSON line per protocol and precision, at 1,200 trials × 8,000 voxels × 500
selected voxels, 50 test rows predicted, on both sides:

- ``ridge``: against PyFastL2LiR's way of fitting one unit at a time and keeping its choice of voxels (its option
  ``save_select_feat``), as ours does; for a stream of channels of 196 units, our Gram matrix and start of workers included;

- ``slr``: sparse linear regression against the published algorithm, one unit at a time (`decode_slr.py`);

and ridge against that package's default way, in which the units of a call share one Gram matrix and no choice of voxels is kept:

- ``ridge_marginal``: units alone; both sides know the Gram matrix already;
- ``ridge_layer``: a layer as the Kamitani Lab's scripts and our workflow go through it. Theirs fit one channel (196 units)
  per call, and every call makes the Gram matrix again; ours makes it once, starts its workers and takes blocks of units;
- ``ridge_large_channels``: the same with 784 units per channel.

The references are written below. The last one is timed on a few channels, all of which cost the same; ours goes through
all of them.
``--gpu`` times a GPU at 6,000 × 10,000 and tells the hours for VGG19, three subjects and six areas.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(Path(__file__).parent)]

import decode_slr  # noqa: E402

from fmri2image.decode.decoders import Context, Decoder, fit_decoder  # noqa: E402
from fmri2image.decode.standardise import Standardisation  # noqa: E402
from fmri2image.decode.training import Training  # noqa: E402

N_TRIALS, N_VOXELS, N_SELECTED, N_TEST, ALPHA = 1200, 8000, 500, 50, 100.0
VGG19_UNITS, SUBJECTS, AREAS = 14_861_288, 3, 6
SETTINGS = {"decoder": "ridge", "alpha": ALPHA, "n_voxels": N_SELECTED, "intercept": "penalised"}


class Simulation:
    """Voxels and maps of units that see the same smooth fields, with noise; units of a channel are neighbours on a map.

    Parameters
    ----------
    n_trials, n_voxels : int
    side : int
        Units along one side of a channel's map.
    """

    def __init__(self, n_trials: int, n_voxels: int, side: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.side, self.n_kinds = side, 12
        # A field per kind of feature, 7 × 7 places; voxels and units read it through Gaussian windows.
        self.field = self.rng.standard_normal((n_trials + N_TEST, self.n_kinds, 7, 7))
        places = self.rng.uniform(0, 6, (n_voxels, 2))
        clean = self._read(places, 1.2, self.rng.standard_normal((n_voxels, self.n_kinds)))
        noise = self.rng.standard_normal(clean.shape) * 2.5 * clean.std(0)
        # Neighbouring voxels share noise, too.
        noise = 0.8 * noise + 0.6 * np.roll(noise, 1, axis=1)
        self.responses, self.test = np.split((clean + noise).astype(np.float32), [n_trials])
        self.n_trials = n_trials

    def channel(self) -> np.ndarray:
        """Return the true features of another channel, float32 (n_trials, side * side), behind a ReLU."""
        y, x = np.divmod(np.arange(self.side**2), self.side)
        places = np.column_stack([y, x]) * 6 / (self.side - 1)
        values = self._read(places, 0.8, np.repeat(self.rng.standard_normal((1, self.n_kinds)), len(places), axis=0))
        values += 0.5 * values.std() * self.rng.standard_normal(values.shape)
        return np.maximum(values[: self.n_trials], 0).astype(np.float32)

    def _read(self, places: np.ndarray, width: float, tuning: np.ndarray) -> np.ndarray:
        grid = np.stack(np.meshgrid(np.arange(7), np.arange(7), indexing="ij"), axis=-1).reshape(-1, 2)
        window = np.exp(-((places[:, None] - grid) ** 2).sum(axis=2) / (2 * width**2))
        weights = (tuning[:, :, None] * window[:, None, :]).reshape(len(places), -1)
        return self.field.reshape(len(self.field), -1) @ weights.T


def standardised(values: np.ndarray, like: np.ndarray, dtype: type) -> np.ndarray:
    """Return values on the scale of an array with the same columns."""
    return ((values - like.mean(0, dtype=float)) / like.std(0, dtype=float, ddof=1)).astype(dtype)


def penalised_gram(x: np.ndarray) -> np.ndarray:
    """Return the Gram matrix of voxels and a column of ones, all of them penalised."""
    with_ones = np.column_stack([x, np.ones(len(x), dtype=x.dtype)])
    gram = with_ones.T @ with_ones
    gram[np.diag_indices_from(gram)] += x.dtype.type(ALPHA)
    return gram


def fit_one_by_one(x: np.ndarray, y: np.ndarray, gram: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (n_units, n_voxels) and intercepts by PyFastL2LiR's algorithm: select, gather and solve per unit."""
    cross = y.T @ x
    total = y.sum(axis=0)
    correlation = np.abs(cross - total[:, None] * x.mean(axis=0)) / x.std(axis=0)
    weights, intercepts = np.zeros((y.shape[1], x.shape[1]), dtype=x.dtype), np.empty(y.shape[1], dtype=x.dtype)
    with threadpool_limits(1, user_api="blas"):  # as there; two threads are slower at this size
        for unit in range(y.shape[1]):
            chosen = np.append(np.argsort(correlation[unit])[::-1][:k], x.shape[1])
            block = gram.ravel()[chosen[:, None] * gram.shape[1] + chosen]
            solved = np.linalg.solve(block, np.append(cross[unit, chosen[:-1]], total[unit]))
            weights[unit, chosen[:-1]], intercepts[unit] = solved[:-1], solved[-1]
    return weights, intercepts


def correlate(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the correlation of every column of x with y."""
    centred = x - x.mean(axis=0)
    return centred.T @ (y - y.mean()) / ((len(x) - 1) * x.std(axis=0, ddof=1) * y.std(ddof=1))


def fit_alone(x: np.ndarray, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the chosen voxels (k,), their weights and the intercept of one unit, which shares nothing with others."""
    chosen = np.argsort(-np.abs(correlate(x, y)))[:k]
    solved = np.linalg.solve(penalised_gram(x[:, chosen]), np.append(y @ x[:, chosen], y.sum()))
    return chosen, solved[:-1], solved[-1]


def timed(function: Callable) -> tuple[float, object]:
    started = time.perf_counter()
    result = function()
    return time.perf_counter() - started, result


def reference_run(
    data: Simulation, channel: np.ndarray, gram: np.ndarray | None, dtype: type
) -> tuple[float, np.ndarray]:
    """Time one call for one channel; return seconds and predictions in units of SD."""
    x, t = standardised(data.responses, data.responses, dtype), standardised(data.test, data.responses, dtype)
    with np.errstate(invalid="ignore"):
        y = standardised(channel, channel, dtype)

    def run() -> np.ndarray:
        weights, intercepts = fit_one_by_one(x, y, penalised_gram(x) if gram is None else gram, N_SELECTED)
        return t @ weights.T + intercepts

    return timed(run)


def compare(name: str, side: int, n_channels: int, n_reference: int, precision: str, workers: int, block: int) -> dict:
    """Time both and return the line to be printed."""
    marginal = name == "ridge_marginal"
    dtype = np.dtype(precision).type
    data = Simulation(N_TRIALS, N_VOXELS, side)
    channels = [data.channel() for _ in range(n_channels)]
    per_call = max(1, block // side**2)
    blocks = [np.concatenate(channels[i : i + per_call], axis=1) for i in range(0, n_channels, per_call)]

    def start() -> Decoder:
        training = Training(data.responses, np.arange(N_TRIALS), Standardisation(), torch.device("cpu"), precision)
        return fit_decoder(training, SETTINGS, Context(workers=workers))

    setup, decoder = timed(start)
    if marginal:
        decoder.predict(channels[0][:, :64], [data.test])
    # The other side's turn comes between ours: the machine's mood is shared.
    ours, found, theirs, expected = [], [], [], []
    gram = penalised_gram(standardised(data.responses, data.responses, dtype)) if marginal else None
    reference_at = set(np.linspace(0, len(blocks) - 1, n_reference).astype(int).tolist())
    for i, some in enumerate(blocks):
        seconds, decoded = timed(lambda some=some: decoder.predict(some, [data.test]))
        ours.append(seconds)
        found.append(decoded.values[0])
        if i in reference_at:
            seconds, predicted = reference_run(data, channels[i * per_call], gram, dtype)
            theirs.append(seconds)
            expected.append((i, predicted))
    n_units = n_channels * side**2
    # The fastest call of each when units alone are timed; all that was spent on a layer.
    if marginal:
        speed = max(some.shape[1] / seconds for some, seconds in zip(blocks, ours, strict=True))
    else:
        speed = n_units / (setup + sum(ours))
    reference_speed = side**2 / min(theirs)
    return {
        "name": name,
        "ratio": round(speed / reference_speed, 2),
        "units_per_second": round(speed, 1),
        "reference_units_per_second": round(reference_speed, 1),
        "protocol": {
            "units_per_channel": side**2,
            "channels": n_channels,
            "units_per_call": per_call * side**2,
            "reference_channels": len(theirs),
            "setup_seconds": None if marginal else round(setup, 2),
        },
        "precision": precision,
        "threads": workers,
        "difference": float(max(_difference(predicted, channels[i * per_call], found[i]) for i, predicted in expected)),
    }


def compare_alone(n_channels: int, n_reference: int, precision: str, workers: int, block: int) -> dict:
    """Time a stream of channels, and single units of it by the reference; return the line to be printed."""
    dtype = np.dtype(precision).type
    data = Simulation(N_TRIALS, N_VOXELS, 14)
    channels = [data.channel() for _ in range(n_channels)]
    per_call = max(1, block // 14**2)
    blocks = [np.concatenate(channels[i : i + per_call], axis=1) for i in range(0, n_channels, per_call)]
    x, t = standardised(data.responses, data.responses, dtype), standardised(data.test, data.responses, dtype)

    def reference(values: np.ndarray) -> np.ndarray:
        predicted = []
        for unit in standardised(values, values, dtype).T:
            chosen, weights, intercept = fit_alone(x, unit, N_SELECTED)
            predicted.append(t[:, chosen] @ weights + intercept)
        return np.column_stack(predicted)

    def ours() -> list[np.ndarray]:
        training = Training(data.responses, np.arange(N_TRIALS), Standardisation(), torch.device("cpu"), precision)
        decoder = fit_decoder(training, SETTINGS, Context(workers=workers))
        return [decoder.predict(some, [data.test]).values[0] for some in blocks]

    varied = np.flatnonzero(channels[0].std(axis=0) > 0)[: 2 * n_reference]
    before, _ = timed(lambda: reference(channels[0][:, varied[:n_reference]]))
    seconds, found = timed(ours)
    after, expected = timed(lambda: reference(channels[0][:, varied[n_reference:]]))
    speed, reference_speed = n_channels * 14**2 / seconds, n_reference / min(before, after)
    return {
        "name": "ridge",
        "ratio": round(speed / reference_speed, 2),
        "units_per_second": round(speed, 1),
        "reference_units_per_second": round(reference_speed, 1),
        "protocol": {"units": n_channels * 14**2, "reference_units": 2 * n_reference},
        "precision": precision,
        "threads": workers,
        "difference": _difference(expected, channels[0][:, varied[n_reference:]], found[0][:, varied[n_reference:]]),
    }


def _difference(predicted: np.ndarray, channel: np.ndarray, found: np.ndarray) -> float:
    """Return the largest difference of predictions over the SD of the unit's predictions; 99 % of units are as near."""
    mean, sd = channel.mean(0, dtype=float), channel.std(0, dtype=float, ddof=1)
    mine = (found[:, : channel.shape[1]] - mean) / sd
    return float(np.quantile(np.abs(mine - predicted).max(0) / predicted.std(0), 0.99))


def on_gpu(n_units: int, memory_share: float) -> Iterator[dict]:
    """Time the GPU at the size of Shen et al. 2019: 6,000 trials of 1,200 stimuli, 10,000 voxels."""
    device = torch.device("cuda")
    rng = np.random.default_rng(0)
    index = np.repeat(np.arange(1200), 5)
    latent = rng.standard_normal((1200, 60), dtype=np.float32)
    responses = latent[index] @ rng.standard_normal((60, 10_000), dtype=np.float32)
    responses += 20 * rng.standard_normal(responses.shape, dtype=np.float32)
    features = latent @ rng.standard_normal((60, n_units), dtype=np.float32)
    features += 5 * rng.standard_normal(features.shape, dtype=np.float32)
    for precision in ("float32", "float64"):
        torch.cuda.reset_peak_memory_stats()
        free = torch.cuda.mem_get_info()[0]
        training = Training(responses, index, Standardisation(), device, precision)
        decoder = fit_decoder(training, SETTINGS, Context(memory=int(memory_share * free)))
        decoder.predict(features[:, :256], [responses[:50]])
        seconds, _ = timed(lambda decoder=decoder: decoder.predict(features, [responses[:50]]))
        yield {
            "name": "ridge_gpu",
            "units_per_second": round(n_units / seconds, 1),
            "precision": precision,
            "device": torch.cuda.get_device_name(),
            "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
            "hours_vgg19_3_subjects_6_areas": round(VGG19_UNITS * SUBJECTS * AREAS * seconds / n_units / 3600, 2),
        }


def lines(precisions: list[str], names: list[str], workers: int, channels: int) -> Iterator[dict]:
    """Yield one line per protocol and precision."""
    for precision in precisions:
        if "alone" in names:
            yield compare_alone(channels, 16, precision, workers, 4096)
    if "slr" in names:
        yield decode_slr.compare(decode_slr.options(["--workers", str(workers)]))
    for precision in precisions:
        if "marginal" in names:
            yield compare("ridge_marginal", 14, 6, 3, precision, workers, 196)
        if "layer" in names:
            yield compare("ridge_layer", 14, channels, 3, precision, workers, 4096)
        if "large_channels" in names:
            yield compare("ridge_large_channels", 28, max(1, channels // 4), 2, precision, workers, 4096)


def main(arguments: list[str] | None = None) -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--precision", nargs="+", default=["float32", "float64"])
    parser.add_argument("--protocol", nargs="+", default=["alone", "slr", "marginal", "layer", "large_channels"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--channels", type=int, default=64, help="of 196 units, for the layer")
    parser.add_argument("--units", type=int, default=65_536, help="on the GPU")
    parser.add_argument("--memory-share", type=float, default=0.7)
    options = parser.parse_args(arguments)
    if options.gpu and not torch.cuda.is_available():
        parser.exit(1, "no CUDA device here\n")
    found = (
        on_gpu(options.units, options.memory_share)
        if options.gpu
        else lines(options.precision, options.protocol, options.workers, options.channels)
    )
    for line in found:
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
