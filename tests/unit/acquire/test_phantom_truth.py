"""The truth file's arrays: ceilings against simulated measurements, trials against the events."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from phantom_settings import DEMO

from fmri2image.acquire.phantom import events, noise, scanner, signal, truth
from fmri2image.acquire.phantom.spread import spread_weights
from fmri2image.samples.blocks import average_blocks

N_VOXELS = 150
PLAN = {"task": "perception", "cue": 0.0, "block": 8.0, "evaluation": 0.0, "rest": 0.0}


def settings_of(rhythms: float = 0.2) -> dict:
    settings = copy.deepcopy(DEMO)
    settings["noise"] |= {"cardiac": rhythms, "respiratory": rhythms, "drift": 0.0}
    settings["response"] = {"mean": 1.0, "deviation": 0.8, "trial_deviation": 0.5, "spread": 3.9}
    settings["stimulus_sets"] = {"train": {"images": 40, "repeats": 3}}
    return settings


def make_cortex(rng: np.random.Generator) -> SimpleNamespace:
    area = np.array(["V1d", "hV4", "FFA"])[np.arange(N_VOXELS) % 3]
    vessels = np.exp(rng.normal(0, 0.3, N_VOXELS))
    names = [f"{i}-0-0" for i in range(N_VOXELS)]
    # No voxel is near another.
    spread = spread_weights(np.arange(3.0 * N_VOXELS).reshape(-1, 3) * 100, 3.9)
    return SimpleNamespace(names=names, area=area, mean=1.0 * vessels, deviation=0.8 * vessels, spread=spread)


def body_noise(times: np.ndarray, settings: dict, rng: np.random.Generator) -> np.ndarray:
    """Noise of independent voxels in per cent, (n_volumes, n_voxels), each part drawn by itself."""
    thermal, physiological = noise.noise_levels(settings)
    shares = noise.physiological_shares(settings)
    persistence, n = settings["noise"]["autocorrelation"], len(times)
    smooth = rng.standard_normal((n, N_VOXELS))
    for volume in range(1, n):
        smooth[volume] = persistence * smooth[volume - 1] + np.sqrt(1 - persistence**2) * smooth[volume]
    field = np.sqrt(shares["autocorrelated"]) * smooth
    for name, rhythm in noise.RHYTHMS.items():
        series = [noise.rhythm_series(rhythm, times, rng) for _ in range(N_VOXELS)]
        field += np.sqrt(shares[name]) * np.stack(series, axis=1)
    return 100 * (thermal * rng.standard_normal((n, N_VOXELS)) + physiological * field)


def measured_ceiling(
    plan: dict, settings: dict, delay: float, seed: int = 0
) -> tuple[np.ndarray, SimpleNamespace, pd.DataFrame]:
    """Scan every image `repeats` times and correlate the mean block responses with the noise-free ones."""
    rng = np.random.default_rng(seed)
    cortex = make_cortex(rng)
    n_images, repeats = 40, settings["stimulus_sets"]["train"]["repeats"]
    names = [f"image-{number}" for number in range(n_images)]
    known = pd.DataFrame(rng.standard_normal((n_images, N_VOXELS)), index=names)
    found = pd.DataFrame(0.0, index=names, columns=known.columns)
    period = sum(plan[key] for key in ("cue", "block", "evaluation", "rest"))
    for _ in range(repeats):
        order = rng.permutation(names)
        blocks = pd.DataFrame({"onset": 32 + plan["cue"] + period * np.arange(n_images), "stimulus_name": order})
        blocks["duration"], blocks["kind"] = plan["block"], plan["task"]
        weights = events.block_weights(blocks, cortex.area, settings)
        if plan["task"] == "imagery":
            scores = rng.choice(np.arange(1, 6), p=events.VIVIDNESS, size=n_images)
            blocks["amplitude"] = scores / events.MEAN_VIVIDNESS
        n_volumes = int(blocks["onset"].iloc[-1] + 40) // 2
        times = np.arange(n_volumes) * 2.0 + scanner.mid_volume(settings)
        change, _ = signal.block_signal(blocks, known, cortex, times[:, None], settings, rng, weights)
        scan = 100 * change[:, 0] + body_noise(times, settings, rng)
        means, _ = average_blocks(scan, blocks["onset"], blocks["duration"], 2.0, shift_seconds=delay)
        found.loc[order] += means / repeats
    correlation = np.array([np.corrcoef(found[voxel], known[voxel])[0, 1] for voxel in known])
    return correlation, cortex, known


@pytest.mark.parametrize(
    ("plan", "rhythms"),
    [
        pytest.param(PLAN, 0.2, id="blocks without a gap"),
        pytest.param(PLAN | {"block": 12.0, "rest": 12.0}, 0.45, id="letters, mostly rhythms"),
        pytest.param({"task": "imagery", "cue": 4.0, "block": 8.0, "evaluation": 3.0, "rest": 1.0}, 0.2, id="imagery"),
    ],
)
def test_the_noise_ceiling_is_what_measured_blocks_reach(plan, rhythms):
    settings = settings_of(rhythms)
    _, delay = truth.window_gains(plan, settings)
    found, cortex, known = measured_ceiling(plan, settings, delay)
    runs = pd.DataFrame([plan | {"stimulus_set": "train"}])
    array = truth.truth_arrays(cortex, {"train": known}, runs, settings)["noise_ceiling_train"]
    assert array.rows == cortex.names
    assert array.attributes["delay_seconds"] == delay
    assert 0.1 < array.values.mean() < 0.95
    assert found.mean() == pytest.approx(array.values.mean(), abs=0.025)
    # Voxels that respond more have a higher ceiling, in the measurement as in the formula.
    assert np.corrcoef(found, array.values)[0, 1] > 0.5


def test_the_ceiling_rises_with_repeats_and_vanishes_without_signal():
    settings = settings_of()
    spread, trial = np.array([0.0, 0.8]), np.array([0.4, 0.4])
    once, delay = truth.noise_ceiling(spread, trial, PLAN, 1, settings)
    often, _ = truth.noise_ceiling(spread, trial, PLAN, 24, settings)
    assert once[0] == often[0] == 0
    assert 0.3 < once[1] < often[1] < 1
    # Noise variance falls as 1/n: 1/r² - 1 does, too.
    assert (1 / once[1] ** 2 - 1) / (1 / often[1] ** 2 - 1) == pytest.approx(24)
    # The haemodynamic delay of an 8-s block, in whole volumes.
    assert delay in (2.0, 4.0, 6.0)


def test_a_window_shows_more_of_its_block_than_of_its_neighbours():
    settings = settings_of()
    gains, _ = truth.window_gains(PLAN, settings)
    assert np.argmax(gains) == truth.NEIGHBOURS
    # Earlier blocks reach into the window and lower it by their undershoot; later ones have hardly begun.
    assert (gains[: truth.NEIGHBOURS - 1] <= 0).all()
    np.testing.assert_allclose(gains[truth.NEIGHBOURS + 2 :], 0, atol=1e-9)
    apart, _ = truth.window_gains(PLAN | {"rest": 24.0}, settings)
    assert np.abs(np.delete(apart, truth.NEIGHBOURS)).max() < 0.1 * apart[truth.NEIGHBOURS]
    # All blocks together are one endless block.
    assert gains.sum() == pytest.approx(1, abs=0.02)


def test_trials_are_named_as_the_blocks_of_the_run_without_repetitions_and_cues():
    order = ["initial_rest", "stimulus", "repetition", "stimulus", "stimulus", "repetition", "final_rest"]
    trials = np.arange(10.0).reshape(5, 2)
    array = truth.trial_array(pd.DataFrame({"event": order}), trials)
    assert array.rows == ["block-1", "block-3", "block-4"]
    np.testing.assert_array_equal(array.values, trials[[0, 2, 3]])
    assert array.values.dtype == np.float16
    order = ["initial_rest", "cue", "imagery", "evaluation", "cue", "imagery", "evaluation", "inter_rest"]
    array = truth.trial_array(pd.DataFrame({"event": order}), trials[:4])
    assert array.rows == ["block-1", "block-2"]
    np.testing.assert_array_equal(array.values, trials[[1, 3]])


def test_levels_and_areas_are_those_of_the_settings():
    settings = settings_of()
    rng = np.random.default_rng(0)
    cortex = make_cortex(rng)
    known = pd.DataFrame(rng.standard_normal((5, N_VOXELS)), index=list("abcde"))
    arrays = truth.truth_arrays(cortex, {"train": known}, pd.DataFrame([PLAN | {"stimulus_set": "train"}]), settings)
    level = dict(zip(arrays["level"].attributes["columns"].split(), arrays["level"].values.T, strict=True))
    np.testing.assert_array_equal(level["response_deviation"], cortex.deviation)
    np.testing.assert_allclose(level["trial_deviation"], 0.5 * cortex.deviation)
    np.testing.assert_allclose(np.hypot(level["volume_thermal"], level["volume_physiological"]), 100 / 80)
    scanner_noise = 100 * np.hypot(*noise.block_noise(settings, 4))
    np.testing.assert_allclose(level["block_noise"], np.hypot(level["trial_deviation"], scanner_noise))
    areas = arrays["area"].attributes["areas"].split()
    assert [areas[number] for number in arrays["area"].values] == list(cortex.area)
    np.testing.assert_allclose(arrays["response_train"].values, known.to_numpy().T, rtol=1e-6)
    assert arrays["stimulus_train"].rows == list("abcde")
