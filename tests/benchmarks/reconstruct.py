"""Speed of deep image reconstruction beside the way of the original and of today's peers: one image after the other.

``python tests/benchmarks/reconstruct.py`` prints one JSON line per prior, for the small network of the simulated subjects on
the CPU; ``--network vgg19 --device cuda --images 50`` takes VGG19 at its published size with random weights.

- ``reconstruct_pixels``: L-BFGS-B of pixels. The baseline is SciPy's, on the CPU with a float64 state, calling the network on
  the device for one image: the original's way. Ours is `fmri2image.reconstruct.icnn` at work on all images, same precision,
  same number of iterations. ``device`` is the part of the ratio that one image gains because its state stays on the device,
  ``batching`` the part gained by optimising images together; their product is ``ratio``.
- ``reconstruct_generator``: descent on the latents of the deep generator. The baseline is the same descent, one image at a
  time, which is what the original does. Its gradients are normalised, so that rounding, which differs with the size of a
  batch, grows along the way: the images are alike, not equal, and end at the same loss (``loss_over_baseline``).
- ``precision_<name>``: what tf32 and bfloat16 add to speed, how like the images are to those of float32 (mean correlation),
  and where their loss ends beside that of float32.

Targets are features of generated images with noise of half their SD.

``seconds_150_images`` is for 50 test images of three subjects at the published 200 iterations.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from scipy import optimize

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow"))

from fmri2image.acquire.phantom.images import training_images  # noqa: E402
from fmri2image.core.arrays import LabelledArray  # noqa: E402
from fmri2image.core.images import resize, to_float  # noqa: E402
from fmri2image.core.precision import computing  # noqa: E402
from fmri2image.decode.decoded import FeaturesInMemory  # noqa: E402
from fmri2image.evaluate.similarity import correlation_matrix  # noqa: E402
from fmri2image.features.networks import build_network  # noqa: E402
from fmri2image.reconstruct.icnn import reconstruct  # noqa: E402
from fmri2image.reconstruct.matching import Matching  # noqa: E402
from fmri2image.reconstruct.variables import Pixels, loss_scale  # noqa: E402

PUBLISHED_ITERATIONS, PUBLISHED_IMAGES = 200, 150
WEIGHTS = ROOT / "resources" / "weights"
NETWORKS = {
    "vgg-small": {"name": "vgg-small", "weights": str(WEIGHTS / "vgg-small.safetensors")},
    "vgg19": {"name": "vgg19", "seed": 0},
}
GENERATORS = {
    "vgg-small": {
        "name": "deepsim-small",
        "weights": str(WEIGHTS / "generator-small.safetensors"),
        "bounds": str(WEIGHTS / "generator-small-bounds.txt"),
    },
    "vgg19": {"name": "deepsim-fc7", "seed": 0, "bounds": None},
}


class Problem:
    """Targets that no image meets: features of random smooth images, disturbed.

    Parameters
    ----------
    network : str
        One of `NETWORKS`.
    n_images, iterations : int
    device : torch.device
    """

    def __init__(self, network: str, n_images: int, iterations: int, device: torch.device) -> None:
        self.settings, self.iterations, self.device = NETWORKS[network], iterations, device
        self.generator = GENERATORS[network]
        self.network = build_network(self.settings).to(device).eval().requires_grad_(False)
        self.layers = list(self.network.layer_shapes)
        rng = np.random.default_rng(0)
        pixels, _ = training_images(0, 0, n_images, 64)
        images = torch.from_numpy(resize(to_float(pixels), self.network.domain.size))
        features: dict[str, list[np.ndarray]] = {layer: [] for layer in self.layers}
        with torch.no_grad():
            for image in images.split(4):
                for layer, values in self.network.features(image.to(device), self.layers).items():
                    noise = torch.as_tensor(rng.standard_normal(values.shape), dtype=torch.float32, device=device)
                    features[layer].append((values + 0.5 * values.std() * noise).cpu().numpy())
        rows = [f"image{i:03d}" for i in range(n_images)]
        self.features = {layer: LabelledArray(np.concatenate(values), rows) for layer, values in features.items()}

    def ours(self, n_images: int, batch: int, **options: object) -> tuple[float, np.ndarray, np.ndarray]:
        """Return seconds per image of `icnn`, the loading of networks included, the images, and their relative losses."""
        rows = next(iter(self.features.values())).rows[:n_images]
        test = FeaturesInMemory({layer: values.take(rows) for layer, values in self.features.items()})
        settings = {"network": self.settings, "layers": self.layers, "iterations": self.iterations, "batch": batch}
        started = time.perf_counter()
        found = reconstruct(test, None, {**settings, **options}, self.device)
        return (time.perf_counter() - started) / n_images, found.images.values, found.path.values[:, -1]

    def scipy(self, n_images: int, precision: str = "float32") -> tuple[float, np.ndarray]:
        """Return seconds per image of SciPy's L-BFGS-B with one image at a time, and the images."""
        pixels, images = Pixels(self.network.domain, self.device), []
        bounds = optimize.Bounds(pixels.lower.cpu().numpy(), pixels.upper.cpu().numpy())
        started = time.perf_counter()
        with computing(precision, self.device):
            for i in range(n_images):
                targets = {
                    layer: torch.as_tensor(values.values[i : i + 1], device=self.device)
                    for layer, values in self.features.items()
                }
                objective = Matching(self.network, targets, pixels.images, precision, loss_scale(self.network))

                def value(x: np.ndarray, objective: Matching = objective) -> tuple[float, np.ndarray]:
                    on_device = torch.as_tensor(x[None], dtype=torch.float32, device=self.device)
                    loss, gradient = objective(on_device)
                    return float(loss[0]), gradient[0].double().cpu().numpy()

                found = optimize.minimize(
                    value,
                    np.zeros(pixels.count),
                    jac=True,
                    method="L-BFGS-B",
                    bounds=bounds,
                    options={"maxiter": self.iterations, "maxcor": 10},
                )
                images.append(pixels.images(torch.as_tensor(found.x[None], device=self.device)).cpu().numpy())
        return (time.perf_counter() - started) / n_images, np.concatenate(images)


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean correlation of images with those of the same row."""
    return float(np.diagonal(correlation_matrix(a.reshape(len(a), -1), b.reshape(len(b), -1))).mean())


def lines(
    network: str, n_images: int, n_reference: int, iterations: int, device: torch.device, priors: list[str]
) -> Iterator[dict]:
    """Yield one line per prior, then one per precision."""
    problem = Problem(network, n_images, iterations, device)
    problem.ours(1, 1, iterations=2)  # libraries load, kernels are chosen
    about = {
        "network": network,
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
        "iterations": iterations,
        "images": n_images,
        "reference_images": n_reference,
        "precision": "float32",
    }
    together: dict[str, tuple[float, np.ndarray, np.ndarray]] = {}
    if "pixels" in priors:
        before, expected = problem.scipy(n_reference)
        alone, _, _ = problem.ours(n_reference, 1)
        together["pixels"] = problem.ours(n_images, n_images)
        after, _ = problem.scipy(n_reference)
        baseline, seconds = min(before, after), together["pixels"][0]
        yield {
            "name": "reconstruct_pixels",
            **_speed(seconds, baseline, iterations),
            "device_share": round(baseline / alone, 2),
            "batching_share": round(alone / seconds, 2),
            "baseline": "SciPy L-BFGS-B on the CPU calling the network on the device, one image",
            "correlation_with_baseline": round(correlation(expected, together["pixels"][1][:n_reference]), 4),
            **about,
        }
    prior = {"generator": problem.generator, "optimiser": "descent"}
    if "generator" in priors:
        before, expected, losses = problem.ours(n_reference, 1, **prior)
        together["generator"] = problem.ours(n_images, n_images, **prior)
        after, _, _ = problem.ours(n_reference, 1, **prior)
        yield {
            "name": "reconstruct_generator",
            **_speed(together["generator"][0], min(before, after), iterations),
            "baseline": "the same descent, one image at a time",
            "correlation_with_baseline": round(correlation(expected, together["generator"][1][:n_reference]), 4),
            "loss_over_baseline": _over(together["generator"][2][:n_reference], losses),
            **about,
        }
    for precision in ("tf32", "bfloat16"):
        for name, (seconds, images, losses) in together.items():
            faster, found, reached = problem.ours(
                n_images, n_images, precision=precision, **(prior if name == "generator" else {})
            )
            yield {
                "name": f"precision_{precision}_{name}",
                "ratio": round(seconds / faster, 2),
                "images_per_minute": round(60 / faster, 2),
                "correlation_with_float32": round(correlation(images, found), 4),
                "loss_over_float32": _over(reached, losses),
                **about | {"precision": precision},
            }


def _over(losses: np.ndarray, others: np.ndarray) -> float:
    return round(float(np.mean(losses / others)), 4)


def _speed(seconds: float, baseline: float, iterations: int) -> Mapping[str, float]:
    return {
        "ratio": round(baseline / seconds, 2),
        "images_per_minute": round(60 / seconds, 2),
        "reference_images_per_minute": round(60 / baseline, 2),
        "seconds_150_images": round(PUBLISHED_IMAGES * seconds * PUBLISHED_ITERATIONS / iterations, 1),
    }


def main(arguments: list[str] | None = None) -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=list(NETWORKS), default="vgg-small")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--reference-images", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=PUBLISHED_ITERATIONS)
    parser.add_argument("--prior", nargs="+", choices=["pixels", "generator"], default=["pixels", "generator"])
    options = parser.parse_args(arguments)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.exit(1, "no CUDA device here\n")
    for line in lines(
        options.network,
        options.images,
        options.reference_images,
        options.iterations,
        torch.device(options.device),
        options.prior,
    ):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
