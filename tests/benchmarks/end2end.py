"""Speed of training method `end2end` at its published size, with random data and random comparator.

``python tests/benchmarks/end2end.py`` prints one JSON line per variant: float32, then what bfloat16, tf32 and torch.compile
add; ``--device cuda`` takes a GPU, ``--architecture small`` the small size. ``hours`` is for 500,000 steps (paper) at the
speed measured, ``peak_mb`` the largest memory: of the GPU, or of the whole process so far.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

from fmri2image.core.precision import computing  # noqa: E402
from fmri2image.features.networks import build_network  # noqa: E402
from fmri2image.reconstruct.adversarial.data import Pairs  # noqa: E402
from fmri2image.reconstruct.adversarial.settings import End2EndSettings  # noqa: E402
from fmri2image.reconstruct.adversarial.training import Training  # noqa: E402

PUBLISHED_STEPS, N_TRIALS, N_IMAGES = 500_000, 240, 48
COMPARATORS = {"published": ("caffenet", "pool5"), "small": ("vgg-small", "conv5_2")}
# Name, precision, compile.
VARIANTS = {
    "float32": ("float32", False),
    "tf32": ("tf32", False),
    "bfloat16": ("bfloat16", False),
    "float32_compiled": ("float32", True),
    "bfloat16_compiled": ("bfloat16", True),
}


def build(
    architecture: str, precision: str, compiled: bool, batch: int, n_voxels: int, device: torch.device
) -> Training:
    """Return a training on random trials and images."""
    network, layer = COMPARATORS[architecture]
    settings = End2EndSettings.read(
        {
            "architecture": architecture,
            "comparator": {"network": {"name": network, "seed": 0}, "layer": layer},
            "steps": PUBLISHED_STEPS,
            "batch": batch,
            "precision": precision,
            "compile": compiled,
        }
    )
    rng, size = np.random.default_rng(0), settings.table.size
    side = size + settings.padding
    images = rng.integers(0, 256, (N_IMAGES, 3, side, side), dtype=np.uint8)
    voxels = rng.standard_normal((N_TRIALS, n_voxels), dtype=np.float32)
    pairs = Pairs(voxels, images, np.arange(N_TRIALS) % N_IMAGES, size, device)
    comparator = build_network(settings.comparator["network"]).to(device).requires_grad_(False)
    return Training(settings, pairs, comparator, device)


def measure(training: Training, steps: int, warm_up: int) -> tuple[float, float]:
    """Return seconds per step and the peak of memory in MB."""
    cuda = training.device.type == "cuda"
    with computing(training.settings.precision, training.device):
        for _ in range(warm_up):
            training.advance()
            training.step += 1
        if cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        for _ in range(steps):
            training.advance()  # ends with the losses on the CPU, so nothing is left to run on the GPU but the last update
            training.step += 1
        if cuda:
            torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / steps
    peak = torch.cuda.max_memory_allocated() / 1e6 if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return seconds, peak


def lines(
    architecture: str, variants: list[str], batch: int, n_voxels: int, steps: int, device: torch.device
) -> Iterator[dict]:
    """Yield one line per variant."""
    first = None
    for name in variants:
        precision, compiled = VARIANTS[name]
        training = build(architecture, precision, compiled, batch, n_voxels, device)
        seconds, peak = measure(training, steps, warm_up=3 if device.type == "cuda" else 1)
        first = first or seconds
        yield {
            "name": f"end2end_{architecture}_{name}",
            "steps_per_second": round(1 / seconds, 4),
            "ratio": round(first / seconds, 2),
            "hours": round(PUBLISHED_STEPS * seconds / 3600, 2),
            "peak_mb": round(peak),
            "batch": batch,
            "voxels": n_voxels,
            "steps": steps,
            "device": torch.cuda.get_device_name(device)
            if device.type == "cuda"
            else f"cpu, {torch.get_num_threads()} threads",
        }


def main(arguments: list[str] | None = None) -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--architecture", choices=list(COMPARATORS), default="published")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--voxels", type=int, default=12_000)
    parser.add_argument("--steps", type=int, help="measured steps; 50 on a GPU, 2 on a CPU unless told")
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "no CUDA device here\n")
    steps = options.steps or (50 if options.device == "cuda" else 2)
    device = torch.device(options.device)
    for line in lines(options.architecture, options.variants, options.batch, options.voxels, steps, device):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
