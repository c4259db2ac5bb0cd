"""Files behind small image figures: every picture has a colour of its own, and no two files list names in one order."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.tables import write_table

NAMES = ["c-cat", "a-dog", "b-bird", "d-fish"]
SIDE = 8
ITERATIONS = [1, 5, 20]


def colour(name: str, source: str) -> np.ndarray:
    """Return the colour (3,) in [0, 1] of the picture of a stimulus by what made it; it tells both apart."""
    generator = np.random.default_rng([ord(letter) for letter in f"{name}/{source}"])
    return (np.rint(generator.uniform(40, 215, 3)) / 255).astype(np.float32)


def flat(colours: list[np.ndarray], side: int = SIDE) -> np.ndarray:
    """Return images (n, 3, side, side) of one colour each."""
    return np.stack([np.broadcast_to(one[:, None, None], (3, side, side)) for one in colours]).astype(np.float32)


def write_stimuli(folder: Path, name: str = "test", stimuli: list[str] = NAMES, **attributes: str) -> str:
    """Write the stimuli of a set, 8-bit as the workflow keeps them."""
    path = folder / "stimuli" / f"{name}.h5"
    values = np.rint(255 * flat([colour(one, "seen") for one in stimuli])).astype(np.uint8).transpose(0, 2, 3, 1)
    write_arrays(path, {"images": LabelledArray(values, stimuli)}, {"simulated": True, **attributes})
    return str(path)


def write_images(
    folder: Path, method: str, source: str, test: str = "test", stimuli: list[str] = NAMES, transductive: bool = False
) -> str:
    """Write reconstructions, rows in an order of their own, with images along the way to them."""
    path = folder / "reconstruct" / method / f"{source}_{test}.h5"
    order = sorted(stimuli, key=lambda name: colour(name, f"{method}/{source}")[0])
    images = flat([colour(name, f"{method}/{source}") for name in order])
    steps = np.stack([images * share for share in np.linspace(0.2, 1.0, len(ITERATIONS))], axis=1)
    along = LabelledArray(np.rint(255 * steps).astype(np.uint8), order, {"snapshot_iterations": json.dumps(ITERATIONS)})
    write_arrays(path, {"images": LabelledArray(images, order), "snapshots": along}, {"transductive": transductive})
    return str(path)


def write_kinds(folder: Path, kinds: dict[str, str]) -> str:
    """Write the table of stimuli with their kinds."""
    path = folder / "stimuli" / "stimuli.tsv"
    write_table(path, pd.DataFrame({"stimulus": list(kinds), "stimulus_set": "test", "kind": list(kinds.values())}))
    return str(path)


def write_scores(folder: Path, method: str, source: str, values: dict[str, float], test: str = "test") -> str:
    """Write pixel identification of every stimulus, and another metric that must not matter."""
    path = folder / "evaluate" / f"{method}_{source}_{test}_scores.tsv"
    subject = source.split("_")[0].removeprefix("sub-")
    rows = [(subject, name, "pixel_identification", value) for name, value in values.items()]
    rows += [(subject, name, "ssim_identification", 1 - value) for name, value in values.items()]
    write_table(path, pd.DataFrame(rows, columns=["subject", "stimulus", "metric", "value"]))
    return str(path)


def settings(placing: str = "across", how: dict | None = None, parts: list[dict] | None = None) -> dict:
    """Return the settings of a figure of two subjects."""
    everyone, alone = [{"subject": "01"}, {"subject": "02"}], [{"method": "icnn", "roi": "VC"}]
    rows, columns = (alone, everyone) if placing == "across" else (everyone, alone)
    return {
        "figure": "fig2",
        "heading": "Fig. 2 · Images",
        "caption": "Fig. 2 of the paper.",
        "placing": placing,
        "parts": parts or [{"test": "test", "set": "test", "rows": rows, "columns": columns}],
        "choice": how or {"how": "all"},
        "simulated": True,
    }
