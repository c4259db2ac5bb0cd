"""Golden outputs: what every layer gives for one fixed input, so that a loaded network can be told to be the right one.

The input is made of whole numbers only, so that every machine and program makes the same one: a picture with structure at
all scales and edges, roughly as contrasty as photographs, or for a generator numbers between 0 and 3.
"""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from fmri2image.core.errors import DataError
from fmri2image.features.convert.steps import run
from fmri2image.features.convert.tables import Table
from fmri2image.features.networks.base import ImageDomain

log = logging.getLogger(__name__)

SIDE = 256
SEED = 20190114  # the day Deep Image Reconstruction appeared in PLOS Computational Biology
FIRST = 8
TOLERANCE = 1e-3  # of the layer's SD: processors and thread counts differ by some 1e-5
LATENT_STEPS = 3000  # thousandths: from 0 to 3, where the bounds of decoded fc7 features lie


def random_numbers(count: int, seed: int) -> np.ndarray:
    """Return `count` numbers from 0 to 2³²−1, uint64: splitmix64's finaliser on the positions (Steele et al. 2014)."""
    with np.errstate(over="ignore"):
        x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (x ^ (x >> np.uint64(31))) >> np.uint64(32)


def golden_image(size: int) -> np.ndarray:
    """Return the fixed picture.

    Parameters
    ----------
    size : int
        Pixels per side, at most 256; the middle of the picture is cut out.

    Returns
    -------
    image : uint8 array of shape (size, size, 3), red first
    """
    total = np.zeros((SIDE, SIDE, 3), dtype=np.int64)
    for octave in range(1, 8):  # cells of 128 … 2 pixels, each octave half as strong as the one before
        cells = 2**octave
        width = SIDE // cells
        knots = (
            random_numbers((cells + 1) ** 2 * 4, SEED + octave).astype(np.int64).reshape(cells + 1, cells + 1, 4) >> 20
        )
        grey, colour = knots[..., :1] - 2048, (knots[..., 1:] - 2048) // 3
        total += _spread(grey + colour, width) >> octave
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = ((rows - 150) ** 2 + (columns - 96) ** 2 < 52**2).astype(np.int64)  # a disc, a bar, and stripes
    total += inside[..., None] * np.array([900, -500, -800])
    total += ((np.abs(columns - 178) < 17) & (rows > 40)).astype(np.int64)[..., None] * np.array([-700, 300, 900])
    total += ((rows < 72) & (columns < 130)).astype(np.int64)[..., None] * (((columns // 6) % 2) * 1200 - 600)[
        ..., None
    ]
    start = (SIDE - size) // 2
    picture = np.clip(118 + total * 9 // 100, 0, 255).astype(np.uint8)
    return picture[start : start + size, start : start + size]


def _spread(knots: np.ndarray, width: int) -> np.ndarray:
    """Interpolate linearly between knots `width` pixels apart, in whole numbers."""
    right = np.arange(width)[None, None, :, None]
    rows = (knots[:, :-1, None] * (width - right) + knots[:, 1:, None] * right).reshape(len(knots), SIDE, -1)
    below = np.arange(width)[None, :, None, None]
    both = rows[:-1, None] * (width - below) + rows[1:, None] * below
    return both.reshape(SIDE, SIDE, -1) // width**2


def golden_input(table: Table) -> torch.Tensor:
    """Return the fixed input of a network, shape (1, ...): the picture in the network's own domain, or a latent."""
    if table.layer:
        count = int(np.prod(table.input_shape))
        values = random_numbers(count, SEED) % np.uint64(LATENT_STEPS + 1)
        return torch.tensor(values.astype(np.float64) / 1000, dtype=torch.float32).reshape(1, *table.input_shape)
    domain = domain_of(table)
    return domain.from_rgb(golden_rgb(domain.size))


def golden_rgb(size: int) -> torch.Tensor:
    """Return the fixed picture as the library's networks take it: RGB in [0, 1], shape (1, 3, size, size)."""
    return torch.tensor(golden_image(size), dtype=torch.float32).permute(2, 0, 1)[None] / 255


def domain_of(table: Table) -> ImageDomain:
    """Return the image domain of a network."""
    configuration = table.configuration
    return ImageDomain(
        configuration["size"], configuration["channels"], tuple(configuration["mean"]), configuration["maximum"]
    )


def golden_outputs(table: Table, array: Callable[[str], torch.Tensor]) -> dict[str, dict]:
    """Return mean, SD and first values of every layer for the fixed input, computed step by step from the table.

    Parameters
    ----------
    table : Table
        With steps.
    array : callable
        See `steps.run`.

    Returns
    -------
    outputs : dict from layer to dict
        ``mean``, ``sd`` (over all units), ``channel_sd`` (mean over channels of the SD over positions; over units where
        there are no positions), ``first`` (8 values in the order channel, row, column), ``shape``.
    """
    return {layer: describe(values[0]) for layer, values in run(table.steps, array, golden_input(table))}


def describe(values: torch.Tensor) -> dict:
    """Return what is kept of one layer's activations, a tensor of shape (channels, height, width) or (units,)."""
    exact = values.detach().to("cpu", torch.float64)
    spatial = exact.flatten(1).std(dim=1, correction=0).mean() if exact.ndim > 1 else exact.std(correction=0)
    return {
        "mean": float(exact.mean()),
        "sd": float(exact.std(correction=0)),
        "channel_sd": float(spatial),
        "first": [float(value) for value in exact.flatten()[:FIRST]],
        "shape": list(values.shape),
    }


def compare(found: Mapping[str, Mapping], golden: Mapping[str, Mapping], tolerance: float, what: str) -> float:
    """Return the largest deviation from golden outputs, in SD of the layer.

    Parameters
    ----------
    found, golden : mapping from layer to the fields of `describe`
        `golden` may name fewer layers, and ``mean``, ``sd`` or ``first`` may be absent from it.
    tolerance : float
        Largest deviation, in SD of the golden layer.
    what : str
        For messages.

    Raises
    ------
    DataError
        If a layer deviates more, or is not there.
    """
    worst = 0.0
    for layer, expected in golden.items():
        if layer not in found:
            raise DataError(f"{what}: the golden outputs name a layer '{layer}'; the network has {', '.join(found)}.")
        got = found[layer]
        if "shape" in expected and list(expected["shape"]) != got["shape"]:
            raise DataError(
                f"{what}: layer '{layer}' has the shape {got['shape']}, but in the golden outputs {expected['shape']}."
            )
        scale = float(expected.get("sd", got["sd"])) or 1.0
        pairs = [(got[key], expected[key]) for key in ("mean", "sd") if key in expected]
        pairs += list(zip(got["first"], expected.get("first", []), strict=False))
        deviation = max((abs(mine - theirs) / scale for mine, theirs in pairs), default=0.0)
        if not deviation <= tolerance:  # also when it is not a number
            raise DataError(
                f"{what}: layer '{layer}' gives mean {got['mean']:.6g}, SD {got['sd']:.6g}, first value "
                f"{got['first'][0]:.6g} for the fixed input, but the golden outputs say "
                f"{', '.join(f'{key} {_short(expected[key])}' for key in ('mean', 'sd', 'first') if key in expected)}."
            )
        worst = max(worst, deviation)
    return worst


def read_goldens(path: str | Path) -> dict:
    """Read golden outputs of another program.

    Returns
    -------
    goldens : dict
        ``tool`` (str), ``tolerance`` (SD of the layer) and ``layers`` (see `describe`).

    Raises
    ------
    DataError
        If the file is no JSON of that form.
    """
    try:
        goldens = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as golden outputs in JSON ({error}).") from error
    layers = goldens.get("layers") if isinstance(goldens, dict) else None
    known = {"mean", "sd", "first", "shape", "channel_sd"}
    if (
        not isinstance(layers, dict)
        or not layers
        or not all(
            isinstance(layer, dict) and set(layer) <= known and {"mean", "sd", "first"} & set(layer)
            for layer in layers.values()
        )
    ):
        raise DataError(
            f"{path} holds no golden outputs: it needs 'layers' with mean, sd or first of each, and may have 'tool' and "
            "'tolerance'."
        )
    return {
        "tool": str(goldens.get("tool", "unknown")),
        "tolerance": float(goldens.get("tolerance", TOLERANCE)),
        "layers": layers,
    }


def _short(value: float | list[float]) -> str:
    return f"{value[0] if isinstance(value, list) else value:.6g}"
