"""True features read from their files as decoded ones are."""

import numpy as np
import pytest

from fmri2image.core.arrays import LabelledArray, write_arrays
from fmri2image.core.errors import LabelMismatchError
from fmri2image.decode.decoded import FeaturesInMemory, TrueFeatures

ROWS = ["swan", "goat", "leopard"]


def files(folder, rows_of_second=ROWS):
    rng = np.random.default_rng(0)
    arrays = {
        "conv1_1": LabelledArray(rng.random((3, 2, 4, 4), dtype=np.float32), ROWS, {"network": "vgg-small"}),
        "fc8": LabelledArray(rng.random((3, 5), dtype=np.float32), rows_of_second, {"network": "vgg-small"}),
    }
    for layer, array in arrays.items():
        write_arrays(folder / f"{layer}.h5", {"features": array}, {})
    return arrays, {layer: folder / f"{layer}.h5" for layer in arrays}


def test_files_give_what_arrays_in_memory_give(tmp_path):
    arrays, paths = files(tmp_path)
    stored, held = TrueFeatures(paths), FeaturesInMemory(arrays)
    assert (stored.rows, stored.layers) == (held.rows, held.layers)
    for layer in arrays:
        np.testing.assert_array_equal(stored.read(layer), held.read(layer))
        np.testing.assert_array_equal(stored.read(layer, ["leopard", "swan"]), held.read(layer, ["leopard", "swan"]))
        assert stored.attributes(layer)["network"] == held.attributes(layer)["network"] == "vgg-small"


def test_layers_of_other_stimuli_are_refused(tmp_path):
    _, paths = files(tmp_path, ["swan", "leopard", "goat"])
    with pytest.raises(LabelMismatchError, match=r"fc8\.h5: the stimuli differ"):
        TrueFeatures(paths)
