"""Direct pixel decoding against scikit-learn, and how methods are found."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fmri2image.core.arrays import LabelledArray
from fmri2image.core.errors import ConfigError, LabelMismatchError
from fmri2image.core.samples import Samples
from fmri2image.reconstruct import pixels
from fmri2image.reconstruct.interface import load_method, method_module

CPU = torch.device("cpu")


@pytest.mark.parametrize("standardise", [True, False])
def test_pixels_match_scikit_learn(standardise):
    rng = np.random.default_rng(0)
    names = ["c", "a", "d", "b", "a", "c", "b", "d"]
    data = (rng.standard_normal((8, 6)) * np.arange(1, 7) + 3).astype(np.float32)
    train = Samples(data, pd.DataFrame({"stimulus": names}), pd.DataFrame({"voxel_i": range(6)}))
    stimuli = LabelledArray(rng.random((4, 3, 8, 8)).astype(np.float32), ["a", "b", "c", "d"])
    test = LabelledArray(rng.standard_normal((2, 6)) * 3, ["x", "y"])
    settings = {"alpha": 2.0, "size": 4, "standardise": standardise}
    found = pixels.reconstruct(test, pixels.fit(train, stimuli, settings, CPU), settings, CPU)
    coarse = stimuli.values.reshape(4, 3, 4, 2, 4, 2).mean((3, 5))
    shown = np.stack([coarse["abcd".index(name)] for name in names]).reshape(8, -1)
    model = make_pipeline(StandardScaler() if standardise else "passthrough", Ridge(alpha=2.0)).fit(data, shown)
    assert found.images.rows == ["x", "y"]
    np.testing.assert_allclose(found.images.values, model.predict(test.values).reshape(2, 3, 4, 4), atol=1e-4)
    with pytest.raises(LabelMismatchError, match="names d"):
        pixels.fit(train, stimuli.take(["a", "b", "c"]), settings, CPU)


def test_methods_are_found_by_name():
    assert load_method("pixels") is pixels
    assert method_module("icnn") == "fmri2image.reconstruct.icnn"
    with pytest.raises(ConfigError, match="no reconstruction method 'magic'"):
        method_module("magic")
