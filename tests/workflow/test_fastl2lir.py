"""Our ridge predicts what PyFastL2LiR predicts; it needs an old numpy and lives in an environment of its own.

Differences are relative: the largest absolute difference of a unit's predictions over the SD of its predictions.
"""

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import torch

from fmri2image.decode.decoders import Context, fit_decoder
from fmri2image.decode.standardise import Standardisation
from fmri2image.decode.training import Training

PACKAGES = ("numpy==1.26.4", "fastl2lir==0.11")
ALPHA = 100.0
LIMIT = {"float64": 1e-5, "float32": 1e-3}
# Scaled as the lab's scripts do: voxels over trials, units over unique images, ddof 1, what is not finite becomes zero.
FIT = """
import sys
import numpy as np
from fastl2lir import FastL2LiR

folder, k, precision, alpha = sys.argv[1], int(sys.argv[2]), np.dtype(sys.argv[3]).type, float(sys.argv[4])
data = np.load(folder + "/data.npz")
x, y, test = data["responses"], data["features"], data["test"]
with np.errstate(all="ignore"):
    x_mean, x_sd = x.mean(0), x.std(0, ddof=1)
    y_mean, y_sd = y.mean(0), y.std(0, ddof=1)
    x, test, z = (x - x_mean) / x_sd, (test - x_mean) / x_sd, (y - y_mean) / y_sd
for array in (x, test, z):
    array[~np.isfinite(array)] = 0
model = FastL2LiR()
model.fit(x.astype(precision), z[data["index"]].astype(precision), alpha=alpha, n_feat=k, dtype=precision)
np.save(folder + "/predicted.npy", model.predict(test.astype(precision), dtype=precision) * y_sd + y_mean)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (3, 9) <= sys.version_info[:2] <= (3, 12), reason="numpy 1.26 needs Python 3.9 to 3.12"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Make an environment with fastl2lir and return its Python."""
    folder = tmp_path_factory.mktemp("fastl2lir")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{PACKAGES[1]} cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


def awkward(name):
    rng = np.random.default_rng(3)
    n_stimuli, n_voxels = (40, 400) if name == "more voxels than trials" else (120, 90)
    repeats = np.full(n_stimuli, 1 if name == "one trial per stimulus" else 3)
    if name == "unequal repeats":
        repeats = rng.integers(1, 6, n_stimuli)
    index = rng.permutation(np.repeat(np.arange(n_stimuli), repeats))
    latent = rng.standard_normal((n_stimuli, 8))
    features = latent @ rng.standard_normal((8, 30)) + rng.standard_normal((n_stimuli, 30)) + 4
    if name == "units behind a ReLU":
        features = np.maximum(features - 5, 0)
    to_voxels = rng.standard_normal((8, n_voxels))
    responses = latent[index] @ to_voxels + 4 * rng.standard_normal((len(index), n_voxels)) + 100
    test = rng.standard_normal((25, 8)) @ to_voxels + 4 * rng.standard_normal((25, n_voxels)) + 100
    if name == "constant voxels":
        responses[:, [0, 40, 89]] = [3.0, 0.0, -7.0]
    if name == "collinear voxels":
        for copy, original, scale in [(50, 4, 1.0), (2, 9, -2.0), (71, 60, 0.1)]:
            responses[:, copy], test[:, copy] = responses[:, original] * scale, test[:, original] * scale
    return responses, index, features, test


@pytest.mark.parametrize("precision", LIMIT)
@pytest.mark.parametrize("k", [20, 80, 500])
@pytest.mark.parametrize("name", [
    "ordinary", "more voxels than trials", "one trial per stimulus", "unequal repeats", "units behind a ReLU",
    "constant voxels", "collinear voxels",
])  # fmt: skip
def test_predictions_are_those_of_fastl2lir(python, tmp_path, name, k, precision):
    responses, index, features, test = awkward(name)
    np.savez(tmp_path / "data.npz", responses=responses, index=index, features=features, test=test)
    command = [python, "-c", FIT, tmp_path, str(k), precision, str(ALPHA)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    expected = np.load(tmp_path / "predicted.npy").astype(float)
    training = Training(responses, index, Standardisation(), torch.device("cpu"), precision)
    settings = {"decoder": "ridge", "alpha": ALPHA, "n_voxels": k, "intercept": "penalised"}
    found = fit_decoder(training, settings, Context()).predict(features, [test]).values[0]
    assert np.isfinite(expected).all()
    assert (np.abs(found - expected).max(axis=0) / expected.std(axis=0)).max() < LIMIT[precision]
