"""Seeds: a function of the configured seed and the names, and of nothing else."""

import hashlib

import numpy as np

from fmri2image.core.seeds import generator_for, seed_for


def test_seed_is_fixed_by_its_names():
    expected = int(hashlib.sha256(b"7\x1fsub-01\x1f2").hexdigest()[:8], 16)
    assert seed_for(7, "sub-01", 2) == seed_for(7, "sub-01", "2") == expected


def test_different_names_give_different_seeds():
    seeds = [
        seed_for(1),
        seed_for(2),
        seed_for(1, "a"),
        seed_for(1, "b"),
        seed_for(1, "a", "b"),
        seed_for(1, "b", "a"),
        seed_for(1, "ab"),
        seed_for(1, "a", 12),
        seed_for(1, "a1", 2),
    ]
    assert len(set(seeds)) == len(seeds)


def test_generators_are_independent_of_each_other():
    first, again, other = generator_for(3, "run", 1), generator_for(3, "run", 1), generator_for(3, "run", 2)
    draws = first.standard_normal(2000)
    np.testing.assert_array_equal(draws, again.standard_normal(2000))
    assert abs(np.corrcoef(draws, other.standard_normal(2000))[0, 1]) < 0.1
