"""Seeds that come from the configuration and from what is computed, never from the clock."""

import hashlib

import numpy as np


def seed_for(base: int, *names: object) -> int:
    """Return a 32-bit seed that depends only on the configured seed and the names of what is computed.

    Parameters
    ----------
    base : int
        Seed of the configuration.
    names : str or int
        For example the subject, the session and the run.
    """
    text = "\x1f".join([str(base), *[str(name) for name in names]])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def generator_for(base: int, *names: object) -> np.random.Generator:
    """Return a NumPy random generator seeded by `seed_for`."""
    return np.random.default_rng(seed_for(base, *names))
