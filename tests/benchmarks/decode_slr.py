"""Speed of sparse linear regression beside the published algorithm, one unit at a time with numpy's pinv.

``python tests/benchmarks/decode_slr.py`` prints one JSON line; ``--gpu`` times a GPU at the size of Shen et al. 2019.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests" / "unit" / "decode")]

from slr_reference import slr  # noqa: E402

from fmri2image.decode.decoders import Context, fit_decoder  # noqa: E402
from fmri2image.decode.standardise import Standardisation  # noqa: E402
from fmri2image.decode.training import Training  # noqa: E402

VGG19_UNITS, SUBJECTS, AREAS = 14_861_288, 3, 6


def simulate(n_trials, n_voxels, n_units, seed=0):
    """Voxels and units that share 60 latent variables, with noise."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((n_trials, 60))
    responses = latent @ rng.standard_normal((60, n_voxels)) + 2 * rng.standard_normal((n_trials, n_voxels))
    features = latent @ rng.standard_normal((60, n_units)) + 2 * rng.standard_normal((n_trials, n_units))
    return responses, features, rng.standard_normal((50, n_voxels)) * responses.std(0)


def one_by_one(responses, features, test, k):
    """Predictions of the published algorithm."""
    mean, sd = responses.mean(0), responses.std(0, ddof=1)
    z, z_test = (responses - mean) / sd, (test - mean) / sd
    predicted = np.empty((len(test), features.shape[1]))
    for unit, feature in enumerate(features.T):
        y = (feature - feature.mean()) / feature.std(ddof=1)
        chosen = np.argsort(-np.abs(z.T @ y))[:k]
        weights, _, _ = slr(np.c_[z[:, chosen], np.ones(len(z))], y)
        predicted[:, unit] = z_test[:, chosen] @ weights[:-1] + weights[-1]
        predicted[:, unit] = predicted[:, unit] * feature.std(ddof=1) + feature.mean()
    return predicted


def make(responses, settings, workers, device, memory=2_000_000_000):
    """A fitted training set and its decoder."""
    training = Training(responses, np.arange(len(responses)), Standardisation(), device, settings["precision"])
    return fit_decoder(training, {"decoder": "slr", **settings}, Context(workers=workers, memory=memory))


def compare(args):
    """Ours in worker processes against the reference with as many threads as there are."""
    responses, features, test = simulate(args.trials, args.voxels, args.units)
    settings = {"n_voxels": args.selected, "precision": args.precision}
    make(responses[:, :600], {**settings, "n_voxels": 50}, args.workers, torch.device("cpu")).predict(
        features[:, : 4 * args.workers], [test[:, :600]]
    )  # starts the processes, which serve all decoders of a job
    started = time.perf_counter()
    decoder = make(responses, settings, args.workers, torch.device("cpu"))
    prepared = time.perf_counter()
    decoded = decoder.predict(features, [test])
    ended = time.perf_counter()
    expected = one_by_one(responses, features[:, : args.reference_units], test, args.selected)
    reference_seconds = (time.perf_counter() - ended) / args.reference_units
    difference = np.abs(decoded.values[0][:, : args.reference_units] - expected) / expected.std(0)
    # The Gram matrix is made once for all layers of a subject and area, so it is not part of a unit's time.
    seconds = (ended - prepared) / args.units
    return {
        "name": "slr",
        "ratio": round(reference_seconds / seconds, 2),
        "units_per_second": round(1 / seconds, 3),
        "reference_units_per_second": round(1 / reference_seconds, 4),
        "gram_seconds": round(prepared - started, 1),
        "workers": args.workers,
        "precision": args.precision,
        "trials": args.trials,
        "voxels": args.voxels,
        "selected": args.selected,
        "units": args.units,
        "kept_median": float(np.median((decoded.weights != 0).sum(1))),
        "difference": float(f"{difference.max():.1e}"),
        "hours_vgg19_3_subjects_6_areas": round(VGG19_UNITS * SUBJECTS * AREAS * seconds / 3600),
    }


def on_gpu(args):
    """Units per second and peak memory, at 6,000 trials x 10,000 voxels unless said otherwise."""
    device = torch.device("cuda")
    responses, features, test = simulate(args.trials, args.voxels, args.units)
    memory = int(0.5 * torch.cuda.mem_get_info()[0])
    decoder = make(responses, {"n_voxels": args.selected, "precision": args.precision}, 1, device, memory)
    decoder.predict(features[:, :64], [test])
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    decoder.predict(features, [test])
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / args.units
    return {
        "name": "slr_gpu",
        "device": torch.cuda.get_device_name(),
        "units_per_second": round(1 / seconds, 1),
        "peak_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
        "precision": args.precision,
        "trials": args.trials,
        "voxels": args.voxels,
        "selected": args.selected,
        "units": args.units,
        "hours_vgg19_3_subjects_6_areas": round(VGG19_UNITS * SUBJECTS * AREAS * seconds / 3600, 1),
    }


def options(arguments=None):
    """Read the command line; sizes are those of the CPU or of the GPU unless they are given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--voxels", type=int)
    parser.add_argument("--units", type=int)
    parser.add_argument("--selected", type=int, default=500)
    parser.add_argument("--reference-units", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--precision", default="float64", choices=("float64", "float32"))
    args = parser.parse_args(arguments)
    if args.gpu and not torch.cuda.is_available():
        sys.exit("There is no CUDA device here; nothing was measured.")
    sizes = (6000, 10_000, 2048) if args.gpu else (1200, 8000, 32)
    for name, size in zip(("trials", "voxels", "units"), sizes, strict=True):
        if getattr(args, name) is None:
            setattr(args, name, size)
    return args


def main():
    args = options()
    print(json.dumps(on_gpu(args) if args.gpu else compare(args)))


if __name__ == "__main__":
    main()
