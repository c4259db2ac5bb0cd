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
    runs = np.stack([run_motion(239, DEMO, np.random.default_rng(seed)) for seed in range(150)])
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
