"""A small made-up study for tests of decoding: trials, tests, and feature files whose rows lie in another order."""

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.samples import Samples

SHAPE = (5, 2, 3)
TESTS = {
    "shapes": {"training": "train", "stimuli": "shapes", "rows": "stimulus"},
    "trials": {"training": "train", "stimuli": "shapes", "rows": "trial"},
    "cv": {"leave_out": "run", "stimuli": "shapes", "rows": "trial"},
}


def make_samples() -> Samples:
    """Ten training images, four shapes in two runs, six voxels."""
    rng = np.random.default_rng(0)
    names = [f"t{i}" for i in range(10)] + ["a", "b", "c", "d", "d", "c", "b", "a"]
    trials = pd.DataFrame(
        {
            "stimulus": names,
            "stimulus_set": ["train"] * 10 + ["shapes"] * 8,
            "session": "one",
            "run": [1] * 14 + [2] * 4,
            "block": [*range(10), *range(8)],
        }
    )
    voxels = pd.DataFrame({"voxel_i": range(6), "voxel_j": 2, "voxel_k": [0, 0, 0, 1, 1, 1]})
    return Samples(rng.standard_normal((18, 6)).astype(np.float32), trials, voxels)


def make_features(shape: tuple[int, ...] = SHAPE) -> dict[str, LabelledArray]:
    """True features of the training images, the shapes, and seven other images."""
    rng = np.random.default_rng(1)
    rows = {"train": [f"t{i}" for i in range(9, -1, -1)], "shapes": list("cadb"), "natural": list("nopqrst")}
    return {
        name: LabelledArray((rng.standard_normal((len(rows[name]), *shape)) * size).astype("f4"), rows[name])
        for size, name in enumerate(rows, start=1)
    }


def write_features(folder, features: dict[str, LabelledArray]) -> dict:
    """Write features and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.h5" for name in features}
    for name, array in features.items():
        write_arrays(paths[name], {"features": array})
    return paths
