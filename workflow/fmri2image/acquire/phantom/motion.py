"""Head motion of the simulated subjects, as exact poses at any moment of a run.

A pose maps brain-space points to scanner points. It is made of the placement of the session, a jump before every run,
and within the run a slow wander with occasional small jumps.

Settings used, key ``motion``: ``between_sessions`` ([[least, most] mm, [least, most] degrees]), ``between_runs`` and
``within_run`` ([mm, degrees], typical standard deviations per axis, the latter over a run of about 8 minutes), ``jumps``
(expected number per run).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

# The wander forgets its past with a time constant of about 60 volumes.
PERSISTENCE = 0.984
# Within a run of some 240 volumes the wander shows about 1/1.3 of its long-run standard deviation.
WANDER_GAIN = 1.3


def session_offset(settings: Mapping, rng: np.random.Generator) -> np.ndarray:
    """Draw the placement of a session, six parameters (mm, radians), of lengths between the limits of the settings."""
    parameters = []
    for low, high in settings["motion"]["between_sessions"]:
        direction = rng.standard_normal(3)
        parameters.append(direction / np.linalg.norm(direction) * rng.uniform(low, high))
    return np.concatenate([parameters[0], np.deg2rad(parameters[1])])


def run_motion(
    n_volumes: int, settings: Mapping, rng: np.random.Generator, moments: Sequence[float] = (0.0,)
) -> np.ndarray:
    """Draw the motion of a run relative to the session's placement.

    The wander is drawn at the middle of every volume. Between the middles it is interpolated by monotone cubics, which
    are smooth and do not overshoot at a jump; a jump thus takes one repetition time.

    Parameters
    ----------
    n_volumes : int
    settings : mapping
    rng : Generator
    moments : sequence of float, from -1 to 1
        Moments of a volume at which the motion is wanted, counted from its middle, in repetition times.

    Returns
    -------
    motion : array of shape (n_volumes, n_moments, 6)
        mm and radians. The motion drawn does not depend on `moments`.
    """
    motion = settings["motion"]
    within = np.repeat([motion["within_run"][0], np.deg2rad(motion["within_run"][1])], 3)
    between = np.repeat([motion["between_runs"][0], np.deg2rad(motion["between_runs"][1])], 3)
    # One volume more at either end, so that the first and the last have neighbours.
    n_knots = n_volumes + 2
    steps = rng.standard_normal((n_knots, 6)) * np.sqrt(1 - PERSISTENCE**2)
    steps[0] = rng.standard_normal(6)
    wander = gaussian_filter1d(lfilter([1], [1, -PERSISTENCE], steps, axis=0), 1.5, axis=0, mode="nearest")
    jumps = (rng.random(n_knots) < motion["jumps"] / n_volumes)[:, None] * rng.standard_normal((n_knots, 6))
    # A jump decays because the head mostly settles back.
    jumps = lfilter([1], [1, -PERSISTENCE], jumps, axis=0)
    knots = between * rng.standard_normal(6) + within * (WANDER_GAIN * wander + jumps)
    times = np.arange(1, n_volumes + 1)[:, None] + np.asarray(moments, dtype=float)
    return PchipInterpolator(np.arange(n_knots), knots, axis=0)(times)
