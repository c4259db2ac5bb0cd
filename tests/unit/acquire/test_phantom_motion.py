"""Head motion of the simulated subjects."""

import numpy as np
from phantom_settings import DEMO

from fmri2image.acquire.phantom.motion import run_motion, session_offset


def test_session_offsets_have_the_lengths_of_the_settings():
    offsets = np.stack([session_offset(DEMO, np.random.default_rng(seed)) for seed in range(200)])
    millimetres = np.linalg.norm(offsets[:, :3], axis=1)
    degrees = np.rad2deg(np.linalg.norm(offsets[:, 3:], axis=1))
    assert 2 <= millimetres.min() < 2.2
    assert 3.8 < millimetres.max() <= 4
    assert 2 <= degrees.min() < 2.2
    assert 2.8 < degrees.max() <= 3
    assert np.abs(offsets.mean(0)[:3]).max() < 0.6


def test_motion_within_and_between_runs_has_the_size_of_the_settings():
    runs = np.stack([run_motion(239, DEMO, np.random.default_rng(seed))[:, 0] for seed in range(150)])
    runs[..., 3:] = np.rad2deg(runs[..., 3:])
    within = np.sqrt(runs.var(1).mean(0))
    np.testing.assert_allclose(within[:3], 0.3, rtol=0.2)
    np.testing.assert_allclose(within[3:], 0.2, rtol=0.2)
    between = runs[:, 0].std(0)
    assert (between[:3] > 0.45).all()
    assert (between[3:] > 0.3).all()
    # Slow: neighbouring volumes differ by far less than the run as a whole.
    steps = np.diff(runs, axis=1).std((0, 1))
    assert (steps < 0.3 * within).all()


def test_motion_between_volumes_joins_them_smoothly_and_without_overshoot():
    moments = np.linspace(-1, 1, 9)
    settings = DEMO | {"motion": DEMO["motion"] | {"jumps": 5.0}}
    motion = run_motion(100, settings, np.random.default_rng(4), moments)
    assert motion.shape == (100, 9, 6)
    # The moments asked for do not change what is drawn.
    np.testing.assert_allclose(motion[:, 4], run_motion(100, settings, np.random.default_rng(4))[:, 0], atol=1e-12)
    # A whole repetition time after one volume's middle is the next one's.
    np.testing.assert_allclose(motion[:-1, 8], motion[1:, 4], atol=1e-12)
    low, high = np.minimum(motion[:, 4], motion[:, 8]), np.maximum(motion[:, 4], motion[:, 8])
    for later in range(5, 8):
        assert (motion[:, later] >= low - 1e-12).all()
        assert (motion[:, later] <= high + 1e-12).all()
    # The head moves within the first and the last volume, too.
    assert (np.abs(motion[[0, -1]][:, 8] - motion[[0, -1]][:, 4]).max(1) > 1e-5).all()
    assert (np.abs(motion[[0, -1]][:, 4] - motion[[0, -1]][:, 0]).max(1) > 1e-5).all()
