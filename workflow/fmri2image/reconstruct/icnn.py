"""Deep image reconstruction: optimise images until their network features match the decoded ones.

Shen, Horikawa, Majima, Kamitani 2019 (PLOS CB), eq. 1–5. Without generator, pixels are optimised by L-BFGS-B within the range
of an image, from the network's mean colour, with no other regulariser; with one, its latents are, in the paper by gradient
descent with momentum from zero. One job loads network and generator once and makes all images of a test in batches.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.precision import computing
from fmri2image.core.seeds import seed_for
from fmri2image.decode.decoded import DecodedFeatures, FeaturesInMemory, TrueFeatures
from fmri2image.features.convert.belongs import check_belongs
from fmri2image.features.extract import layer_attributes
from fmri2image.features.networks import build_network
from fmri2image.features.networks.base import Network
from fmri2image.reconstruct.batches import batches, most_images
from fmri2image.reconstruct.descent import DescentResult, descend
from fmri2image.reconstruct.generators import build_generator, read_bounds
from fmri2image.reconstruct.icnn_settings import IcnnSettings
from fmri2image.reconstruct.interface import Reconstructions, Work
from fmri2image.reconstruct.lbfgsb import LbfgsbResult, minimise
from fmri2image.reconstruct.matching import Matching
from fmri2image.reconstruct.snapshots import Snapshots
from fmri2image.reconstruct.unfinished import UnfinishedRows
from fmri2image.reconstruct.variables import Latents, Pixels, Variables, loss_scale

log = logging.getLogger(__name__)

Features = DecodedFeatures | TrueFeatures | FeaturesInMemory

SECONDS_BETWEEN_LINES = 10.0
FLOAT, DOUBLE = 4, 8
# Vectors of the size of one image that L-BFGS-B needs beside its memory of two per step, and those of the descent.
VECTORS = {"lbfgs": 20, "descent": 10}


def reconstruct(
    test: Features,
    state: None,
    settings: Mapping,
    device: torch.device,
    work: Work | None = None,
) -> Reconstructions:
    """Reconstruct all rows of decoded features.

    Parameters
    ----------
    test : DecodedFeatures, TrueFeatures or FeaturesInMemory
        Features per layer, norm-corrected.
    state : None
        `icnn` learns nothing.
    settings : mapping
        Fields of `IcnnSettings`.
    device : torch.device
    work : Work, optional
        With it, batches that are done outlive a kill.

    Returns
    -------
    Reconstructions
        Images at the network's input size, and relative losses (one for an image without features): of L-BFGS after every
        accepted step, of the descent before every update.
    """
    options, work = IcnnSettings.read(settings), work or Work()
    network = _frozen(build_network(dict(options.network)), device)
    for layer in options.layers:
        about = test.attributes(layer)
        if "network" in about:  # permuted refits carry none
            check_belongs(about, layer_attributes(network, layer), f"Layer {layer} of the features", "the network's")
    variables = _variables(options, network, device)
    done = UnfinishedRows(work.output, _fingerprint(options, network, device, work))
    keys: dict[str, str] = {}
    for row, key in done.load().items():
        if row in test.rows and key == done.key(row, [values[0] for values in _targets(test, options, [row]).values()]):
            keys[row] = key
    done.keep_only(list(keys), len(test.rows))
    left = [row for row in test.rows if row not in keys]

    def most() -> int:
        return _most(test, options, network, variables, device, work)

    with computing(options.precision, device):
        for rows, copies in batches(left, options.batch, most):
            targets = _targets(test, options, rows)
            keys |= {row: done.key(row, [values[i] for values in targets.values()]) for i, row in enumerate(rows)}
            where = f"images {len(keys) - len(rows) + 1} to {len(keys)} of {len(test.rows)}"
            found = _optimise(options, network, variables, targets, rows, copies, device, where)
            done.add({name: LabelledArray(values, rows) for name, values in found.items()}, keys)
    arrays = done.take(test.rows)
    return Reconstructions(arrays["images"], arrays["path"], arrays.get("snapshots"), options.snapshot_iterations)


def _optimise(
    options: IcnnSettings,
    network: Network,
    variables: Variables,
    targets: Mapping[str, np.ndarray],
    rows: Sequence[str],
    copies: int,
    device: torch.device,
    where: str,
) -> dict[str, np.ndarray]:
    """Optimise the images of one batch, filled up with copies of the last."""
    padded = [*rows, *[rows[-1]] * copies]
    place = [min(i, len(rows) - 1) for i in range(len(padded))]
    on_device = {layer: torch.as_tensor(values[place], device=device) for layer, values in targets.items()}
    objective = Matching(network, on_device, variables.images, options.precision, loss_scale(network))
    # SciPy's state is float64, the published descent's float32.
    kind = torch.float64 if options.optimiser == "lbfgs" else torch.float32
    start = torch.as_tensor(variables.start(options.start, padded, options.seed), dtype=kind, device=device)
    if options.optimiser == "lbfgs":
        start = torch.minimum(torch.maximum(start, variables.lower), variables.upper)
    with torch.no_grad():
        snapshots = Snapshots(options.snapshot_iterations, lambda x: variables.images(_computed(x, network)), len(rows))
        progress = _Progress(objective, options, where)
        if options.optimiser == "lbfgs":
            snapshots.see(torch.ones(len(start), dtype=torch.bool), start, torch.zeros(len(start), dtype=torch.long))

    def on_iteration(which: torch.Tensor, x: torch.Tensor, iteration: torch.Tensor) -> None:
        with torch.no_grad():
            snapshots.see(which, x, iteration)
        progress.see(iteration)

    result = _minimise(options, variables, objective, start, padded, on_iteration)
    with torch.no_grad():
        images = variables.images(_computed(result.x, network)).clamp(0, 1)
        snapshots.finish(result.x)
    path = (result.path.to(objective.total.device, torch.float64) / objective.total[:, None])[: len(rows)]
    progress.finish(result, path)
    found = {
        "images": images[: len(rows)].float().cpu().numpy(),
        "path": path.float().cpu().numpy(),
    }
    return {**found, "snapshots": snapshots.values} if options.snapshots else found


def _minimise(
    options: IcnnSettings,
    variables: Variables,
    objective: Matching,
    start: torch.Tensor,
    rows: Sequence[str],
    on_iteration: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], None],
) -> LbfgsbResult | DescentResult:
    common = {"lower": variables.lower, "upper": variables.upper, "on_iteration": on_iteration}
    if options.optimiser == "lbfgs":
        return minimise(objective, start, iterations=options.iterations, memory=options.memory, **common)
    seeds = [seed_for(options.seed, "icnn shifts", row) for row in rows]
    return descend(
        objective,
        start,
        settings=options.descent,
        iterations=options.iterations,
        shape=variables.shape,
        seeds=seeds,
        **common,
    )


class _Progress:
    """A line in the log now and then."""

    def __init__(self, objective: Matching, options: IcnnSettings, where: str) -> None:
        self._objective, self._iterations, self._where = objective, options.iterations, where
        self._started = self._said = time.monotonic()

    def see(self, iteration: torch.Tensor) -> None:
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said, loss = now, self._objective.last.nanmean()
            at = int(iteration.max())
            log.info("%s: iteration %d of %d, relative loss %.3f", self._where, at, self._iterations, float(loss))

    def finish(self, result: LbfgsbResult | DescentResult, path: torch.Tensor) -> None:
        passed = ""
        if isinstance(result, LbfgsbResult):
            mean = result.iterations[: len(path)].double().mean(), result.evaluations[: len(path)].double().mean()
            passed = ", {:.0f} iterations and {:.0f} evaluations an image".format(*(float(value) for value in mean))
        seconds = time.monotonic() - self._started
        loss = float(path[:, -1].mean())
        log.info("%s: done in %.1f s%s, relative loss %.3f", self._where, seconds, passed, loss)


def _variables(options: IcnnSettings, network: Network, device: torch.device) -> Variables:
    if options.generator is None:
        return Pixels(network.domain, device)
    generator = _frozen(build_generator(options.generator), device)
    bounds = options.generator.get("bounds")
    upper = None if bounds is None else torch.as_tensor(read_bounds(bounds, int(np.prod(generator.latent_shape))))
    return Latents(generator, upper, device)


def _frozen(module: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    return module.to(device).eval().requires_grad_(False)


def _computed(x: torch.Tensor, network: Network) -> torch.Tensor:
    """Return variables in the type of the network's own numbers."""
    return x.to(next(network.parameters()).dtype)


def _targets(test: Features, options: IcnnSettings, rows: Sequence[str]) -> dict[str, np.ndarray]:
    return {layer: np.ascontiguousarray(test.read(layer, rows), dtype=np.float32) for layer in options.layers}


def _most(
    test: Features,
    options: IcnnSettings,
    network: Network,
    variables: Variables,
    device: torch.device,
    work: Work,
) -> int:
    """Return how many images fit into memory, by trying one."""
    first = test.rows[:1]
    targets = {
        layer: torch.as_tensor(values, device=device) for layer, values in _targets(test, options, first).items()
    }
    objective = Matching(network, targets, variables.images, options.precision, loss_scale(network))
    x = torch.as_tensor(variables.start(options.start, first, options.seed), dtype=torch.float32, device=device)
    vectors = VECTORS[options.optimiser] + 2 * options.memory * (options.optimiser == "lbfgs")
    # Targets, the features beside them and the gradients sent back, then what the optimiser keeps.
    kept = 3 * sum(target.nbytes for target in targets.values()) + vectors * variables.count * DOUBLE
    kept += 3 * options.snapshots * network.domain.size**2 + 3 * FLOAT * network.domain.size**2
    modules = [network, *([variables.generator] if isinstance(variables, Latents) else [])]
    return most_images(lambda: objective(x), modules, kept, work.memory, device)


def _fingerprint(options: IcnnSettings, network: Network, device: torch.device, work: Work) -> dict:
    files = {key: _file_digest((options.generator or {}).get(key)) for key in ("weights", "bounds")}
    network_attributes = {key: str(value) for key, value in network.attributes.items()}
    settings = asdict(replace(options, network=dict(options.network)))
    return {
        "settings": settings,
        "network": network_attributes,
        "generator": files,
        "device": device.type,
        **work.fingerprint,
    }


def _file_digest(path: str | None) -> str:
    if path is None:
        return ""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()
