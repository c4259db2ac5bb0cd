"""From blocks to signal changes against independent convolution."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from nilearn.glm.first_level import spm_hrf
from phantom_settings import DEMO

from fmri2image.acquire.phantom import signal
from fmri2image.acquire.phantom.spread import spread_weights

NO_DEVIATION = DEMO | {"response": {"mean": 1.0, "deviation": 1.0, "trial_deviation": 0.0, "spread": 3.9}}


@pytest.fixture
def cortex():
    alone = spread_weights(np.zeros((3, 3)) + 100 * np.arange(3)[:, None], 3.9)
    return SimpleNamespace(mean=np.array([1.0, 2.0, 3.0]), deviation=np.array([0.5, 1.0, 0.0]), spread=alone)


@pytest.fixture
def blocks():
    return pd.DataFrame({"onset": [6.0, 14.0, 50.0], "duration": [8.0, 8.0, 12.0], "stimulus_name": ["b", "a", "b"]})


KNOWN = pd.DataFrame([[1.0, -1.0, 0.0], [0.5, 2.0, 1.0]], index=["a", "b"])


def test_block_design_is_the_convolution_of_boxes_with_the_canonical_response(blocks):
    step, n_volumes = 0.1, 60
    times = np.arange(n_volumes)[:, None] * 2.0 + [0.0, 0.4, 1.2]
    design = signal.block_design(blocks["onset"].to_numpy(), blocks["duration"].to_numpy(), times)
    assert design.shape == (n_volumes, 3, 3)
    fine = np.arange(int(n_volumes * 2 / step)) * step
    hrf = spm_hrf(step, oversampling=1)
    for number, block in enumerate(blocks.itertuples()):
        box = (fine > block.onset - 1e-6) & (fine < block.onset + block.duration - 1e-6)
        expected = np.convolve(box, hrf)[: len(fine)] / hrf.sum()
        # The sampled box lags by one step at most.
        np.testing.assert_allclose(design[..., number], expected[np.round(times / step).astype(int)], atol=0.03)
    endless = signal.block_design(np.array([0.0]), np.array([200.0]), np.array([98.0]))
    assert endless[0, 0] == pytest.approx(1)


def test_signal_is_the_sum_of_the_blocks_with_mean_and_selective_part(cortex, blocks):
    times = np.arange(60)[:, None] * 2.0 + [0.0, 1.0]
    change, trials = signal.block_signal(blocks, KNOWN, cortex, times, NO_DEVIATION, np.random.default_rng(0))
    assert change.dtype == trials.dtype == np.float32
    assert change.shape == (60, 2, 3)
    # Per cent, joined by the stimulus' name: b, a, b.
    np.testing.assert_allclose(trials, [[1.25, 4, 3], [1.5, 1, 3], [1.25, 4, 3]])
    design = signal.block_design(blocks["onset"].to_numpy(), blocks["duration"].to_numpy(), times)
    expected = sum(design[..., block, None] * trials[block] / 100 for block in range(3))
    np.testing.assert_allclose(change, expected, atol=1e-7)


def test_amplitude_and_weights_scale_the_whole_response(cortex, blocks):
    times = np.arange(60)[:, None] * 2.0
    settings = DEMO | {"response": NO_DEVIATION["response"] | {"trial_deviation": 0.5}}
    _, full = signal.block_signal(blocks, KNOWN, cortex, times, settings, np.random.default_rng(0))
    amplitude, weights = np.array([1.0, 0.5, 1.5]), np.array([[1.0, 0.2, 0.0], [1, 1, 1], [0, 1, 1]])
    weaker = blocks.assign(amplitude=amplitude)
    change, trials = signal.block_signal(weaker, KNOWN, cortex, times, settings, np.random.default_rng(0), weights)
    np.testing.assert_allclose(trials, full * amplitude[:, None] * weights, rtol=1e-5)
    # The third block does not drive the first voxel: the second block's response is over by then.
    np.testing.assert_allclose(change[27:, 0, 0], 0, atol=1e-5)
    assert change[27:, 0, 1].max() > 0.01


def test_trials_deviate_in_units_of_the_deviation(cortex, blocks):
    draws = signal.trial_deviations(4000, cortex, DEMO, np.random.default_rng(1))
    assert draws.shape == (4000, 3)
    np.testing.assert_allclose(draws.std(0), 0.5, rtol=0.05)
    many = pd.DataFrame({"onset": np.zeros(4000), "duration": 8.0, "stimulus_name": "a"})
    _, trials = signal.block_signal(many, KNOWN, cortex, np.zeros((1, 1)), DEMO, np.random.default_rng(1))
    np.testing.assert_allclose(trials.std(0), 0.5 * cortex.deviation, rtol=0.05)
