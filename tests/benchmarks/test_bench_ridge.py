"""Speed of the ridge decoder beside a loop over scikit-learn; `make bench` prints it."""

import time

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from fmri2image.decode.ridge import RidgeDecoder, RidgeSettings

N_TRIALS, N_VOXELS, N_TEST, N_UNITS, N_SELECTED, ALPHA = 400, 1200, 50, 512, 100, 100.0


def loop_over_units(x: np.ndarray, y: np.ndarray, x_test: np.ndarray) -> np.ndarray:
    """One Ridge per unit on its own voxels, as a straightforward script has it."""
    mean, scale = x.mean(0), x.std(0, ddof=1)
    z, z_test = (x - mean) / scale, (x_test - mean) / scale
    y_mean, y_scale = y.mean(0), y.std(0, ddof=1)
    target = (y - y_mean) / y_scale
    decoded = np.empty((len(x_test), y.shape[1]))
    for unit in range(y.shape[1]):
        chosen = np.argsort(-np.abs(z.T @ target[:, unit]))[:N_SELECTED]
        decoded[:, unit] = Ridge(alpha=ALPHA).fit(z[:, chosen], target[:, unit]).predict(z_test[:, chosen])
    return decoded * y_scale + y_mean


@pytest.mark.slow
def test_bench_ridge(capsys):
    rng = np.random.default_rng(0)
    latent, latent_test = rng.standard_normal((N_TRIALS, 40)), rng.standard_normal((N_TEST, 40))
    to_voxels, to_units = rng.standard_normal((40, N_VOXELS)), rng.standard_normal((40, N_UNITS))
    x = latent @ to_voxels + 5 * rng.standard_normal((N_TRIALS, N_VOXELS))
    x_test = latent_test @ to_voxels + 5 * rng.standard_normal((N_TEST, N_VOXELS))
    y = latent @ to_units
    decoder = RidgeDecoder(x, np.arange(N_TRIALS), RidgeSettings(ALPHA, N_SELECTED), torch.device("cpu"))
    decoder.predict(y[:, :64], [x_test])  # warm up

    started = time.perf_counter()
    decoder = RidgeDecoder(x, np.arange(N_TRIALS), RidgeSettings(ALPHA, N_SELECTED), torch.device("cpu"))
    ours = decoder.predict(y, [x_test])[0]
    middle = time.perf_counter()
    reference = loop_over_units(x, y, x_test)
    ended = time.perf_counter()

    speed, reference_speed = N_UNITS / (middle - started), N_UNITS / (ended - middle)
    with capsys.disabled():
        print(
            f"\nridge, {N_SELECTED} of {N_VOXELS} voxels, {N_TRIALS} trials, {torch.get_num_threads()} threads: "
            f"{speed:.0f} units/s; loop of scikit-learn: {reference_speed:.0f} units/s; ratio {speed / reference_speed:.1f}"
        )
    # Single precision may order two nearly equal correlations differently, hence a tolerance for the rare unit.
    difference = np.abs(ours - reference) / reference.std(0)
    assert np.quantile(difference, 0.99) < 1e-3
    assert difference.max() < 0.1
