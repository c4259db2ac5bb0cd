"""A training that is tiny in every direction, for tests of method end2end."""

import numpy as np
import pandas as pd

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.samples import Samples

NETWORK = {"name": "vgg-small", "size": 64, "widths": [2, 2, 3, 3, 4], "units": [5, 4, 3], "seed": 4}
OPTIONS = {
    "architecture": "small", "comparator": {"network": NETWORK, "layer": "conv3_2"}, "steps": 7, "batch": 4,
    "learning_rate": 1e-3, "image_weight": 2.5e-5, "feature_weight": 1e-4, "adversarial_weight": 100, "padding": 6,
    "snapshots": 3, "checkpoint_every": 2, "seed": 11,
}  # fmt: skip


def paired(n_images: int = 6, n_repeats: int = 2, n_voxels: int = 9) -> tuple[Samples, LabelledArray]:
    """Return trials that tell their image, in scanner units, and the images."""
    rng = np.random.default_rng(3)
    names = [f"image{i}" for i in range(n_images)]
    images = rng.random((n_images, 3, 8, 8), dtype=np.float32).repeat(8, axis=2).repeat(8, axis=3)
    code = rng.standard_normal((n_images, n_voxels))
    shown = np.tile(np.arange(n_images), n_repeats)
    data = 100 + 5 * (code[shown] + 0.1 * rng.standard_normal((len(shown), n_voxels)))
    trials = pd.DataFrame({"stimulus": [names[i] for i in shown], "stimulus_set": "train"})
    voxels = pd.DataFrame({"voxel_i": range(n_voxels)})
    # The images lie in another order than the trials: joins are by name.
    order = rng.permutation(n_images)
    return Samples(data.astype(np.float32), trials, voxels), LabelledArray(images[order], [names[i] for i in order])
